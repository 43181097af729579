//! The session object of `session.update` (OpenAI Realtime guide, "Realtime conversations";
//! reference, "session.update").
//!
//! Only what is present changes. What can be cleared is a [`Clearable`]; instructions are cleared
//! by an empty text and tools by an empty list.

use serde::ser::{Serialize, Serializer};
use serde_json::Value;

/// Changes to a session. `type` is always `realtime`.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
#[serde(tag = "type", rename = "realtime")]
pub struct Session {
    /// The kind of output. Audio comes with its transcript.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_modalities: Option<[Modality; 1]>,
    /// The instructions to the model. An empty text clears them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Audio in both directions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<Audio>,
    /// The functions that the model may call. An empty list clears them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    /// Whether it may, must or must not call functions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several functions at once; reasoning models only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// The reasoning effort. A model that does not reason refuses the whole update if it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Reasoning>,
    /// The limit of output tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<MaxTokens>,
    /// What happens when the context is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncation: Option<Truncation>,
}

/// A kind of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Text.
    Text,
    /// Audio and its transcript.
    Audio,
}

/// A setting that an update may keep, clear or set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Clearable<T> {
    /// Absent: unchanged.
    #[default]
    Keep,
    /// `null`: off.
    Clear,
    /// This value.
    Set(T),
}

impl<T> Clearable<T> {
    fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl<T: Serialize> Serialize for Clearable<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Keep | Self::Clear => serializer.serialize_none(),
            Self::Set(value) => value.serialize(serializer),
        }
    }
}

/// Audio of a session.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Audio {
    /// Input audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<AudioInput>,
    /// Output audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<AudioOutput>,
}

/// Input audio.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct AudioInput {
    /// Format of the appended audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<AudioFormat>,
    /// Noise reduction before turn detection and the model.
    #[serde(skip_serializing_if = "Clearable::is_keep")]
    pub noise_reduction: Clearable<NoiseReduction>,
    /// Transcription of the input, by a separate model.
    #[serde(skip_serializing_if = "Clearable::is_keep")]
    pub transcription: Clearable<Transcription>,
    /// What decides that a turn is over; if cleared, the client does.
    #[serde(skip_serializing_if = "Clearable::is_keep")]
    pub turn_detection: Clearable<TurnDetection>,
}

/// Output audio.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct AudioOutput {
    /// Format of the output audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<AudioFormat>,
    /// The voice. Cannot be changed once audio has been sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice: Option<Voice>,
    /// The speed, 0.25 to 1.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
}

/// An audio format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioFormat {
    /// Linear, 16 bits, little endian, one channel, 24 kHz: 48 bytes a millisecond.
    Pcm,
    /// G.711 µ-law, 8 kHz: 8 bytes a millisecond.
    Pcmu,
    /// G.711 A-law, 8 kHz: 8 bytes a millisecond.
    Pcma,
}

impl Serialize for AudioFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Format {
            #[serde(rename = "type")]
            kind: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            rate: Option<u32>,
        }
        // The two telephony formats take no rate; it would be refused.
        let (kind, rate) = match self {
            Self::Pcm => ("audio/pcm", Some(24_000)),
            Self::Pcmu => ("audio/pcmu", None),
            Self::Pcma => ("audio/pcma", None),
        };
        Format { kind, rate }.serialize(serializer)
    }
}

/// Noise reduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NoiseReduction {
    /// For a telephone at the ear or a headset.
    NearField,
    /// For a speakerphone or a room.
    FarField,
}

/// Transcription of the input.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Transcription {
    /// The model that transcribes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The language expected, ISO 639-1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Words to expect; `gpt-transcribe` and `gpt-live-transcribe` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keywords: Option<Vec<String>>,
    /// Guidance in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
}

