//! The options of the phone network.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::callee::Callee;
use super::line::SpeechRecognition;
use super::phone_number::PhoneNumber;
use super::record::Sender;
use super::speech::Pace;
use super::webhooks::HostOverride;
use crate::callers::Caller;
use crate::speak::{Buzz, Speak};

/// The options of the phone network.
#[derive(Debug, Clone)]
pub struct TwilioOptions {
    /// Where the REST API listens; port 0 picks a free port. Default: `127.0.0.1:0`.
    pub bind: SocketAddr,
    /// The account, and user name of the API: `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// Password of the API, and key of all signatures.
    pub auth_token: String,
    /// The account's numbers.
    pub numbers: Vec<PhoneNumber>,
    /// Where requests to public hosts go instead. Default: nowhere else.
    pub host_overrides: Vec<HostOverride>,
    /// Who answers outbound calls to numbers without a callee of their own. Default: a silent
    /// person.
    pub callee: Callee,
    /// How much faster than real time a call runs. Default: 1.
    pub speed: f64,
    /// Pace of the agent's voice. Default: 15.
    pub chars_per_second: f64,
    /// The network's delays.
    pub timings: Timings,
    /// Whether noise without words interrupts the agent, as a cough can. Default: no.
    pub noise_interrupts: bool,
    /// Whether records keep every frame. Default: yes.
    pub keep_frames: bool,
    /// Whether the records of Media Streams keep the sound of both sides, 16 KB a second. Default:
    /// yes.
    pub keep_sound: bool,
    /// The voice of callers on a line that carries sound. Default: [`Buzz`].
    pub voice: Arc<dyn Speak>,
    /// How many records are kept of calls that are over. Default: 10,000.
    pub keep_calls: usize,
    /// Is called with every frame that is sent or received. Default: none.
    pub watch: Option<Watch>,
}

/// The network's delays, in milliseconds of the call's time. The defaults were measured on live
/// calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// From the first token to the first sound: 330.
    pub first_sound_ms: u64,
    /// From `setup` to the welcome greeting's first sound: 700.
    pub greeting_ms: u64,
    /// From `sendDigits` on a silent line to the first tone: 2,000.
    pub digits_ms: u64,
    /// How long the voice waits for more text of an unfinished reply before it falls silent: 700.
    pub hold_ms: u64,
    /// Length of every recording: 3,000.
    pub play_ms: u64,
    /// From the end of an utterance to its `prompt`: 350. Speech that resumes earlier becomes part
    /// of the same prompt. `speechTimeout` overrides it.
    pub prompt_ms: u64,
    /// How long both must speak before the caller interrupts the agent: 150.
    pub barge_in_ms: u64,
    /// From the end of a session to the request to its action URL: 500.
    pub action_ms: u64,
    /// From the end of a call to its last status callback: 400.
    pub status_ms: u64,
}

/// A frame on the socket of a session or stream that is being sent or has just been received.
#[derive(Debug, Clone, Copy)]
pub struct FrameSeen<'a> {
    /// The call's SID.
    pub call_sid: &'a str,
    /// Who sent it.
    pub from: Sender,
    /// The frame.
    pub text: &'a str,
}

/// A function called with every frame, on the call's own task: it must not block.
#[derive(Clone)]
pub struct Watch(Arc<dyn Fn(&FrameSeen<'_>) + Send + Sync>);

impl Default for TwilioOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            account_sid: "AC00000000000000000000000000000001".to_owned(),
            auth_token: "an-auth-token-for-tests-only".to_owned(),
            numbers: Vec::new(),
            host_overrides: Vec::new(),
            callee: Callee::person(Caller::silent()),
            speed: 1.0,
            chars_per_second: 15.0,
            timings: Timings::default(),
            noise_interrupts: false,
            keep_frames: true,
            keep_sound: true,
            voice: Arc::new(Buzz),
            keep_calls: 10_000,
            watch: None,
        }
    }
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            first_sound_ms: 330,
            greeting_ms: 700,
            digits_ms: 2_000,
            hold_ms: 700,
            play_ms: 3_000,
            prompt_ms: 350,
            barge_in_ms: 150,
            action_ms: 500,
            status_ms: 400,
        }
    }
}

impl Watch {
    /// Wraps a function.
    pub fn new(see: impl Fn(&FrameSeen<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(see))
    }

    pub(crate) fn see(&self, frame: &FrameSeen<'_>) {
        (self.0)(frame);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

impl TwilioOptions {
    pub(crate) fn pace(&self) -> Pace {
        Pace {
            chars_per_second: self.chars_per_second,
            first_sound_ms: self.timings.first_sound_ms,
            digits_ms: self.timings.digits_ms,
            hold_ms: self.timings.hold_ms,
            play_ms: self.timings.play_ms,
        }
    }

    pub(crate) fn recognition(&self) -> SpeechRecognition {
        SpeechRecognition {
            prompt_after_ms: self.timings.prompt_ms,
            barge_in_ms: self.timings.barge_in_ms,
            noise_interrupts: self.noise_interrupts,
        }
    }
}
