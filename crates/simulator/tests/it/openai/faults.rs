//! Faults occur as they were asked for.

use std::time::Duration;

use phony_simulator::openai::{Brain, Counted, Fault, FaultKind, OpenAiRunning, start};
use serde_json::json;

use super::client::{Client, End, done, instant, refusal, request, text_of};

async fn with(fault: Fault) -> OpenAiRunning {
    let server = start(instant(Brain::Echo)).await.unwrap();
    server.add_fault(fault);
    server
}

#[tokio::test]
async fn a_handshake_is_refused_on_the_chosen_connection() {
    let fault = "refuse:503@connection=1".parse().unwrap();
    let server = with(fault).await;
    Client::connect(&server).await;
    assert_eq!(refusal(request(server.addr(), "gpt-realtime")).await.0, 503);
    Client::connect(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_fault_that_occurs_once_occurs_once() {
    let server = with(Fault::once(FaultKind::Refuse { status: 429 })).await;
    let answer = refusal(request(server.addr(), "gpt-realtime")).await;
    assert_eq!(answer, (429, json!("rate_limit_exceeded")));
    Client::connect(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn an_error_comes_instead_of_the_session() {
    let server = with("error:insufficient_quota:1011".parse().unwrap()).await;
    let mut client = Client::open(&server).await;
    assert_eq!(client.event().await["error"]["code"], "insufficient_quota");
    assert_eq!(client.end().await, End::Closed(1011));
    server.stop().await;
}

#[tokio::test]
async fn a_socket_breaks_at_any_event_of_a_turn() {
    // A session begins with two events, an item has two, and a response ten and its deltas.
    let server = start(instant(Brain::Echo)).await.unwrap();
    let mut client = Client::text_mode(&server).await;
    client.ask("one two").await;
    let all = client.events.len();
    for event in 0..all as u64 {
        server.add_fault(Fault::once(FaultKind::Drop { event, of: Counted::Socket, close: None }));
        let mut client = Client::open(&server).await;
        client
            .send(json!({"type": "session.update", "session": {
                "type": "realtime", "output_modalities": ["text"],
            }}))
            .await;
        client
            .send(json!({"type": "conversation.item.create", "item": {
                "type": "message", "role": "user",
                "content": [{"type": "input_text", "text": "one two"}],
            }}))
            .await;
        client.send(json!({"type": "response.create"})).await;
        assert_eq!(client.end().await, End::Broken, "at event {event}");
        assert_eq!(client.events.len() as u64, event);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_response_breaks_off_at_any_of_its_events() {
    let server = start(instant(Brain::Echo)).await.unwrap();
    let mut client = Client::text_mode(&server).await;
    client.say("one two").await;
    let all = client.respond(json!({})).await.len() as u64;
    for event in 0..all {
        let kind = FaultKind::Drop { event, of: Counted::Response, close: Some(1011) };
        server.add_fault(Fault::once(kind).on_response(server.stats().responses));
        let mut client = Client::text_mode(&server).await;
        client.say("one two").await;
        let before = client.events.len();
        client.send(json!({"type": "response.create"})).await;
        assert_eq!(client.end().await, End::Closed(1011));
        assert_eq!((client.events.len() - before) as u64, event);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_stalled_response_says_nothing_and_blocks_the_next() {
    let server = with(Fault::once(FaultKind::Stall { created: false })).await;
    let mut client = Client::text_mode(&server).await;
    client.say("hello").await;
    client.send(json!({"type": "response.create"})).await;
    assert!(client.is_silent(Duration::from_millis(100)).await);
    let error = client.refused(json!({"type": "response.create"})).await;
    assert_eq!(error["code"], "conversation_already_has_active_response");
    // Only a new socket helps.
    let mut client = Client::text_mode(&server).await;
    assert_eq!(client.ask("hello").await, "You said: hello");
    server.stop().await;
}

#[tokio::test]
async fn a_response_that_stalls_after_its_start_can_be_cancelled() {
    let server = with("stall-created@response=0".parse().unwrap()).await;
    let mut client = Client::text_mode(&server).await;
    client.say("hello").await;
    client.send(json!({"type": "response.create"})).await;
    assert_eq!(client.event().await["type"], "response.created");
    assert!(client.is_silent(Duration::from_millis(100)).await);
    client.send(json!({"type": "response.cancel"})).await;
    let events = client.until("rate_limits.updated").await;
    assert_eq!(
        (&done(&events)["status"], &done(&events)["output"]),
        (&json!("cancelled"), &json!([]))
    );
    assert_eq!(text_of(&client.respond(json!({})).await), "You said: hello");
    server.stop().await;
}

#[tokio::test]
async fn a_response_fails_with_the_chosen_code() {
    let server = with("fail:rate_limit_exceeded@once".parse().unwrap()).await;
    server.add_fault("fail:server_error@once".parse().unwrap());
    let mut client = Client::text_mode(&server).await;
    client.say("hello").await;
    for (code, kind) in
        [(json!("rate_limit_exceeded"), "invalid_request_error"), (json!(null), "server_error")]
    {
        let events = client.respond(json!({})).await;
        let response = done(&events);
        assert_eq!(response["status"], "failed");
        assert_eq!(response["status_details"]["error"]["code"], code);
        assert_eq!(response["status_details"]["error"]["type"], kind);
        assert_eq!(
            (&response["output"], &response["usage"]["total_tokens"]),
            (&json!([]), &json!(0))
        );
    }
    assert_eq!(text_of(&client.respond(json!({})).await), "You said: hello");
    server.stop().await;
}

#[tokio::test]
async fn the_first_token_is_slow_where_it_should_be() {
    let server = with("slow:60m@response=0".parse().unwrap()).await;
    server.add_fault("slow:1ms@response=1".parse().unwrap());
    let mut client = Client::text_mode(&server).await;
    client.say("hello").await;
    client.send(json!({"type": "response.create"})).await;
    assert_eq!(client.event().await["type"], "response.created");
    assert!(client.is_silent(Duration::from_millis(100)).await);
    client.send(json!({"type": "response.cancel"})).await;
    client.until("rate_limits.updated").await;
    assert_eq!(text_of(&client.respond(json!({})).await), "You said: hello");
    server.stop().await;
}

#[tokio::test]
async fn a_session_expires_with_its_error_and_1001() {
    let server = with("expire:50ms".parse().unwrap()).await;
    let mut client = Client::connect(&server).await;
    let event = client.event().await;
    assert_eq!(event["error"]["code"], "session_expired");
    assert_eq!(client.end().await, End::Closed(1001));
    server.stop().await;
}

#[test]
fn faults_are_written_as_texts() {
    let drop = FaultKind::Drop { event: 12, of: Counted::Socket, close: Some(1011) };
    let cases = [
        ("drop:12:1011@connection=2@once", Fault::once(drop).on_connection(2)),
        (
            "slow:250ms",
            Fault::always(FaultKind::SlowFirstToken { delay: Duration::from_millis(250) }),
        ),
        ("expire:5m", Fault::always(FaultKind::Expire { after: Duration::from_mins(5) })),
        ("fail-transcription@once", Fault::once(FaultKind::FailTranscription)),
        ("stall@response=3", Fault::always(FaultKind::Stall { created: false }).on_response(3)),
    ];
    for (text, fault) in cases {
        assert_eq!(text.parse::<Fault>().as_ref(), Ok(&fault), "{text}");
    }
    for text in [
        "",
        "drop",
        "drop:x",
        "drop:1:1:1",
        "refuse:200",
        "slow:4h",
        "slow:99999999999s",
        "error",
        "expire:1s@response=1",
        "stall@never",
        "drop:1:99",
    ] {
        assert!(text.parse::<Fault>().is_err(), "{text}");
    }
}
