//! The actions of supervisors on a call, and how they are refused.

use serde_json::{Value, json};

use crate::support::server::{AUTH_TOKEN, HOST, JsonSocket, TestServer};

#[tokio::test]
async fn a_wrong_field_is_named() {
    let server = TestServer::start().await;
    server.ring("CA1").await;
    let long = "x".repeat(5000);
    for (path, body, status, field) in [
        ("text", json!({ "callSid": "CA1" }), 400, "text"),
        ("text", json!({ "callSid": "CA1", "text": 7 }), 400, "text"),
        ("text", json!({ "callSid": "CA1", "text": " " }), 400, "text"),
        ("text", json!({ "callSid": "CA1", "text": "a\u{0}b" }), 400, "text"),
        ("text", json!({ "callSid": "CA1", "text": long }), 413, "text"),
        ("text", json!({ "text": "hello" }), 400, "callSid"),
        ("text", json!({ "callSid": "no call!", "text": "hello" }), 400, "callSid"),
        ("dtmf", json!({ "callSid": "CA1" }), 400, "digit"),
        ("dtmf", json!({ "callSid": "CA1", "digit": "12" }), 400, "digit"),
        ("dtmf", json!({ "callSid": "CA1", "digit": "x" }), 400, "digit"),
        ("dtmf", json!({ "callSid": "CA1", "digits": "1;2" }), 400, "digits"),
        ("transfer", json!({ "callSid": "CA1" }), 400, "target"),
        ("transfer", json!({ "callSid": "CA1", "target": "nobody" }), 400, "target"),
        ("transfer", json!({ "callSid": "CA1", "number": "x" }), 400, "number"),
        ("clarification", json!({ "callSid": "CA1", "response": null }), 400, "response"),
        ("whisper", json!({ "callSid": "CA1", "text": [] }), 400, "text"),
        ("reject", json!({ "callSid": "CA1", "reason": 1 }), 400, "reason"),
        ("end", json!({}), 400, "callSid"),
    ] {
        let (found, answer) = server.post(&format!("/override/{path}"), &body).await;
        assert_eq!(found, status, "{path} {body}: {answer}");
        assert_eq!(answer["error"]["details"]["field"], field, "{path} {body}");
    }
    let not_json = server.http.post(server.url("/override/text")).bearer_auth(TestServer::token());
    let response = not_json.body("{").send().await.unwrap();
    assert_eq!(response.status(), 400);
    let large = json!({ "callSid": "CA1", "text": "x".repeat(70_000) });
    assert_eq!(server.post("/override/text", &large).await.0, 413);
}

#[tokio::test]
async fn a_call_that_is_not_there_is_not_found_and_an_ended_one_is_a_conflict() {
    let server = TestServer::start().await;
    let order = json!({ "callSid": "CA1", "text": "hello" });
    let code = |answer: &Value| answer["error"]["code"].clone();
    let (status, answer) = server.post("/override/text", &order).await;
    assert_eq!((status, code(&answer)), (404, json!("CALL_NOT_FOUND")));
    server.ring("CA1").await;
    let (status, answer) = server.post("/override/text", &order).await;
    assert_eq!((status, code(&answer)), (409, json!("CONFLICT")), "not connected yet");
    for path in ["clarification", "release", "reject"] {
        let order = json!({ "callSid": "CA1", "response": "yes" });
        let (status, answer) = server.post(&format!("/override/{path}"), &order).await;
        assert_eq!((status, code(&answer)), (409, json!("CONFLICT")), "{path}");
    }
    server.webhook("/call_status", &[("CallSid", "CA1"), ("CallStatus", "completed")]).await;
    server.until_live(0).await;
    let (status, answer) = server.post("/override/text", &order).await;
    assert_eq!((status, code(&answer)), (409, json!("CONFLICT")));
}

#[tokio::test]
async fn what_a_supervisor_says_and_presses_reaches_the_line() {
    let server = TestServer::start().await;
    let twiml = server.ring("CA1").await;
    let mut line = server.connect("CA1", &twiml).await;
    line.utterance().await;
    let say = json!({ "callSid": "CA1", "text": "A person is here now." });
    assert_eq!(server.post("/override/text", &say).await.0, 200);
    assert!(said(&mut line, "A person is here now.").await);
    let press = json!({ "callSid": "CA1", "digits": "1w2#" });
    assert_eq!(server.post("/override/dtmf", &press).await.0, 200);
    assert_eq!(line.next_of("sendDigits").await["digits"], "1w2#");
    assert_eq!(server.post("/override/takeover", &json!({ "callSid": "CA1" })).await.0, 200);
    assert_eq!(server.post("/override/takeover", &json!({ "callSid": "CA1" })).await.0, 409);
    assert_eq!(server.post("/override/release", &json!({ "callSid": "CA1" })).await.0, 200);
}

#[tokio::test]
async fn a_call_that_has_just_ended_is_not_taken_up_again_when_the_carrier_asks() {
    let server = TestServer::start().await;
    for n in 0..20 {
        let call = format!("CA{n}");
        let twiml = server.ring(&call).await;
        let mut line = server.connect(&call, &twiml).await;
        line.utterance().await;
        assert_eq!(server.post("/override/end", &json!({ "callSid": call })).await.0, 200);
        let handoff = line.next_of("end").await["handoffData"].clone();
        // Its last events are not in the store yet.
        let asks = [
            ("CallSid", call.as_str()),
            ("SessionStatus", "ended"),
            ("HandoffData", handoff.as_str().unwrap()),
        ];
        let (status, twiml) = server.webhook("/call_ended", &asks).await;
        assert_eq!(status, 200, "{twiml}");
        assert!(twiml.contains("Hangup"), "{twiml}");
        server.until_kept(&call).await;
        let (_, record) = server.get(&format!("/calls/{call}")).await;
        assert_eq!(record["endReason"], "supervisor_ended", "{record}");
        assert_eq!(record["commands"][0]["command"], "end_call", "{record}");
    }
}

