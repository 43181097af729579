//! Server events, read leniently.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::parts::{
    ApiError, ContentPart, Delta, ItemInfo, Place, RateLimit, ResponseInfo, SessionInfo,
};
use crate::BadFrame;
use crate::json::Fields;

/// A server event (OpenAI Realtime reference, "Server events"). Text and audio of deltas are
/// borrowed from the frame where they need no unescaping.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerEvent<'a> {
    /// The session is established.
    SessionCreated(Box<SessionInfo>),
    /// The session was changed; carries all of it.
    SessionUpdated(Box<SessionInfo>),
    /// An item was added to the conversation. Items of the model are still empty. Also the older
    /// `conversation.item.created`.
    ItemAdded {
        /// The item before it.
        previous_item_id: Option<String>,
        /// The item.
        item: Box<ItemInfo>,
    },
    /// An item is complete.
    ItemDone {
        /// The item before it.
        previous_item_id: Option<String>,
        /// The item.
        item: Box<ItemInfo>,
    },
    /// An item that was requested.
    ItemRetrieved {
        /// The item.
        item: Box<ItemInfo>,
    },
    /// An item was deleted.
    ItemDeleted {
        /// The item.
        item_id: String,
    },
    /// The audio of an item has been cut, its transcript dropped.
    ItemTruncated {
        /// The item.
        item_id: String,
        /// How much is left, in milliseconds.
        audio_end_ms: Option<u64>,
    },
    /// A response has begun.
    ResponseCreated(Box<ResponseInfo>),
    /// A response has ended, in whatever way; sent exactly once for each that began.
    ResponseDone(Box<ResponseInfo>),
    /// A response has begun an item.
    OutputItemAdded {
        /// The response.
        response_id: String,
        /// Place of the item in the response.
        output_index: u32,
        /// The item.
        item: Box<ItemInfo>,
    },
    /// A response has finished an item.
    OutputItemDone {
        /// The response.
        response_id: String,
        /// Place of the item in the response.
        output_index: u32,
        /// The item.
        item: Box<ItemInfo>,
    },
    /// An item has begun a part.
    ContentPartAdded {
        /// Where.
        place: Place<'a>,
        /// The part.
        part: ContentPart,
    },
    /// An item has finished a part.
    ContentPartDone {
        /// Where.
        place: Place<'a>,
        /// The part.
        part: ContentPart,
    },
    /// More text.
    TextDelta(Delta<'a>),
    /// The whole text.
    TextDone(Delta<'a>),
    /// More audio: base64 in the session's format.
    AudioDelta(Delta<'a>),
    /// No more audio.
    AudioDone(Place<'a>),
    /// More of the transcript of audio.
    TranscriptDelta(Delta<'a>),
    /// The whole transcript.
    TranscriptDone(Delta<'a>),
    /// More of the arguments of a call.
    ArgumentsDelta {
        /// The call.
        call_id: Cow<'a, str>,
        /// Where, and JSON text.
        delta: Delta<'a>,
    },
    /// The whole arguments of a call. Valid only if the item ends `completed`.
    ArgumentsDone {
        /// The call.
        call_id: Cow<'a, str>,
        /// The function, where the server says it.
        name: Cow<'a, str>,
        /// Where, and JSON text.
        arguments: Delta<'a>,
    },
    /// How much is left of the account's rate limits.
    RateLimits(Vec<RateLimit>),
    /// The caller has begun to speak.
    SpeechStarted {
        /// The item that it will become.
        item_id: String,
        /// Position in the appended audio, in milliseconds.
        audio_start_ms: Option<u64>,
    },
    /// The caller has stopped.
    SpeechStopped {
        /// The item that it will become.
        item_id: String,
        /// Position in the appended audio, in milliseconds.
        audio_end_ms: Option<u64>,
    },
    /// The appended audio has become an item.
    InputCommitted {
        /// The item.
        item_id: String,
        /// The item before it.
        previous_item_id: Option<String>,
    },
    /// The appended audio has been dropped.
    InputCleared,
    /// Nothing was heard for the idle timeout.
    InputTimeout {
        /// The item of that silence.
        item_id: String,
    },
    /// More of the transcript of what was heard.
    InputTranscriptDelta {
        /// The item.
        item_id: String,
        /// The text.
        delta: Cow<'a, str>,
    },
    /// The transcript of what was heard. May come long after the response to it.
    InputTranscriptDone {
        /// The item.
        item_id: String,
        /// The text.
        transcript: Cow<'a, str>,
    },
    /// There is no transcript of what was heard.
    InputTranscriptFailed {
        /// The item.
        item_id: String,
        /// Why.
        error: ApiError,
    },
    /// Something was refused or failed. The session usually goes on; see [`super::of_error`].
    Error(Box<ApiError>),
    /// An unknown or unused kind, to be counted and ignored.
    Unknown {
        /// The value of `type`.
        kind: String,
    },
}

impl<'a> ServerEvent<'a> {
    /// Reads an event. Only `type` is required; see the crate's rules.
    pub fn parse(text: &'a str) -> Result<Self, BadFrame> {
        if let Some(delta) = PlainDelta::read(text) {
            return Ok(Self::TextDelta(delta));
        }
        let fields = Fields::parse(text)?;
        let kind = fields.kind("type")?;
        let f = &fields;
        let item_id = || f.string_or_empty("item_id");
        let previous_item_id = || f.string("previous_item_id");
        let item = || Box::new(ItemInfo::read(&f.object("item")));
        let response_id = || f.string_or_empty("response_id");
        let output_index = || f.whole32("output_index").unwrap_or(0);
        let part = || ContentPart::read(&f.object("part"));
        Ok(match kind.as_ref() {
            "response.output_text.delta" => Self::TextDelta(Delta::read(f, "delta")),
            "response.output_text.done" => Self::TextDone(Delta::read(f, "text")),
            "response.output_audio.delta" => Self::AudioDelta(Delta::read(f, "delta")),
            "response.output_audio.done" => Self::AudioDone(Place::read(f)),
            "response.output_audio_transcript.delta" => {
                Self::TranscriptDelta(Delta::read(f, "delta"))
            }
            "response.output_audio_transcript.done" => {
                Self::TranscriptDone(Delta::read(f, "transcript"))
            }
            "response.function_call_arguments.delta" => Self::ArgumentsDelta {
                call_id: f.text_or_empty("call_id"),
                delta: Delta::read(f, "delta"),
            },
            "response.function_call_arguments.done" => Self::ArgumentsDone {
                call_id: f.text_or_empty("call_id"),
                name: f.text_or_empty("name"),
                arguments: Delta::read(f, "arguments"),
            },
            "session.created" => Self::SessionCreated(Box::new(SessionInfo::read(f))),
            "session.updated" => Self::SessionUpdated(Box::new(SessionInfo::read(f))),
            "conversation.item.added" | "conversation.item.created" => {
                Self::ItemAdded { previous_item_id: previous_item_id(), item: item() }
            }
            "conversation.item.done" => {
                Self::ItemDone { previous_item_id: previous_item_id(), item: item() }
            }
            "conversation.item.retrieved" => Self::ItemRetrieved { item: item() },
            "conversation.item.deleted" => Self::ItemDeleted { item_id: item_id() },
            "conversation.item.truncated" => {
                Self::ItemTruncated { item_id: item_id(), audio_end_ms: f.whole("audio_end_ms") }
            }
            "response.created" => Self::ResponseCreated(Box::new(ResponseInfo::read(f))),
            "response.done" => Self::ResponseDone(Box::new(ResponseInfo::read(f))),
            "response.output_item.added" => Self::OutputItemAdded {
                response_id: response_id(),
                output_index: output_index(),
                item: item(),
            },
            "response.output_item.done" => Self::OutputItemDone {
                response_id: response_id(),
                output_index: output_index(),
                item: item(),
            },
            "response.content_part.added" => {
                Self::ContentPartAdded { place: Place::read(f), part: part() }
            }
            "response.content_part.done" => {
                Self::ContentPartDone { place: Place::read(f), part: part() }
            }
            "rate_limits.updated" => Self::RateLimits(RateLimit::read_all(f)),
            "input_audio_buffer.speech_started" => Self::SpeechStarted {
                item_id: item_id(),
                audio_start_ms: f.whole("audio_start_ms"),
            },
            "input_audio_buffer.speech_stopped" => {
                Self::SpeechStopped { item_id: item_id(), audio_end_ms: f.whole("audio_end_ms") }
            }
            "input_audio_buffer.committed" => {
                Self::InputCommitted { item_id: item_id(), previous_item_id: previous_item_id() }
            }
            "input_audio_buffer.cleared" => Self::InputCleared,
            "input_audio_buffer.timeout_triggered" => Self::InputTimeout { item_id: item_id() },
            "conversation.item.input_audio_transcription.delta" => {
                Self::InputTranscriptDelta { item_id: item_id(), delta: f.text_or_empty("delta") }
            }
            "conversation.item.input_audio_transcription.completed" => Self::InputTranscriptDone {
                item_id: item_id(),
                transcript: f.text_or_empty("transcript"),
            },
            "conversation.item.input_audio_transcription.failed" => Self::InputTranscriptFailed {
                item_id: item_id(),
                error: ApiError::read(&f.object("error")),
            },
            "error" => Self::Error(Box::new(ApiError::read(&f.object("error")))),
            _ => Self::Unknown { kind: kind.into_owned() },
        })
    }
}

/// A fast path for text deltas, the most frequent events, which takes one pass and copies nothing.
/// It requires `type` to come first, as it does from OpenAI; others are parsed like every event.
#[derive(Deserialize)]
struct PlainDelta<'a> {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    response_id: &'a str,
    item_id: &'a str,
    output_index: u32,
    content_index: u32,
    #[serde(borrow)]
    delta: Cow<'a, str>,
}

impl<'a> PlainDelta<'a> {
    fn read(text: &'a str) -> Option<Delta<'a>> {
        if !text.starts_with(r#"{"type":"response.output_text.delta","#) {
            return None;
        }
        // A repeated or missing member, or one of another type, fails this parser.
        let plain: Self = serde_json::from_str(text).ok()?;
        let place = Place {
            response_id: plain.response_id.into(),
            item_id: plain.item_id.into(),
            output_index: plain.output_index,
            content_index: plain.content_index,
        };
        Some(Delta { place, text: plain.delta })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(delta: &str) -> String {
        let place = r#""response_id":"r","item_id":"i","output_index":0,"content_index":1"#;
        format!(r#"{{"type":"response.output_text.delta","event_id":"e",{place},"delta":{delta}}}"#)
    }

    /// The event with `type` last, which the fast path refuses.
    fn slowly(event: &str) -> String {
        let rest = event.strip_prefix(r#"{"type":"response.output_text.delta","#).unwrap();
        let rest = rest.strip_suffix('}').unwrap();
        format!(r#"{{{rest},"type":"response.output_text.delta"}}"#)
    }

    #[test]
    fn a_delta_is_the_same_in_whatever_spelling() {
        for (delta, plain) in [
            (r#""Sure. ""#, true),
            (r#""a \"b\" \u00e9 \ud83d\ude00""#, true),
            (r#""half \ud83d of a pair""#, false),
            ("null", false),
            ("7", false),
            (r#""one","delta":"two""#, false),
            (r#""one","output_index":"2""#, false),
            (r#""one","future":{"delta":["x"]}"#, true),
        ] {
            let quick = event(delta);
            assert_eq!(PlainDelta::read(&quick).is_some(), plain, "{delta}");
            let slow = slowly(&quick);
            assert!(PlainDelta::read(&slow).is_none());
            assert_eq!(ServerEvent::parse(&quick), ServerEvent::parse(&slow), "{delta}");
        }
        assert!(PlainDelta::read(&event(r#""one""#).replace(r#","item_id":"i""#, "")).is_none());
        let kinds = event(r#""one","type":"error""#);
        assert!(matches!(ServerEvent::parse(&kinds), Ok(ServerEvent::Error(_))), "the last counts");
    }
}
