//! The Realtime adapter against a server that the test scripts frame by frame.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use phony::models::realtime::{self, RealtimeSettings, SessionSettings, SpeechSettings};
use phony::ports::{MODEL_EVENTS, ModelPort};
use phony_call::{Fault, FromModel, Item, ItemBody, ItemId, ItemKind, ToModel, TurnId};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::wait::model::in_time;

/// An adapter, and a server whose every frame the test sends.
pub(super) struct RawServer {
    listener: TcpListener,
    pub(super) port: ModelPort,
    tracker: TaskTracker,
}

/// One connection to the server, and the request that opened it.
pub(super) struct Connection {
    pub(super) socket: WebSocketStream<TcpStream>,
    request: Request,
}

impl RawServer {
    async fn start(change: impl FnOnce(&mut RealtimeSettings)) -> Self {
        Self::start_with(None, change).await
    }

    pub(super) async fn start_with(
        speech: Option<SpeechSettings>,
        change: impl FnOnce(&mut RealtimeSettings),
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base_url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let mut settings = crate::support::model::settings(&base_url);
        change(&mut settings);
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let session = SessionSettings {
            instructions: "Be brief.".into(),
            voice: Some("marin".into()),
            safety_identifier: Some("5f2b".into()),
            speech,
            ..SessionSettings::default()
        };
        let mut port = realtime::open(Arc::new(settings), session, &tracker, stop);
        port.task.take().expect("a task").spawn_on(&tracker);
        tracker.close();
        Self { listener, port, tracker }
    }

    pub(super) async fn accept(&self) -> Connection {
        let (stream, _) = in_time(self.listener.accept()).await.expect("a connection");
        let mut seen = None;
        #[expect(clippy::result_large_err, reason = "the library's own type")]
        let see = |request: &Request, response: Response| {
            seen = Some(request.clone());
            Ok(response)
        };
        let socket = accept_hdr_async(stream, see).await.expect("an upgrade");
        Connection { socket, request: seen.expect("a request") }
    }

    /// A connection whose session is set up.
    pub(super) async fn session(&mut self) -> Connection {
        let mut connection = self.accept().await;
        connection.say(&json!({"type": "session.created"})).await;
        assert_eq!(connection.hear().await["type"], "session.update");
        connection.say(&json!({"type": "session.updated"})).await;
        connection
    }

    pub(super) async fn next(&mut self) -> FromModel {
        let fact = in_time(self.port.rx.recv()).await;
        fact.expect("a model that lives")
    }

    async fn respond(&self, turn: u32, texts: &[&str]) {
        let item = |(n, text): (u64, &&str)| Item {
            id: ItemId::new(ItemKind::Entry, n, 0),
            body: ItemBody::User { text: (*text).into(), heard: None },
        };
        let context = (0..).zip(texts).map(item).collect();
        let order = ToModel::Respond { turn: TurnId(turn), context };
        self.port.tx.send(order).await.expect("a model that lives");
    }
}

impl Connection {
    pub(super) async fn say(&mut self, event: &Value) {
        self.socket.send(Message::text(event.to_string())).await.expect("a socket");
    }

