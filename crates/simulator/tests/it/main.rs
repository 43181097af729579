//! The stand-ins, checked against what Twilio and OpenAI publish.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod openai;
mod twilio;
mod twilio_spec;
