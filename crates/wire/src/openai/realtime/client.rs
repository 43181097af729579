//! Client events. Only events that the API knows can be built.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::Serializer;

use super::item::Item;
use super::session::{
    AudioFormat, MaxTokens, Modality, Reasoning, Session, Tool, ToolChoice, Voice,
};
use crate::json;

/// A client event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClientEvent<'a> {
    /// What it is.
    #[serde(flatten)]
    pub body: ClientBody<'a>,
    /// Returned in `error.event_id` if the event is refused, and nowhere else. Should be set on
    /// every event, at most 512 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Cow<'a, str>>,
}

impl<'a> ClientEvent<'a> {
    /// An event with its id.
    pub fn new(event_id: impl Into<Cow<'a, str>>, body: ClientBody<'a>) -> Self {
        Self { body, event_id: Some(event_id.into()) }
    }

    /// Appends the event.
    pub fn write(&self, out: &mut String) {
        json::append(out, self);
    }

    /// The event as text.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::to_string(self)
    }
}

impl<'a> From<ClientBody<'a>> for ClientEvent<'a> {
    fn from(body: ClientBody<'a>) -> Self {
        Self { body, event_id: None }
    }
}

/// The body of a client event (OpenAI Realtime reference, "Client events").
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type")]
pub enum ClientBody<'a> {
    /// Changes the session; answered by `session.updated`, or by `error` and no change at all.
    #[serde(rename = "session.update")]
    SessionUpdate {
        /// The changes.
        session: Box<Session>,
    },
    /// Adds an item; answered by `conversation.item.added` and `.done`.
    #[serde(rename = "conversation.item.create")]
    ItemCreate {
        /// The item to insert it after: an id, or `root` for the beginning; the end if absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        previous_item_id: Option<Cow<'a, str>>,
        /// The item.
        item: Item<'a>,
    },
    /// Removes an item; answered by `conversation.item.deleted`.
    #[serde(rename = "conversation.item.delete")]
    ItemDelete {
        /// The item.
        item_id: Cow<'a, str>,
    },
    /// Asks for an item, audio included; answered by `conversation.item.retrieved`.
    #[serde(rename = "conversation.item.retrieve")]
    ItemRetrieve {
        /// The item.
        item_id: Cow<'a, str>,
    },
    /// Cuts the audio of an item to what was heard, and drops its transcript; answered by
    /// `conversation.item.truncated`. Not for text.
    #[serde(rename = "conversation.item.truncate")]
    ItemTruncate {
        /// The item.
        item_id: Cow<'a, str>,
        /// 0.
        content_index: u32,
        /// How much was heard, in milliseconds; at most the audio's length.
        audio_end_ms: u32,
    },
    /// Asks for a response; answered by `response.created` to `response.done`.
    #[serde(rename = "response.create")]
    ResponseCreate {
        /// What differs from the session.
        #[serde(skip_serializing_if = "Option::is_none")]
        response: Option<Box<ResponseParams<'a>>>,
    },
    /// Cancels a response; answered by its `response.done`, or by the harmless error
    /// `response_cancel_not_active`.
    #[serde(rename = "response.cancel")]
    ResponseCancel {
        /// The response; the one in progress if absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        response_id: Option<Cow<'a, str>>,
    },
    /// Adds audio; not answered.
    #[serde(rename = "input_audio_buffer.append")]
    InputAudioAppend {
        /// Base64 in the session's format, at most 15 MiB.
        audio: Cow<'a, str>,
    },
    /// Makes an item of the audio; answered by `input_audio_buffer.committed`.
    #[serde(rename = "input_audio_buffer.commit")]
    InputAudioCommit,
    /// Drops the audio; answered by `input_audio_buffer.cleared`.
    #[serde(rename = "input_audio_buffer.clear")]
    InputAudioClear,
}

impl<'a> ClientBody<'a> {
    /// Changes the session.
    #[must_use]
    pub fn session(session: Session) -> Self {
        Self::SessionUpdate { session: Box::new(session) }
    }

    /// A response with the session's settings.
    #[must_use]
    pub fn respond() -> Self {
        Self::ResponseCreate { response: None }
    }

    /// A response with settings of its own.
    #[must_use]
    pub fn respond_with(response: ResponseParams<'a>) -> Self {
        Self::ResponseCreate { response: Some(Box::new(response)) }
    }
}

/// The settings of one response (OpenAI Realtime reference, "response.create").
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ResponseParams<'a> {
    /// Whether the response becomes part of the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<Conversation>,
    /// The whole context, instead of the conversation; may be empty. References to items of the
    /// conversation, which the guide shows, are not in the schema and cannot be built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Vec<Item<'a>>>,
    /// Instructions that replace the session's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Cow<'a, str>>,
    /// The kind of output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_modalities: Option<[Modality; 1]>,
    /// Format and voice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<ResponseAudio>,
    /// Tools that replace the session's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    /// Whether it may, must or must not call functions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several functions at once; reasoning models only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// The reasoning effort; reasoning models only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Reasoning>,
    /// The limit of output tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<MaxTokens>,
    /// Returned in `response.created` and `response.done`: the only way to match them to this
    /// event. At most 16 pairs of 64 and 512 characters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// Whether a response becomes part of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conversation {
    /// It does. Only one such response may be in progress.
    Auto,
    /// It does not.
    None,
}

/// Audio of one response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseAudio {
    /// Format of the output audio.
    pub format: Option<AudioFormat>,
    /// The voice. Cannot be changed once audio has been sent.
    pub voice: Option<Voice>,
}

impl Serialize for ResponseAudio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Audio<'a> {
            output: Output<'a>,
        }
        #[derive(Serialize)]
        struct Output<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            format: Option<AudioFormat>,
            #[serde(skip_serializing_if = "Option::is_none")]
            voice: Option<&'a Voice>,
        }
        let output = Output { format: self.format, voice: self.voice.as_ref() };
        Audio { output }.serialize(serializer)
    }
}
