//! What a supervisor can do to a call, and why it may be refused.

use serde::{Deserialize, Serialize};

use crate::carrier::NotHungUp;
use crate::dialing::{NotDialled, PhoneNumber};
use crate::ids::{Digits, TurnId};

/// What a supervisor does to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Speak words to the caller now, exactly. This also sends a held reply: as it is if the words
    /// are the same, edited otherwise.
    Say {
        /// The words.
        text: String,
        /// The held reply that the words approve. If it is no longer held, nothing is spoken.
        reply: Option<TurnId>,
    },
    /// Press keys.
    Press(Digits),
    /// Hang up.
    End,
    /// Transfer the call.
    Transfer(PhoneNumber),
    /// Answer the model's question.
    Answer {
        /// The answer.
        text: String,
        /// The number of the `query` event that is answered; if absent, the question that waits.
        query: Option<u64>,
    },
    /// Guide the model; the caller does not hear it.
    Whisper(String),
    /// Silence the model; a human speaks.
    TakeOver,
    /// End the takeover: the model speaks again.
    Release,
    /// Drop the held reply; the model tries again, knowing the reason.
    Reject {
        /// The reason that the model is given.
        reason: Option<String>,
        /// The reply that is rejected; if absent, the one that is held.
        reply: Option<TurnId>,
    },
}

impl Action {
    /// Whether the action needs the call's line, and so the node that has it. Any node can do the
    /// others by asking the carrier.
    #[must_use]
    pub fn needs_line(&self) -> bool {
        match self {
            Self::End => false,
            Self::Say { .. }
            | Self::Press(_)
            | Self::Transfer(_)
            | Self::Answer { .. }
            | Self::Whisper(_)
            | Self::TakeOver
            | Self::Release
            | Self::Reject { .. } => true,
        }
    }
}

/// Why an action was refused. The call is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refused {
    /// The line is not up.
    #[error("the call is not connected")]
    NotConnected,
    /// The line was lost, or the call is being handed over. It may be back in a moment, so the
    /// action is worth retrying.
    #[error("the caller's line is lost and not back yet; try again")]
    LineLost,
    /// The call is over, or about to be.
    #[error("the call is ending or has ended")]
    Ending,
    /// The model has asked nothing, or somebody has answered already.
    #[error("no question is waiting for an answer")]
    NoQuestion,
    /// The question was answered already, or waits behind another.
    #[error("that question is not the one that waits for an answer")]
    OtherQuestion,
    /// No reply is held, or it was decided already.
    #[error("no reply is waiting for approval")]
    NoReply,
    /// That reply was decided already, and the model has written another.
    #[error("that reply is not waiting for approval any more; another one is")]
    OtherReply,
    /// A human speaks already.
    #[error("a human has already taken over")]
    AlreadyTakenOver,
    /// The model speaks already.
    #[error("nobody has taken over this call")]
    NotTakenOver,
    /// The carrier has not ended the call. It is asked again until it has.
    #[error("the call may still go on, and is being ended again and again until it is over: {}", .0.message)]
    NotHungUp(NotHungUp),
    /// The number may not be dialled.
    #[error("the number may not be dialled: {0}")]
    Forbidden(NotDialled),
}
