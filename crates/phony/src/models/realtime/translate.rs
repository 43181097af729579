//! Translates between the call's types and the server's.

use phony_call::{ItemBody, Usage};
use phony_wire::openai::realtime::{self, ClientBody, Severity};

use super::conversation::{Name, Position};

/// The event that creates an item of the call on the server.
pub(crate) fn create<'a>(id: &Name, position: &Position, body: &'a ItemBody) -> ClientBody<'a> {
    let previous_item_id = match position {
        Position::Last => None,
        Position::First => Some("root".into()),
        Position::After(before) => Some(before.to_string().into()),
    };
    let id = Some(id.to_string().into());
    let item = match body {
        ItemBody::User { text, .. } => realtime::Item::User { id, text: (&**text).into() },
        ItemBody::Assistant { text, .. } => {
            realtime::Item::Assistant { id, text: (&**text).into() }
        }
        ItemBody::Note(text) => realtime::Item::System { id, text: (&**text).into() },
        ItemBody::ToolCall(tool) => realtime::Item::FunctionCall {
            id,
            call_id: tool.call_id.as_str().into(),
            name: tool.name.as_str().into(),
            arguments: tool.arguments.as_str().into(),
        },
        ItemBody::ToolResult { call_id, output } => realtime::Item::FunctionCallOutput {
            id,
            call_id: (&**call_id).into(),
            output: (&**output).into(),
        },
    };
    ClientBody::ItemCreate { previous_item_id, item }
}

/// The tokens that a response used.
pub(crate) fn tokens(usage: realtime::Usage) -> Usage {
    // Where the server gives only the total, it counts as text.
    let or_total = |text, audio, total| if text + audio == 0 { total } else { text };
    Usage {
        input_text_tokens: or_total(usage.input_text, usage.input_audio, usage.input),
        input_audio_tokens: usage.input_audio,
        cached_text_tokens: or_total(usage.cached_text, usage.cached_audio, usage.cached),
        cached_audio_tokens: usage.cached_audio,
        output_text_tokens: or_total(usage.output_text, usage.output_audio, usage.output),
        output_audio_tokens: usage.output_audio,
    }
}

/// The label of the error counter.
pub(crate) fn kind(severity: Severity) -> &'static str {
    match severity {
        Severity::Fatal => "fatal",
        Severity::RateLimited => "rate_limited",
        Severity::Transient => "transient",
        Severity::SessionOver => "session_over",
        Severity::Bug => "bug",
        Severity::Benign => "benign",
    }
}
