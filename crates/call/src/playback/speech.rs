//! The two ways in which words are sent to the line.

use crate::carrier::ToCarrier;
use crate::event::Source;
use crate::ids::TurnId;

/// What is sent to the line, and what may cut it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    /// A part of the model's reply. The next utterance may cut it off, and so may the caller.
    Reply { turn: TurnId, last: bool },
    /// A whole utterance. The next one does not cut it off.
    Whole { source: Source, interruptible: bool },
}

impl Speech {
    /// The order to speak these words.
    pub(crate) fn order(self, token: String) -> ToCarrier {
        let interruptible = self.is_interruptible();
        let (last, preemptible) = (self.is_last(), self.is_preemptible());
        ToCarrier::Say { token, last, preemptible, interruptible }
    }

    /// Whether the caller may cut it off.
    pub(crate) fn is_interruptible(self) -> bool {
        match self {
            Self::Reply { .. } => true,
            Self::Whole { interruptible, .. } => interruptible,
        }
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
