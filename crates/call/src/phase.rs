//! What a call is doing, in a word.

use serde::Serialize;

/// What a call is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The line is not up yet.
    Ringing,
    /// The opening line is being spoken.
    Greeting,
    /// The caller has the floor.
    Listening,
    /// The model was asked and has not begun.
    Thinking,
    /// The model's words are being spoken.
    Speaking,
    /// The caller waits for a supervisor.
    OnHold,
    /// A human speaks in the model's place.
    HumanSpeaks,
    /// The line is lost and may come back.
    Lost,
    /// Somebody else speaks with the caller.
    Transferring,
    /// The last words are being spoken.
    Ending,
    /// Over.
    Ended,
}
