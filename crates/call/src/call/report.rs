//! Which reports of a carrier count. A signed webhook can be replayed for ever, so a report that is
//! repeated must not cost the call its line.

use super::{Call, State};
use crate::carrier::{LegEnd, Next, Reported};

impl Call {
    /// The answer to a report that changes nothing, because it is not about the current line or was
    /// known before; `None` if it counts, and is for [`Call::leg_ended`].
    #[must_use]
    pub fn disregards(&self, end: &LegEnd, about: Reported) -> Option<Next> {
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
