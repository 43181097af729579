//! The softphone's socket, with the test as the page.

use phony_call::FromModel;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::server::{FakeModel, JsonSocket, TestServer};
use crate::support::wait::in_time;

const OWN: &str = "CA0123456789abcdef0123456789abcdef";

async fn softphone(server: &TestServer, query: &str, call: &str) -> JsonSocket {
    let bearer = format!("Bearer {}", TestServer::token());
    let path = format!("/softphone/ws{query}");
    let mut line = JsonSocket(server.socket(&path, &[("authorization", &bearer)]).await.unwrap());
    line.send(&json!({ "type": "setup", "callSid": call, "direction": "inbound" })).await;
    line
}

/// A call whose greeting has been spoken and heard, and its model.
async fn talking(server: &mut TestServer) -> (JsonSocket, FakeModel) {
    let mut line = softphone(server, "", OWN).await;
    let greeting = line.utterance().await;
    line.send(&played(&greeting)).await;
    let model = server.model().await;
    model.ready().await;
    (line, model)
}

fn prompt(words: &str) -> Value {
    json!({ "type": "prompt", "voicePrompt": words, "lang": "en-US", "last": true })
}

fn played(words: &str) -> Value {
    json!({ "type": "info", "name": "tokensPlayed", "value": words })
}

async fn close(line: &mut JsonSocket, code: CloseCode) {
    let frame = CloseFrame { code, reason: "".into() };
    in_time(line.0.close(Some(frame))).await.unwrap();
}

#[tokio::test]
async fn it_is_for_supervisors_and_their_own_page_alone() {
    let server = TestServer::start().await;
    let (status, _) = server.socket("/softphone/ws", &[]).await.unwrap_err();
    assert_eq!(status, 401);
    let wrong = [("authorization", "Bearer guess")];
    assert_eq!(server.socket("/softphone/ws", &wrong).await.unwrap_err().0, 401);
    let bearer = format!("Bearer {}", TestServer::token());
    let foreign = [("authorization", bearer.as_str()), ("origin", "https://evil.example.com")];
    assert_eq!(server.socket("/softphone/ws", &foreign).await.unwrap_err().0, 403);
    let headers = [("authorization", bearer.as_str())];
    let (status, body) = server.socket("/softphone/ws?agent=nobody", &headers).await.unwrap_err();
    assert_eq!(status, 400);
    assert!(body.contains("agent"), "{body}");
    let (status, _) = server.get("/softphone/ws").await;
    assert_eq!(status, 400, "not an upgrade");
    assert_eq!(server.running.app.calls.count(), 0);
}

#[tokio::test]
async fn the_cookie_of_a_log_in_opens_it_too() {
    let server = TestServer::start().await;
    let body = json!({ "token": TestServer::token() });
    let answer = server.http.post(server.url("/login")).json(&body).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap();
    let origin = format!("http://{}", server.running.addr);
    let headers = [("cookie", cookie), ("origin", origin.as_str())];
    let mut line = JsonSocket(server.socket("/softphone/ws", &headers).await.unwrap());
    line.send(&json!({ "type": "setup" })).await;
    assert!(line.utterance().await.starts_with("Hello"));
}

#[tokio::test]
async fn it_is_a_call_like_any_other() {
    let mut server = TestServer::start().await;
    let mut events = server.events("").await;
    let mut line = softphone(&server, "?agent=support", OWN).await;
    let start = events.next_of("session_start").await;
    assert_eq!(start["callSid"], OWN);
    assert_eq!((&start["carrier"], &start["agent"]), (&json!("softphone"), &json!("support")));
    assert_eq!(start["direction"], "inbound");
    let greeting = line.utterance().await;
    line.send(&played(&greeting)).await;
    let mut model = server.model().await;
    model.ready().await;
    line.send(&prompt("where is my parcel?")).await;
    let (turn, words) = model.asked().await;
    assert_eq!(words, "where is my parcel?");
    model.reply(turn, "On its way.").await;
    assert_eq!(line.utterance().await, "On its way.");
    line.send(&played("On its way.")).await;
    assert_eq!(events.next_of("transcript").await["text"], "where is my parcel?");

    let (status, list) = server.get("/calls?live=true").await;
    assert_eq!((status, &list["calls"][0]["callSid"]), (200, &json!(OWN)));
    let say = json!({ "callSid": OWN, "text": "A person speaks now." });
    assert_eq!(server.post("/override/text", &say).await.0, 200);
    assert_eq!(line.utterance().await, "A person speaks now.");
    let dtmf = json!({ "callSid": OWN, "digit": "5" });
    assert_eq!(server.post("/override/dtmf", &dtmf).await.0, 200);
    assert_eq!(line.next_of("sendDigits").await["digits"], "5");

    close(&mut line, CloseCode::Normal).await;
    assert_eq!(events.next_of("session_end").await["reason"], "caller_hung_up");
    server.until_live(0).await;
}

