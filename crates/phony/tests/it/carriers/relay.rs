//! The relay socket, as Twilio uses and misuses it.

use futures_util::{SinkExt as _, StreamExt as _};
use phony_call::FromModel;
use phony_wire::twilio::twiml::{Twiml, Verb};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::server::{CALLED, CALLER, JsonSocket, TestServer, setup, token_of};
use crate::support::wait::in_time;

const ENDED: [(&str, &str); 3] = [("CallSid", "CA1"), ("From", CALLER), ("To", CALLED)];

/// A call whose greeting has been spoken and heard.
async fn talking(server: &TestServer, call: &str) -> JsonSocket {
    let twiml = server.ring(call).await;
    let mut line = server.connect(call, &twiml).await;
    let greeting = line.utterance().await;
    line.send(&played(&greeting)).await;
    line
}

fn prompt(words: &str) -> serde_json::Value {
    json!({ "type": "prompt", "voicePrompt": words, "lang": "en-US", "last": true })
}

fn played(words: &str) -> serde_json::Value {
    json!({ "type": "info", "name": "tokensPlayed", "value": words })
}

#[tokio::test]
async fn an_unsigned_socket_is_refused_before_the_upgrade() {
    let server = TestServer::start().await;
    for headers in [&[][..], &[("x-twilio-signature", "WRONG")]] {
        let (status, body) = server.socket("/relay/ws", headers).await.unwrap_err();
        assert_eq!(status, 403);
        assert!(body.contains("FORBIDDEN"), "{body}");
    }
}

#[tokio::test]
async fn a_socket_without_the_token_of_its_call_is_closed() {
    let mut server = TestServer::start().await;
    let of_one = token_of(&server.ring("CA1").await);
    let of_two = token_of(&server.ring("CA2").await);
    let mut used = server.connect("CA2", &server.ring("CA2").await).await;
    used.utterance().await;
    let mut model = server.model().await;
    for first in [
        setup("CA1", ""),
        setup("CA1", "guess"),
        setup("CA1", &of_two),
        setup("CA3", &of_one),
        setup("", &of_one),
        json!({ "type": "setup", "callSid": "CA1" }),
        json!({ "type": "setup" }),
        prompt("let me in"),
        json!({ "no": "type" }),
    ] {
        let mut line = JsonSocket(server.relay_socket().await);
        line.send(&first).await;
        assert_eq!(line.closed().await, Some(1008), "{first}");
    }
    let mut line = JsonSocket(server.relay_socket().await);
    line.send(&setup("CA1", &of_one)).await;
    line.utterance().await;
    let mut again = JsonSocket(server.relay_socket().await);
    again.send(&setup("CA1", &of_one)).await;
    assert_eq!(again.closed().await, Some(1008), "a token opens one socket");
    assert!(model.orders.try_recv().is_none(), "nothing of this reaches a model");
}

#[tokio::test]
async fn the_first_words_on_the_socket_are_the_greeting() {
    let server = TestServer::start().await;
    let twiml = server.ring("CA1").await;
    let mut line = server.connect("CA1", &twiml).await;
    assert!(line.utterance().await.starts_with("Hello"));
}

#[tokio::test]
async fn words_go_to_the_model_and_its_words_come_back_token_by_token() {
    let mut server = TestServer::start().await;
    let mut line = talking(&server, "CA1").await;
    let mut model = server.model().await;
    model.ready().await;
    line.send(&prompt("I lost my debit card")).await;
    let (turn, words) = model.asked().await;
    assert_eq!(words, "I lost my debit card");
    for text in ["I am ", "sorry."] {
        model.facts.send(FromModel::Text { turn, text: text.into() }).await.unwrap();
        let frame = line.next_of("text").await;
        assert_eq!((&frame["token"], &frame["last"]), (&json!(text), &json!(false)));
    }
    model.reply(turn, "").await;
    assert_eq!(line.next_of("text").await["last"], true);
}

