//! The event socket.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::support::server::{JsonSocket, TestServer};

async fn take(line: &mut JsonSocket, count: usize) -> Vec<Value> {
    let mut events = Vec::new();
    while events.len() < count {
        let event = line.next().await;
        if event["seq"].is_u64() {
            events.push(event);
        }
    }
    events
}

async fn press(server: &TestServer, digit: &str) {
    let (status, body) =
        server.post("/override/whisper", &json!({ "callSid": "CA1", "text": digit })).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn any_number_of_viewers_see_the_same_from_the_first_event_on() {
    let server = TestServer::start().await;
    server.ring("CA1").await;
    let mut early = server.events("?callSid=CA1").await;
    press(&server, "one").await;
    let mut late = server.events("?callSid=CA1").await;
    press(&server, "two").await;
    let (early, late) = (take(&mut early, 3).await, take(&mut late, 3).await);
    assert_eq!(early, late);
    let sequence: Vec<_> = early.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(sequence, [1, 2, 3]);
    assert_eq!(early[0]["type"], "session_start");
    assert_eq!(early[0]["callSid"], "CA1");
    assert!(early[0]["timestamp"].as_str().unwrap().ends_with('Z'));
    let mut rest = server.events("?callSid=CA1&after=2").await;
    assert_eq!(take(&mut rest, 1).await, early[2..3]);
}

#[tokio::test]
async fn the_view_of_a_call_closes_after_its_last_event() {
    let server = TestServer::start().await;
    server.ring("CA1").await;
    let mut line = server.events("?callSid=CA1").await;
    server.webhook("/call_status", &[("CallSid", "CA1"), ("CallStatus", "no-answer")]).await;
    let end = line.next_of("session_end").await;
    assert_eq!(end["reason"], "no_answer");
    assert_eq!(line.closed().await, Some(1000));
    let mut again = server.events("?callSid=CA1").await;
    assert_eq!(take(&mut again, 2).await.last(), Some(&end), "it can be seen again");
    assert_eq!(again.closed().await, Some(1000));
}

#[tokio::test]
async fn one_socket_shows_every_call() {
    let server = TestServer::start().await;
    server.ring("CA1").await;
    let mut line = server.events("").await;
    server.ring("CA2").await;
    let calls: Vec<_> = take(&mut line, 2).await;
    assert_eq!((&calls[0]["callSid"], &calls[1]["callSid"]), (&json!("CA1"), &json!("CA2")));
}

#[tokio::test]
async fn strangers_and_pages_of_other_sites_are_refused() {
    let server = TestServer::start().await;
    server.ring("CA1").await;
    let bearer = format!("Bearer {}", TestServer::token());
    let path = "/events/ws?callSid=CA1";
    let refused = |headers: &'static [(&'static str, &'static str)], bearer: Option<String>| {
        let server = &server;
        async move {
            let mut headers: Vec<(&'static str, &str)> = headers.to_vec();
            headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
            server.socket(path, &headers).await.err().map(|(status, _)| status)
        }
    };
    assert_eq!(refused(&[], None).await, Some(401));
    assert_eq!(refused(&[("authorization", "Bearer wrong")], None).await, Some(401));
    let foreign = &[("origin", "https://evil.example")];
    assert_eq!(refused(foreign, Some(bearer.clone())).await, Some(403));
    let own = &[("origin", "https://phony.example.com")];
    assert_eq!(refused(own, Some(bearer.clone())).await, None);
    let unknown = server.socket("/events/ws?callSid=CA9", &[("authorization", &bearer)]).await;
    let (status, body) = unknown.err().unwrap();
    assert_eq!(status, 404);
    assert!(body.contains("CALL_NOT_FOUND"), "{body}");
}

#[tokio::test]
async fn a_viewer_who_sends_heartbeats_is_told_the_servers_time_and_nobody_else_is() {
    let server = TestServer::start().await;
    server.ring("CA1").await;
    let mut page = server.events("").await;
    let mut script = server.events("?callSid=CA1").await;
    let before = now();
    page.send(&json!({ "type": "heartbeat" })).await;
    let beat = page.next_of("heartbeat").await;
    let told: jiff::Timestamp = beat["timestamp"].as_str().unwrap().parse().unwrap();
    assert!((told.as_millisecond() - before.as_millisecond()).abs() < 5_000, "{beat}");
    assert_eq!((&beat["callSid"], &beat["seq"]), (&Value::Null, &Value::Null), "it is no event");
    // Nothing else that a viewer sends is answered or closes the socket.
    page.send_text("hello").await;
    page.send(&json!({ "type": "hello" })).await;
    press(&server, "one").await;
    assert_eq!(page.next_of("whisper").await["text"], "one");
    loop {
        let event = script.next().await;
        assert_eq!(event["callSid"], "CA1", "{event}");
        if event["type"] == "whisper" {
            break;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what is told is held to the test's own clock")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Longer than the interval of pings, and far shorter than the idle time-outs of proxies.
const PING: Duration = Duration::from_secs(15);
/// Two unanswered pings, and some time to spare.
const GONE: Duration = Duration::from_secs(50);

#[tokio::test]
async fn a_quiet_socket_is_kept_open_through_proxies_by_pings() {
    let server = TestServer::start().await;
    let viewer = server.events("").await;
    let bearer = format!("Bearer {}", TestServer::token());
    let phone = server.socket("/softphone/ws", &[("authorization", &bearer)]).await.unwrap();
    let mut phone = JsonSocket(phone);
    phone.send(&json!({ "type": "setup", "direction": "inbound" })).await;
    for mut socket in [viewer.0, phone.0] {
        let pinged =
            async { while !matches!(socket.next().await.unwrap().unwrap(), Message::Ping(_)) {} };
        timeout(PING, pinged).await.expect("a ping");
    }
}

#[tokio::test]
async fn a_viewer_who_is_gone_without_a_word_is_let_go() {
    let server = TestServer::start().await;
    let mut viewer = server.events("").await;
    let tokio_tungstenite::MaybeTlsStream::Plain(stream) = viewer.0.get_mut() else {
        panic!("there is no TLS here")
    };
    // Reads below the WebSocket, so pings go unanswered, as from a machine that lost its network.
    let mut bytes = Vec::new();
    timeout(GONE, stream.read_to_end(&mut bytes)).await.expect("the server's end").unwrap();
    let pings = bytes.windows(2).filter(|frame| *frame == [0x89, 0]).count();
    assert_eq!(pings, 2, "{bytes:?}");
}
