//! The orders by which words are handed to the line.

use crate::carrier::ToCarrier;
use crate::event::Source;
use crate::ids::TurnId;

/// What is handed to the line, and how it may be cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    /// A part of the model's reply, and whether it is the last. The next utterance may cut it off,
    /// and so may the caller.
    Reply { turn: TurnId, last: bool },
    /// A whole utterance, which the next one does not cut off.
    Whole { source: Source, interruptible: bool },
}

impl Speech {
    /// The order to speak these words.
    pub(crate) fn order(self, token: String) -> ToCarrier {
        let interruptible = match self {
            Self::Reply { .. } => true,
            Self::Whole { interruptible, .. } => interruptible,
        };
        let (last, preemptible) = (self.is_last(), self.is_preemptible());
        ToCarrier::Say { token, last, preemptible, interruptible }
    }

    pub(super) fn source(self) -> Source {
        match self {
            Self::Reply { .. } => Source::Model,
            Self::Whole { source, .. } => source,
        }
    }

    pub(super) fn turn(self) -> Option<TurnId> {
        match self {
            Self::Reply { turn, .. } => Some(turn),
            Self::Whole { .. } => None,
        }
    }

    pub(super) fn is_last(self) -> bool {
        match self {
            Self::Reply { last, .. } => last,
            Self::Whole { .. } => true,
        }
    }

    pub(super) fn is_preemptible(self) -> bool {
        matches!(self, Self::Reply { .. })
    }
}
