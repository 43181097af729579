//! The HTTP API and the event socket: what they answer, and to whom.

mod auth;
mod connections;
mod events;
mod few_files;
mod health;
mod history;
mod login_links;
mod openapi;
mod origins;
mod overrides;
mod proxies;
mod sessions;
mod silent_sockets;
mod token_guesses;

use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::json;

use crate::support::server::TestServer;

/// Logs in with the token; the cookie as a browser sends it back.
pub(crate) async fn log_in(server: &TestServer) -> String {
    let body = json!({ "token": TestServer::token() });
    let answer = server.http.post(server.url("/login")).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    pair_of(&answer).expect("a log-in sets a cookie")
}

/// The cookie that an answer sets.
fn pair_of(answer: &reqwest::Response) -> Option<String> {
    let cookie = answer.headers().get(SET_COOKIE)?.to_str().unwrap();
    Some(cookie.split(';').next().unwrap().to_owned())
}

/// The status of a list of calls for a browser with this cookie.
async fn calls_with(server: &TestServer, cookie: &str) -> u16 {
    let request = server.http.get(server.url("/calls")).header(COOKIE, cookie);
    request.send().await.unwrap().status().as_u16()
}
