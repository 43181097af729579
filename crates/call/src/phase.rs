//! The phase of a call: what it is doing, as a single word.

use serde::Serialize;

/// What a call is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The line is not up yet.
    Ringing,
    /// The greeting is being spoken.
    Greeting,
    /// The caller may speak.
    Listening,
    /// The model was asked, and none of its words have been sent.
    Thinking,
    /// The model's words are being spoken.
    Speaking,
    /// The caller waits for a supervisor.
    OnHold,
    /// A human speaks in the model's place.
    HumanSpeaks,
    /// The line is lost, or was left for another node, and may come back.
    Lost,
    /// The call is transferred.
    Transferring,
    /// The goodbye is being spoken, or the carrier is asked to end the call.
    Ending,
    /// The call is over.
    Ended,
}
