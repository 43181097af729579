//! A signed report of the carrier stays valid for ever, so a repeated one must change nothing: only
//! the loss of the current line brings a new one.

use phony_wire::twilio::twiml::{Twiml, Verb};
use serde_json::json;

use crate::support::redis::RedisServer;
use crate::support::server::{
    AUTH_TOKEN, CALLED, CALLER, HOST, JsonSocket, TestServer, setup, stored, token_of,
};
use crate::support::wait::eventually;

const CALL: [(&str, &str); 4] =
    [("CallSid", "CA1"), ("From", CALLER), ("To", CALLED), ("CallStatus", "in-progress")];
const FIRST: &str = "VX00000000000000000000000000000001";
const SECOND: &str = "VX00000000000000000000000000000002";
const THIRD: &str = "VX00000000000000000000000000000003";
const BACK: &str = "Sorry, I lost you for a second.";

/// Connects the socket of this session to the call of this TwiML.
async fn connect(server: &TestServer, twiml: &Twiml, session: &str) -> JsonSocket {
    let mut first = setup("CA1", &token_of(twiml));
    first["sessionId"] = json!(session);
    let mut line = JsonSocket(server.relay_socket().await);
    line.send(&first).await;
    line
}

/// The answer when this session is reported as failed.
async fn failed(server: &TestServer, session: &str) -> Twiml {
    let failed = [("SessionId", session), ("SessionStatus", "failed"), ("ErrorCode", "64105")];
    ended(server, &failed).await
}

async fn ended(server: &TestServer, more: &[(&str, &str)]) -> Twiml {
    let (status, body) = server.webhook("/call_ended", &[&CALL[..], more].concat()).await;
    assert_eq!(status, 200, "{body}");
    Twiml::parse(&body).unwrap().twiml
}

/// The answer to the fallback request after an answer to `/call_ended` was lost.
async fn fallback(server: &TestServer) -> Twiml {
    let lost = [("ErrorCode", "11200"), ("ErrorUrl", "https://phony.example.com/call_ended")];
    let (status, body) = server.webhook("/receive_call", &[&CALL[..], &lost].concat()).await;
    assert_eq!(status, 200, "{body}");
    Twiml::parse(&body).unwrap().twiml
}

