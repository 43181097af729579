//! Adapters to models, each a future behind a [`ModelPort`].
//!
//! An adapter translates [`ToModel`] into messages of its provider, and the provider's messages
//! into [`FromModel`]. The call decides whether a failed reply is retried; the adapter decides
//! whether a lost connection is replaced.
//!
//! [`ModelPort`]: crate::ports::ModelPort
//! [`ToModel`]: phony_call::ToModel
//! [`FromModel`]: phony_call::FromModel

pub mod realtime;
mod tools;

pub use tools::{Tool, call_tools};
