//! The parts of server events, read leniently.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::AddAssign;

use crate::json::{self, Fields};
use crate::words::words;

/// A session, as far as a call needs to know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionInfo {
    /// `sess_…`.
    pub id: String,
    /// End of the session, Unix time in seconds; at most an hour from its start.
    pub expires_at: Option<u64>,
    /// The model that answers, which may differ from the requested one.
    pub model: String,
    /// The voice, or the id of a custom voice.
    pub voice: String,
    /// `text` or `audio`.
    pub output_modalities: Vec<String>,
}

impl SessionInfo {
    pub(super) fn read(event: &Fields<'_>) -> Self {
        let session = event.object("session");
        let output = session.object("audio").object("output");
        let custom_voice = || output.object("voice").string("id");
        Self {
            id: session.string_or_empty("id"),
            expires_at: session.whole("expires_at"),
            model: session.string_or_empty("model"),
            voice: output.string("voice").or_else(custom_voice).unwrap_or_default(),
            output_modalities: texts(&session, "output_modalities"),
        }
    }
}

/// An item, as the server describes it. Absent values are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemInfo {
    /// Its id.
    pub id: String,
    /// `message`, `function_call`, `function_call_output` and others.
    pub kind: String,
    /// `system`, `user` or `assistant`, of messages.
    pub role: String,
    /// `in_progress`, `completed` or `incomplete`.
    pub status: String,
    /// `commentary` or `final_answer`, from some models.
    pub phase: String,
    /// The function, of calls.
    pub name: String,
    /// The call, of calls and their outputs.
    pub call_id: String,
    /// JSON text, of calls.
    pub arguments: String,
    /// The output, of outputs.
    pub output: String,
    /// The parts, of messages.
    pub content: Vec<ContentPart>,
}

impl ItemInfo {
    pub(super) fn read(item: &Fields<'_>) -> Self {
        let text = |name| item.string_or_empty(name);
        let parts = item.array("content").into_iter().map(Fields::parse_or_empty);
        Self {
            id: text("id"),
            kind: text("type"),
            role: text("role"),
            status: text("status"),
            phase: text("phase"),
            name: text("name"),
            call_id: text("call_id"),
            arguments: text("arguments"),
            output: text("output"),
            content: parts.map(|part| ContentPart::read(&part)).collect(),
        }
    }

    /// Whether it is a call of a function.
    #[must_use]
    pub fn is_function_call(&self) -> bool {
        self.kind == "function_call"
    }

    /// The text of all parts.
    #[must_use]
    pub fn text(&self) -> String {
        self.content.iter().map(|part| part.text.as_str()).collect()
    }
}

/// A part of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentPart {
    /// `input_text`, `input_audio`, `output_text`, `output_audio`; in events about parts also
    /// `text` and `audio`.
    pub kind: String,
    /// Its text, or the transcript of its audio.
    pub text: String,
}

impl ContentPart {
    pub(super) fn read(part: &Fields<'_>) -> Self {
        let transcript = || part.string("transcript");
        Self {
            kind: part.string_or_empty("type"),
            text: part.string("text").or_else(transcript).unwrap_or_default(),
        }
    }
}

/// Where in a response something is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place<'a> {
    /// The response.
    pub response_id: Cow<'a, str>,
    /// The item.
    pub item_id: Cow<'a, str>,
    /// Place of the item in the response.
    pub output_index: u32,
    /// Place of the part in the item.
    pub content_index: u32,
}

impl<'a> Place<'a> {
    pub(super) fn read(fields: &Fields<'a>) -> Self {
        Self {
            response_id: fields.text_or_empty("response_id"),
            item_id: fields.text_or_empty("item_id"),
            output_index: fields.whole32("output_index").unwrap_or(0),
            content_index: fields.whole32("content_index").unwrap_or(0),
        }
    }
}

/// Some text or audio, and where it belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta<'a> {
    /// Where it belongs.
    pub place: Place<'a>,
    /// Text, or audio in base64.
    pub text: Cow<'a, str>,
}

impl<'a> Delta<'a> {
    pub(super) fn read(fields: &Fields<'a>, name: &str) -> Self {
        Self { place: Place::read(fields), text: fields.text_or_empty(name) }
    }
}

words! {
    /// The status of a response.
    pub enum ResponseStatus {
        InProgress = "in_progress",
        Completed = "completed",
        Cancelled = "cancelled",
        /// Cut short by a limit or a filter.
        Incomplete = "incomplete",
        Failed = "failed",
    }
}

words! {
    /// Why a response is not complete.
    pub enum StatusReason {
        /// The caller spoke.
        TurnDetected = "turn_detected",
        /// The client cancelled it.
        ClientCancelled = "client_cancelled",
        /// It reached its token limit.
        MaxOutputTokens = "max_output_tokens",
        /// A content filter cut it.
        ContentFilter = "content_filter",
    }
}

