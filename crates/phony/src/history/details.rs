//! All details of one call as JSON: its snapshot, and what its events add.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use phony_call::{By, Event, EventBody, Owner, Snapshot, Stage, TurnId};
use serde_json::{Map, Value, json};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::store::CallSummary;
use crate::store::summary::wire_name;

/// The details of a call. `snapshot` is that of the live call, if it is on this node; otherwise it
/// is rebuilt from the events and `owner`. `None` if the first event is not `session_start`.
///
/// - `status`, `live`, `endedAt`
/// - `turns`, each with its `latency` by stage if the model made it
/// - `commands`: those executed or rejected, and who issued them
/// - `overrides`: actions of supervisors, answers to questions included
/// - `latencies`, `errors`, `resumed`
#[must_use]
pub fn details(
    summary: &CallSummary,
    snapshot: Option<Value>,
    events: &[Utf8Bytes],
    owner: Owner,
) -> Option<Value> {
    let events: Vec<Event> =
        events.iter().filter_map(|json| serde_json::from_str(json).ok()).collect();
    let recalled = || serde_json::to_value(Snapshot::recall(&events, owner)?).ok();
    let is_live = snapshot.is_some();
    let Value::Object(mut fields) = snapshot.or_else(recalled)? else { return None };
    let state = if summary.end.is_none() { "live" } else { "ended" };
    let status = summary.status.as_deref().unwrap_or(state);
    fields.insert("status".into(), status.into());
    fields.insert("live".into(), (is_live || summary.end.is_none()).into());
    fields.insert("endedAt".into(), summary.end.map(|end| end.at.to_string()).into());
    fields.insert("latencies".into(), latencies(&events).into());
    fields.insert("commands".into(), events.iter().filter_map(command).collect());
    fields.insert("overrides".into(), events.iter().filter_map(action).collect());
    fields.insert("errors".into(), events.iter().filter_map(error).collect());
    let resumed = events.iter().filter(|event| matches!(event.body, EventBody::Resumed { .. }));
    fields.insert("resumed".into(), resumed.count().into());
    add_latencies(&mut fields, &events);
    Some(Value::Object(fields))
}

/// The latencies measured, oldest first.
#[must_use]
pub fn latencies(events: &[Event]) -> Vec<Value> {
    let latency = |event: &Event| {
        let EventBody::Latency { turn, stage, ms } = &event.body else { return None };
        Some(json!({ "turn": turn, "stage": stage, "ms": ms }))
    };
    events.iter().filter_map(latency).collect()
}

/// The turns in a call's details as plain text, one per line.
#[must_use]
pub fn transcript(details: &Value) -> String {
    let mut text = String::new();
    for turn in details["turns"].as_array().into_iter().flatten() {
        let part = |name: &str| turn[name].as_str().unwrap_or_default();
        let time = part("at").get(11..19).unwrap_or_default();
        let cut = if turn["interrupted"] == true { " —" } else { "" };
        writeln!(text, "{time}  {}: {}{cut}", part("speaker"), part("text"))
            .expect("a string takes it");
    }
    text
}

/// Adds to the model's turns their latencies, measured from the end of the caller's utterance.
fn add_latencies(fields: &mut Map<String, Value>, events: &[Event]) {
    let mut measured = BTreeMap::<TurnId, Map<String, Value>>::new();
    for event in events {
        if let EventBody::Latency { turn, stage, ms } = &event.body {
            let name = match stage {
                Stage::FirstToken => "firstTokenMs",
                Stage::FirstSpoken => "firstSpokenMs",
                Stage::FirstPlayed => "firstPlayedMs",
            };
            measured.entry(*turn).or_default().insert(name.into(), (*ms).into());
        }
    }
    let turns = fields.get_mut("turns").and_then(Value::as_array_mut);
    for turn in turns.into_iter().flatten() {
        let id = turn["turn"].as_u64().and_then(|id| u32::try_from(id).ok()).map(TurnId);
        if let (Some(times), Value::Object(turn)) = (id.and_then(|id| measured.remove(&id)), turn) {
            turn.insert("latency".into(), Value::Object(times));
        }
    }
}

fn command(event: &Event) -> Option<Value> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "two types are about commands")]
    let mut entry = match &event.body {
        EventBody::CommandExecuted { command, value, by, .. } => {
            json!({ "command": command, "value": value, "by": by, "executed": true })
        }
        EventBody::CommandRejected { command, value, by, reason, .. } => json!({
            "command": command, "value": value, "by": by, "executed": false, "reason": reason,
        }),
        _ => return None,
    };
    stamp(&mut entry, event);
    Some(entry)
}

/// An action of a supervisor, or of the policy in a supervisor's place.
fn action(event: &Event) -> Option<Value> {
    let own = |kind: &str, by: &By| json!({ "kind": kind, "by": by });
    let words = |kind: &str, text: &str, by: &By| json!({ "kind": kind, "text": text, "by": by });
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are not actions of supervisors")]
    let mut entry = match &event.body {
        EventBody::AssistantOverride { text, by } => words("say", text, by),
        EventBody::QueryResponse { text, by, .. } => words("answer", text, by),
        EventBody::ResponseApproved { text, by, edited } => {
            words(if *edited { "edit" } else { "approve" }, text, by)
        }
        EventBody::ResponseRejected { text, by } => words("reject", text, by),
        EventBody::Whisper { text, by } => words("whisper", text, by),
        EventBody::Takeover { by, .. } => own("takeover", by),
        EventBody::Release { by } => own("release", by),
        EventBody::CommandExecuted { command, value, by: by @ By::Supervisor, .. } => {
            words(&wire_name(command), value, by)
        }
        _ => return None,
    };
    stamp(&mut entry, event);
    Some(entry)
}

fn error(event: &Event) -> Option<Value> {
    let EventBody::Error { r#where, code, message, fatal } = &event.body else { return None };
    let mut entry = json!({ "where": r#where, "code": code, "message": message, "fatal": fatal });
    stamp(&mut entry, event);
    Some(entry)
}

fn stamp(entry: &mut Value, event: &Event) {
    entry["seq"] = event.seq.into();
    entry["at"] = event.at.to_string().into();
}
