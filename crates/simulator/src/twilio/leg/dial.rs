//! `<Dial>`: connects the caller to another party.

use phony_wire::twilio::twiml::Dial;
use phony_wire::twilio::webhook::{CallStatus, DialResult, DialStatus};

use super::{Abort, Leg, Next};
use crate::callers::Caller;
use crate::twilio::callee::{Answers, Callee};
use crate::twilio::calls::new_sid;
use crate::twilio::document::Document;
use crate::twilio::line::Rules;
use crate::twilio::record::Dialled;
use crate::twilio::speech::Input;

impl Leg {
    /// Rings the numbers in order and connects the first that answers. When the caller's leg ends,
    /// so does the dialled party's, and the action URL is still requested.
    pub(crate) async fn dial(&mut self, dial: &Dial, document: &Document) -> Result<Next, Abort> {
        self.line.set_rules(Rules { interruptible: Input::None, ..Rules::default() });
        let action = dial.options.action.as_ref();
        let action = action.map(|url| document.source(url, dial.options.method.as_deref()));
        let mut result =
            DialResult { dial_call_status: DialStatus::Failed, ..DialResult::default() };
        for number in &dial.numbers {
            let at_ms = self.now_ms();
            let index = self.note_dialled(at_ms, &number.number, dial.options.caller_id.clone());
            result = DialResult { dial_call_sid: new_sid("CA"), ..DialResult::default() };
            let rang = self.ring(dial, &number.number, index, &mut result).await;
            let over_ms = self.now_ms();
            self.set_outcome(index, &result.dial_call_status, Some(over_ms));
            if let Err(abort) = rang {
                if matches!(abort, Abort::HungUp | Abort::ApiEnded | Abort::TimeLimit)
                    && let Some(action) = &action
                {
                    // The call is over, so the answer is not followed.
                    self.cell.set_status(&CallStatus::Completed);
                    self.net.pause(self.cell.clock, self.net.options.timings.action_ms).await;
                    drop(self.fetch("dial-action", action, result.to_form()).await);
                }
                return Err(abort);
            }
            if result.dial_bridged == Some(true) {
                break;
            }
        }
        let Some(action) = action else { return Ok(Next::Verb) };
        Ok(self.go_to("dial-action", &action, result.to_form()).await)
    }

    /// Rings one number, and lets the two talk if it is answered.
    async fn ring(
        &mut self,
        dial: &Dial,
        number: &str,
        index: usize,
        result: &mut DialResult,
    ) -> Result<(), Abort> {
        let callee = self.net.callee(number).unwrap_or_else(|| {
            let default = &self.net.options.callee;
            Callee { caller: Caller::silent(), ..default.clone() }
        });
        let timeout_ms = u64::from(dial.options.timeout_s.unwrap_or(30)) * 1000;
        let (rings_ms, outcome) = outcome(&callee.answers, timeout_ms);
        // The status if the caller hangs up meanwhile.
        result.dial_call_status = DialStatus::Canceled;
        result.dial_bridged = Some(false);
        let rings_until_ms = self.now_ms() + rings_ms;
        self.until(rings_until_ms).await?;
        result.dial_bridged = Some(outcome == DialStatus::Completed);
        result.dial_call_status = outcome;
        if result.dial_bridged == Some(true) {
            self.set_outcome(index, &DialStatus::Answered, None);
            let most_ms = dial.options.time_limit_s.map_or(u64::MAX, |s| u64::from(s) * 1000);
            let answered_ms = self.now_ms();
            let until_ms = answered_ms.saturating_add(callee.talks_ms.min(most_ms));
            let talked = self.until(until_ms).await;
            let talked_ms = self.now_ms().saturating_sub(answered_ms);
            result.dial_call_duration_s = Some(talked_ms.div_ceil(1000));
            talked?;
        }
        Ok(())
    }

    fn note_dialled(&self, at_ms: u64, to: &str, caller_id: Option<String>) -> usize {
        let dialled = Dialled {
            at_ms,
            to: to.to_owned(),
            caller_id,
            outcome: "ringing".to_owned(),
            over_ms: None,
        };
        self.cell.update(|record| record.dialled.push(dialled));
        self.cell.read(|record| record.dialled.len() - 1)
    }

    fn set_outcome(&self, index: usize, outcome: &DialStatus, over_ms: Option<u64>) {
        self.cell.update(|record| {
            if let Some(dialled) = record.dialled.get_mut(index) {
                outcome.as_str().clone_into(&mut dialled.outcome);
                dialled.over_ms = over_ms;
            }
        });
    }
}

/// How long the number rings, and how that ends.
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
