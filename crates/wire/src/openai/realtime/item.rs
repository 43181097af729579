//! Items of a conversation, as a client creates them.

use std::borrow::Cow;

use serde::ser::{Serialize, Serializer};

/// An item. The client chooses its id: at most 32 characters, unique in a session.
///
/// Each role allows one kind of content, so the variants differ by role. Audio cannot be created
/// (OpenAI Realtime reference, "conversation.item.create").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<'a> {
    /// Guidance to the model.
    System {
        /// Id of the item.
        id: Option<Cow<'a, str>>,
        /// The guidance.
        text: Cow<'a, str>,
    },
    /// What the caller said.
    User {
        /// Id of the item.
        id: Option<Cow<'a, str>>,
        /// What was said.
        text: Cow<'a, str>,
    },
    /// What the model said, as it was heard.
    Assistant {
        /// Id of the item.
        id: Option<Cow<'a, str>>,
        /// What was heard.
        text: Cow<'a, str>,
    },
    /// A call of a function by the model.
    FunctionCall {
        /// Id of the item.
        id: Option<Cow<'a, str>>,
        /// Id of the call, at most 32 characters; its output names it.
        call_id: Cow<'a, str>,
        /// The function.
        name: Cow<'a, str>,
        /// Its arguments, JSON in a string.
        arguments: Cow<'a, str>,
    },
    /// The output of a call. The call must be in the conversation before it.
    FunctionCallOutput {
        /// Id of the item.
        id: Option<Cow<'a, str>>,
        /// The call.
        call_id: Cow<'a, str>,
        /// The output, preferably JSON in a string.
        output: Cow<'a, str>,
    },
}

impl Item<'_> {
    /// Id of the item.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::System { id, .. }
            | Self::User { id, .. }
            | Self::Assistant { id, .. }
            | Self::FunctionCall { id, .. }
            | Self::FunctionCallOutput { id, .. } => id.as_deref(),
        }
    }
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wire = match self {
            Self::System { id, text } => Wire::message(id, "system", "input_text", text),
            Self::User { id, text } => Wire::message(id, "user", "input_text", text),
            Self::Assistant { id, text } => Wire::message(id, "assistant", "output_text", text),
            Self::FunctionCall { id, call_id, name, arguments } => {
                Wire::FunctionCall { id: id.as_deref(), call_id, name, arguments }
            }
            Self::FunctionCallOutput { id, call_id, output } => {
                Wire::FunctionCallOutput { id: id.as_deref(), call_id, output }
            }
        };
        wire.serialize(serializer)
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Wire<'a> {
    Message {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        role: &'static str,
        content: [Content<'a>; 1],
    },
    FunctionCall {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        call_id: &'a str,
        name: &'a str,
        arguments: &'a str,
    },
    FunctionCallOutput {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        call_id: &'a str,
        output: &'a str,
    },
}

impl<'a> Wire<'a> {
    #[expect(clippy::ref_option, reason = "it is lent as the item holds it")]
    fn message(
        id: &'a Option<Cow<'a, str>>,
        role: &'static str,
        kind: &'static str,
        text: &'a str,
    ) -> Self {
        Self::Message { id: id.as_deref(), role, content: [Content { kind, text }] }
    }
}

#[derive(serde::Serialize)]
struct Content<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
}
