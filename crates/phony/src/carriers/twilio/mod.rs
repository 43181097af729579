//! Twilio: lines over ConversationRelay, and the REST API.

pub mod account;
pub mod relay;
pub mod rest;
pub mod wiring;
