//! Recorded conversations, replayed to an agent.

use std::collections::HashMap;

use futures_util::future::join_all;
use phony_simulator::callers::{Caller, RecordedCall, recorded_calls};
use phony_simulator::twilio::{CallRecord, End, Fate};
use phony_wire::twilio::relay::FromTwilio;

use super::app::{Relay, Sandbox};

const GREETING: &str = "Hello, this is the bank. How can I help you?";
const REPLY: &str = "Thank you. I have written that down, what else can I do for you today?";

/// A finished conversation: what was recorded, and what the application received.
struct Held {
    recorded: RecordedCall,
    prompts: Vec<String>,
    interrupts: Vec<String>,
    record: CallRecord,
}

async fn hold_all(sandbox: &mut Sandbox) -> Vec<Held> {
    sandbox.app.answer_with_relay(&format!(r#"welcomeGreeting="{GREETING}""#));
    let mut rung: HashMap<String, RecordedCall> = HashMap::new();
    let mut relays = Vec::new();
    for recorded in recorded_calls() {
        rung.insert(sandbox.ring(Caller::Recorded(recorded.clone())), recorded);
        let (relay, setup) = sandbox.app.relay().await;
        relays.push((setup.call_sid, relay));
    }
    let talks = relays.into_iter().map(async |(sid, relay)| (sid, talk(relay).await));
    let mut held = Vec::new();
    for (sid, (prompts, interrupts)) in join_all(talks).await {
        let record = sandbox.end_of(&sid).await;
        let recorded = rung.remove(&sid).expect("a call that was rung");
        held.push(Held { recorded, prompts, interrupts, record });
    }
    held
}

async fn talk(mut relay: Relay) -> (Vec<String>, Vec<String>) {
    let (mut prompts, mut interrupts) = (Vec::new(), Vec::new());
    while let Some(frame) = relay.next().await {
        match frame {
            FromTwilio::Prompt { voice_prompt, .. } => {
                prompts.push(voice_prompt);
                relay.say(REPLY).await;
            }
            FromTwilio::Interrupt { utterance_until_interrupt, .. } => {
                interrupts.push(utterance_until_interrupt);
            }
            _ => {}
        }
    }
    (prompts, interrupts)
}

#[tokio::test]
async fn every_word_of_every_recorded_caller_reaches_the_application_once_and_in_order() {
    let mut sandbox = Sandbox::start(50.0).await;
    let held = hold_all(&mut sandbox).await;
    assert_eq!(held.len(), 18);
    for Held { recorded, prompts, record, .. } in &held {
        assert_eq!(prompts.join(" "), recorded.caller_words(), "{}", recorded.id);
        assert_eq!(record.end, Some(End::FarEndHungUp), "{}", recorded.id);
        assert!(record.said.iter().all(|said| matches!(said.fate, Fate::Noise | Fate::Reported)));
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn recorded_callers_who_interrupted_the_agent_do_so_again() {
    let mut sandbox = Sandbox::start(50.0).await;
    let held = hold_all(&mut sandbox).await;
    let cut: Vec<_> = held.iter().flat_map(|held| &held.interrupts).collect();
    assert!(cut.len() >= 5, "{}", cut.len());
    for utterance in cut {
        assert!([GREETING, REPLY].iter().any(|text| text.starts_with(utterance)), "{utterance}");
    }
    for Held { record, interrupts, .. } in &held {
        assert_eq!(record.interrupts.len(), interrupts.len());
    }
    sandbox.stop().await;
}