#[tokio::test]
async fn frames_that_mean_nothing_do_no_harm() {
    let mut server = TestServer::start().await;
    let mut line = talking(&server, "CA1").await;
    let mut model = server.model().await;
    model.ready().await;
    for text in [
        "",
        "not json",
        "[]",
        "null",
        "{}",
        "{\"type\":7}",
        "{\"type\":\"prompt\"}",
        "{\"type\":\"prompt\",\"voicePrompt\":null}",
        "{\"type\":\"dtmf\",\"digit\":\"xyz\"}",
        "{\"type\":\"interrupt\",\"utteranceUntilInterrupt\":[]}",
        "{\"type\":\"info\",\"name\":\"tokensPlayed\"}",
        "{\"type\":\"nobody knows\"}",
        "{\"type\":\"error\",\"description\":\"Invalid message received, code: 64107, {}\"}",
    ] {
        line.send_text(text).await;
    }
    line.send(&setup("CA1", "again")).await;
    line.0.send(Message::binary(vec![0, 159, 146, 150])).await.unwrap();
    line.send(&prompt("still there?")).await;
    let (turn, words) = model.asked().await;
    assert!(words.contains("still there?"), "{words}");
    model.reply(turn, "Yes.").await;
    assert_eq!(line.utterance().await, "Yes.");
}

#[tokio::test]
async fn a_frame_beyond_measure_closes_the_socket_but_not_the_call() {
    let server = TestServer::start().await;
    let mut line = talking(&server, "CA1").await;
    line.send_text(&"x".repeat(1_000_000)).await;
    assert!(matches!(line.closed().await, Some(1009) | None));
    let form = [&ENDED[..], &[("SessionStatus", "failed"), ("ErrorCode", "64105")]].concat();
    let (_, body) = server.webhook("/call_ended", &form).await;
    let mut line = server.connect("CA1", &Twiml::parse(&body).unwrap().twiml).await;
    line.utterance().await;
    assert_eq!(server.running.app.calls.count(), 1);
}

#[tokio::test]
async fn a_lost_socket_is_replaced_and_the_call_goes_on() {
    let mut server = TestServer::start().await;
    let line = talking(&server, "CA1").await;
    let mut model = server.model().await;
    model.ready().await;
    drop(line);
    let form = [&ENDED[..], &[("SessionStatus", "failed"), ("ErrorCode", "64105")]].concat();
    let (_, body) = server.webhook("/call_ended", &form).await;
    let mut line = server.connect("CA1", &Twiml::parse(&body).unwrap().twiml).await;
    let words = line.utterance().await;
    line.send(&played(&words)).await;
    line.send(&prompt("where were we")).await;
    let (turn, _) = model.asked().await;
    model.reply(turn, "Here.").await;
    assert_eq!(line.utterance().await, "Here.");
    let (_, call) = server.get("/calls/CA1").await;
    assert_eq!(call["status"], "live");
}

async fn is_lost(server: &TestServer) {
    in_time(async { while server.get("/calls/CA1").await.1["phase"] != "lost" {} }).await;
}

#[tokio::test]
async fn what_is_ordered_while_the_line_is_lost_is_done_when_it_is_back() {
    let server = TestServer::start().await;
    let line = talking(&server, "CA1").await;
    drop(line);
    is_lost(&server).await;
    let say = json!({ "callSid": "CA1", "text": "Anna is still here." });
    let comes_back = async {
        let form = [&ENDED[..], &[("SessionStatus", "failed"), ("ErrorCode", "64105")]].concat();
        let (_, body) = server.webhook("/call_ended", &form).await;
        let mut line = server.connect("CA1", &Twiml::parse(&body).unwrap().twiml).await;
        while line.utterance().await != "Anna is still here." {}
        line
    };
    let ((status, answer), line) = tokio::join!(server.post("/override/text", &say), comes_back);
    assert_eq!((status, answer), (200, json!({ "status": "ok" })));
    // The caller does not reconnect this time.
    drop(line);
    is_lost(&server).await;
    let (status, answer) = server.post("/override/text", &say).await;
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("CONFLICT")));
}

