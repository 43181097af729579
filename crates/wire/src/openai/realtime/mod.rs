//! The Realtime API over a WebSocket, GA dialect.
//!
//! Every message is one JSON object in a text frame, told apart by `type`; audio is base64 within.
//! A connection is established only with `session.created`: refusals arrive as an `error` event
//! after the upgrade. Sources: OpenAI, "Realtime API" guides and reference; the schemas in
//! `tests/schemas`, against which every client event is checked.

mod client;
mod fault;
mod item;
mod parts;
mod server;
mod session;

pub use client::{ClientBody, ClientEvent, Conversation, ResponseAudio, ResponseParams};
pub use fault::{Severity, of_close, of_error, of_http, of_response};
pub use item::Item;
pub use parts::{
    ApiError, ContentPart, Delta, ItemInfo, Place, RateLimit, ResponseInfo, ResponseStatus,
    SessionInfo, StatusReason, Usage,
};
pub use server::ServerEvent;
pub use session::{
    Audio, AudioFormat, AudioInput, AudioOutput, Clearable, Eagerness, Effort, MaxTokens, Modality,
    NoiseReduction, Reasoning, Session, Tool, ToolChoice, Transcription, Truncation, TurnDetection,
    Voice,
};