#[tokio::test]
async fn an_interruption_ends_where_the_page_says_it_was_heard() {
    let mut server = TestServer::start().await;
    let mut events = server.events("").await;
    let (mut line, mut model) = talking(&mut server).await;
    line.send(&prompt("tell me everything")).await;
    let (turn, _) = model.asked().await;
    let text = "First this, then that, then the rest.".into();
    model.facts.send(FromModel::Text { turn, text }).await.unwrap();
    line.next_of("text").await;
    let heard = json!({ "type": "interrupt", "utteranceUntilInterrupt": "First this,",
                        "durationUntilInterruptMs": 900 });
    line.send(&heard).await;
    line.send(&prompt("stop")).await;
    assert_eq!(events.next_of("interrupt").await["heard"], "First this,");
    let cut = loop {
        let said = events.next_of("assistant_response").await;
        if said["source"] == "model" {
            break said;
        }
    };
    assert_eq!((&cut["text"], &cut["interrupted"]), (&json!("First this,"), &json!(true)));
    assert_eq!(model.asked().await.1, "stop");
}

#[tokio::test]
async fn a_lost_socket_comes_back_to_its_call() {
    let mut server = TestServer::start().await;
    let mut events = server.events("").await;
    let (mut line, mut model) = talking(&mut server).await;
    close(&mut line, CloseCode::Away).await;
    drop(line);
    let mut line = softphone(&server, "", OWN).await;
    let back = line.utterance().await;
    line.send(&played(&back)).await;
    events.next_of("resumed").await;
    line.send(&prompt("are you there?")).await;
    assert_eq!(model.asked().await.1, "are you there?");
    assert_eq!(server.running.app.calls.count(), 1);
}

#[tokio::test]
async fn an_ended_call_ends_the_session_and_does_not_come_back() {
    let mut server = TestServer::start().await;
    let mut events = server.events("").await;
    let (mut line, _model) = talking(&mut server).await;
    assert_eq!(server.post("/override/end", &json!({ "callSid": OWN })).await.0, 200);
    line.next_of("end").await;
    close(&mut line, CloseCode::Normal).await;
    assert_eq!(events.next_of("session_end").await["reason"], "supervisor_ended");
    server.until_live(0).await;
    let mut again = softphone(&server, "", OWN).await;
    assert_eq!(again.closed().await, Some(1008));
}

#[tokio::test]
async fn a_transfer_is_told_and_ends_the_call() {
    let mut server = TestServer::with(&[("TWILIO_PHONE_NUMBER", "+15005550006")]).await;
    let mut events = server.events("").await;
    let (mut line, _model) = talking(&mut server).await;
    let transfer = json!({ "callSid": OWN, "target": "+15005550009" });
    assert_eq!(server.post("/override/transfer", &transfer).await.0, 200);
    let end = line.next_of("end").await;
    assert!(end["handoffData"].as_str().unwrap().contains("+15005550009"), "{end}");
    close(&mut line, CloseCode::Normal).await;
    assert_eq!(events.next_of("session_end").await["reason"], "transferred");
}

#[tokio::test]
async fn it_cannot_take_over_a_call_of_the_telephone_network() {
    let server = TestServer::start().await;
    let twiml = server.ring("CA1").await;
    let mut phone = server.connect("CA1", &twiml).await;
    phone.utterance().await;
    let mut line = softphone(&server, "", "CA1").await;
    assert_eq!(line.closed().await, Some(1008));
    for first in [prompt("let me in"), json!({}), json!({ "type": "setup", "callSid": "a b" })] {
        let bearer = format!("Bearer {}", TestServer::token());
        let headers = [("authorization", bearer.as_str())];
        let mut line = JsonSocket(server.socket("/softphone/ws", &headers).await.unwrap());
        line.send(&first).await;
        assert_eq!(line.closed().await, Some(1008), "{first}");
    }
    assert_eq!(server.running.app.calls.count(), 1);
}

#[tokio::test]
async fn heartbeats_are_answered_and_are_no_part_of_the_call() {
    let mut server = TestServer::start().await;
    let (mut line, mut model) = talking(&mut server).await;
    line.send(&json!({ "type": "heartbeat" })).await;
    let beat = line.next_of("heartbeat").await;
    assert!(beat["timestamp"].as_str().unwrap().ends_with('Z'), "{beat}");
    line.send(&prompt("are you there?")).await;
    let (turn, words) = model.asked().await;
    assert_eq!(words, "are you there?");
    model.reply(turn, "I am.").await;
    assert_eq!(line.utterance().await, "I am.");
    let metrics = server.http.get(server.url("/metrics")).bearer_auth(TestServer::token());
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    assert!(!metrics.contains("phony_relay_bad_frames_total"), "{metrics}");
}