#[tokio::test]
async fn a_socket_that_closes_in_order_ends_the_call() {
    let server = TestServer::start().await;
    let mut line = talking(&server, "CA1").await;
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    line.0.send(Message::Close(Some(frame))).await.unwrap();
    server.until_live(0).await;
    let (_, call) = server.get("/calls/CA1").await;
    assert_eq!((&call["status"], &call["endReason"]), (&json!("ended"), &json!("caller_hung_up")));
}

#[tokio::test]
async fn a_transfer_leaves_the_line_and_is_dialled_when_twilio_asks() {
    let mut server = TestServer::start().await;
    let mut line = talking(&server, "CA1").await;
    let _model = server.model().await;
    let order = json!({ "callSid": "CA1", "target": "+15005550009" });
    let (status, body) = server.post("/override/transfer", &order).await;
    assert_eq!((status, body), (200, json!({ "status": "ok" })));
    let end = line.next_of("end").await;
    let handoff: serde_json::Value =
        serde_json::from_str(end["handoffData"].as_str().unwrap()).unwrap();
    assert_eq!(handoff, json!({ "reason": "transfer", "target": "+15005550009" }));
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    line.0.send(Message::Close(Some(frame))).await.unwrap();
    let form = [
        &ENDED[..],
        &[("SessionStatus", "ended"), ("HandoffData", end["handoffData"].as_str().unwrap())],
    ]
    .concat();
    let (_, body) = server.webhook("/call_ended", &form).await;
    let verbs = Twiml::parse(&body).unwrap().twiml.verbs;
    let [Verb::Dial(dial)] = verbs.as_slice() else { panic!("{body}") };
    assert_eq!(dial.numbers[0].number, "+15005550009");
    assert_eq!(dial.options.caller_id.as_deref(), Some(CALLED));
    let form = [&ENDED[..], &[("DialCallStatus", "completed"), ("DialBridged", "true")]].concat();
    let (_, body) = server.webhook("/call_ended", &form).await;
    assert_eq!(Twiml::parse(&body).unwrap().twiml.verbs, [Verb::Hangup]);
    server.until_live(0).await;
}

#[tokio::test]
async fn a_supervisor_who_hangs_up_ends_the_session_in_order() {
    let server = TestServer::start().await;
    let mut line = talking(&server, "CA1").await;
    let (status, _) = server.post("/override/end", &json!({ "callSid": "CA1" })).await;
    assert_eq!(status, 200);
    line.next_of("end").await;
    let (status, body) = server.post("/override/end", &json!({ "callSid": "CA1" })).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("CONFLICT")));
}

#[tokio::test]
async fn a_model_whose_task_dies_is_opened_anew() {
    let mut server = TestServer::start().await;
    let mut line = talking(&server, "CA1").await;
    drop(server.model().await);
    let mut model = server.model().await;
    model.ready().await;
    line.send(&prompt("hello?")).await;
    let (turn, _) = model.asked().await;
    model.reply(turn, "Hello.").await;
    assert_eq!(line.utterance().await, "Hello.");
}

#[tokio::test]
async fn the_server_says_goodbye_before_it_stops() {
    let server = TestServer::start().await;
    let mut line = talking(&server, "CA1").await;
    server.running.hurry();
    let goodbye = line.utterance().await;
    assert!(goodbye.contains("Goodbye"), "{goodbye}");
    let (status, _) = server.get("/readyz").await;
    assert_eq!(status, 503);
    let (status, _) = server.get("/healthz").await;
    assert_eq!(status, 200);
    line.send(&played(&goodbye)).await;
    line.next_of("end").await;
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    line.0.send(Message::Close(Some(frame))).await.unwrap();
    in_time(server.running.join()).await;
}

#[tokio::test]
async fn a_quiet_line_is_pinged_before_a_proxy_cuts_it() {
    let server = TestServer::start().await;
    let mut line = talking(&server, "CA1").await;
    // Idle time-outs of proxies: nginx 60 s, others 30 s, some are set to 20 s.
    let quiet = async {
        loop {
            match line.0.next().await {
                Some(Ok(Message::Ping(_))) => return,
                Some(Ok(Message::Text(text))) => panic!("nothing is said: {text}"),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => panic!("the socket is gone"),
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(15), quiet).await.expect("a ping");
}
