//! What any voice or text model can say, and what it can be told.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::event::ToolRef;
use crate::ids::{ItemId, TurnId};

/// An order to the model.
#[derive(Debug, Clone, PartialEq)]
pub enum ToModel {
    /// Give a reply to this conversation. At most one is asked for at a time: an order for a newer
    /// turn replaces an older one that was not cancelled.
    Respond {
        /// The turn; everything that comes of it carries the same id.
        turn: TurnId,
        /// The whole conversation, oldest first.
        context: Vec<Item>,
    },
    /// Stop the reply of this turn; what still comes of it is dropped.
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
        /// The words, as they came.
        text: String,
    },
    /// A finished call of a tool.
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
    /// The reply is complete.
    Done {
        /// The turn.
        turn: TurnId,
        /// Whether it was cut short.
        outcome: Outcome,
        /// What it cost.
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
        /// The model's words.
        message: String,
        /// What it cost all the same.
        usage: Option<Usage>,
    },
}

/// How a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// To its end.
    Complete,
    /// At the limit of its length.
    TooLong,
    /// By the provider's content filter.
    Filtered,
}

/// What can be done about a fault of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: the key, the account or the model is refused. Never tried again.
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
    /// Its name.
    pub id: ItemId,
    /// The content.
    pub body: ItemBody,
}

/// The content of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemBody {
    /// The caller's words.
    User(Arc<str>),
    /// Words that the caller heard from our side.
    Assistant {
        /// The words.
        text: Arc<str>,
        /// Set when they are exactly what the model said in that turn, so that a model that still
        /// holds its own copy need not be told again.
        verbatim: Option<TurnId>,
    },
    /// Something the model must know and the caller did not hear.
    Note(Arc<str>),
    /// The model called a tool.
    ToolCall(Arc<ToolRef>),
    /// What came of it.
    ToolResult {
        /// The call that it answers.
        call_id: Arc<str>,
        /// JSON text.
        output: Arc<str>,
    },
}

/// Tokens spent on one reply. Cached tokens are contained in the input tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// Text given to the model.
    pub input_text_tokens: u64,
    /// Audio given to the model.
    pub input_audio_tokens: u64,
    /// Of the text given, what the model still had.
    pub cached_text_tokens: u64,
    /// Of the audio given, what the model still had.
    pub cached_audio_tokens: u64,
    /// Text made by the model.
    pub output_text_tokens: u64,
    /// Audio made by the model.
    pub output_audio_tokens: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_text_tokens += other.input_text_tokens;
        self.input_audio_tokens += other.input_audio_tokens;
        self.cached_text_tokens += other.cached_text_tokens;
        self.cached_audio_tokens += other.cached_audio_tokens;
        self.output_text_tokens += other.output_text_tokens;
        self.output_audio_tokens += other.output_audio_tokens;
    }
}

/// What a million tokens of each kind, and a minute of the line, cost, in US dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Prices {
    /// Text given.
    pub input_text: f64,
    /// Audio given.
    pub input_audio: f64,
    /// Text given that was cached.
    pub cached_text: f64,
    /// Audio given that was cached.
    pub cached_audio: f64,
    /// Text made.
    pub output_text: f64,
    /// Audio made.
    pub output_audio: f64,
    /// A minute of the line.
    pub minute: f64,
}

impl Prices {
    /// The cost of a line that has been up for so long, in US dollars.
    #[must_use]
    pub fn line(&self, up: Duration) -> f64 {
        up.as_secs_f64() / 60.0 * self.minute
    }

    /// The cost of `usage` in US dollars.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "token counts stay far below 2^52")]
    pub fn cost(&self, usage: &Usage) -> f64 {
        let fresh_text = usage.input_text_tokens.saturating_sub(usage.cached_text_tokens);
        let fresh_audio = usage.input_audio_tokens.saturating_sub(usage.cached_audio_tokens);
        let priced = [
            (fresh_text, self.input_text),
            (fresh_audio, self.input_audio),
            (usage.cached_text_tokens, self.cached_text),
            (usage.cached_audio_tokens, self.cached_audio),
            (usage.output_text_tokens, self.output_text),
            (usage.output_audio_tokens, self.output_audio),
        ];
        priced.iter().map(|(tokens, price)| *tokens as f64 * price).sum::<f64>() / 1e6
    }
}
