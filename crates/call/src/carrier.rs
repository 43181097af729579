//! Facts from a carrier, and orders to it, in terms that fit any telephone line.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::dialing::PhoneNumber;
use crate::event::{Answerer, Progress};
use crate::ids::{Digits, LegId};

/// A fact from the carrier.
#[derive(Debug, Clone, PartialEq)]
pub enum FromCarrier {
    /// The line is up, for the first time or again after it was lost.
    Connected {
        /// The carrier's id of the line, if it has one.
        line: Option<LegId>,
    },
    /// The caller's words. Partial results contain the whole utterance so far.
    Said {
        /// What was understood.
        text: String,
        /// False for a partial result.
        last: bool,
    },
    /// What the caller says, on a line that carries sound: μ-law samples, 8 kHz, one channel.
    Audio(Bytes),
    /// Everything that was played before this mark has been heard, or was dropped by
    /// [`ToCarrier::Clear`].
    Marked(u64),
    /// The caller pressed a key.
    Pressed {
        /// One of `0-9 * #`.
        digit: char,
    },
    /// The caller interrupted: everything queued on the line is dropped.
    Interrupted {
        /// What the carrier says was heard of the utterance being played.
        heard: String,
    },
    /// A stretch of speech, or keys, has been played to its end.
    Played {
        /// The words as the carrier spoke them; its spelling may differ from the text that was
        /// sent.
        text: String,
    },
    /// The agent became audible, or ceased to be.
    AgentSpeaking(bool),
    /// The caller became audible, or ceased to be.
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
        /// True for an orderly close (WebSocket close code 1000, RFC 6455 section 7.4.1).
        clean: bool,
    },
    /// An outbound call has progressed; its end is reported by `Over`. Reports may come late, twice
    /// and in any order.
    Progress(Progress),
    /// The carrier has found out who answered an outbound call.
    AnsweredBy(Answerer),
    /// The carrier says that the call itself is over.
    Over {
        /// How it ended.
        status: EndStatus,
    },
    /// The carrier has ended the call, as [`crate::Output::HangUp`] asked, or does not know it.
    HungUp,
    /// The carrier has not ended the call, or it is not known whether it has.
    NotHungUp(NotHungUp),
}

/// Why a call may still go on although the carrier was asked to end it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotHungUp {
    /// The carrier's code, if it gave one.
    pub code: Option<u32>,
    /// What it said, or why it could not be asked.
    pub message: String,
    /// The request may have been carried out all the same.
    pub unknown: bool,
}

/// How a call ended. Carriers share these terms (Twilio: `CallStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndStatus {
    /// Answered, and hung up.
    Completed,
    /// The called party was busy.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// It could not be connected.
    Failed,
    /// Canceled before it was answered.
    Canceled,
}

/// An order to the carrier.
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
    /// Play sound after what was sent before: μ-law samples, 8 kHz, one channel. Only on a line
    /// that carries sound, which takes no other order but those of this kind and `Leave`.
    Play(Bytes),
    /// Report when everything before it has been played. Marks have ascending numbers.
    Mark(u64),
    /// Drop what has not been played. The marks behind it are reported at once.
    Clear,
    /// Press keys, in order with the speech before them.
    Press(Digits),
    /// Leave the line. The carrier then asks how the call goes on, and is told [`Next`].
    Leave(Next),
}

/// What a carrier is told when it asks how a call goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Next {
    /// Hang up.
    HangUp,
    /// Connect the caller to somebody else.
    Dial {
        /// The number to dial.
        target: PhoneNumber,
        /// How long it may ring.
        ring: Duration,
        /// How long the conversation may last.
        limit: Duration,
    },
    /// Open a new socket: the call goes on.
    Reconnect,
    /// Speak a last sentence and hang up: the call cannot go on.
    Apologise {
        /// The sentence.
        text: String,
    },
    /// Do nothing: the call is over already.
    Nothing,
}

/// Why a carrier asks how the call goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegEnd {
    /// The caller hung up, or the call ended otherwise.
    Completed,
    /// The line was left by [`ToCarrier::Leave`], with this reason.
    Left(Parting),
    /// The socket failed.
    Failed,
    /// The call was transferred, and that leg has ended.
    Dialled {
        /// Whether the two were connected.
        answered: bool,
        /// The carrier's word for it, such as `no-answer`.
        outcome: String,
        /// Whether the caller has hung up as well, so that nobody comes back.
        #[serde(default)]
        caller_left: bool,
    },
}

/// The carrier's question how a call goes on after a line, or a leg that it dialled, has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegReport {
    /// How it ended.
    pub end: LegEnd,
    /// The carrier's id of the line, or of the leg that was dialled, if the report names it.
    pub leg: Option<LegId>,
}

/// Why the line was left, as the carrier returns it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parting {
    /// The reason could not be read.
    Unsaid,
    /// To hang up.
    HangUp,
    /// To transfer the caller.
    Transfer(PhoneNumber),
    /// To reconnect.
    Return,
}
