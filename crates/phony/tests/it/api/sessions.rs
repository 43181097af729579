//! Log-ins that end, and answers that nobody keeps.

use std::time::Duration;

use reqwest::header::{CACHE_CONTROL, COOKIE};

use super::{calls_with, log_in, pair_of};
use crate::support::redis::RedisServer;
use crate::support::server::{House, Line, house, house_with};

#[tokio::test]
async fn a_log_out_ends_the_session_on_the_server() {
    let house = house().await;
    let (one, other) = (log_in(&house).await, log_in(&house).await);
    assert_ne!(one, other, "each log-in is one of its own");
    let headers = [("cookie", one.as_str())];
    let mut watching = Line(house.socket("/events/ws", &headers).await.unwrap());
    let mut others = Line(house.socket("/events/ws", &[("cookie", other.as_str())]).await.unwrap());
    let out = house.http.post(house.url("/logout")).header(COOKIE, &one).send().await.unwrap();
    assert_eq!(out.status(), 204);
    assert!(pair_of(&out).unwrap().ends_with('='));
    assert_eq!(calls_with(&house, &one).await, 401, "the cookie is worth nothing any more");
    assert_eq!(watching.closed().await, Some(1008), "nor are its sockets");
    assert_eq!(calls_with(&house, &other).await, 200);
    house.ring("CA1").await;
    others.next_of("session_start").await;
    // For good: a restart forgets nothing.
    let house = house.restart().await;
    assert_eq!(calls_with(&house, &one).await, 401);
    assert_eq!(calls_with(&house, &other).await, 200);
    // Who is not logged in, or brings nonsense, logs nobody out.
    for cookie in ["", "phony_session=", "phony_session=1.2", "phony_session=9999999999.00.00"] {
        let out =
            house.http.post(house.url("/logout")).header(COOKIE, cookie).send().await.unwrap();
        assert_eq!(out.status(), 204);
    }
    assert_eq!(calls_with(&house, &other).await, 200);
}

#[tokio::test]
async fn answers_are_kept_by_nobody() {
    let house = house().await;
    house.ring("CA1").await;
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
        for token in [House::token(), "wrong".into()] {
            let request = house.http.get(house.url(path)).bearer_auth(token);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.headers()[CACHE_CONTROL], "no-store", "{path}");
        }
    }
    let page = house.http.get(house.url("/dashboard/")).send().await.unwrap();
    assert_eq!(page.headers()[CACHE_CONTROL], "no-cache");
    let out = house.http.post(house.url("/logout")).send().await.unwrap();
    assert_eq!(out.headers()[CACHE_CONTROL], "no-store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_out_counts_on_every_server() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let one = house_with(&[("REDIS_URL", &url)]).await;
    let two = house_with(&[("REDIS_URL", &url)]).await;
    let (cookie, other) = (log_in(&one).await, log_in(&one).await);
    assert_eq!(calls_with(&two, &cookie).await, 200);
    let out = one.http.post(one.url("/logout")).header(COOKIE, &cookie).send().await.unwrap();
    assert_eq!(out.status(), 204);
    assert_eq!(calls_with(&one, &cookie).await, 401);
    until_refused(&two, &cookie).await;
    assert_eq!(calls_with(&two, &other).await, 200);
    // One that is started later learns of it as well.
    let three = house_with(&[("REDIS_URL", &url)]).await;
    until_refused(&three, &cookie).await;
    // An emptied Redis is told again.
    redis.empty().await;
    let four = house_with(&[("REDIS_URL", &url)]).await;
    until_refused(&four, &cookie).await;
}

async fn until_refused(house: &House, cookie: &str) {
    for _ in 0..1000 {
        if calls_with(house, cookie).await == 401 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the cookie still opens everything");
}
