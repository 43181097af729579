//! The items of a conversation (OpenAI Realtime guide, conversations).

use serde_json::{Value, json};

use super::error::ApiError;

/// One item.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) body: Body,
    /// `completed`, `incomplete` or `in_progress`.
    pub(super) status: &'static str,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    Message { role: Role, parts: Vec<Part> },
    Call { call_id: String, name: String, arguments: String },
    CallOutput { call_id: String, output: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    System,
    User,
    Assistant,
}

#[derive(Clone, Debug)]
pub(super) enum Part {
    InputText(String),
    /// Audio of the caller. Its bytes are not kept.
    InputAudio {
        /// What the model understands.
        understood: String,
        /// What the client is shown.
        transcript: Option<String>,
        ms: u64,
    },
    Image {
        url: String,
        detail: Option<String>,
    },
    OutputText(String),
    /// `ms` milliseconds of the model's audio.
    OutputAudio {
        /// What the client is shown; truncation clears it.
        transcript: String,
        /// What the model knows that it said.
        spoken: String,
        ms: u64,
    },
}

impl Item {
    /// Reads an item that fits the schema; `id` makes an id if it has none.
    pub(super) fn read(value: &Value, id: impl FnOnce() -> String) -> Self {
        let id = value.get("id").and_then(Value::as_str).map_or_else(id, str::to_owned);
        let body = match value.get("type").and_then(Value::as_str) {
            Some("function_call") => Body::Call {
                call_id: text(value, "call_id"),
                name: text(value, "name"),
                arguments: text(value, "arguments"),
            },
            Some("function_call_output") => {
                Body::CallOutput { call_id: text(value, "call_id"), output: text(value, "output") }
            }
            _ => {
                let role = match value.get("role").and_then(Value::as_str) {
                    Some("system") => Role::System,
                    Some("assistant") => Role::Assistant,
                    _ => Role::User,
                };
                let content = value.get("content").and_then(Value::as_array);
                let parts = content.into_iter().flatten().map(Part::read).collect();
                Body::Message { role, parts }
            }
        };
        Self { id, body, status: "completed" }
    }

    /// The item as in events: without audio.
    pub(super) fn object(&self) -> Value {
        let mut object = match &self.body {
            Body::Message { role, parts } => json!({
                "type": "message",
                "role": role.name(),
                "content": parts.iter().map(Part::object).collect::<Vec<_>>(),
            }),
            Body::Call { call_id, name, arguments } => json!({
                "type": "function_call", "call_id": call_id, "name": name, "arguments": arguments,
            }),
            Body::CallOutput { call_id, output } => {
                json!({"type": "function_call_output", "call_id": call_id, "output": output})
            }
        };
        object["id"] = json!(self.id);
        object["object"] = json!("realtime.item");
        object["status"] = json!(self.status);
        object
    }

    /// All of its text that a model reads.
    pub(super) fn text(&self) -> String {
        match &self.body {
            Body::Message { parts, .. } => {
                let texts: Vec<&str> = parts.iter().filter_map(Part::text).collect();
                texts.join(" ")
            }
            Body::Call { name, arguments, .. } => format!("{name} {arguments}"),
            Body::CallOutput { output, .. } => output.clone(),
        }
    }

    /// Milliseconds of the caller's audio and of the model's.
    pub(super) fn audio_ms(&self) -> (u64, u64) {
        let Body::Message { parts, .. } = &self.body else { return (0, 0) };
        parts.iter().fold((0, 0), |(heard, spoken), part| match part {
            Part::InputAudio { ms, .. } => (heard + ms, spoken),
            Part::OutputAudio { ms, .. } => (heard, spoken + ms),
            Part::InputText(_) | Part::Image { .. } | Part::OutputText(_) => (heard, spoken),
        })
    }
}

impl Part {
    fn read(value: &Value) -> Self {
        match value.get("type").and_then(Value::as_str) {
            Some("input_audio") => Self::InputAudio {
                understood: text(value, "transcript"),
                transcript: value.get("transcript").and_then(Value::as_str).map(str::to_owned),
                ms: 0,
            },
            Some("input_image") => Self::Image {
                url: text(value, "image_url"),
                detail: value.get("detail").and_then(Value::as_str).map(str::to_owned),
            },
            Some("output_text" | "output_audio") => Self::OutputText(text(value, "text")),
            _ => Self::InputText(text(value, "text")),
        }
    }

    fn object(&self) -> Value {
        match self {
            Self::InputText(text) => json!({"type": "input_text", "text": text}),
            Self::InputAudio { transcript, .. } => {
                json!({"type": "input_audio", "transcript": transcript})
            }
            Self::Image { url, detail } => {
                json!({"type": "input_image", "image_url": url, "detail": detail})
            }
            Self::OutputText(text) => json!({"type": "output_text", "text": text}),
            Self::OutputAudio { transcript, .. } => {
                json!({"type": "output_audio", "transcript": transcript})
            }
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::InputText(text) | Self::OutputText(text) => Some(text),
            Self::InputAudio { understood, .. } => Some(understood),
            Self::OutputAudio { spoken, .. } => Some(spoken),
            Self::Image { .. } => None,
        }
    }
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// The items of one socket's default conversation, in order.
#[derive(Default)]
pub(super) struct Conversation {
    items: Vec<Item>,
}

impl Conversation {
    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    pub(super) fn item(&self, id: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.id == id)
    }

