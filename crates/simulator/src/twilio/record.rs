//! The record of a call, for tests and for people to read.
//!
//! Times are in milliseconds of the call's time since its creation: real time multiplied by the
//! speed factor.

use serde::Serialize;

use super::media::MediaStream;
pub use super::speech::Heard;

/// Everything that happened on one call.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CallRecord {
    /// The call's SID, `CA…`.
    pub sid: String,
    /// The calling number.
    pub from: String,
    /// The called number.
    pub to: String,
    /// `inbound` or `outbound-api`.
    pub direction: String,
    /// Status in the API's words: `queued`, `ringing`, `in-progress`, `completed` and others.
    pub status: String,
    /// Who answered, if answering-machine detection was requested.
    pub answered_by: Option<String>,
    /// When it was answered.
    pub answered_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// How it ended; `None` until then.
    pub end: Option<End>,
    /// What the far end heard, in order.
    pub heard: Vec<HeardPiece>,
    /// What the far end said, in order.
    pub said: Vec<Said>,
    /// Keys that the agent pressed towards the far end, `w` included.
    pub digits: String,
    /// Keys that the far end pressed.
    pub pressed: String,
    /// Interruptions of the agent, with what Twilio reported as heard.
    pub interrupts: Vec<Interrupt>,
    /// Media Streams, one after another.
    pub streams: Vec<MediaStream>,
    /// Relay sessions, one after another.
    pub sessions: Vec<Session>,
    /// Frames of all sessions and streams, both ways; empty if `keep_frames` is off. `media` frames
    /// are left out: their sound is in `streams`.
    pub frames: Vec<Frame>,
    /// Requests to the application, with their answers.
    pub webhooks: Vec<Webhook>,
    /// Numbers that `<Dial>` rang.
    pub dialled: Vec<Dialled>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The far end hung up.
    FarEndHungUp,
    /// The TwiML hung up, or there was none left.
    TwimlEnded,
    /// The API ended it.
    ApiEnded,
    /// It was refused by `<Reject>`.
    Rejected,
    /// Nobody answered.
    NoAnswer,
    /// The far end was busy.
    Busy,
    /// The call could not be put through.
    CouldNotConnect,
    /// The API cancelled it before it was answered.
    Canceled,
    /// A webhook failed or its TwiML could not be used.
    ApplicationError,
    /// The relay socket could not be opened (error 64102).
    RelayRefused,
    /// It reached its time limit.
    TimeLimit,
    /// The phone network was stopped.
    NetworkStopped,
}

/// What the far end heard in one stretch: a clause, digits or a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeardPiece {
    /// When it began.
    pub from_ms: u64,
    /// When it ended.
    pub until_ms: u64,
    /// What it was.
    pub kind: Heard,
    /// The words, the digits or the URL.
    pub text: String,
    /// Whether it was cut off before its end.
    pub cut: bool,
}

/// One utterance of the far end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// When it began.
    pub at_ms: u64,
    /// How long it took.
    pub for_ms: u64,
    /// The words, with marks such as `[noise]`.
    pub text: String,
    /// What became of it.
    pub fate: Fate,
}

/// What became of an utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It has not ended, or has not been reported yet.
    Open,
    /// It holds no words.
    Noise,
    /// It was reported to the application in a `prompt`, or sent to it as sound.
    Reported,
    /// It was not reported: it fell into the agent's speech, or speech was not being recognised.
    Lost,
}

/// An interruption of the agent by the far end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interrupt {
    /// When.
    pub at_ms: u64,
    /// How much of the agent's utterance had been heard.
    pub utterance: String,
    /// How long that utterance had lasted.
    pub duration_ms: u64,
}

/// One relay session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// `VX…`.
    pub session_id: String,
    /// The socket's URL as the TwiML had it.
    pub url: String,
    /// When it was opened.
    pub at_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// `completed`, `ended` or `failed`, once it has ended.
    pub status: Option<String>,
    /// Twilio's error code, if it failed.
    pub error_code: Option<u32>,
    /// The close code of the side that closed the socket first; 1006 for a lost socket.
    pub close_code: Option<u16>,
    /// The `handoffData` of the application's `end` frame.
    pub handoff_data: Option<String>,
}

/// The sender of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// The phone network.
    Twilio,
    /// The application.
    Application,
}

/// One frame of a session's or stream's socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Frame {
    /// When it was sent, in the call's time.
    pub at_ms: u64,
    /// When it was sent, in microseconds of real time since the call's creation.
    pub clock_us: u64,
    /// Who sent it.
    pub from: Sender,
    /// The frame's text.
    pub text: String,
}

/// One request to the application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Webhook {
    /// When it was sent.
    pub at_ms: u64,
    /// Its purpose: `voice`, `action`, `dial-action`, `redirect`, `status`, `amd`, `fallback`.
    pub purpose: String,
    /// The URL, as configured.
    pub url: String,
    /// The parameters, in order.
    pub params: Vec<(String, String)>,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// Body of the answer.
    pub answer: String,
    /// Unknown verbs, elements and attributes of the TwiML in the answer.
    pub unknown: Vec<String>,
    /// Why there is no usable answer.
    pub error: Option<String>,
}

/// One `<Dial>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dialled {
    /// When.
    pub at_ms: u64,
    /// The number that was rung.
    pub to: String,
    /// The caller ID that was shown.
    pub caller_id: Option<String>,
    /// How it ended, in the words of `DialCallStatus`; `ringing` and `answered` until then.
    pub outcome: String,
    /// When the dialled party's leg ended.
    pub over_ms: Option<u64>,
}

impl CallRecord {
    /// All speech that the far end heard, in order.
    #[must_use]
    pub fn heard_text(&self) -> String {
        let speech = self.heard.iter().filter(|piece| piece.kind == Heard::Speech);
        let texts: Vec<_> = speech.map(|piece| piece.text.as_str()).collect();
        texts.join(" ")
    }

    /// The frames that the application sent.
    pub fn from_application(&self) -> impl Iterator<Item = &str> {
        let frames = self.frames.iter().filter(|frame| frame.from == Sender::Application);
        frames.map(|frame| frame.text.as_str())
    }

    /// The frames that the network sent.
    pub fn from_twilio(&self) -> impl Iterator<Item = &str> {
        let frames = self.frames.iter().filter(|frame| frame.from == Sender::Twilio);
        frames.map(|frame| frame.text.as_str())
    }

    /// Whether the call is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// The webhooks of one purpose.
    pub fn webhooks_for<'a>(&'a self, purpose: &'a str) -> impl Iterator<Item = &'a Webhook> {
        self.webhooks.iter().filter(move |webhook| webhook.purpose == purpose)
    }
}

impl Webhook {
    /// The first value of a parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}
