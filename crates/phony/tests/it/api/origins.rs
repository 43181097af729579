//! Which pages may use a browser's session cookie.

use reqwest::header::{COOKIE, HOST as HOST_HEADER, ORIGIN};
use serde_json::json;

use super::log_in;
use crate::support::server::{AUTH_TOKEN, HOST, TestServer};

/// Every request that changes something.
const CHANGING: [(&str, &str); 14] = [
    ("POST", "/override/text"),
    ("POST", "/override/dtmf"),
    ("POST", "/override/end"),
    ("POST", "/override/transfer"),
    ("POST", "/override/clarification"),
    ("POST", "/override/whisper"),
    ("POST", "/override/takeover"),
    ("POST", "/override/release"),
    ("POST", "/override/reject"),
    ("POST", "/calls"),
    ("DELETE", "/calls/CA1"),
    ("PUT", "/agents/default"),
    ("POST", "/login"),
    ("POST", "/logout"),
];

/// A server without a public host name.
async fn unnamed() -> TestServer {
    TestServer::with(&[("TWILIO_AUTH_TOKEN", AUTH_TOKEN)]).await
}

#[tokio::test]
async fn a_page_of_an_address_of_the_machine_gets_its_socket() {
    let server = unnamed().await;
    let cookie = log_in(&server).await;
    let own = server.running.addr.to_string();
    let addresses = [
        own.as_str(),
        "192.168.1.5:24187",
        "10.0.0.7:8080",
        "172.17.0.2",
        "[fd00::5]:24187",
        "[::1]:9000",
        "localhost:8080",
        "LOCALHOST:8080",
        "phony.localhost:8080",
    ];
    for host in addresses {
        let origin = format!("http://{}", host.to_ascii_lowercase());
        let headers = [("cookie", cookie.as_str()), ("host", host), ("origin", origin.as_str())];
        for path in ["/events/ws", "/softphone/ws"] {
            let refused = server.socket(path, &headers).await.err();
            assert_eq!(refused, None, "{path} at {host}");
        }
        let request = server.http.post(server.url("/logout")).header(HOST_HEADER, host);
        let answer = request.header(ORIGIN, &origin).send().await.unwrap();
        assert_eq!(answer.status(), 204, "{host}");
    }
}

#[tokio::test]
async fn an_address_counts_where_the_server_has_a_name_as_well() {
    let server = TestServer::start().await;
    let cookie = log_in(&server).await;
    for (host, origin) in [
        ("10.0.0.7:24187", "http://10.0.0.7:24187"),
        ("localhost:8080", "http://localhost:8080"),
        (HOST, "https://phony.example.com"),
        // A proxy that replaces the host name by its own address.
        ("127.0.0.1:24187", "https://phony.example.com"),
    ] {
        let headers = [("cookie", cookie.as_str()), ("host", host), ("origin", origin)];
        assert_eq!(server.socket("/events/ws", &headers).await.err(), None, "{origin} at {host}");
    }
}