    pub(super) fn item_mut(&mut self, id: &str) -> Option<&mut Item> {
        self.items.iter_mut().find(|item| item.id == id)
    }

    /// Inserts `item` after `previous`: an id, `"root"` for the beginning, `None` for the end.
    pub(super) fn insert(&mut self, item: Item, previous: Option<&str>) -> Result<(), ApiError> {
        let place = match previous {
            None => self.items.len(),
            Some("root") => 0,
            Some(id) => 1 + self.position(id).ok_or_else(|| no_item(id, "create", PREVIOUS))?,
        };
        if self.item(&item.id).is_some() {
            return Err(ApiError::request(
                "item_create_duplicate_item_id",
                "item.id".to_owned(),
                format!("Error adding item: an item with id '{}' already exists.", item.id),
            ));
        }
        if let Body::CallOutput { call_id, .. } = &item.body {
            self.require_call(call_id)?;
        }
        self.items.insert(place, item);
        Ok(())
    }

    pub(super) fn push(&mut self, item: Item) {
        self.items.push(item);
    }

    pub(super) fn delete(&mut self, id: &str) -> Result<(), ApiError> {
        let place = self.position(id).ok_or_else(|| no_item(id, "delete", "item_id"))?;
        self.items.remove(place);
        Ok(())
    }

    pub(super) fn retrieve(&self, id: &str) -> Result<&Item, ApiError> {
        self.item(id).ok_or_else(|| no_item(id, "retrieve", "item_id"))
    }

    /// Truncates the audio of an item to `end_ms` and drops its transcript, as the guide says.
    pub(super) fn truncate(&mut self, id: &str, end_ms: u64) -> Result<(), ApiError> {
        let item = self.item_mut(id).ok_or_else(|| no_item(id, "truncate", "item_id"))?;
        let Body::Message { role: Role::Assistant, parts } = &mut item.body else {
            return Err(only_audio());
        };
        let Some(Part::OutputAudio { transcript, spoken, ms }) = parts.first_mut() else {
            return Err(only_audio());
        };
        // An item that was cancelled before its first sound has no audio.
        if *ms == 0 {
            return Err(only_audio());
        }
        if end_ms > *ms {
            return Err(ApiError::invalid(
                "audio_end_ms",
                format!("Audio content of {ms}ms is already shorter than {end_ms}ms"),
            ));
        }
        *spoken = beginning(spoken, end_ms, *ms);
        *ms = end_ms;
        transcript.clear();
        Ok(())
    }

    /// Shows the transcript of a caller's audio, unless the item has been deleted.
    pub(super) fn transcribe(&mut self, id: &str, text: &str) {
        let Some(item) = self.item_mut(id) else { return };
        if let Body::Message { parts, .. } = &mut item.body
            && let Some(Part::InputAudio { transcript, .. }) = parts.first_mut()
        {
            *transcript = Some(text.to_owned());
        }
    }

    /// The id of the item before this one.
    pub(super) fn before(&self, id: &str) -> Option<&str> {
        let place = self.position(id)?.checked_sub(1)?;
        self.items.get(place).map(|item| item.id.as_str())
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.items.iter().rposition(|item| item.id == id)
    }

    fn require_call(&self, wanted: &str) -> Result<(), ApiError> {
        let known = self
            .items
            .iter()
            .any(|item| matches!(&item.body, Body::Call { call_id, .. } if call_id == wanted));
        if known {
            return Ok(());
        }
        Err(ApiError::request(
            "invalid_tool_call_id",
            "item.call_id".to_owned(),
            format!("Tool call ID '{wanted}' not found in conversation."),
        ))
    }
}

/// The whole words in the first `part` of `whole` milliseconds of a spoken text.
fn beginning(text: &str, part: u64, whole: u64) -> String {
    let end = u64::try_from(text.len()).unwrap_or(u64::MAX).saturating_mul(part) / whole.max(1);
    let words = text.split_inclusive(char::is_whitespace).scan(0, |place, word| {
        *place += word.trim_end().len() as u64;
        let heard = *place <= end;
        *place += (word.len() - word.trim_end().len()) as u64;
        heard.then_some(word)
    });
    words.collect()
}

const PREVIOUS: &str = "previous_item_id";

fn no_item(id: &str, doing: &str, param: &str) -> ApiError {
    ApiError::request(
        &format!("item_{doing}_invalid_item_id"),
        param.to_owned(),
        format!("Item with item_id '{id}' not found."),
    )
}

fn only_audio() -> ApiError {
    ApiError::request(
        "unsupported_content_type",
        "item_id".to_owned(),
        "Only model output audio messages can be truncated".to_owned(),
    )
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
