//! Every recorded caller, through the whole system: the phone network, the server, the model.

use std::time::Duration;

use futures_util::future::join_all;
use phony::sandbox::{Audit, Played, SandboxOptions, TempFolder, audit, instant};
use phony_simulator::callers::{Caller, RecordedCall, recorded_calls};
use phony_simulator::openai::{Brain, RecordedTurn, Recording, Who};
use phony_simulator::twilio::End;

use crate::support::sandbox::{config, sandbox};

const SPEED: f64 = 20.0;
const LIMIT: Duration = Duration::from_secs(90);
/// Calls that are held at the same time.
const AT_ONCE: usize = 6;

/// The agent says what the agent of the recording said.
fn agent_of(call: &RecordedCall) -> Brain {
    let turns = call.turns.iter().map(|turn| RecordedTurn {
        who: match turn.who {
            phony_simulator::callers::Who::Caller => Who::Caller,
            phony_simulator::callers::Who::Agent => Who::Agent,
        },
        text: turn.text.clone(),
    });
    Brain::Transcript(Recording { turns: turns.collect() })
}

async fn hold(call: &RecordedCall) -> (Played, Audit) {
    let folder = TempFolder::new().expect("a folder");
    let options = SandboxOptions {
        brain: Some(agent_of(call)),
        pace: instant(),
        speed: SPEED,
        ..SandboxOptions::new(config(&folder))
    };
    let sandbox = sandbox(options).await;
    let played = sandbox.play(Caller::Recorded(call.clone()), LIMIT).await.expect("a call");
    sandbox.stop().await;
    let audit = audit(&played.events, &played.record);
    (played, audit)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_word_of_a_recorded_conversation_is_lost_or_doubled() {
    let calls = recorded_calls();
    let (mut interrupted, mut held) = (0, 0);
    for some in calls.chunks(AT_ONCE) {
        for (call, (played, audit)) in some.iter().zip(join_all(some.iter().map(hold)).await) {
            assert_eq!(audit.faults, Vec::<String>::new(), "{}: {played:#?}", call.id);
            let words = call.caller_words().split_whitespace().count();
            assert_eq!(audit.said, words, "{}: every word of the recording was said", call.id);
            assert!(audit.heard > 10, "{}: the caller heard an agent", call.id);
            assert_eq!(played.record.end, Some(End::FarEndHungUp), "{}", call.id);
            interrupted += played.record.interrupts.len();
            held += 1;
        }
    }
    assert_eq!(held, 18);
    assert!(interrupted >= 5, "callers talk over the agent as they did: {interrupted}");
}
