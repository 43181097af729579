//! Twilio: lines over ConversationRelay and Media Streams, and the REST API.

pub mod account;
pub mod media;
pub mod relay;
pub mod rest;
pub(crate) mod socket;
pub mod wiring;
