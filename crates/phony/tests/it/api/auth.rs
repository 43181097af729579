//! Authentication of the API.

use std::net::IpAddr;

use reqwest::header::{COOKIE, LOCATION, RETRY_AFTER, SET_COOKIE};
use serde_json::json;

use crate::support::http;
use crate::support::server::{AUTH_TOKEN, HOST, TestServer};

const GUARDED: [(&str, &str); 16] = [
    ("POST", "/override/text"),
    ("POST", "/override/dtmf"),
    ("POST", "/override/end"),
    ("POST", "/override/transfer"),
    ("POST", "/override/clarification"),
    ("POST", "/override/whisper"),
    ("POST", "/override/takeover"),
    ("POST", "/override/release"),
    ("POST", "/override/reject"),
    ("GET", "/calls"),
    ("GET", "/calls/CA1"),
    ("GET", "/calls/CA1/transcript"),
    ("GET", "/agents"),
    ("GET", "/events/ws"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
];

fn cookie_of(response: &reqwest::Response) -> String {
    response.headers()[SET_COOKIE].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn without_the_token_every_door_is_shut() {
    let server = TestServer::start().await;
    for (method, path) in GUARDED {
        for token in [None, Some("wrong"), Some("")] {
            let mut request = server.http.request(method.parse().unwrap(), server.url(path));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401, "{method} {path} {token:?}");
            let body: serde_json::Value = response.json().await.unwrap();
            assert_eq!(body["error"]["code"], "UNAUTHORIZED");
        }
    }
}

#[tokio::test]
async fn the_cookie_of_a_log_in_opens_them() {
    let server = TestServer::start().await;
    let token = TestServer::token();
    let login = server.http.post(server.url("/login")).json(&json!({ "token": token }));
    let response = login.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let cookie = cookie_of(&response);
    for attribute in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
        assert!(cookie.contains(attribute), "{attribute} in {cookie}");
    }
    assert!(!cookie.contains(&token));
    assert_eq!(response.json::<serde_json::Value>().await.unwrap(), json!({ "status": "ok" }));
    let pair = cookie.split(';').next().unwrap();
    let calls = server.http.get(server.url("/calls")).header(COOKIE, pair).send().await.unwrap();
    assert_eq!(calls.status(), 200);
    let forged = "phony_session=9999999999.00";
    let calls = server.http.get(server.url("/calls")).header(COOKIE, forged).send().await.unwrap();
    assert_eq!(calls.status(), 401);
    let out = server.http.post(server.url("/logout")).send().await.unwrap();
    assert!(cookie_of(&out).contains("Max-Age=0"));
}

#[tokio::test]
async fn a_form_log_in_leads_to_the_dashboard() {
    let server = TestServer::start().await;
    let token = TestServer::token();
    let login = server.http.post(server.url("/login")).form(&[("token", token.as_str())]);
    let response = login.send().await.unwrap();
    assert_eq!(response.status(), 303);
    assert_eq!(response.headers()[LOCATION], "/dashboard/");
    cookie_of(&response);
    for bad in [json!({}), json!({ "token": 7 }), json!([])] {
        let response = server.http.post(server.url("/login")).json(&bad).send().await.unwrap();
        assert_eq!(response.status(), 400, "{bad}");
    }
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let server = TestServer::start().await;
    let guess = || server.http.post(server.url("/login")).json(&json!({ "token": "guess" })).send();
    let mut refused = 0;
    let limited = loop {
        let response = guess().await.unwrap();
        match response.status().as_u16() {
            401 => refused += 1,
            status => break (status, response.headers().contains_key("retry-after")),
        }
        assert!(refused < 60, "nothing slows it down");
    };
    assert_eq!(limited, (429, true));
}

#[tokio::test]
async fn requests_are_limited_unless_the_limit_is_off() {
    let variables = [("HOST", HOST), ("TWILIO_AUTH_TOKEN", AUTH_TOKEN), ("PHONY_API_RATE", "5")];
    let server = TestServer::with(&variables).await;
    for _ in 0..5 {
        assert_eq!(server.get("/calls").await.0, 200);
    }
    let (status, body) = server.get("/calls").await;
    assert_eq!((status, &body["error"]["code"]), (429, &json!("RATE_LIMITED")));
    let request = server.http.get(server.url("/calls")).bearer_auth(TestServer::token());
    let limited = request.send().await.unwrap();
    let wait: u64 = limited.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=13).contains(&wait), "five a minute is one in twelve seconds: {wait}");
    // The token is used up wherever it is used, and one address's strangers are no other's.
    let elsewhere = http::client_builder().local_address("127.0.0.2".parse::<IpAddr>().ok());
    let elsewhere = elsewhere.build().unwrap();
    let request = elsewhere.get(server.url("/calls")).bearer_auth(TestServer::token());
    assert_eq!(request.send().await.unwrap().status(), 429);
    for _ in 0..5 {
        assert_eq!(server.http.get(server.url("/calls")).send().await.unwrap().status(), 401);
    }
    assert_eq!(server.http.get(server.url("/calls")).send().await.unwrap().status(), 429);
    assert_eq!(elsewhere.get(server.url("/calls")).send().await.unwrap().status(), 401);
    // Neither the carrier nor a health check is turned away.
    for call in 0..10 {
        server.ring(&format!("CA{call}")).await;
        assert_eq!(server.get("/healthz").await.0, 200);
        assert_eq!(server.get("/readyz").await.0, 200);
    }
}

#[tokio::test]
async fn a_limit_of_zero_is_none() {
    let variables = [("HOST", HOST), ("TWILIO_AUTH_TOKEN", AUTH_TOKEN), ("PHONY_API_RATE", "0")];
    let server = TestServer::with(&variables).await;
    for _ in 0..700 {
        assert_eq!(server.get("/agents").await.0, 200);
    }
    let guess = || server.http.post(server.url("/login")).json(&json!({ "token": "guess" })).send();
    for _ in 0..70 {
        assert_eq!(guess().await.unwrap().status(), 401);
    }
}
