//! Facts from a model, and orders to it, in terms that fit any voice or text model.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::event::ToolRef;
use crate::ids::{ItemId, TurnId, UtteranceId};
use crate::usage::Usage;

/// An order to the model.
#[derive(Debug, Clone, PartialEq)]
pub enum ToModel {
    /// Reply to this conversation. At most one reply is asked for at a time: an order for a newer
    /// turn replaces an older one that was not cancelled.
    Respond {
        /// The turn, which every fact about the reply must name.
        turn: TurnId,
        /// The whole conversation, oldest first.
        context: Vec<Item>,
    },
    /// Stop the reply of this turn. Facts about it that still come are dropped.
    Cancel {
        /// The turn.
        turn: TurnId,
    },
    /// What the caller says: μ-law samples, 8 kHz, one channel. Only for a model that hears.
    Hear(Bytes),
    /// Speak exactly these words, outside the conversation. Only for a model that speaks. The words
    /// are numbered from 1 within the call, and spoken in that order.
    Speak {
        /// Their number.
        words: u32,
        /// What to say.
        text: String,
    },
    /// Stop speaking these words. Facts about them that still come are dropped.
    Hush {
        /// Their number.
        words: u32,
    },
    /// The caller has heard this part of a reply only up to here: the model must remember no more
    /// of it.
    Truncate {
        /// The turn of the reply.
        turn: TurnId,
        /// Which of its parts, from 0.
        part: u32,
        /// How much of its sound was heard: more than nothing, less than all that came.
        heard: Duration,
    },
    /// The caller has heard nothing of this part of a reply: the model must not remember it.
    Forget {
        /// The turn of the reply.
        turn: TurnId,
        /// Which of its parts, from 0.
        part: u32,
    },
}

/// What a stretch of the model's voice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clip {
    /// A part of a reply. A long reply has several.
    Reply {
        /// Its turn.
        turn: TurnId,
        /// Which of its parts, from 0.
        part: u32,
    },
    /// Words that were given by [`ToModel::Speak`].
    Words(u32),
}

/// What a model can do. The call asks of it only that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traits {
    /// It reads and writes. The carrier hears and speaks.
    Text,
    /// It hears and speaks, and knows when the caller speaks. The carrier carries sound.
    Speech,
}

/// A fact from the model.
#[derive(Debug, Clone, PartialEq)]
pub enum FromModel {
    /// Connected and set up: a reply can start at once.
    Ready,
    /// More words of a reply.
    Text {
        /// The turn they belong to.
        turn: TurnId,
        /// The words, as the model streamed them.
        text: String,
    },
    /// More of the model's voice: μ-law samples, 8 kHz, one channel. The words of a reply come as
    /// [`FromModel::Text`] as well.
    Audio {
        /// What it is.
        clip: Clip,
        /// The samples.
        audio: Bytes,
    },
    /// The voice has come to the end of a clip.
    AudioDone {
        /// What it is.
        clip: Clip,
        /// What was said, if the clip is words that were given.
        said: Option<String>,
    },
    /// The caller has begun to speak, or has stopped.
    CallerSpeaking(bool),
    /// The caller has said something, which the model has heard and remembers. What it was is told
    /// by [`FromModel::Understood`].
    CallerSaid {
        /// Which utterance. A model counts them from 1; one that takes its place begins again.
        utterance: UtteranceId,
    },
    /// What the caller has said. May come long after the reply to it.
    Understood {
        /// Which utterance.
        utterance: UtteranceId,
        /// The words; `None` if there is no transcript of them.
        text: Option<String>,
        /// False for a beginning of it.
        last: bool,
    },
    /// A complete tool call.
    Tool {
        /// The turn it belongs to.
        turn: TurnId,
        /// The model's id of this call; its result must name it.
        call_id: String,
        /// The tool's name.
        name: String,
        /// JSON text.
        arguments: String,
    },
    /// The reply has ended.
    Done {
        /// The turn.
        turn: TurnId,
        /// How it ended.
        outcome: Outcome,
        /// The tokens that it used.
        usage: Option<Usage>,
    },
    /// The reply of a turn failed, or, without a turn, the connection did.
    Failed {
        /// The turn, if one was under way.
        turn: Option<TurnId>,
        /// What can be done about it.
        fault: Fault,
        /// The model's code for it, such as `rate_limit_exceeded`.
        code: String,
        /// The model's message.
        message: String,
        /// The tokens that it used nevertheless.
        usage: Option<Usage>,
    },
}

/// How a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Complete.
    Complete,
    /// Cut off at the limit of its length.
    TooLong,
    /// Cut off by the provider's content filter.
    Filtered,
}

/// What can be done about a fault of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: the key, the account or the model is refused. The model is not asked again in this
    /// call.
    Fatal,
    /// Wait a little, then try again.
    Busy,
    /// Try again now.
    Passing,
    /// The connection was lost; the model reconnects by itself, and can be asked again now.
    Lost,
}

/// One item of the conversation that the model is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its id.
    pub id: ItemId,
    /// The content.
    pub body: ItemBody,
}

/// The content of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemBody {
    /// The caller's words.
    User {
        /// The words.
        text: Arc<str>,
        /// The utterance as which the model has heard them, if it has: a model that still has it
        /// need not be told again.
        heard: Option<UtteranceId>,
    },
    /// What the caller heard from the agent.
    Assistant {
        /// The words.
        text: Arc<str>,
        /// The turn in which the model wrote exactly these words, if it did: a model that still has
        /// them need not be told again.
        verbatim: Option<TurnId>,
    },
    /// Something that the model must know and the caller did not hear.
    Note(Arc<str>),
    /// The model called a tool.
    ToolCall(Arc<ToolRef>),
    /// The result of a tool call.
    ToolResult {
        /// The id of the tool call.
        call_id: Arc<str>,
        /// JSON text.
        output: Arc<str>,
    },
}
