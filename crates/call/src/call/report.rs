//! The carrier's reports that a line or a dialled leg has ended: which of them count, and how the
//! call goes on. A signed webhook can be replayed for ever, so a report that is repeated must not
//! cost the call its line.

use std::time::Instant;

use super::{Call, Output, State};
use crate::carrier::{LegEnd, LegReport, Next};
use crate::transcript::Reported;

impl Call {
    /// The carrier asks how the call goes on, because the line or a transfer has ended. Returns the
    /// answer beside the outputs.
    ///
    /// No answer means that the report names no line while one is connected. If it is about that
    /// line, the line ends in a moment; the owner asks again then, and answers [`Next::Nothing`] if
    /// it does not end.
    #[must_use]
    pub fn leg_ended(&mut self, now: Instant, report: &LegReport) -> (Option<Next>, Vec<Output>) {
        let about = self.about(report);
        if let Some(answer) = self.disregards(&report.end, about) {
            let is_loss = matches!(report.end, LegEnd::Failed | LegEnd::Left(_));
            let is_ambiguous = is_loss && about == Reported::Unsaid && self.has_line();
            return ((!is_ambiguous).then_some(answer), Vec::new());
        }
        let next = self.after_leg(now, report);
        (Some(next), std::mem::take(&mut self.outputs))
    }

    fn about(&mut self, report: &LegReport) -> Reported {
        let (leg, has_line) = (report.leg.as_ref(), self.has_line());
        match report.end {
            LegEnd::Dialled { .. } => self.transcript.legs.report_dialled(leg),
            LegEnd::Completed | LegEnd::Left(_) | LegEnd::Failed => {
                self.transcript.legs.report_line(leg, has_line)
            }
        }
    }

    /// Whether the caller is connected, as far as the call knows.
    pub(super) fn has_line(&self) -> bool {
        match self.state {
            State::Listening { .. }
            | State::Replying(_)
            | State::OnHold
            | State::HumanSpeaks
            | State::Ending(_) => true,
            State::Ringing
            | State::Lost { .. }
            | State::Transferring { .. }
            | State::HangingUp(_)
            | State::HandedOver
            | State::Ended => false,
        }
    }

    /// The answer to a report that changes nothing, because it is not about the current line or was
    /// known before; `None` if it counts.
    fn disregards(&self, end: &LegEnd, about: Reported) -> Option<Next> {
        let lost = match end {
            // A caller who has hung up does not come back, whichever line the report is about.
            LegEnd::Completed | LegEnd::Dialled { caller_left: true, .. } => return None,
            LegEnd::Failed | LegEnd::Left(_) => true,
            LegEnd::Dialled { .. } => false,
        };
        let counts = match &self.state {
            State::Listening { .. }
            | State::Replying(_)
            | State::OnHold
            | State::HumanSpeaks
            | State::Ending(_) => lost && about == Reported::Current,
            // A loss is counted once: no socket has connected since.
            State::Ringing if lost && about != Reported::Current => return Some(Next::Reconnect),
            State::Transferring { .. } if !lost => about != Reported::Again,
            // The carrier must still end the call; this report does not tell that it has.
            State::HangingUp(_) if about == Reported::Again => return Some(Next::HangUp),
            State::Lost { .. } | State::Transferring { .. } | State::HangingUp(_) => {
                about != Reported::Former
            }
            State::Ringing | State::HandedOver | State::Ended => true,
        };
        (!counts).then_some(Next::Nothing)
    }
}
