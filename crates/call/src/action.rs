//! What a supervisor may do to a call, and why it may be refused.

use serde::{Deserialize, Serialize};

use crate::carrier::NotHungUp;
use crate::dialing::NotDialled;
use crate::ids::{Digits, PhoneNumber, TurnId};

/// An order of a supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Speak words to the caller now, exactly. A held reply is sent by this, too: as it is when the
    /// words are the same, else edited.
    Say {
        /// The words.
        text: String,
        /// The reply that they are meant to send. If it is not held any more, nothing is spoken.
        reply: Option<TurnId>,
    },
    /// Press keys.
    Press(Digits),
    /// Hang up.
    End,
    /// Dial the call on.
    Transfer(PhoneNumber),
    /// Answer the model's question.
    Answer {
        /// The answer.
        text: String,
        /// The number of the `query` event that it is meant for, if not for whichever waits.
        query: Option<u64>,
    },
    /// Guide the model; the caller does not hear it.
    Whisper(String),
    /// Silence the model; a human speaks.
    TakeOver,
    /// Let the model speak again.
    Release,
    /// Drop the held reply; the model tries again, knowing the reason.
    Reject {
        /// Why, if it is to be told.
        reason: Option<String>,
        /// The reply that is meant, if not whichever is held.
        reply: Option<TurnId>,
    },
}

impl Action {
    /// Whether it can only be done on the call's line. What cannot may be done by any server, for the
    /// carrier is asked.
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

/// Why an action was not done. The call is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refused {
    /// The line is not up.
    #[error("the call is not connected")]
    NotConnected,
    /// The line was lost, or is being moved, and may be back in a moment: it is worth waiting.
    #[error("the caller's line is lost and not back yet; try again")]
    LineLost,
    /// The call is over, or about to be.
    #[error("the call is ending or has ended")]
    Ending,
    /// The model has asked nothing, or somebody has answered already.
    #[error("no question is waiting for an answer")]
    NoQuestion,
    /// Somebody has answered already, or it waits behind another.
    #[error("that question is not the one that waits for an answer")]
    OtherQuestion,
    /// No reply waits, or somebody has decided already.
    #[error("no reply is waiting for approval")]
    NoReply,
    /// Somebody has decided already, and the model has written another.
    #[error("that reply is not waiting for approval any more; another one is")]
    OtherReply,
    /// A human speaks already.
    #[error("a human has already taken over")]
    AlreadyTakenOver,
    /// The model speaks already.
    #[error("nobody has taken over this call")]
    NotTakenOver,
    /// The carrier has not ended the call; it is asked again until it has.
    #[error("the call may still go on, and is being ended again and again until it is over: {}", .0.message)]
    NotHungUp(NotHungUp),
    /// The number may not be dialled.
    #[error("the number may not be dialled: {0}")]
    Forbidden(NotDialled),
}
