//! Ending a call that has no line: it rings, its line is lost, or it is transferred. The carrier is
//! asked to end it, over its API, and may fail to.

use std::time::{Duration, Instant};

use super::{Call, Output, State};
use crate::carrier::{LegEnd, Next, NotHungUp};
use crate::deadline::Deadline;
use crate::event::{By, CommandName, EndReason, EventBody, Where};

/// How long to wait before the carrier is asked again; doubled after each further failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest such wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the carrier's answer may take.
const ANSWER: Duration = Duration::from_secs(15);

/// The carrier is asked to end the call.
#[derive(Debug, Clone, Copy)]
pub(super) struct HangingUp {
    reason: EndReason,
    by: By,
    failures: u32,
}

impl HangingUp {
    pub(super) fn reason(self) -> EndReason {
        self.reason
    }
}

impl Call {
    /// Asks the carrier to end the call, again and again until it has, or until the call ends
    /// otherwise. Until then the call is not over.
    pub(super) fn keep_hanging_up(&mut self, now: Instant, reason: EndReason, by: By) {
        if let State::HangingUp(_) = &self.state {
            return self.ask_to_hang_up(now);
        }
        self.record_cut(now);
        self.drop_reply(now, "the call ends");
        self.emit(now, EventBody::HangingUp { reason, by });
        self.enter_hanging_up(now, reason, by);
        self.ask_to_hang_up(now);
    }

    /// Enters the state in which the carrier is asked to end the call, for at most as long as a
    /// call can last.
    pub(super) fn enter_hanging_up(&mut self, now: Instant, reason: EndReason, by: By) {
        self.deadlines.clear_all();
        self.limit_transfer(now, Duration::ZERO);
        // A call that was taken over asks at once.
        self.deadlines.set(Deadline::HangUp, now);
        self.state = State::HangingUp(HangingUp { reason, by, failures: 0 });
    }

    /// Ends a call in which nobody is heard, and asks the carrier once to end it as well.
    pub(super) fn finish_and_hang_up(&mut self, now: Instant, reason: EndReason) {
        self.outputs.push(Output::HangUp);
        self.finish(now, reason);
    }

    pub(super) fn ask_to_hang_up(&mut self, now: Instant) {
        self.deadlines.set(Deadline::HangUp, now + ANSWER);
        self.outputs.push(Output::HangUp);
    }

    /// The carrier has ended the call.
    pub(super) fn on_hung_up(&mut self, now: Instant) {
        let State::HangingUp(HangingUp { reason, by, .. }) = self.state else {
            return self.unexpected();
        };
        if by == By::Supervisor {
            let (command, value) = (CommandName::EndCall, String::new());
            self.emit(now, EventBody::CommandExecuted { command, value, by, tool: None });
        }
        self.finish(now, reason);
    }

    /// The carrier has not ended the call, as far as is known.
    pub(super) fn on_not_hung_up(&mut self, now: Instant, why: NotHungUp) {
        let State::HangingUp(hanging_up) = &mut self.state else { return self.unexpected() };
        let pause = FIRST_PAUSE.saturating_mul(1 << hanging_up.failures.min(8)).min(LONGEST_PAUSE);
        hanging_up.failures += 1;
        let is_first = hanging_up.failures == 1;
        self.deadlines.set(Deadline::HangUp, now + pause);
        if is_first {
            let code = why.code.map_or_else(|| "not_hung_up".to_owned(), |code| code.to_string());
            let (r#where, message) = (Where::Carrier, why.message);
            self.emit(now, EventBody::Error { r#where, code, message, fatal: false });
        }
    }

    /// The carrier asks how a call goes on that it was to end.
    pub(super) fn hang_up_now(&mut self, now: Instant, end: &LegEnd) -> Next {
        self.on_hung_up(now);
        match end {
            LegEnd::Completed | LegEnd::Dialled { caller_left: true, .. } => Next::Nothing,
            LegEnd::Left(_) | LegEnd::Failed | LegEnd::Dialled { .. } => Next::HangUp,
        }
    }
}