#[tokio::test]
async fn a_name_that_anybody_may_point_here_is_told_which_address_to_use() {
    for (server, right) in
        [(unnamed().await, "http://localhost:"), (TestServer::start().await, HOST)]
    {
        let cookie = log_in(&server).await;
        for host in ["rebound.example", "rebound.example:24187", "localhost.evil.example"] {
            let origin = format!("http://{host}");
            let headers =
                [("cookie", cookie.as_str()), ("host", host), ("origin", origin.as_str())];
            for path in ["/events/ws", "/softphone/ws"] {
                let (status, body) = server.socket(path, &headers).await.unwrap_err();
                assert_eq!(status, 403, "{path} at {host}");
                assert!(body.contains("FORBIDDEN") && body.contains(right), "{body}");
            }
            // The `Origin` that a browser sends for a page under that name.
            for fetched in [None, Some("same-origin")] {
                let mut request = server.http.post(server.url("/logout")).header(COOKIE, &cookie);
                request = request.header(HOST_HEADER, host).header(ORIGIN, &origin);
                if let Some(fetched) = fetched {
                    request = request.header("sec-fetch-site", fetched);
                }
                assert_eq!(request.send().await.unwrap().status(), 403, "{host} {fetched:?}");
            }
            let page = server.http.get(server.url("/dashboard/")).header(HOST_HEADER, host);
            let page = page.send().await.unwrap();
            assert_eq!(page.status(), 421, "{host}");
            assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
            let text = page.text().await.unwrap();
            assert!(text.contains(right) && text.contains("HOST"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_strangers_page_changes_nothing() {
    let server = TestServer::start().await;
    let cookie = log_in(&server).await;
    let own = server.running.addr;
    let other_port = format!("http://127.0.0.1:{}", own.port() ^ 1);
    let strangers: [&[(&str, &str)]; 12] = [
        &[("origin", &other_port)],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://127.0.0.1")],
        &[("origin", &format!("https://{own}"))],
        &[("origin", &format!("http://{own}.evil.example"))],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", &other_port)],
        &[("sec-fetch-site", "cross-site"), ("origin", "null")],
        &[("authorization", "Bearer wrong"), ("origin", "https://evil.example")],
        &[("origin", &format!("http://{own}")), ("origin", "https://evil.example")],
    ];
    let order = json!({ "to": "+14155552671", "consent": true, "scenario": "survey" });
    for stranger in strangers {
        for (method, path) in CHANGING {
            for kind in ["text/plain", "application/json", "application/x-www-form-urlencoded"] {
                let mut request = server.http.request(method.parse().unwrap(), server.url(path));
                request = request.header(COOKIE, &cookie).header("content-type", kind);
                for (name, value) in stranger {
                    request = request.header(*name, *value);
                }
                let answer = request.body(order.to_string()).send().await.unwrap();
                assert_eq!(answer.status(), 403, "{method} {path} {kind} {stranger:?}");
                assert!(!answer.headers().contains_key("set-cookie"), "{method} {path}");
                let body: serde_json::Value = answer.json().await.unwrap();
                assert_eq!(body["error"]["code"], "FORBIDDEN");
            }
        }
        let mut headers = vec![("cookie", cookie.as_str())];
        headers.extend_from_slice(stranger);
        for path in ["/events/ws", "/softphone/ws"] {
            let refused = server.socket(path, &headers).await.err().map(|(status, _)| status);
            assert_eq!(refused, Some(403), "{path} {stranger:?}");
        }
    }
    let ledger = std::fs::read_to_string(server.data().join("ledger.jsonl")).unwrap_or_default();
    assert_eq!(ledger, "", "nothing was ordered");
    assert_eq!(super::calls_with(&server, &cookie).await, 200, "nobody was logged out");
}

#[tokio::test]
async fn the_servers_own_page_and_programs_change_what_they_want() {
    let server = TestServer::start().await;
    let cookie = log_in(&server).await;
    let own = format!("http://{}", server.running.addr);
    let ours: [&[(&str, &str)]; 6] = [
        &[("origin", &own)],
        &[("origin", &own), ("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://phony.example.com")],
        &[],
    ];
    for headers in ours {
        let mut request = server.http.post(server.url("/override/end")).header(COOKIE, &cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.json(&json!({ "callSid": "CA1" })).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{headers:?}");
    }
    // A client with the token needs no trusted origin.
    let request = server.http.post(server.url("/override/end")).bearer_auth(TestServer::token());
    let request = request.header(ORIGIN, "https://tools.example.com");
    let answer = request.json(&json!({ "callSid": "CA1" })).send().await.unwrap();
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn json_is_taken_as_json_alone() {
    let server = TestServer::start().await;
    let body = json!({ "callSid": "CA1" }).to_string();
    let send = async |kind: Option<&str>| {
        let mut request =
            server.http.post(server.url("/override/end")).bearer_auth(TestServer::token());
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let answer = request.body(body.clone()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        assert_eq!(send(Some(kind)).await.0, 404, "{kind}");
    }
    let form = "application/x-www-form-urlencoded";
    for kind in [None, Some("text/plain"), Some(form), Some("text/json"), Some("application/jsonx")]
    {
        let (status, text) = send(kind).await;
        assert_eq!(status, 400, "{kind:?}");
        assert!(text.contains("Content-Type: application/json"), "{text}");
    }
    let login = server.http.post(server.url("/login")).header("content-type", "text/plain");
    let login =
        login.body(json!({ "token": TestServer::token() }).to_string()).send().await.unwrap();
    assert_eq!(login.status(), 400);
    assert!(!login.headers().contains_key("set-cookie"));
}
