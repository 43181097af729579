//! The stand-in for Twilio, seen from an application that is as strict as Twilio's own SDK.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the frames that it expects")]

mod api;
mod app;
mod media;
mod outbound;
mod recorded;
mod relay;
