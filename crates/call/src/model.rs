//! Facts from a model, and orders to it, in terms that fit any voice or text model.

use std::sync::Arc;

use crate::event::ToolRef;
use crate::ids::{ItemId, TurnId};
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
    User(Arc<str>),
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
