//! `<Dial>`: the caller is connected with somebody else.

use phony_wire::twilio::twiml::Dial;
use phony_wire::twilio::webhook::{DialResult, DialStatus};

use super::calls::new_sid;
use super::document::Document;
use super::leg::{Broken, Leg, Next};
use super::line::Rules;
use super::network::{Answers, Callee};
use super::record::Dialled;
use super::speech::Input;
use crate::simulator::callers::Caller;

impl Leg {
    /// Rings the numbers, the first that answers is connected. The caller may hang up meanwhile.
    pub(crate) async fn dial(&mut self, dial: &Dial, document: &Document) -> Result<Next, Broken> {
        self.line.set_rules(Rules { interruptible: Input::None, ..Rules::default() });
        let timeout_ms = u64::from(dial.options.timeout_s.unwrap_or(30)) * 1000;
        let mut result =
            DialResult { dial_call_status: DialStatus::Failed, ..DialResult::default() };
        for number in &dial.numbers {
            let callee = self.net.callee(&number.number).unwrap_or_else(|| {
                let default = &self.net.options.callee;
                Callee { caller: Caller::silent(), ..default.clone() }
            });
            let at_ms = self.now_ms();
            let index = self.note_dialled(at_ms, &number.number, dial.options.caller_id.clone());
            let (rings_ms, outcome) = outcome(&callee.answers, timeout_ms);
            self.until(at_ms + rings_ms).await?;
            result.dial_call_sid = new_sid("CA");
            result.dial_bridged = Some(outcome == DialStatus::Completed);
            if outcome == DialStatus::Completed {
                self.set_outcome(index, &DialStatus::Answered);
                let most_ms = dial.options.time_limit_s.map_or(u64::MAX, |s| u64::from(s) * 1000);
                let talks_ms = callee.talks_ms.min(most_ms);
                let answered_ms = self.now_ms();
                self.until(answered_ms.saturating_add(talks_ms)).await?;
                result.dial_call_duration_s = Some(talks_ms.div_ceil(1000));
            }
            self.set_outcome(index, &outcome);
            result.dial_call_status = outcome;
            if result.dial_bridged == Some(true) {
                break;
            }
        }
        let Some(action) = &dial.options.action else { return Ok(Next::Verb) };
        let source = document.source(action, dial.options.method.as_deref());
        Ok(self.go_to("dial-action", &source, result.to_form()).await)
    }

    fn note_dialled(&self, at_ms: u64, to: &str, caller_id: Option<String>) -> usize {
        let dialled =
            Dialled { at_ms, to: to.to_owned(), caller_id, outcome: "ringing".to_owned() };
        self.cell.note(|record| record.dialled.push(dialled));
        self.cell.look(|record| record.dialled.len() - 1)
    }

    fn set_outcome(&self, index: usize, outcome: &DialStatus) {
        self.cell.note(|record| {
            if let Some(dialled) = record.dialled.get_mut(index) {
                outcome.as_str().clone_into(&mut dialled.outcome);
            }
        });
    }
}

/// How long it rings, and what comes of it.
fn outcome(answers: &Answers, timeout_ms: u64) -> (u64, DialStatus) {
    match answers {
        Answers::Person { after_ms } | Answers::Machine { after_ms, .. }
            if *after_ms <= timeout_ms =>
        {
            (*after_ms, DialStatus::Completed)
        }
        Answers::Person { .. } | Answers::Machine { .. } | Answers::Nobody => {
            (timeout_ms, DialStatus::NoAnswer)
        }
        Answers::Busy => (500, DialStatus::Busy),
        Answers::Fails { .. } => (500, DialStatus::Failed),
    }
}
