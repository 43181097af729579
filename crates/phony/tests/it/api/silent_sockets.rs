//! Sockets that are opened and carry no call.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::few_files::{
    a_call_gets_in, client, narrow, narrow_with, open_from, relay_from, relay_signature, token_of,
    upgrade,
};
use crate::support::http;
use crate::support::server::{TestServer, setup};
use crate::support::wait::{eventually, within};

/// How long a call may take to get in past all others.
const ENTRY_LIMIT: Duration = Duration::from_millis(1500);

/// A masked text frame.
fn frame(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    let mut frame = vec![0x81, 0xfe];
    frame.extend(length.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

fn bearer() -> String {
    format!("Bearer {}", TestServer::token())
}

/// A signed request for a relay socket, forwarded for this client.
fn relay_upgrade(at: SocketAddr, forwarded: &str) -> String {
    let signature = relay_signature(at);
    let headers = [("X-Twilio-Signature", signature.as_str()), ("X-Forwarded-For", forwarded)];
    upgrade(at, "/relay/ws", &headers)
}

/// Opens a thousand connections that send `first`, half from each of two clients; a call must get
/// in after either half.
async fn a_call_gets_in_past(at: SocketAddr, first: &[u8]) {
    // Kept to the end: this side closes none of them.
    let mut held = Vec::new();
    for number in [1, 2] {
        for _ in 0..500 {
            held.push(open_from(client(number), at, first).await);
        }
        within(ENTRY_LIMIT, a_call_gets_in(at, &format!("CA{number}"))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_gets_in_past_a_thousand_signed_sockets_that_say_nothing() {
    let (_serving, at) = narrow(512);
    let first = relay_upgrade(at, "");
    a_call_gets_in_past(at, first.as_bytes()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_gets_in_past_a_thousand_softphones_that_say_nothing() {
    let (_serving, at) = narrow(512);
    let bearer = bearer();
    let first = upgrade(at, "/softphone/ws", &[("Authorization", &bearer)]);
    a_call_gets_in_past(at, first.as_bytes()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_calls_at_once_all_get_in_past_silent_sockets() {
    let (_serving, at) = narrow(512);
    let http = http::client();
    let mut calls = Vec::new();
    for number in 0..200 {
        let call = format!("CA{number}");
        let token = token_of(&http, at, &call).await;
        calls.push((call, token));
    }
    let silent = relay_upgrade(at, "");
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(open_from(client(2), at, silent.as_bytes()).await);
    }
    // A socket counts as silent after a second.
    sleep(Duration::from_millis(1200)).await;
    // All are open before the first sends its setup frame.
    let lines = join_all(calls.iter().map(|_| relay_from(client(1), at))).await;
    // The server has time to close any of them by mistake.
    sleep(Duration::from_millis(200)).await;
    let greeted = calls.iter().zip(lines).map(async |((call, token), mut line)| {
        line.send(&setup(call, token)).await;
        assert!(!line.utterance().await.is_empty(), "{call}");
        line
    });
    let lines = join_all(greeted).await;
    assert_eq!(lines.len(), 200);
}

/// Whether the far side has closed the connection.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut bytes = [0; 1024];
    loop {
        match timeout(Duration::from_millis(50), stream.read(&mut bytes)).await {
            Ok(Ok(0) | Err(_)) => return true,
            Ok(Ok(_)) => {}
            Err(_) => return false,
        }
    }
}

/// Opens a socket of one client, then forty of another, then one more: how many of the forty-one
/// stay open, and whether the oldest and the newest of them and the first client's do.
async fn left_of_forty(at: SocketAddr, one: (u8, &[u8]), other: (u8, &[u8])) -> (usize, [bool; 3]) {
    let mut beside = open_from(client(other.0), at, other.1).await;
    let mut held = Vec::new();
    for _ in 0..40 {
        held.push(open_from(client(one.0), at, one.1).await);
    }
    // A socket counts as silent after a second.
    sleep(Duration::from_millis(1200)).await;
    held.push(open_from(client(one.0), at, one.1).await);
    let mut closed = Vec::new();
    let left = eventually(async || {
        closed = join_all(held.iter_mut().map(is_closed)).await;
        Some(closed.iter().filter(|closed| !**closed).count()).filter(|left| *left <= 32)
    })
    .await;
    (left, [!closed[0], !closed[40], !is_closed(&mut beside).await])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_clients_oldest_silent_socket_makes_room_for_its_new_one() {
    let (_serving, at) = narrow(256);
    let silent = relay_upgrade(at, "");
    let (left, open) = left_of_forty(at, (2, silent.as_bytes()), (3, silent.as_bytes())).await;
    assert_eq!(left, 32, "an eighth of the descriptors is one client's");
    assert_eq!(open, [false, true, true]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_socket_that_is_not_closed_makes_room_too() {
    let (_serving, at) = narrow(256);
    let silent = relay_upgrade(at, "");
    let mut refused = silent.clone().into_bytes();
    refused.extend(frame(&setup("CA1", "no token of any call").to_string()));
    let (left, open) = left_of_forty(at, (2, &refused), (3, silent.as_bytes())).await;
    assert!(left <= 32, "an eighth of the descriptors is one client's: {left}");
    assert_eq!(open, [false, true, true]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_behind_a_trusted_proxy_are_told_apart() {
    let (_serving, at) = narrow_with(256, &[("PHONY_TRUSTED_PROXIES", "127.0.0.2")]);
    let (one, other) = (relay_upgrade(at, "203.0.113.7"), relay_upgrade(at, "203.0.113.8"));
    let (left, open) = left_of_forty(at, (2, one.as_bytes()), (2, other.as_bytes())).await;
    assert_eq!(left, 32, "an eighth of the descriptors is one client's");
    assert_eq!(open, [false, true, true]);
}

/// The status of a request for an event socket from client `number`, and the connection.
async fn viewer_from(number: u8, at: SocketAddr) -> (String, TcpStream) {
    let bearer = bearer();
    let first = upgrade(at, "/events/ws", &[("Authorization", &bearer)]);
    let mut stream = open_from(client(number), at, first.as_bytes()).await;
    let mut answer = [0; 1024];
    let read = timeout(Duration::from_secs(5), stream.read(&mut answer)).await.unwrap().unwrap();
    (String::from_utf8_lossy(&answer[9..read.min(12)]).into_owned(), stream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_does_not_take_all_places_for_viewers() {
    let (_serving, at) = narrow(256);
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..70 {
        let (status, socket) = viewer_from(2, at).await;
        refused += usize::from(status == "503");
        held.push(socket);
    }
    assert_eq!(viewer_from(1, at).await.0, "101");
    assert_eq!(refused, 70 - 32, "half of the places are one client's");
    held.clear();
    // The places are given back.
    eventually(async || (viewer_from(2, at).await.0 == "101").then_some(())).await;
}