#[tokio::test]
async fn of_two_supervisors_who_decide_at_once_one_wins_and_nothing_is_said_twice() {
    let mut server = TestServer::with(&[
        ("HOST", HOST),
        ("TWILIO_AUTH_TOKEN", AUTH_TOKEN),
        ("REQUIRE_SUPERVISOR_FEEDBACK", "true"),
    ])
    .await;
    let twiml = server.ring("CA1").await;
    let mut line = server.connect("CA1", &twiml).await;
    line.utterance().await;
    let mut model = server.model().await;
    model.ready().await;
    line.prompt("Are you open?").await;
    let (turn, _) = model.asked().await;
    model.reply(turn, "Yes, from ten.").await;
    let mut events = server.events("?callSid=CA1").await;
    let held = events.next_of("pending_response").await;
    assert_eq!(server.get("/calls/CA1").await.1["heldTurn"], held["turn"]);
    let order = |text: &str| json!({ "callSid": "CA1", "text": text, "reply": held["turn"] });
    let (one, other) = (order("Yes, from ten."), order("Yes, from eleven."));
    let (one, other) =
        tokio::join!(server.post("/override/text", &one), server.post("/override/text", &other));
    let mut statuses = [one.0, other.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{one:?} {other:?}");
    let reject = json!({ "callSid": "CA1", "reply": held["turn"] });
    assert_eq!(server.post("/override/reject", &reject).await.0, 409);
    let wrong = json!({ "callSid": "CA1", "text": "Yes.", "reply": "one" });
    let (status, answer) = server.post("/override/text", &wrong).await;
    assert_eq!((status, &answer["error"]["details"]["field"]), (400, &json!("reply")));
    let winner = if one.0 == 200 { "Yes, from ten." } else { "Yes, from eleven." };
    assert!(said(&mut line, winner).await);
    // The next words on the line are new ones, not those of the refused request.
    let next = json!({ "callSid": "CA1", "text": "Goodbye." });
    assert_eq!(server.post("/override/text", &next).await.0, 200);
    assert!(said(&mut line, "Goodbye.").await);
}

#[tokio::test]
async fn an_answer_meant_for_one_question_never_answers_the_next() {
    let mut server = TestServer::start().await;
    let twiml = server.ring("CA1").await;
    let mut line = server.connect("CA1", &twiml).await;
    line.utterance().await;
    let mut model = server.model().await;
    model.ready().await;
    line.prompt("Two things").await;
    let (turn, _) = model.asked().await;
    model.reply(turn, "[[request_user:First?]][[request_user:Second?]]").await;
    let mut events = server.events("?callSid=CA1").await;
    let first = events.next_of("query").await["seq"].clone();
    let second = events.next_of("query").await["seq"].clone();
    assert_eq!(server.get("/calls/CA1").await.1["questionSeq"], first);
    for (query, text, status) in [
        (&second, "two", 409),
        (&first, "one", 200),
        (&first, "one again", 409),
        (&second, "two", 200),
        (&second, "two again", 409),
    ] {
        let order = json!({ "callSid": "CA1", "response": text, "query": query });
        assert_eq!(server.post("/override/clarification", &order).await.0, status, "{text}");
    }
    for text in ["one", "two"] {
        assert_eq!(events.next_of("query_response").await["text"], text);
    }
}

async fn said(line: &mut JsonSocket, words: &str) -> bool {
    line.utterance().await.trim() == words
}

#[tokio::test]
async fn calls_are_listed_newest_first_in_pages() {
    let server = TestServer::start().await;
    for call in ["CA1", "CA2", "CA3"] {
        server.ring(call).await;
    }
    server.webhook("/call_status", &[("CallSid", "CA2"), ("CallStatus", "busy")]).await;
    server.until_live(2).await;
    let ids = |page: &Value| {
        let calls = page["calls"].as_array().unwrap();
        calls.iter().map(|call| call["callSid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (_, all) = server.get("/calls").await;
    assert_eq!(ids(&all), ["CA3", "CA2", "CA1"]);
    assert_eq!(all["next"], Value::Null);
    assert_eq!(ids(&server.get("/calls?live=true").await.1), ["CA3", "CA1"]);
    assert_eq!(ids(&server.get("/calls?live=false").await.1), ["CA2"]);
    assert_eq!(ids(&server.get("/calls?q=ca3").await.1), ["CA3"]);
    let (_, first) = server.get("/calls?limit=2").await;
    assert_eq!(ids(&first), ["CA3", "CA2"]);
    let next = first["next"].as_str().unwrap();
    assert_eq!(ids(&server.get(&format!("/calls?limit=2&cursor={next}")).await.1), ["CA1"]);
    for wrong in ["limit=0", "limit=x", "live=maybe", "cursor=CA9"] {
        assert_eq!(server.get(&format!("/calls?{wrong}")).await.0, 400, "{wrong}");
    }
    assert_eq!(server.get("/calls/CA9").await.0, 404);
    assert_eq!(server.get("/calls/CA1/transcript").await.1["turns"], json!([]));
}
