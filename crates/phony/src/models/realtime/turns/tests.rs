use phony_call::{Fault, FromModel, Item, ItemBody, ItemId, ItemKind, Outcome};
use serde_json::{Value, json};

use super::*;

mod speech;

/// The turns of one connection, at a time that stands still unless a test moves it.
struct Connection {
    turns: Turns,
    now: Instant,
    timing: Timing,
}

impl Connection {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let now = Instant::now();
        Self { turns: Turns::new(None), now, timing: Timing::default() }
    }

    /// After this turn was requested.
    fn requested(turn: u32) -> Self {
        let mut connection = Self::new();
        connection.ask(turn);
        connection
    }

    /// After its response was created.
    fn created(turn: u32) -> Self {
        let mut connection = Self::requested(turn);
        connection.receive(&json!({"type": "response.created", "response": {"id": "resp_1"}}));
        connection
    }

    fn ask(&mut self, turn: u32) -> Output {
        let id = ItemId::new(ItemKind::Entry, turn.into(), 0);
        let body = ItemBody::User { text: "Hello".into(), heard: None };
        self.ask_with(turn, vec![Item { id, body }])
    }

    fn ask_with(&mut self, turn: u32, context: Vec<Item>) -> Output {
        let request = ResponseRequest { turn: TurnId(turn), context, is_retry: false };
        let mut out = Output::default();
        self.turns.respond(self.now, &self.timing, request, &mut out);
        out
    }

    fn cancel(&mut self, turn: u32) -> Output {
        let mut out = Output::default();
        self.turns.cancel(self.now, &self.timing, TurnId(turn), &mut out);
        out
    }

    fn receive(&mut self, event: &Value) -> Output {
        let (text, mut out) = (event.to_string(), Output::default());
        let event = ServerEvent::parse(&text).expect("an event");
        self.turns.handle(self.now, &self.timing, event, &mut out);
        out
    }

    fn done(&mut self, response: &Value) -> Output {
        self.receive(&json!({"type": "response.done", "response": response}))
    }

    fn error(&mut self, code: &str, event_id: &str) -> Output {
        let error = json!({"type": "invalid_request_error", "code": code, "event_id": event_id});
        self.receive(&json!({"type": "error", "error": error}))
    }

    fn delta(&mut self, text: &str) -> Output {
        self.receive(&json!({
            "type": "response.output_text.delta", "response_id": "resp_1", "item_id": "item_A",
            "delta": text,
        }))
    }
}

/// The types of the messages.
fn sent(out: &Output) -> Vec<String> {
    let kind = |message: &String| {
        let message: Value = serde_json::from_str(message).expect("JSON");
        message["type"].as_str().expect("a type").to_owned()
    };
    out.messages.iter().map(kind).collect()
}

fn event(out: &Output) -> &FromModel {
    match &out.events[..] {
        [OutputEvent::Plain(event)] => event,
        other => panic!("not one event: {other:?}"),
    }
}

fn failed(out: &Output) -> (u32, Fault, &str) {
    match &out.events[..] {
        [OutputEvent::Failed(turn, error, _)] => (turn.0, error.fault, &error.code),
        other => panic!("not one failure: {other:?}"),
    }
}