/// What decides that a turn is over.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TurnDetection {
    /// Silence.
    ServerVad {
        /// From 0 to 1; higher on noisy lines.
        #[serde(skip_serializing_if = "Option::is_none")]
        threshold: Option<f64>,
        /// Audio kept from before speech began, in milliseconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        prefix_padding_ms: Option<u32>,
        /// Silence that ends a turn, in milliseconds. Defaults differ, so it should always be set.
        #[serde(skip_serializing_if = "Option::is_none")]
        silence_duration_ms: Option<u32>,
        /// Whether a turn's end makes a response.
        #[serde(skip_serializing_if = "Option::is_none")]
        create_response: Option<bool>,
        /// Whether speech cancels the response in progress.
        #[serde(skip_serializing_if = "Option::is_none")]
        interrupt_response: Option<bool>,
        /// Silence after which the model speaks, 5,000 to 30,000 milliseconds.
        #[serde(skip_serializing_if = "Clearable::is_keep")]
        idle_timeout_ms: Clearable<u32>,
    },
    /// The meaning of what was said.
    SemanticVad {
        /// How soon it answers.
        #[serde(skip_serializing_if = "Option::is_none")]
        eagerness: Option<Eagerness>,
        /// Whether a turn's end makes a response.
        #[serde(skip_serializing_if = "Option::is_none")]
        create_response: Option<bool>,
        /// Whether speech cancels the response in progress.
        #[serde(skip_serializing_if = "Option::is_none")]
        interrupt_response: Option<bool>,
    },
}

/// How soon semantic detection takes a turn to be over: after 8, 4 or 2 seconds at the latest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Eagerness {
    /// Waits longest.
    Low,
    /// As `Auto`.
    Medium,
    /// Waits least.
    High,
    /// The default.
    #[default]
    Auto,
}

impl Eagerness {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Auto];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Auto => "auto",
        }
    }
}

/// A voice.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Voice {
    /// One of [`crate::openai::models::VOICES`].
    Name(String),
    /// A custom voice.
    Custom {
        /// `voice_…`.
        id: String,
    },
}

/// A function that the model may call; not nested, unlike in the Chat Completions API.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "type", rename = "function")]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// When to call it.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

/// Whether a model may, must or must not call functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// It may.
    Auto,
    /// It must not.
    None,
    /// It must. Only for one response, as it would never stop otherwise.
    Required,
    /// It must call this function. Only for one response.
    Function {
        /// Its name.
        name: String,
    },
}

impl Serialize for ToolChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        #[serde(tag = "type", rename = "function")]
        struct Function<'a> {
            name: &'a str,
        }
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::None => serializer.serialize_str("none"),
            Self::Required => serializer.serialize_str("required"),
            Self::Function { name } => Function { name }.serialize(serializer),
        }
    }
}

/// The reasoning of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Reasoning {
    /// The effort.
    pub effort: Effort,
}

/// The reasoning effort; more takes longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// Minimal.
    Minimal,
    /// The default.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Very high.
    Xhigh,
}

/// The limit of output tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxTokens {
    /// At most this many tokens, function calls and reasoning included.
    Count(u32),
    /// As many as the model can produce.
    Inf,
}

impl Serialize for MaxTokens {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u32(*count),
            Self::Inf => serializer.serialize_str("inf"),
        }
    }
}

/// What happens when the context is full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Truncation {
    /// The oldest items are dropped, as few as possible.
    Auto,
    /// The response fails.
    Disabled,
    /// The oldest items are dropped, down to a fraction of the context.
    Ratio {
        /// The fraction kept, 0 to 1. Less than 1 keeps the prompt cache useful for longer.
        retention_ratio: f64,
        /// The limit for what follows the instructions, in tokens.
        post_instructions: Option<u32>,
    },
}

impl Serialize for Truncation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        #[serde(tag = "type", rename = "retention_ratio")]
        struct Ratio {
            retention_ratio: f64,
            #[serde(skip_serializing_if = "Option::is_none")]
            token_limits: Option<TokenLimits>,
        }
        #[derive(serde::Serialize)]
        struct TokenLimits {
            post_instructions: u32,
        }
        match *self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Disabled => serializer.serialize_str("disabled"),
            Self::Ratio { retention_ratio, post_instructions } => {
                let limits = |post_instructions| TokenLimits { post_instructions };
                let token_limits = post_instructions.map(limits);
                Ratio { retention_ratio, token_limits }.serialize(serializer)
            }
        }
    }
}
