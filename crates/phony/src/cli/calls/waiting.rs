//! The questions and replies that have been shown and wait for a supervisor.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use phony_call::{CallSid, Event, EventBody, TurnId};

/// What waits in each call. An action names the question or reply that its supervisor has seen, so
/// that it is not applied to a newer one.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    calls: RefCell<BTreeMap<CallSid, Waits>>,
}

#[derive(Debug, Default)]
struct Waits {
    /// The sequence numbers of the questions' events, oldest first.
    questions: VecDeque<u64>,
    /// The turn of the held reply.
    reply: Option<TurnId>,
}

impl Waiting {
    /// Takes note of an event that has been shown.
    pub(super) fn shown(&self, event: &Event) {
        let mut calls = self.calls.borrow_mut();
        #[expect(clippy::wildcard_enum_match_arm, reason = "no other event waits for a supervisor")]
        match &event.body {
            EventBody::Query { .. } => {
                calls.entry(event.call.clone()).or_default().questions.extend(event.seq);
            }
            EventBody::QueryResponse { .. } => {
                calls.get_mut(&event.call).and_then(|waits| waits.questions.pop_front());
            }
            EventBody::PendingResponse { turn, .. } => {
                calls.entry(event.call.clone()).or_default().reply = Some(*turn);
            }
            EventBody::ResponseApproved { .. } | EventBody::ResponseRejected { .. } => {
                calls.get_mut(&event.call).and_then(|waits| waits.reply.take());
            }
            EventBody::SessionEnd { .. } => drop(calls.remove(&event.call)),
            _ => {}
        }
    }

    /// The sequence number of the question that waits for an answer.
    pub(super) fn question(&self, call: &CallSid) -> Option<u64> {
        self.calls.borrow().get(call)?.questions.front().copied()
    }

    /// The turn of the held reply.
    pub(super) fn reply(&self, call: &CallSid) -> Option<TurnId> {
        self.calls.borrow().get(call)?.reply
    }
}

#[cfg(test)]
mod tests {
    use phony_call::By;

    use super::*;

    #[test]
    fn what_is_settled_waits_no_longer() {
        let (waiting, call) = (Waiting::default(), CallSid::parse("CA1").unwrap());
        let shown = |seq, body| {
            let at = "2026-01-01T00:00:00Z".parse().unwrap();
            waiting.shown(&Event { body, call: call.clone(), at, seq: Some(seq) });
            (waiting.question(&call), waiting.reply(&call).map(|turn| turn.0))
        };
        let query = || EventBody::Query { prompt: "Yes?".into(), tool: None, timeout_ms: 0 };
        let by = By::Supervisor;
        let text = String::new;
        assert_eq!(shown(4, query()), (Some(4), None));
        assert_eq!(shown(5, query()), (Some(4), None), "the oldest comes first");
        let answer = EventBody::QueryResponse { text: text(), answered: true, by };
        assert_eq!(shown(6, answer), (Some(5), None));
        let (turn, commands, timeout_ms) = (TurnId(3), Vec::new(), 0);
        let held = EventBody::PendingResponse { text: text(), turn, commands, timeout_ms };
        assert_eq!(shown(7, held), (Some(5), Some(3)));
        assert_eq!(shown(8, EventBody::ResponseRejected { text: text(), by }), (Some(5), None));
    }
}