#[test]
fn items_and_request_are_sent_together_each_with_its_own_id() {
    let out = Connection::new().ask(1);
    assert_eq!(sent(&out), ["conversation.item.create", "response.create"]);
    assert!(out.messages[0].contains(r#""event_id":"c1""#), "{}", out.messages[0]);
    assert!(out.messages[1].contains(r#""event_id":"r2""#), "{}", out.messages[1]);
}

#[test]
fn text_of_a_cancelled_turn_is_dropped_and_its_usage_reported() {
    let mut connection = Connection::created(1);
    assert!(matches!(event(&connection.delta("Hello")), FromModel::Text { .. }));
    let out = connection.cancel(1);
    assert_eq!(sent(&out), ["response.cancel"]);
    assert!(out.messages[0].contains("resp_1"));
    assert!(connection.delta(" there").is_empty());
    let usage = json!({"input_tokens": 7, "output_tokens": 2});
    let out = connection.done(&json!({"id": "resp_1", "status": "cancelled", "usage": usage}));
    let FromModel::Done { turn: TurnId(1), usage: Some(usage), .. } = event(&out) else {
        panic!("{out:?}")
    };
    assert_eq!((usage.input_text_tokens, usage.output_text_tokens), (7, 2));
    assert!(connection.turns.is_idle());
}

#[test]
fn the_next_turn_is_requested_when_the_cancelled_one_is_over_and_its_items_are_deleted() {
    let mut connection = Connection::created(1);
    connection.receive(&json!({
        "type": "response.output_item.added", "response_id": "resp_1",
        "item": {"id": "item_A", "type": "message", "role": "assistant"},
    }));
    assert_eq!(sent(&connection.ask(2)), ["response.cancel"]);
    let out = connection.done(&json!({"id": "resp_1", "status": "cancelled"}));
    let expected = [
        "conversation.item.delete",
        "conversation.item.delete",
        "conversation.item.create",
        "response.create",
    ];
    assert_eq!(sent(&out), expected);
    assert!(out.events.is_empty(), "no usage, no event");
}

#[test]
fn a_cancelled_reply_is_never_taken_for_a_whole_one() {
    let said = |turn| Item {
        id: ItemId::new(ItemKind::Entry, 2, 1),
        body: ItemBody::Assistant { text: "Hello".into(), verbatim: Some(TurnId(turn)) },
    };
    for cancelled in [false, true] {
        let mut connection = Connection::created(1);
        connection.receive(&json!({
            "type": "response.output_item.added", "response_id": "resp_1",
            "item": {"id": "item_A", "type": "message", "role": "assistant"},
        }));
        connection.delta("Hello");
        if cancelled {
            // The server may have written more before the cancel arrived.
            connection.cancel(1);
        }
        connection.done(&json!({"id": "resp_1", "status": "completed"}));
        let id = ItemId::new(ItemKind::Entry, 1, 0);
        let user = Item { id, body: ItemBody::User { text: "Hello".into(), heard: None } };
        let out = connection.ask_with(2, vec![user, said(1)]);
        let replaced = ["conversation.item.delete", "conversation.item.create", "response.create"];
        assert_eq!(sent(&out), if cancelled { &replaced[..] } else { &replaced[2..] });
    }
}

#[test]
fn a_cancel_before_the_response_is_created_names_none() {
    let mut connection = Connection::requested(1);
    let out = connection.cancel(1);
    assert!(!out.messages[0].contains("response_id"), "{}", out.messages[0]);
    // The cancel was in time: the response is created and ends.
    assert!(
        connection
            .receive(&json!({"type": "response.created", "response": {"id": "resp_1"}}))
            .is_empty()
    );
    assert!(connection.done(&json!({"id": "resp_1", "status": "cancelled"})).is_empty());
    assert!(connection.turns.is_idle());
}

#[test]
fn a_cancel_that_came_too_early_is_sent_again() {
    let mut connection = Connection::requested(1);
    connection.cancel(1);
    assert!(connection.error("response_cancel_not_active", "x3").is_empty());
    let out =
        connection.receive(&json!({"type": "response.created", "response": {"id": "resp_1"}}));
    assert_eq!(sent(&out), ["response.cancel"]);
    assert!(out.messages[0].contains("resp_1"));
}

#[test]
fn a_cancel_that_finds_nothing_is_harmless() {
    // Named or not: the response is over, and the next one is requested at once.
    for answers in ["x3", ""] {
        let mut connection = Connection::created(1);
        assert_eq!(sent(&connection.ask(2)), ["response.cancel"]);
        let out = connection.error("response_cancel_not_active", answers);
        assert_eq!(
            sent(&out),
            ["conversation.item.delete", "conversation.item.create", "response.create"]
        );
        assert!(out.end.is_none() && !connection.turns.take_out_of_sync());
    }
    // With no waiting request, nothing is under way.
    let mut connection = Connection::created(1);
    connection.cancel(1);
    assert!(connection.error("response_cancel_not_active", "x3").is_empty());
    assert!(connection.turns.is_idle());
    // An answer to an older cancel says nothing about the latest one.
    let mut connection = Connection::requested(1);
    connection.cancel(1);
    assert_eq!(sent(&connection.ask(2)), Vec::<String>::new());
    assert!(connection.error("response_cancel_not_active", "x99").is_empty());
    assert!(!connection.turns.is_idle());
}

#[test]
fn a_response_created_after_its_cancel_is_not_taken_for_the_next_one() {
    let created = |id: &str, turn: &str| {
        let response = json!({"id": id, "metadata": {"turn": turn}});
        json!({"type": "response.created", "response": response})
    };
    let mut connection = Connection::requested(1);
    connection.cancel(1);
    connection.error("response_cancel_not_active", "x3");
    let out = connection.ask(2);
    assert!(out.messages.iter().any(|message| message.contains(r#""metadata":{"turn":"2"}"#)));
    let out = connection.receive(&created("resp_1", "1"));
    assert_eq!(sent(&out), ["response.cancel"]);
    assert!(out.messages[0].contains("resp_1"));
    let usage = json!({"input_tokens": 7, "output_tokens": 2});
    let metadata = json!({"turn": "1"});
    let over = json!({"id": "resp_1", "status": "cancelled", "usage": usage, "metadata": metadata});
    assert!(matches!(event(&connection.done(&over)), FromModel::Done { turn: TurnId(1), .. }));
    assert!(connection.receive(&created("resp_2", "2")).is_empty());
    let delta = json!({
        "type": "response.output_text.delta", "response_id": "resp_2", "item_id": "item_B",
        "delta": "Two",
    });
    assert!(matches!(event(&connection.receive(&delta)), FromModel::Text { turn: TurnId(2), .. }));
}

#[test]
fn a_response_that_blocks_before_it_is_created_is_awaited_and_cancelled() {
    let mut connection = Connection::requested(1);
    connection.cancel(1);
    connection.error("response_cancel_not_active", "x3");
    connection.ask(2);
    // Refused because of the first, which has not begun; the answer names no event.
    let out = connection.error("conversation_already_has_active_response", "");
    assert_eq!(sent(&out), ["response.cancel"]);
    assert!(connection.error("response_cancel_not_active", "").is_empty());
    let out =
        connection.receive(&json!({"type": "response.created", "response": {"id": "resp_1"}}));
    assert_eq!(sent(&out), ["response.cancel"]);
    assert!(out.messages[0].contains("resp_1"));
    let out = connection.done(&json!({"id": "resp_1", "status": "cancelled"}));
    assert_eq!(sent(&out), ["response.create"], "the items are there already");
}

#[test]
fn races_about_items_and_audio_are_harmless() {
    for (code, answers) in [
        ("item_delete_invalid_item_id", "d9"),
        ("item_truncate_invalid_item_id", ""),
        ("item_retrieve_invalid_item_id", ""),
        ("input_audio_buffer_commit_empty", ""),
    ] {
        for mut connection in [Connection::new(), Connection::requested(1), Connection::created(1)]
        {
            let out = connection.error(code, answers);
            assert!(out.is_empty() && !connection.turns.take_out_of_sync(), "{code}");
        }
    }
    let mut connection = Connection::new();
    let gone =
        json!({"code": "not_found", "event_id": "d9", "message": "The item does not exist."});
    connection.receive(&json!({"type": "error", "error": gone}));
    assert!(!connection.turns.take_out_of_sync());
}

#[test]
fn a_request_blocked_by_an_unknown_response_is_sent_again_when_that_is_over() {
    let mut connection = Connection::requested(1);
    let out = connection.error("conversation_already_has_active_response", "r2");
    assert_eq!(sent(&out), ["response.cancel"]);
    let out = connection.done(&json!({"id": "resp_0", "status": "cancelled"}));
    assert_eq!(sent(&out), ["response.create"], "the items are there already");
}

#[test]
fn an_unrequested_response_is_cancelled() {
    let mut connection = Connection::new();
    let out =
        connection.receive(&json!({"type": "response.created", "response": {"id": "resp_9"}}));
    assert_eq!(sent(&out), ["response.cancel"]);
    assert_eq!(sent(&connection.ask(1)), Vec::<String>::new());
    let out = connection.done(&json!({"id": "resp_9", "status": "cancelled"}));
    assert_eq!(sent(&out), ["conversation.item.create", "response.create"]);
}

#[test]
fn a_refused_item_rebuilds_the_connection_once() {
    let mut connection = Connection::requested(1);
    let out = connection.error("invalid_value", "c1");
    assert_eq!(out.end, Some(ConnectionEnd::Rebuild));
    let (turn, waiting) = connection.turns.into_unfinished();
    assert_eq!(turn, None);

    let mut connection = Connection { turns: Turns::new(waiting), ..Connection::new() };
    let mut out = Output::default();
    connection.turns.send_waiting(connection.now, &mut out);
    assert_eq!(sent(&out), ["conversation.item.create", "response.create"]);
    assert_eq!(connection.error("invalid_value", "c1").end, None);
    assert!(connection.turns.take_out_of_sync(), "replaced when idle instead");
}

#[test]
fn a_refused_deletion_marks_the_conversation_out_of_sync() {
    let mut connection = Connection::created(1);
    assert!(connection.error("invalid_value", "d9").is_empty());
    assert!(connection.turns.take_out_of_sync() && !connection.turns.take_out_of_sync());
}

#[test]
fn a_refused_request_fails_its_turn() {
    let mut connection = Connection::requested(1);
    assert_eq!(
        failed(&connection.error("invalid_value", "r2")),
        (1, Fault::Passing, "invalid_value")
    );
    assert!(connection.turns.is_idle());
    let mut connection = Connection::requested(1);
    assert_eq!(failed(&connection.error("rate_limit_exceeded", "r2")).1, Fault::Busy);
}

#[test]
fn an_unrelated_error_changes_nothing() {
    let mut connection = Connection::created(1);
    assert!(connection.error("invalid_value", "").is_empty());
    assert!(matches!(event(&connection.delta("Hello")), FromModel::Text { .. }));
}

#[test]
fn fatal_errors_and_expired_sessions_end_the_connection() {
    let out = Connection::created(1).error("invalid_api_key", "");
    assert!(matches!(out.end, Some(ConnectionEnd::Failed(ModelError { fault: Fault::Fatal, .. }))));
    let out = Connection::created(1).error("session_expired", "");
    assert!(matches!(out.end, Some(ConnectionEnd::Failed(ModelError { fault: Fault::Lost, .. }))));
}

#[test]
fn a_reply_can_be_cut_short_in_several_ways() {
    for (reason, expected) in
        [("max_output_tokens", Outcome::TooLong), ("content_filter", Outcome::Filtered)]
    {
        let details = json!({"type": "incomplete", "reason": reason});
        let out = Connection::created(1)
            .done(&json!({"id": "resp_1", "status": "incomplete", "status_details": details}));
        assert!(matches!(event(&out), FromModel::Done { outcome, .. } if *outcome == expected));
    }
    let cancelled = json!({"id": "resp_1", "status": "cancelled"});
    assert_eq!(failed(&Connection::created(1).done(&cancelled)), (1, Fault::Passing, "cancelled"));
    // Text that the server cut off is not a whole reply.
    let mut connection = Connection::created(1);
    connection.delta("Some words");
    assert_eq!(failed(&connection.done(&cancelled)), (1, Fault::Passing, "cancelled"));
}

#[test]
fn only_complete_tool_calls_are_reported_and_each_once() {
    let call = |status: &str| {
        json!({
            "id": "item_F", "type": "function_call", "status": status, "call_id": "call_1",
            "name": "press", "arguments": "{\"digits\":\"1\"}",
        })
    };
    let item_done = |status: &str| json!({"type": "response.output_item.done", "response_id": "resp_1", "item": call(status)});
    let mut connection = Connection::created(1);
    assert!(connection.receive(&item_done("incomplete")).is_empty());
    let out = connection.receive(&item_done("completed"));
    assert!(matches!(event(&out), FromModel::Tool { name, .. } if name == "press"));
    let response = json!({"id": "resp_1", "status": "completed", "output": [call("completed")]});
    assert!(matches!(event(&connection.done(&response)), FromModel::Done { .. }));

    // Also if only `response.done` names it.
    let out = Connection::created(1).done(&response);
    assert!(matches!(out.events[0], OutputEvent::Plain(FromModel::Tool { .. })));
    assert!(matches!(out.events[1], OutputEvent::Plain(FromModel::Done { .. })));
}

#[test]
fn a_silent_connection_counts_as_dead() {
    let mut connection = Connection::requested(1);
    let due = connection.turns.deadline(&connection.timing).expect("a deadline");
    assert_eq!(due - connection.now, connection.timing.created);
    let mut out = Output::default();
    connection.turns.handle_timeout(&connection.timing, &mut out);
    assert!(matches!(out.end, Some(ConnectionEnd::Failed(ModelError { fault: Fault::Lost, .. }))));

    connection.cancel(1);
    assert_eq!(
        connection.turns.deadline(&connection.timing).expect("a deadline") - connection.now,
        connection.timing.drain
    );
    let mut connection = Connection::created(1);
    connection.now += connection.timing.silence / 2;
    connection.delta("Still here");
    let due = connection.turns.deadline(&connection.timing).expect("a deadline");
    assert_eq!(due - connection.now, connection.timing.silence);
    assert_eq!(Connection::new().turns.deadline(&connection.timing), None);
}

#[test]
fn a_waiting_request_outlives_the_connection() {
    let mut connection = Connection::created(1);
    connection.ask(2);
    let (turn, waiting) = connection.turns.into_unfinished();
    assert_eq!((turn, waiting.map(|asked| asked.turn)), (None, Some(TurnId(2))));
    let (turn, waiting) = Connection::created(1).turns.into_unfinished();
    assert_eq!((turn, waiting.is_none()), (Some(TurnId(1)), true));
}
