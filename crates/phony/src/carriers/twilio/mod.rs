//! Twilio: the line of a call over ConversationRelay, and the REST API.

pub mod relay;
pub mod rest;
pub mod wiring;
