//! Twilio: the relay and media sockets, webhooks, TwiML, signatures and the REST API.

mod form;
pub mod media;
pub mod relay;
pub mod rest;
pub mod signature;
pub mod twiml;
pub mod webhook;
