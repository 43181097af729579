//! What any telephone line can say, and what it can be told.

use std::time::Duration;

use crate::event::{Answerer, Progress};
use serde::{Deserialize, Serialize};

use crate::ids::{Digits, PhoneNumber};

/// A fact from the line.
#[derive(Debug, Clone, PartialEq)]
pub enum FromCarrier {
    /// The line can carry words now; also after it was lost and found again.
    Connected,
    /// The caller's words. `last` is false while the utterance is still growing; each growing
    /// version holds the whole utterance so far.
    Said {
        /// What was understood.
        text: String,
        /// False for a partial result.
        last: bool,
    },
    /// The caller pressed a key.
    Pressed {
        /// One of `0-9 * #`.
        digit: char,
    },
    /// The caller spoke over us: everything queued on the line is gone.
    Interrupted {
        /// What the carrier says was heard of the utterance being played.
        heard: String,
    },
    /// A stretch of speech, or keys, has been played to its end.
    Played {
        /// The words as the carrier spoke them; its spelling may differ from ours.
        text: String,
    },
    /// Our side began or ceased to be audible.
    AgentSpeaking(bool),
    /// The caller began or ceased to be audible.
    CallerSpeaking(bool),
    /// The line reports trouble but stays up.
    Trouble {
        /// The carrier's code, if it gave one.
        code: Option<u32>,
        /// The carrier's words.
        message: String,
    },
    /// The socket that carried the words is gone.
    Closed {
        /// True when the far side said goodbye in order (close code 1000).
        clean: bool,
    },
    /// A call of ours has got further; not its end. Reports may come late, twice and in any order.
    Progress(Progress),
    /// The carrier has found out who answered a call of ours.
    AnsweredBy(Answerer),
    /// The carrier says that the call itself is over.
    Over {
        /// How it ended.
        status: EndStatus,
    },
    /// The carrier has ended the call, as it was asked to without a line, or knows of none.
    HungUp,
    /// The carrier has not ended the call, or has not said so.
    NotHungUp(NotHungUp),
}

/// Why a call that the carrier was asked to end may still go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotHungUp {
    /// The carrier's code, if it gave one.
    pub code: Option<u32>,
    /// What it said, or why it could not be asked.
    pub message: String,
    /// The request may have been carried out all the same.
    pub unknown: bool,
}

/// How a call ended, in the words that carriers share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndStatus {
    /// Answered, and hung up.
    Completed,
    /// The line was engaged.
    Busy,
    /// Nobody picked up.
    NoAnswer,
    /// It could not be connected.
    Failed,
    /// Withdrawn before it was answered.
    Canceled,
}

/// An order to the line.
#[derive(Debug, Clone, PartialEq)]
pub enum ToCarrier {
    /// Speak. Tokens of one utterance follow each other; the one with `last` closes it.
    Say {
        /// Words, with the spaces between them; may be empty when `last` only closes.
        token: String,
        /// No more tokens of this utterance will come.
        last: bool,
        /// The next utterance may cut this one off.
        preemptible: bool,
        /// The caller may cut this one off.
        interruptible: bool,
    },
    /// Press keys, in order with the speech before them.
    Press(Digits),
    /// Leave the line: it is hung up, or dialled on, as [`Next`] says when the carrier asks.
    Leave(Next),
}

/// What a carrier is told when it asks how a call goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Next {
    /// Hang up.
    HangUp,
    /// Connect the caller to somebody else.
    Dial {
        /// Whom.
        target: PhoneNumber,
        /// How long it may ring.
        ring: Duration,
        /// How long the conversation may last.
        limit: Duration,
    },
    /// Open a new socket to us: the call goes on.
    Reconnect,
    /// Speak a last sentence and hang up: the call cannot go on.
    Apologise {
        /// The sentence.
        text: String,
    },
    /// Nothing: the call is over already.
    Nothing,
}

/// Why a carrier asks how the call goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegEnd {
    /// The caller hung up, or the call ended otherwise.
    Completed,
    /// We left the line, and said this in parting.
    Left(Parting),
    /// The socket failed.
    Failed,
    /// The party that the call was dialled on to is done: `answered` tells whether it ever spoke.
    Dialled {
        /// True when the two were connected.
        answered: bool,
        /// The carrier's word for it, such as `no-answer`.
        outcome: String,
        /// The caller has hung up as well: there is nobody to come back.
        #[serde(default)]
        caller_left: bool,
    },
}

/// Which line, or which party that the call was dialled on to, a report of the carrier is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reported {
    /// The one that is on, the one that was on last, or one that never reached us; not reported before.
    Current,
    /// The same, reported before.
    Again,
    /// One that another has taken the place of.
    Former,
    /// The report does not say.
    Unsaid,
}

/// What we said when we left the line, as the carrier gives it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parting {
    /// Nothing that can be understood.
    Unsaid,
    /// That the call is to be hung up.
    HangUp,
    /// That the caller is to be connected to somebody else.
    Transfer(PhoneNumber),
    /// That we shall be back.
    Return,
}
