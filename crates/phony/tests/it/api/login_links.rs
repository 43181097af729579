//! Log-in links, which work once.

use reqwest::Method;
use reqwest::header::LOCATION;
use serde_json::json;

use super::{calls_with, pair_of};
use crate::support::server::TestServer;

/// The path and query of a new link, and its code.
async fn link(server: &TestServer) -> (String, String) {
    let link = server.running.login_link().await;
    let path = link[link.find("/login").unwrap()..].to_owned();
    let code = path.split_once("code=").unwrap().1.to_owned();
    (path, code)
}

#[tokio::test]
async fn looking_at_it_uses_nothing_up() {
    let server = TestServer::start().await;
    let (path, code) = link(&server).await;
    for _ in 0..30 {
        for method in [Method::GET, Method::HEAD] {
            let answer = server.http.request(method, server.url(&path)).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(pair_of(&answer), None);
            assert_eq!(answer.headers()["cache-control"], "no-store");
            // A form under `no-referrer` is sent with `Origin: null`.
            assert_eq!(answer.headers()["referrer-policy"], "same-origin");
        }
    }
    let page = server.http.get(server.url(&path)).send().await.unwrap().text().await.unwrap();
    assert_eq!(page.matches("<button").count(), 1, "{page}");
    assert!(page.contains("method=\"post\"") && page.contains(&code), "{page}");
    // What the page's button sends.
    let own = format!("http://{}", server.running.addr);
    let press = server.http.post(server.url("/login")).header("origin", own);
    let answer = press.form(&[("code", code.as_str())]).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    assert_eq!(answer.headers()[LOCATION], "/dashboard/");
    let cookie = pair_of(&answer).expect("it logs in");
    assert_eq!(calls_with(&server, &cookie).await, 200);
    // It works once.
    let again = server.http.post(server.url("/login")).form(&[("code", code.as_str())]);
    let again = again.send().await.unwrap();
    assert_eq!(again.status(), 410);
    assert_eq!(pair_of(&again), None);
    let text = again.text().await.unwrap();
    assert!(text.contains("used") && text.contains("/dashboard/"), "{text}");
}

#[tokio::test]
async fn it_may_be_sent_to_its_own_address() {
    let server = TestServer::start().await;
    let (path, _) = link(&server).await;
    let answer = server.http.post(server.url(&path)).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    assert!(pair_of(&answer).is_some());
    assert_eq!(server.http.post(server.url(&path)).send().await.unwrap().status(), 410);
}

#[tokio::test]
async fn a_page_puts_nothing_of_the_link_into_itself_as_it_stands() {
    let server = TestServer::start().await;
    let path = "/login?code=%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    let page = server.http.get(server.url(path)).send().await.unwrap().text().await.unwrap();
    assert!(!page.contains("<script"), "{page}");
    let bare = server.http.get(server.url("/login")).send().await.unwrap();
    assert_eq!(
        bare.headers()[LOCATION],
        "/dashboard/",
        "without a code the page asks for the token"
    );
}

#[tokio::test]
async fn loads_of_it_count_against_nobodys_token() {
    let server = TestServer::start().await;
    let (path, code) = link(&server).await;
    for _ in 0..40 {
        server.http.get(server.url("/login?code=old")).send().await.unwrap();
        server.http.post(server.url("/login")).form(&[("code", "old")]).send().await.unwrap();
    }
    let limited = server.http.post(server.url("/login")).form(&[("code", "old")]).send();
    assert_eq!(limited.await.unwrap().status(), 429, "guesses are slowed down all the same");
    let body = json!({ "token": TestServer::token() });
    let answer = server.http.post(server.url("/login")).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(server.http.get(server.url(&path)).send().await.unwrap().status(), 200);
    let again = server.http.post(server.url("/login")).form(&[("code", code.as_str())]);
    assert_eq!(again.send().await.unwrap().status(), 429, "but not to them that guess links");
}
