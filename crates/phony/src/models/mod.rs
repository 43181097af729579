//! Adapters to models, each a future behind a [`ModelPort`].
//!
//! An adapter translates [`ToModel`] into messages of its provider, and the provider's messages into
//! [`FromModel`]. It decides nothing about the call: whether a failed reply is retried is the call's
//! business; whether a lost connection is replaced is the adapter's.
//!
//! [`ModelPort`]: crate::ports::ModelPort
//! [`ToModel`]: phony_call::ToModel
//! [`FromModel`]: phony_call::FromModel

pub mod realtime;
mod tools;

pub use tools::{Tool, call_tools};
