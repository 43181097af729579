//! Log-out, and answers that no cache may keep.

use reqwest::header::{CACHE_CONTROL, COOKIE};

use super::{calls_with, log_in, pair_of};
use crate::support::redis::RedisServer;
use crate::support::server::{JsonSocket, TestServer};
use crate::support::wait::eventually;

#[tokio::test]
async fn a_log_out_ends_the_session_on_the_server() {
    let server = TestServer::start().await;
    let (one, other) = (log_in(&server).await, log_in(&server).await);
    assert_ne!(one, other, "each log-in is one of its own");
    let headers = [("cookie", one.as_str())];
    let mut watching = JsonSocket(server.socket("/events/ws", &headers).await.unwrap());
    let mut others =
        JsonSocket(server.socket("/events/ws", &[("cookie", other.as_str())]).await.unwrap());
    let out = server.http.post(server.url("/logout")).header(COOKIE, &one).send().await.unwrap();
    assert_eq!(out.status(), 204);
    assert!(pair_of(&out).unwrap().ends_with('='));
    assert_eq!(calls_with(&server, &one).await, 401, "the cookie is worth nothing any more");
    assert_eq!(watching.closed().await, Some(1008), "nor are its sockets");
    assert_eq!(calls_with(&server, &other).await, 200);
    server.ring("CA1").await;
    others.next_of("session_start").await;
    // It lasts over a restart.
    let server = server.restart().await;
    assert_eq!(calls_with(&server, &one).await, 401);
    assert_eq!(calls_with(&server, &other).await, 200);
    // A request without a valid session logs no one out.
    for cookie in ["", "phony_session=", "phony_session=1.2", "phony_session=9999999999.00.00"] {
        let out =
            server.http.post(server.url("/logout")).header(COOKIE, cookie).send().await.unwrap();
        assert_eq!(out.status(), 204);
    }
    assert_eq!(calls_with(&server, &other).await, 200);
}

#[tokio::test]
async fn answers_are_kept_by_nobody() {
    let server = TestServer::start().await;
    server.ring("CA1").await;
    let paths = [
        "/calls",
        "/calls/CA1",
        "/calls/CA1/transcript",
        "/calls/export?format=csv",
        "/calls/nothing",
        "/agents",
        "/scenarios",
        "/nodes",
        "/metrics",
        "/openapi.json",
        "/healthz",
        "/readyz",
        "/nowhere",
    ];
    for path in paths {
        for token in [TestServer::token(), "wrong".into()] {
            let request = server.http.get(server.url(path)).bearer_auth(token);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.headers()[CACHE_CONTROL], "no-store", "{path}");
        }
    }
    let page = server.http.get(server.url("/dashboard/")).send().await.unwrap();
    assert_eq!(page.headers()[CACHE_CONTROL], "no-cache");
    let out = server.http.post(server.url("/logout")).send().await.unwrap();
    assert_eq!(out.headers()[CACHE_CONTROL], "no-store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_out_counts_on_every_server() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let one = TestServer::with(&[("REDIS_URL", &url)]).await;
    let two = TestServer::with(&[("REDIS_URL", &url)]).await;
    let (cookie, other) = (log_in(&one).await, log_in(&one).await);
    assert_eq!(calls_with(&two, &cookie).await, 200);
    let out = one.http.post(one.url("/logout")).header(COOKIE, &cookie).send().await.unwrap();
    assert_eq!(out.status(), 204);
    assert_eq!(calls_with(&one, &cookie).await, 401);
    until_refused(&two, &cookie).await;
    assert_eq!(calls_with(&two, &other).await, 200);
    // A server that starts later knows of it as well.
    let three = TestServer::with(&[("REDIS_URL", &url)]).await;
    until_refused(&three, &cookie).await;
    // An emptied Redis is filled again.
    redis.empty().await;
    let four = TestServer::with(&[("REDIS_URL", &url)]).await;
    until_refused(&four, &cookie).await;
}

async fn until_refused(server: &TestServer, cookie: &str) {
    eventually(async || (calls_with(server, cookie).await == 401).then_some(())).await;
}