/// Repeats every report after the first line was lost and replaced; none may change anything.
async fn is_left_alone(server: &TestServer) {
    let back = r#"{"reason":"reconnect"}"#;
    let left = [("SessionId", FIRST), ("SessionStatus", "ended"), ("HandoffData", back)];
    let dialled = [("DialCallStatus", "no-answer"), ("DialCallSid", "CA7")];
    assert_eq!(failed(server, FIRST).await.verbs, []);
    assert_eq!(failed(server, THIRD).await.verbs, [], "of a session that there never was");
    assert_eq!(ended(server, &left).await.verbs, []);
    assert_eq!(ended(server, &dialled).await.verbs, []);
    assert_eq!(ended(server, &[("SessionStatus", "failed")]).await.verbs, []);
    assert_eq!(fallback(server).await.verbs, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_report_of_a_lost_line_leaves_the_next_one_alone() {
    let mut server = TestServer::start().await;
    let twiml = server.ring("CA1").await;
    let mut line = connect(&server, &twiml, FIRST).await;
    let mut model = server.model().await;
    model.ready().await;
    line.utterance().await;
    drop(line);
    let twiml = failed(&server, FIRST).await;
    assert_eq!(failed(&server, FIRST).await, twiml, "the same answer while nobody is connected");
    assert_eq!(fallback(&server).await, twiml, "and if that was lost");
    let mut line = connect(&server, &twiml, SECOND).await;
    assert_eq!(line.utterance().await, BACK);
    is_left_alone(&server).await;
    assert_ne!(server.get("/calls/CA1").await.1["phase"], "lost");
    line.prompt("Are you still there?").await;
    while !model.asked().await.1.ends_with("Are you still there?") {}
    // A repeat about an earlier line changes nothing either while no line is connected.
    drop(line);
    let twiml = failed(&server, SECOND).await;
    assert_eq!(failed(&server, FIRST).await.verbs, []);
    let mut line = connect(&server, &twiml, THIRD).await;
    assert_eq!(line.utterance().await, BACK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lines_of_a_call_are_known_after_a_restart() {
    let server = TestServer::start().await;
    let twiml = server.ring("CA1").await;
    let mut line = connect(&server, &twiml, FIRST).await;
    line.utterance().await;
    drop(line);
    let twiml = failed(&server, FIRST).await;
    let mut line = connect(&server, &twiml, SECOND).await;
    assert_eq!(line.utterance().await, BACK);
    eventually(async || {
        let events = stored(server.data(), "CA1").await;
        events.iter().any(|event| event["type"] == "resumed").then_some(())
    })
    .await;
    let server = server.after_crash(true).await;
    assert_eq!(failed(&server, FIRST).await.verbs, [], "a repeat");
    let twiml = failed(&server, SECOND).await;
    assert!(matches!(twiml.verbs.as_slice(), [Verb::Connect(_)]), "{twiml:?}");
    assert_eq!(failed(&server, FIRST).await.verbs, [], "a repeat");
    let mut line = connect(&server, &twiml, THIRD).await;
    assert_eq!(line.utterance().await, BACK);
    is_left_alone_by(&server, SECOND).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_begins_although_its_record_was_lost_with_the_server() {
    let server = TestServer::start().await;
    let twiml = server.ring("CA1").await;
    let server = server.after_crash(false).await;
    let mut line = connect(&server, &twiml, FIRST).await;
    assert!(line.utterance().await.starts_with("Hello"));
    let (_, call) = server.get("/calls/CA1").await;
    assert_eq!((&call["from"], &call["to"]), (&json!(CALLER), &json!(CALLED)));
    // The token has been used.
    let mut second = connect(&server, &twiml, SECOND).await;
    assert_eq!(second.closed().await, Some(1008));
    line.prompt("Hello?").await;
    assert_eq!(server.running.app.calls.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loss_of_the_line_that_is_on_is_believed_before_it_is_seen() {
    let server = TestServer::start().await;
    let twiml = server.ring("CA1").await;
    let mut line = connect(&server, &twiml, FIRST).await;
    line.utterance().await;
    let twiml = failed(&server, FIRST).await;
    let mut next = connect(&server, &twiml, SECOND).await;
    assert_eq!(next.utterance().await, BACK);
    is_left_alone(&server).await;
    assert_eq!(server.running.app.calls.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_never_came_is_tried_again_and_counted_once() {
    let server = TestServer::start().await;
    let twiml = server.ring("CA1").await;
    for _ in 0..6 {
        assert_eq!(failed(&server, THIRD).await, twiml);
        assert_eq!(fallback(&server).await, twiml);
    }
    let mut line = connect(&server, &twiml, FIRST).await;
    assert!(line.utterance().await.starts_with("Hello"));
    is_left_alone_by(&server, THIRD).await;
    drop(line);
    // The next session does not reach the server.
    let twiml = failed(&server, FIRST).await;
    assert_eq!(failed(&server, SECOND).await, twiml);
    let mut line = connect(&server, &twiml, THIRD).await;
    assert_eq!(line.utterance().await, BACK);
}

async fn is_left_alone_by(server: &TestServer, session: &str) {
    assert_eq!(failed(server, session).await.verbs, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_comes_back_from_nowhere_is_given_up_in_the_end() {
    let server = TestServer::start().await;
    let mut twiml = server.ring("CA1").await;
    let mut tries = 0;
    while matches!(twiml.verbs.as_slice(), [Verb::Connect(_)]) {
        tries += 1;
        assert!(tries < 20, "for ever");
        twiml = failed(&server, &format!("VX{tries:032}")).await;
    }
    assert!(matches!(twiml.verbs.as_slice(), [Verb::Say(_), Verb::Hangup]), "{twiml:?}");
    assert!(tries > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_report_changes_nothing_on_another_server_either() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let own = [("HOST", HOST), ("TWILIO_AUTH_TOKEN", AUTH_TOKEN), ("REDIS_URL", url.as_str())];
    let (mut one, mut two) = (TestServer::with(&own).await, TestServer::with(&own).await);
    let twiml = one.ring("CA1").await;
    let mut line = connect(&one, &twiml, FIRST).await;
    one.model().await.ready().await;
    line.utterance().await;
    // This node has not seen it yet.
    let twiml = failed(&two, FIRST).await;
    let mut line = connect(&one, &twiml, SECOND).await;
    assert_eq!(line.utterance().await, BACK);
    for server in [&two, &one] {
        is_left_alone(server).await;
    }
    drop(line);
    // The call moves, and its earlier lines are known on its new node.
    let twiml = failed(&two, SECOND).await;
    let mut line = connect(&two, &twiml, THIRD).await;
    two.model().await.ready().await;
    assert_eq!(line.utterance().await, BACK);
    for server in [&two, &one] {
        assert_eq!(failed(server, FIRST).await.verbs, []);
        assert_eq!(failed(server, SECOND).await.verbs, []);
        assert_eq!(fallback(server).await.verbs, []);
    }
    assert_eq!(two.running.app.calls.count(), 1);
    let (_, call) = two.get("/calls/CA1").await;
    assert_eq!(call["status"], "live");
}
