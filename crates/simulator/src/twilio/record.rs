//! What the network remembers of a call, for tests and for people to read.
//!
//! Times are in milliseconds of the call's own time since it was created: the clock times the
//! speed factor.

use serde::Serialize;

pub use super::speech::Heard;

/// Everything about one call.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CallRecord {
    /// `CA…`.
    pub sid: String,
    /// Who rang.
    pub from: String,
    /// Who was rung.
    pub to: String,
    /// `inbound` or `outbound-api`.
    pub direction: String,
    /// State in the words of the API: `queued`, `ringing`, `in-progress`, `completed` and others.
    pub status: String,
    /// Who answered, if detection was asked for.
    pub answered_by: Option<String>,
    /// When it was answered.
    pub answered_ms: Option<u64>,
    /// When it was over.
    pub ended_ms: Option<u64>,
    /// How it ended.
    pub end: Option<End>,
    /// What the far end heard, in order.
    pub heard: Vec<HeardPiece>,
    /// What the far end said, in order.
    pub said: Vec<Said>,
    /// Keys that the agent pressed towards the far end, `w` included.
    pub digits: String,
    /// Keys that the far end pressed.
    pub pressed: String,
    /// Times at which the agent was cut off, and what Twilio said was heard.
    pub interrupts: Vec<Interrupt>,
    /// Relay sessions, one after another.
    pub sessions: Vec<Session>,
    /// Frames of all sessions, both ways. Left out if the network was told to keep none.
    pub frames: Vec<Frame>,
    /// Requests to the application, with their answers.
    pub webhooks: Vec<Webhook>,
    /// What `<Dial>` rang.
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
    /// The API gave it up before anybody answered.
    Canceled,
    /// A webhook or its TwiML could not be used.
    ApplicationError,
    /// The relay socket could not be opened (error 64102).
    RelayRefused,
    /// It had lasted as long as it may.
    TimeLimit,
    /// The phone network was stopped.
    NetworkStopped,
}

/// One stretch that the far end heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeardPiece {
    /// When it began.
    pub from_ms: u64,
    /// When it ended.
    pub until_ms: u64,
    /// What kind of thing.
    pub kind: Heard,
    /// The words, the digits or the URL.
    pub text: String,
    /// Whether more was to follow when it was cut off.
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
    /// It is not over, or not yet reported.
    Open,
    /// There was no word in it.
    Noise,
    /// The application was told, in a `prompt`.
    Reported,
    /// The application was not told: it fell into the agent's speech, or nobody listened.
    Lost,
}

/// The far end cut the agent off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interrupt {
    /// When.
    pub at_ms: u64,
    /// What had been heard of the utterance.
    pub utterance: String,
    /// How long the utterance had lasted.
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
    /// When it was over.
    pub ended_ms: Option<u64>,
    /// `completed`, `ended` or `failed`, once it is over.
    pub status: Option<String>,
    /// The error, if it failed.
    pub error_code: Option<u32>,
    /// The socket's close code: the application's if it closed, else the network's; 1006 for a
    /// socket that dropped.
    pub close_code: Option<u16>,
    /// What the application's `end` frame handed over.
    pub handoff_data: Option<String>,
}

/// Who sent something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// The phone network.
    Twilio,
    /// The application.
    Application,
}

/// One frame of a relay socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Frame {
    /// When, in the call's time.
    pub at_ms: u64,
    /// When, in microseconds by the clock since the call was created.
    pub clock_us: u64,
    /// Who sent it.
    pub from: Sender,
    /// The frame.
    pub text: String,
}

/// One request to the application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Webhook {
    /// When it was sent.
    pub at_ms: u64,
    /// What for: `voice`, `action`, `dial-action`, `redirect`, `status`, `amd`, `fallback`.
    pub purpose: String,
    /// Where to, as configured.
    pub url: String,
    /// The parameters, in order.
    pub params: Vec<(String, String)>,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// Body of the answer.
    pub answer: String,
    /// Verbs, elements and attributes of the answered TwiML that nobody knows.
    pub unknown: Vec<String>,
    /// Why there is no usable answer.
    pub error: Option<String>,
}

/// One `<Dial>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dialled {
    /// When.
    pub at_ms: u64,
    /// The number.
    pub to: String,
    /// The caller's number that it showed.
    pub caller_id: Option<String>,
    /// How it ended, in the words of `DialCallStatus`; `ringing` and `answered` until then.
    pub outcome: String,
    /// When the dialled party's leg was over, however it ended.
    pub over_ms: Option<u64>,
}

impl CallRecord {
    /// Every word that the far end heard, in order, as it was spoken.
    #[must_use]
    pub fn heard_text(&self) -> String {
        let speech = self.heard.iter().filter(|piece| piece.kind == Heard::Speech);
        let texts: Vec<_> = speech.map(|piece| piece.text.as_str()).collect();
        texts.join(" ")
    }

    /// Frames that the application sent.
    pub fn from_application(&self) -> impl Iterator<Item = &str> {
        let frames = self.frames.iter().filter(|frame| frame.from == Sender::Application);
        frames.map(|frame| frame.text.as_str())
    }

    /// Frames that the network sent.
    pub fn from_twilio(&self) -> impl Iterator<Item = &str> {
        let frames = self.frames.iter().filter(|frame| frame.from == Sender::Twilio);
        frames.map(|frame| frame.text.as_str())
    }

    /// Whether the call is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// The webhooks sent for one purpose.
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
