//! What carriers send, and what they are sent.

mod relay;
mod replays;
mod sdk;
mod softphone;
mod twilio_rest;
mod webhooks;
