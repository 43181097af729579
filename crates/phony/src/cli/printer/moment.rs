//! Moments on the carrier's line that no event of the server reports.

use jiff::Timestamp;
use phony_simulator::twilio::{FrameSeen, Sender};
use phony_wire::twilio::relay::{FromTwilio, Info};

/// Something that happened on the line, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Moment {
    pub(in crate::cli) at: Timestamp,
    pub(in crate::cli) what: LineEvent,
}

/// What happened on the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum LineEvent {
    AgentBegan,
    CallerBegan,
    CallerStopped,
    /// The caller's words were sent to the server.
    Prompted,
}

impl Moment {
    /// The moment that a frame between the network and the server marks, if any.
    pub(in crate::cli) fn of_frame(frame: &FrameSeen<'_>) -> Option<Self> {
        if frame.from != Sender::Twilio {
            return None;
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "events report the rest")]
        let what = match FromTwilio::parse(frame.text).ok()? {
            FromTwilio::Info(Info::AgentSpeaking { on: true, .. }) => LineEvent::AgentBegan,
            FromTwilio::Info(Info::ClientSpeaking { on: true, .. }) => LineEvent::CallerBegan,
            FromTwilio::Info(Info::ClientSpeaking { on: false, .. }) => LineEvent::CallerStopped,
            FromTwilio::Prompt { last: true, .. } => LineEvent::Prompted,
            _ => return None,
        };
        Some(Self { at: wall(), what })
    }
}

#[expect(clippy::disallowed_methods, reason = "frames carry no time of their own")]
fn wall() -> Timestamp {
    Timestamp::now()
}
