//! Which reports of a carrier count. What it has signed once is good for ever, so a report that is
//! repeated must not cost the call its line.

use super::{Call, State};
use crate::carrier::{LegEnd, Next, Reported};

impl Call {
    /// What a report is answered that changes nothing, because it is not about the line that is on, or
    /// was known before; `None` if it counts, and is for [`Call::leg_ended`].
    #[must_use]
    pub fn disregards(&self, end: &LegEnd, about: Reported) -> Option<Next> {
        let lost = match end {
            // Who is not on the line any more does not come back, whatever else has ended.
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
            // A loss is counted once; no socket has come since.
            State::Ringing if lost && about != Reported::Current => return Some(Next::Reconnect),
            State::Transferring { .. } if !lost => about != Reported::Again,
            // The carrier has to end it all the same; that it has is no news of this report's.
            State::HangingUp(_) if about == Reported::Again => return Some(Next::HangUp),
            State::Lost { .. } | State::Transferring { .. } | State::HangingUp(_) => {
                about != Reported::Former
            }
            State::Ringing | State::Gone | State::Ended => true,
        };
        (!counts).then_some(Next::Nothing)
    }
}
