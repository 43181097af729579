//! Guesses at the token are slowed down.

use std::net::IpAddr;

use reqwest::header::{COOKIE, ORIGIN, RETRY_AFTER};
use serde_json::json;

use super::log_in;
use crate::support::http;
use crate::support::server::TestServer;

/// A client with this source address.
fn client(address: &str) -> reqwest::Client {
    let address: IpAddr = address.parse().unwrap();
    http::client_builder().local_address(address).build().unwrap()
}

/// The status of a list of calls for this token, and the `Retry-After` of a refusal.
async fn shown(server: &TestServer, http: &reqwest::Client, token: &str) -> (u16, Option<u64>) {
    let answer = http.get(server.url("/calls")).bearer_auth(token).send().await.unwrap();
    let wait = answer.headers().get(RETRY_AFTER).map(|wait| wait.to_str().unwrap().parse());
    (answer.status().as_u16(), wait.transpose().unwrap())
}

/// Guesses until it is refused for a while.
async fn lock(server: &TestServer, http: &reqwest::Client) {
    for guess in 0..120 {
        if shown(server, http, &format!("guess {guess}")).await.0 == 429 {
            return;
        }
    }
    panic!("nothing slows it down");
}

#[tokio::test]
async fn who_has_guessed_too_often_learns_nothing_more() {
    let server = TestServer::start().await;
    let guesser = client("127.0.0.2");
    let token = TestServer::token();
    assert_eq!(shown(&server, &guesser, &token).await.0, 200);
    lock(&server, &guesser).await;
    let wrong = shown(&server, &guesser, "guess").await;
    let right = shown(&server, &guesser, &token).await;
    assert_eq!((wrong.0, right.0), (429, 429), "the right one is answered as any other");
    for wait in [wrong.1, right.1] {
        assert!(wait.is_some_and(|seconds| (1..=60).contains(&seconds)), "{wait:?}");
    }
    assert_eq!(shown(&server, &client("127.0.0.3"), &token).await.0, 200, "others are unaffected");
}

#[tokio::test]
async fn a_session_goes_on_beside_whoever_guesses() {
    let server = TestServer::start().await;
    let cookie = log_in(&server).await;
    lock(&server, &server.http).await;
    assert_eq!(shown(&server, &server.http, &TestServer::token()).await.0, 429);
    assert_eq!(super::calls_with(&server, &cookie).await, 200);
    let headers = [("cookie", cookie.as_str())];
    assert_eq!(server.socket("/events/ws", &headers).await.err(), None);
    let order = server.http.post(server.url("/override/end")).header(COOKIE, &cookie);
    let answer = order.json(&json!({ "callSid": "CA1" })).send().await.unwrap();
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn a_strangers_origin_tells_no_more_of_a_token() {
    let server = TestServer::start().await;
    let asked = async |http: &reqwest::Client, token: &str| {
        let order = http.post(server.url("/override/end")).bearer_auth(token);
        let order = order.header(ORIGIN, "https://evil.example");
        order.json(&json!({ "callSid": "CA1" })).send().await.unwrap().status().as_u16()
    };
    let token = TestServer::token();
    let (guesser, other) = (client("127.0.0.2"), client("127.0.0.3"));
    let mut refused = 0;
    loop {
        match asked(&guesser, "guess").await {
            403 => refused += 1,
            status => break assert_eq!(status, 429),
        }
        assert!(refused < 120, "nothing slows it down");
    }
    assert_eq!(asked(&guesser, &token).await, 429);
    assert_eq!(shown(&server, &guesser, &token).await.0, 429, "it is the same guessing");
    assert_eq!(asked(&other, &token).await, 404);
}