/// A response, as the server describes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResponseInfo {
    /// `resp_…`.
    pub id: String,
    /// Its status.
    pub status: ResponseStatus,
    /// Why it is not complete.
    pub reason: Option<StatusReason>,
    /// Why it failed.
    pub error: Option<ApiError>,
    /// Its items.
    pub output: Vec<ItemInfo>,
    /// Its usage; absent while in progress.
    pub usage: Option<Usage>,
    /// The client's metadata.
    pub metadata: BTreeMap<String, String>,
    /// The conversation that it is part of; `None` if it is out of band.
    pub conversation_id: Option<String>,
}

impl ResponseInfo {
    pub(super) fn read(event: &Fields<'_>) -> Self {
        let response = event.object("response");
        let details = response.object("status_details");
        let items = response.array("output").into_iter().map(Fields::parse_or_empty);
        Self {
            id: response.string_or_empty("id"),
            status: ResponseStatus::parse(&response.text_or_empty("status")),
            reason: details.text("reason").map(|reason| StatusReason::parse(&reason)),
            error: details.raw("error").map(|raw| ApiError::read(&Fields::parse_or_empty(raw))),
            output: items.map(|item| ItemInfo::read(&item)).collect(),
            usage: response.raw("usage").map(|raw| Usage::read(&Fields::parse_or_empty(raw))),
            metadata: response.object("metadata").to_strings(),
            conversation_id: response.string("conversation_id"),
        }
    }
}

/// The tokens of a response. Absent numbers are 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// All tokens.
    pub total: u64,
    /// Input tokens, cached ones included.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Text input tokens.
    pub input_text: u64,
    /// Audio input tokens.
    pub input_audio: u64,
    /// Cached input tokens.
    pub cached: u64,
    /// Cached text tokens.
    pub cached_text: u64,
    /// Cached audio tokens.
    pub cached_audio: u64,
    /// Text output tokens.
    pub output_text: u64,
    /// Audio output tokens.
    pub output_audio: u64,
}

impl Usage {
    pub(super) fn read(usage: &Fields<'_>) -> Self {
        let count = |fields: &Fields<'_>, name| fields.whole(name).unwrap_or(0);
        let input = usage.object("input_token_details");
        let cached = input.object("cached_tokens_details");
        let output = usage.object("output_token_details");
        Self {
            total: count(usage, "total_tokens"),
            input: count(usage, "input_tokens"),
            output: count(usage, "output_tokens"),
            input_text: count(&input, "text_tokens"),
            input_audio: count(&input, "audio_tokens"),
            cached: count(&input, "cached_tokens"),
            cached_text: count(&cached, "text_tokens"),
            cached_audio: count(&cached, "audio_tokens"),
            output_text: count(&output, "text_tokens"),
            output_audio: count(&output, "audio_tokens"),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.total, other.total);
        add(&mut self.input, other.input);
        add(&mut self.output, other.output);
        add(&mut self.input_text, other.input_text);
        add(&mut self.input_audio, other.input_audio);
        add(&mut self.cached, other.cached);
        add(&mut self.cached_text, other.cached_text);
        add(&mut self.cached_audio, other.cached_audio);
        add(&mut self.output_text, other.output_text);
        add(&mut self.output_audio, other.output_audio);
    }
}

/// One limit of the account.
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimit {
    /// `requests` or `tokens`.
    pub name: String,
    /// The limit.
    pub limit: Option<u64>,
    /// How much of it is left.
    pub remaining: Option<u64>,
    /// Seconds until it is fully restored.
    pub reset_seconds: Option<f64>,
}

impl RateLimit {
    pub(super) fn read_all(event: &Fields<'_>) -> Vec<Self> {
        let limits = event.array("rate_limits").into_iter().map(Fields::parse_or_empty);
        let read = |limit: Fields<'_>| Self {
            name: limit.string_or_empty("name"),
            limit: limit.whole("limit"),
            remaining: limit.whole("remaining"),
            reset_seconds: limit.number("reset_seconds"),
        };
        limits.map(read).collect()
    }
}

/// Why something was refused or failed. Absent values are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.describe())]
pub struct ApiError {
    /// `invalid_request_error`, `server_error` and others.
    pub kind: String,
    /// The error code, such as `invalid_value`.
    pub code: String,
    /// The message.
    pub message: String,
    /// The parameter that is wrong.
    pub param: String,
    /// The id of the client event that is wrong.
    pub event_id: String,
}

impl ApiError {
    pub(super) fn read(error: &Fields<'_>) -> Self {
        let text = |name| error.string_or_empty(name);
        Self {
            kind: text("type"),
            code: text("code"),
            message: text("message"),
            param: text("param"),
            event_id: text("event_id"),
        }
    }

    fn describe(&self) -> String {
        let code = if self.code.is_empty() { &self.kind } else { &self.code };
        format!("OpenAI answered {code}: {}", self.message)
    }
}

fn texts(fields: &Fields<'_>, name: &str) -> Vec<String> {
    let elements = fields.array(name).into_iter();
    elements.filter_map(json::scalar).map(Cow::into_owned).collect()
}
