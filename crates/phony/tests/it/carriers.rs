//! The adapters for carriers.

mod media;
mod relay;
mod replays;
mod sdk;
mod softphone;
mod twilio_rest;
mod webhooks;