    pub(super) async fn hear(&mut self) -> Value {
        loop {
            match in_time(self.socket.next()).await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).expect("JSON");
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("instead of an event: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn the_upgrade_names_the_model_and_the_key_and_no_beta() {
    let server = RawServer::start(|_| {}).await;
    let request = server.accept().await.request;
    assert_eq!(request.uri().to_string(), "/v1/realtime?model=gpt-realtime-2.1");
    let header =
        |name: &str| request.headers().get(name).map(|value| value.to_str().expect("text"));
    assert_eq!(header("authorization"), Some("Bearer sk-not-a-key"));
    assert_eq!(header("user-agent"), Some(concat!("phony/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(header("openai-safety-identifier"), Some("5f2b"));
    assert_eq!(header("openai-beta"), None);
}

#[tokio::test]
async fn it_is_not_up_before_the_session_is_set_up() {
    let mut server = RawServer::start(|_| {}).await;
    let mut connection = server.accept().await;
    connection.say(&json!({"type": "rate_limits.updated", "rate_limits": []})).await;
    connection.say(&json!({"type": "session.created"})).await;
    connection.hear().await;
    connection.say(&json!({"type": "something.new", "with": [1, 2]})).await;
    assert!(server.port.rx.try_recv().is_none());
    connection.say(&json!({"type": "session.updated"})).await;
    assert_eq!(server.next().await, FromModel::Ready);
}

#[tokio::test]
async fn a_server_that_does_not_know_a_parameter_gets_a_smaller_session() {
    let mut server = RawServer::start(|_| {}).await;
    let mut connection = server.accept().await;
    connection.say(&json!({"type": "session.created"})).await;
    let whole = connection.hear().await;
    assert_eq!(whole["session"]["audio"]["output"]["voice"], "marin");
    let refusal = |event: &Value| {
        json!({"type": "error", "error": {
            "type": "invalid_request_error", "code": "unknown_parameter", "message": "No.",
            "param": "session.tool_choice", "event_id": event["event_id"],
        }})
    };
    connection.say(&refusal(&whole)).await;
    let least = connection.hear().await;
    assert_eq!(least["session"]["instructions"], "Be brief.");
    assert_eq!(least["session"]["output_modalities"], json!(["text"]));
    assert!(least["session"].get("tool_choice").is_none());
    connection.say(&json!({"type": "session.updated"})).await;
    assert_eq!(server.next().await, FromModel::Ready);

    // One that does not even know that is none for us.
    let mut server = RawServer::start(|_| {}).await;
    let mut connection = server.accept().await;
    connection.say(&json!({"type": "session.created"})).await;
    for _ in 0..2 {
        let event = connection.hear().await;
        connection.say(&refusal(&event)).await;
    }
    let FromModel::Failed { turn: None, fault: Fault::Fatal, code, .. } = server.next().await
    else {
        panic!("no refusal")
    };
    assert_eq!(code, "unknown_parameter");
}

#[tokio::test]
async fn frames_that_nobody_can_read_are_passed_over() {
    let mut server = RawServer::start(|_| {}).await;
    let mut peer = server.session().await;
    assert_eq!(server.next().await, FromModel::Ready);
    server.respond(1, &["Hello"]).await;
    assert_eq!(peer.hear().await["type"], "conversation.item.create");
    assert_eq!(peer.hear().await["type"], "response.create");
    for frame in ["", "null", "[]", "{}", "{\"type\":7}", "{\"type\":\"error\"}", "not JSON {"] {
        peer.socket.send(Message::text(frame)).await.expect("a socket");
    }
    peer.socket.send(Message::binary(vec![0_u8, 159, 146, 150])).await.expect("a socket");
    for event in [
        json!({"type": "response.created", "response": null}),
        json!({"type": "response.output_item.added", "item": null}),
        json!({"type": "response.output_text.delta", "delta": null}),
        json!({"type": "response.output_text.delta", "delta": "Fine."}),
        json!({"type": "response.output_item.done"}),
        json!({"type": "response.done", "response": {"status": "completed", "usage": null}}),
    ] {
        peer.say(&event).await;
    }
    assert_eq!(server.next().await, FromModel::Text { turn: TurnId(1), text: "Fine.".into() });
    assert!(matches!(server.next().await, FromModel::Done { turn: TurnId(1), usage: None, .. }));
}

#[tokio::test]
async fn a_call_that_takes_nothing_slows_the_server_down() {
    const MORE_THAN_ANY_BUFFER: usize = 64 << 20;
    let mut server = RawServer::start(|_| {}).await;
    let mut peer = server.session().await;
    assert_eq!(server.next().await, FromModel::Ready);
    server.respond(1, &["Hello"]).await;
    peer.say(&json!({"type": "response.created", "response": {"id": "r"}})).await;
    for _ in 0..MODEL_EVENTS + 8 {
        peer.say(&json!({"type": "response.output_text.delta", "delta": "word "})).await;
    }
    // One of these alone would be read and dropped.
    let idle = json!({"type": "idle", "padding": "x".repeat(100_000)}).to_string();
    let mut sent = 0;
    while sent < MORE_THAN_ANY_BUFFER {
        let message = Message::text(idle.clone());
        let taken = timeout(Duration::from_millis(300), peer.socket.send(message)).await;
        let Ok(taken) = taken else { break };
        taken.expect("a socket");
        sent += idle.len();
    }
    assert!(sent < MORE_THAN_ANY_BUFFER, "it reads what nobody takes");
    for _ in 0..MODEL_EVENTS + 8 {
        assert!(matches!(server.next().await, FromModel::Text { .. }));
    }
}

#[tokio::test]
async fn a_call_that_is_slow_does_not_make_the_server_look_dead() {
    let silence = Duration::from_millis(500);
    let mut server = RawServer::start(|settings| {
        settings.timing.silence = silence;
        settings.timing.ping = silence / 4;
        settings.timing.pong = silence / 4;
    })
    .await;
    let mut peer = server.session().await;
    assert_eq!(server.next().await, FromModel::Ready);
    server.respond(1, &["Hello"]).await;
    peer.say(&json!({"type": "response.created", "response": {"id": "r"}})).await;
    // One more than the port takes, so nothing is left to read when it has room again.
    for _ in 0..=MODEL_EVENTS {
        peer.say(&json!({"type": "response.output_text.delta", "delta": "word "})).await;
    }
    // The passing of time is what is tested.
    tokio::time::sleep(silence * 2).await;
    for _ in 0..=MODEL_EVENTS {
        assert!(matches!(server.next().await, FromModel::Text { .. }));
    }
    tokio::time::sleep(silence / 10).await;
    peer.say(&json!({"type": "response.done", "response": {"id": "r"}})).await;
    assert!(matches!(server.next().await, FromModel::Done { .. }));
}

#[tokio::test]
async fn a_server_that_answers_no_ping_counts_as_lost() {
    let mut server = RawServer::start(|settings| {
        settings.timing.ping = Duration::from_millis(50);
        settings.timing.pong = Duration::from_millis(100);
    })
    .await;
    // The test does not read from it, so no pong is sent.
    let peer = server.session().await;
    assert_eq!(server.next().await, FromModel::Ready);
    let FromModel::Failed { turn: None, fault: Fault::Lost, code, .. } = server.next().await else {
        panic!("no failure")
    };
    assert_eq!(code, "no_pong");
    drop(peer);
    // A server that answers is kept.
    let mut peer = server.session().await;
    assert_eq!(server.next().await, FromModel::Ready);
    let pings = async {
        let mut pings = 0;
        while pings < 5 {
            pings += usize::from(matches!(peer.socket.next().await, Some(Ok(Message::Ping(_)))));
        }
    };
    in_time(pings).await;
    assert!(server.port.rx.try_recv().is_none());
}

#[tokio::test]
async fn an_item_that_the_server_refuses_is_tried_on_a_new_connection_within_the_turn() {
    let mut server = RawServer::start(|_| {}).await;
    let mut peer = server.session().await;
    assert_eq!(server.next().await, FromModel::Ready);
    server.respond(1, &["Hello", "Are you there"]).await;
    let item = peer.hear().await;
    peer.say(&json!({"type": "error", "error": {
        "code": "item_create_duplicate_item_id", "type": "invalid_request_error",
        "event_id": item["event_id"],
    }}))
    .await;
    let mut other = server.session().await;
    for expected in ["conversation.item.create", "conversation.item.create", "response.create"] {
        assert_eq!(other.hear().await["type"], expected);
    }
    other.say(&json!({"type": "response.created", "response": {"id": "r"}})).await;
    other.say(&json!({"type": "response.output_text.delta", "delta": "Yes."})).await;
    // The call noticed nothing.
    assert_eq!(server.next().await, FromModel::Text { turn: TurnId(1), text: "Yes.".into() });
}

#[tokio::test]
async fn a_cancel_that_finds_nothing_costs_neither_time_nor_a_connection() {
    // What is waited for would be waited for longer than the test waits.
    let mut server =
        RawServer::start(|settings| settings.timing.drain = Duration::from_mins(1)).await;
    let mut peer = server.session().await;
    assert_eq!(server.next().await, FromModel::Ready);
    for (turn, named) in [(1, true), (3, false)] {
        server.respond(turn, &["Hello"]).await;
        while peer.hear().await["type"] != "response.create" {}
        let response = json!({"id": format!("r{turn}")});
        peer.say(&json!({"type": "response.created", "response": response})).await;
        peer.say(&json!({
            "type": "response.output_text.delta", "response_id": format!("r{turn}"),
            "item_id": format!("i{turn}"), "delta": "One",
        }))
        .await;
        assert!(matches!(server.next().await, FromModel::Text { .. }));
        server.respond(turn + 1, &["Hello", "And?"]).await;
        let cancel = peer.hear().await;
        assert_eq!(cancel["type"], "response.cancel");
        let answers = if named { cancel["event_id"].clone() } else { Value::Null };
        let error = json!({
            "type": "invalid_request_error", "code": "response_cancel_not_active",
            "event_id": answers, "message": "Cancellation failed: no active response found",
        });
        peer.say(&json!({"type": "error", "error": error})).await;
        while peer.hear().await["type"] != "response.create" {}
        let response = json!({"id": format!("s{turn}"), "status": "completed"});
        peer.say(&json!({"type": "response.created", "response": response})).await;
        peer.say(&json!({"type": "response.done", "response": response})).await;
        assert!(matches!(server.next().await, FromModel::Done { .. }));
    }
}

#[tokio::test]
async fn a_session_in_doubt_is_replaced_when_it_is_quiet() {
    let mut server = RawServer::start(|_| {}).await;
    let mut peer = server.session().await;
    assert_eq!(server.next().await, FromModel::Ready);
    server.respond(1, &["Hello"]).await;
    peer.hear().await;
    peer.hear().await;
    peer.say(&json!({"type": "response.created", "response": {"id": "r"}})).await;
    peer.say(&json!({"type": "error", "error": {
        "code": "invalid_value", "event_id": "d7",
    }}))
    .await;
    peer.say(&json!({"type": "response.done", "response": {"id": "r", "status": "completed"}}))
        .await;
    assert!(matches!(server.next().await, FromModel::Done { turn: TurnId(1), .. }));
    let mut other = server.session().await;
    let left = in_time(peer.socket.next()).await;
    assert!(matches!(left, Some(Ok(Message::Close(_)))), "{left:?}");
    server.respond(2, &["Hello"]).await;
    assert_eq!(other.hear().await["type"], "conversation.item.create");
    assert_eq!(other.hear().await["type"], "response.create");
    assert!(server.port.rx.try_recv().is_none(), "the call noticed nothing");
}

#[tokio::test]
async fn the_end_of_a_call_closes_the_socket_with_1000() {
    let mut server = RawServer::start(|_| {}).await;
    let mut peer = server.session().await;
    assert_eq!(server.next().await, FromModel::Ready);
    let ModelPort { tx, mut rx, .. } = server.port;
    drop(tx);
    let Some(Ok(Message::Close(Some(frame)))) = peer.socket.next().await else {
        panic!("no close")
    };
    assert_eq!(u16::from(frame.code), 1000);
    while peer.socket.next().await.is_some() {}
    in_time(server.tracker.wait()).await;
    assert_eq!(rx.recv().await, None);
}

#[tokio::test]
async fn a_server_that_admits_and_leaves_is_tried_again() {
    four_sessions_that_leave([0; 4]).await;
}

/// The pauses before each attempt: `make measure`.
#[tokio::test]
#[ignore = "measures"]
async fn a_server_that_admits_and_leaves_is_not_hammered() {
    #[expect(clippy::disallowed_methods, reason = "the pauses are what is tested")]
    let began = tokio::time::Instant::now();
    four_sessions_that_leave([0, 60, 60, 60]).await;
    assert!(began.elapsed() >= Duration::from_millis(180), "{:?}", began.elapsed());
}

/// A server ends four sessions that it had admitted; the pauses before them are in milliseconds.
async fn four_sessions_that_leave(pauses_ms: [u64; 4]) {
    let mut server = RawServer::start(|settings| {
        settings.timing.retries = pauses_ms.map(Duration::from_millis).to_vec();
    })
    .await;
    for _ in 0..4 {
        drop(server.session().await);
        assert_eq!(server.next().await, FromModel::Ready);
        assert!(matches!(server.next().await, FromModel::Failed { turn: None, .. }));
    }
}

#[tokio::test]
async fn a_secure_base_url_is_spoken_to_in_tls_and_a_stranger_is_not_trusted() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("https://{}/v1", listener.local_addr().expect("an address"));
    let settings = Arc::new(crate::support::model::settings(&base_url));
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let mut port = realtime::open(settings, SessionSettings::default(), &tracker, stop.clone());
    port.task.take().expect("a task").spawn_on(&tracker);
    let (mut stream, _) = in_time(listener.accept()).await.expect("a connection");
    let mut hello = [0; 512];
    let read = in_time(stream.read(&mut hello)).await.expect("bytes");
    assert_eq!(hello[..2], [22, 3], "a handshake record");
    let offers = |name: &[u8]| hello[..read].windows(name.len()).any(|bytes| bytes == name);
    assert!(offers(b"http/1.1") && !offers(b"\x02h2"));
    assert!(!offers(b"sk-not-a-key"));
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("a socket");
    let fact = in_time(port.rx.recv()).await;
    assert!(matches!(fact, Some(FromModel::Failed { turn: None, fault: Fault::Lost, .. })));
    stop.cancel();
    tracker.close();
    in_time(tracker.wait()).await;
}
