//! The model's socket drops at any moment of a call: the caller is answered all the same.

use std::time::Duration;

use futures_util::future::join_all;
use phony::sandbox::{Played, SandboxOptions, TempFolder, audit, instant};
use phony_call::{EventBody, Source};
use phony_simulator::callers::{Action, Caller, OnTimeout, Step, When};
use phony_simulator::openai::{Brain, Counted, Fault, FaultKind, ScriptedReply};
use phony_simulator::twilio::End;

use crate::support::sandbox::{config, sandbox};

const SPEED: f64 = 20.0;
const LIMIT: Duration = Duration::from_mins(1);
/// How long the caller waits for words, in milliseconds of the call.
const STEP_TIMEOUT_MS: u64 = 600_000;
const AT_ONCE: u64 = 8;
/// More events than the socket of this call can have.
const MOST_EVENTS: u64 = 200;

const GREETING: &str = "Hello, you are speaking with an automated assistant. How can I help you?";
const HOURS: &str = "We are open from Monday to Friday, nine to five.";
const FAREWELL: &str = "You are welcome. Have a nice day.";

fn brain() -> Brain {
    Brain::Script(vec![
        ScriptedReply::on("open", HOURS),
        ScriptedReply::on("bye", FAREWELL).with_call("end_call", "{}"),
    ])
}

fn caller() -> Caller {
    // The caller waits for the whole answer, however long it takes: a reconnect takes real time,
    // not the accelerated time of the call.
    let after = |heard: &str, said: &str| {
        Step::new(When::Hears { text: heard.to_owned() }, Action::say(said))
            .with_timeout(STEP_TIMEOUT_MS, OnTimeout::HangUp)
    };
    Caller::Script(vec![
        after("how can i help you?", "when are you open"),
        after("nine to five.", "thank you bye"),
        Step::new(When::Hears { text: "nice day.".to_owned() }, Action::Wait)
            .with_timeout(STEP_TIMEOUT_MS, OnTimeout::HangUp),
        Step::new(When::Silence { ms: 60_000 }, Action::HangUp),
    ])
}

/// A call whose model drops the socket instead of sending event number `event`, and whether it got
/// that far.
async fn hold(event: u64, close: Option<u16>) -> (Played, bool) {
    let folder = TempFolder::new().expect("a folder");
    let kind = FaultKind::Drop { event, of: Counted::Socket, close };
    let options = SandboxOptions {
        brain: Some(brain()),
        pace: instant(),
        faults: vec![Fault::always(kind).on_connection(0)],
        speed: SPEED,
        ..SandboxOptions::new(config(&folder))
    };
    let sandbox = sandbox(options).await;
    let played = sandbox.play(caller(), LIMIT).await.expect("a call");
    let struck = sandbox.model.as_ref().is_some_and(|model| model.stats().connections > 1);
    sandbox.stop().await;
    (played, struck)
}

fn check(event: u64, played: &Played) {
    let audit = audit(&played.events, &played.record);
    assert_eq!(audit.faults, Vec::<String>::new(), "at event {event}: {played:#?}");
    assert_eq!(audit.unanswered, Vec::<String>::new(), "at event {event}: {played:#?}");
    let expected = format!("{GREETING} {HOURS} {FAREWELL}");
    assert_eq!(replies(played), expected, "at event {event}: each word once: {played:#?}");
    let ends = [Some(End::FarEndHungUp), Some(End::TwimlEnded)];
    assert!(ends.contains(&played.record.end), "at event {event}: {played:#?}");
}

/// What the caller heard of the agent and its model; a filler in between is no reply.
fn replies(played: &Played) -> String {
    let texts = played.events.iter().filter_map(|event| {
        let EventBody::AssistantResponse { text, source, .. } = &event.body else { return None };
        Some(text.as_str()).filter(|_| *source != Source::Filler)
    });
    texts.collect::<Vec<_>>().join(" ")
}

/// Drops the socket at each event of a call in turn.
async fn at_every_event(close: Option<u16>) {
    let mut struck = 0;
    for from in (0..MOST_EVENTS).step_by(usize::try_from(AT_ONCE).expect("few")) {
        let events = from..from + AT_ONCE;
        let held = join_all(events.clone().map(|event| hold(event, close))).await;
        let mut through = false;
        for (event, (played, broke)) in events.zip(held) {
            check(event, &played);
            struck += u64::from(broke);
            through |= !broke;
        }
        if through {
            assert!(struck > 30, "two turns have more events than {struck}");
            return;
        }
    }
    panic!("a call has no more than {MOST_EVENTS} events");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_breaks_off_at_any_event_leaves_no_caller_unanswered() {
    at_every_event(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_closes_at_any_event_leaves_no_caller_unanswered() {
    at_every_event(Some(1011)).await;
}
