//! Behind proxies: which client a request is from, and whether it came over TLS.

use reqwest::header::SET_COOKIE;
use serde_json::json;

use crate::support::server::{AUTH_TOKEN, HOST, TestServer};

async fn behind(proxies: &str) -> TestServer {
    let own =
        [("HOST", HOST), ("TWILIO_AUTH_TOKEN", AUTH_TOKEN), ("PHONY_TRUSTED_PROXIES", proxies)];
    TestServer::with(&own).await
}

/// A log-in with this token through a proxy that forwards these addresses.
async fn login(server: &TestServer, token: &str, forwarded: &[&str]) -> u16 {
    let mut request = server.http.post(server.url("/login")).json(&json!({ "token": token }));
    for forwarded in forwarded {
        request = request.header("x-forwarded-for", *forwarded);
    }
    request.send().await.unwrap().status().as_u16()
}

/// Guesses until it is refused for a while.
async fn guess_from(server: &TestServer, forwarded: &[&str]) {
    for _ in 0..60 {
        if login(server, "guess", forwarded).await == 429 {
            return;
        }
    }
    panic!("nothing slows it down");
}

#[tokio::test]
async fn who_guesses_locks_nobody_else_out() {
    let server = behind("10.0.0.0/8, 127.0.0.1").await;
    let token = TestServer::token();
    guess_from(&server, &["203.0.113.7"]).await;
    for same in [
        &["203.0.113.7"][..],
        &["203.0.113.7:4711"],
        &["::ffff:203.0.113.7"],
        &["198.51.100.1, 203.0.113.7"],
        &["203.0.113.7, 10.1.2.3"],
        &["203.0.113.7", "10.1.2.3, 10.9.9.9"],
    ] {
        assert_eq!(login(&server, &token, same).await, 429, "{same:?}");
    }
    for other in [&["203.0.113.8"][..], &["203.0.113.7, 203.0.113.8"], &["2001:db8::7"], &[]] {
        assert_eq!(login(&server, &token, other).await, 200, "{other:?}");
    }
}

#[tokio::test]
async fn a_network_of_ipv6_is_one_client() {
    let server = behind("127.0.0.1").await;
    guess_from(&server, &["2001:db8:1:2::3"]).await;
    let token = TestServer::token();
    for same in ["2001:db8:1:2::4", "2001:db8:1:2:ffff:ffff:ffff:ffff", "[2001:db8:1:2::9]:443"] {
        assert_eq!(login(&server, &token, &[same]).await, 429, "{same}");
    }
    for other in ["2001:db8:1:3::3", "2001:db8:2:2::3"] {
        assert_eq!(login(&server, &token, &[other]).await, 200, "{other}");
    }
}

#[tokio::test]
async fn what_nobody_vouches_for_is_ignored() {
    for proxies in ["", "10.0.0.0/8", "127.0.0.2"] {
        let server = behind(proxies).await;
        let mut refused = 0;
        for client in 1..=60 {
            let forwarded = format!("203.0.113.{client}");
            refused += u32::from(login(&server, "guess", &[&forwarded]).await == 429);
        }
        assert!(refused > 20, "each guess counted as another's: {proxies:?}");
    }
    // A request that a proxy forwards without an address counts as the proxy's own.
    let server = behind("127.0.0.1").await;
    guess_from(&server, &["203.0.113.7, unknown"]).await;
    assert_eq!(login(&server, &TestServer::token(), &["203.0.113.9, unknown"]).await, 429);
    assert_eq!(login(&server, &TestServer::token(), &["203.0.113.7"]).await, 200);
}

#[tokio::test]
async fn requests_are_counted_by_client_too() {
    let own = [
        ("HOST", HOST),
        ("TWILIO_AUTH_TOKEN", AUTH_TOKEN),
        ("PHONY_TRUSTED_PROXIES", "127.0.0.1"),
        ("PHONY_API_RATE", "5"),
    ];
    let server = TestServer::with(&own).await;
    let ask = async |client: &str| {
        let request = server.http.get(server.url("/calls")).header("x-forwarded-for", client);
        request.send().await.unwrap().status().as_u16()
    };
    for _ in 0..5 {
        assert_eq!(ask("203.0.113.7").await, 401);
    }
    assert_eq!(ask("203.0.113.7").await, 429);
    assert_eq!(ask("203.0.113.8").await, 401);
}

#[tokio::test]
async fn a_cookie_is_for_tls_where_the_request_came_over_it() {
    let secure = async |server: &TestServer, headers: &[(&str, &str)]| {
        let body = json!({ "token": TestServer::token() });
        let mut request = server.http.post(server.url("/login")).json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        answer.headers()[SET_COOKIE].to_str().unwrap().contains("; Secure")
    };
    let https = [("x-forwarded-proto", "https")];
    let lan = [("host", "192.168.1.5:24187")];
    let unnamed = [("TWILIO_AUTH_TOKEN", AUTH_TOKEN), ("PHONY_TRUSTED_PROXIES", "127.0.0.0/8")];
    let server = TestServer::with(&unnamed).await;
    assert!(secure(&server, &https).await);
    assert!(secure(&server, &[("x-forwarded-proto", "HTTPS, http")]).await);
    assert!(!secure(&server, &[("x-forwarded-proto", "http")]).await);
    assert!(!secure(&server, &[]).await);
    let server = TestServer::with(&[("TWILIO_AUTH_TOKEN", AUTH_TOKEN)]).await;
    assert!(!secure(&server, &https).await, "nobody vouches for it");
    // A browser without TLS would not keep a `Secure` cookie.
    let server = TestServer::with(&[("HOST", HOST), ("TWILIO_AUTH_TOKEN", AUTH_TOKEN)]).await;
    assert!(!secure(&server, &lan).await);
    assert!(secure(&server, &[("host", HOST)]).await);
    // The browser's `Origin` tells the scheme.
    let own = format!("http://{}", server.running.addr);
    assert!(!secure(&server, &[("origin", &own)]).await);
    assert!(secure(&server, &[("origin", "https://phony.example.com")]).await);
}
