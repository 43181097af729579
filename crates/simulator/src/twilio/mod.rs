//! A stand-in for Twilio: its REST API and the telephone network behind it.
//!
//! It rings numbers by asking their webhooks for TwiML, signed as Twilio signs; follows the TwiML;
//! opens ConversationRelay sockets and speaks for both sides of the line at the pace of speech;
//! and remembers everything. What it does was taken from Twilio's documentation and from records
//! of live calls. Audio (`<Stream>`) is not part of it.
//!
//! A call runs in its own time, `speed` times as fast as the clock, and is one task with one
//! timer. Nothing outlives [`TwilioRunning::stop`].
//!
//! - `rest`, `numbers`: the API.
//! - `ringing` → `leg` → `relay`: a call before it is answered, its TwiML, one relay session.
//! - `document`, `dial`, `bridge`, `socket`: what these lean on.
//! - `line` → `speech`: both voices, as a value with time as an argument.
//! - `calls`, `record`, `clock`, `webhooks`, `network`: what they share.
//! - [`load_generator`]: thousands of callers for a load test, without voices or records.

mod bridge;
mod calls;
mod clock;
mod dial;
mod document;
mod leg;
mod line;
mod listener;
pub mod load_generator;
mod network;
mod numbers;
mod record;
mod relay;
mod rest;
mod ringing;
mod socket;
mod speech;
mod webhooks;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::network::{Answers, Callee};
pub use self::numbers::PhoneNumber;
pub use self::record::{
    CallRecord, Dialled, End, Fate, Frame, Heard, HeardPiece, Interrupt, Said, Sender, Session,
    Webhook,
};
pub use self::rest::Fault;
pub use self::webhooks::HostOverride;

use self::calls::{Calls, Control, lock};
use self::line::SpeechRecognition;
use self::listener::StoppableListener;
use self::network::Network;
use self::speech::Pace;
use super::callers::Caller;

/// What the network is like. Times in milliseconds of the call.
#[derive(Debug, Clone)]
pub struct TwilioOptions {
    /// Where the API listens; port 0 picks one.
    pub bind: SocketAddr,
    /// User of the API: `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// Password of the API and key of all signatures.
    pub auth_token: String,
    /// The account's numbers.
    pub numbers: Vec<PhoneNumber>,
    /// Where public hosts are found.
    pub host_overrides: Vec<HostOverride>,
    /// Who answers outbound calls to numbers that have no callee of their own.
    pub callee: Callee,
    /// How much faster than the clock a call's time runs; 1 is real.
    pub speed: f64,
    /// Pace of the agent's voice.
    pub chars_per_second: f64,
    /// How long things take.
    pub timings: Timings,
    /// Whether noise without words cuts the agent off, as a cough can.
    pub noise_interrupts: bool,
    /// Whether records keep every frame. A load test does without.
    pub keep_frames: bool,
    /// How many calls are remembered after their end.
    pub keep_calls: usize,
    /// Sees every frame as it is sent or received.
    pub watch: Option<Watch>,
}

/// How long things take, in milliseconds of the call. The defaults were seen on live calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// From the first token to the first sound: 330.
    pub first_sound_ms: u64,
    /// From `setup` to the welcome greeting's first sound: 700.
    pub greeting_ms: u64,
    /// From a `sendDigits` on an idle line to the first tone: 2,000.
    pub digits_ms: u64,
    /// How long an open reply may stay without new text before the voice falls silent: 700.
    pub hold_ms: u64,
    /// Length of every recording: 3,000.
    pub play_ms: u64,
    /// From the end of an utterance to its prompt: 350. Speech that resumes before belongs to the
    /// same prompt. `speechTimeout` overrides it.
    pub prompt_ms: u64,
    /// How long both must speak before the caller's speech cuts the agent off: 150.
    pub barge_in_ms: u64,
    /// From the end of a session to the request of its action URL: 500.
    pub action_ms: u64,
    /// From the end of a call to its last status callback: 400.
    pub status_ms: u64,
}

/// One frame on a relay socket, at the moment it is sent or received.
#[derive(Debug, Clone, Copy)]
pub struct FrameSeen<'a> {
    /// The call.
    pub call_sid: &'a str,
    /// Who sent it.
    pub from: Sender,
    /// The frame.
    pub text: &'a str,
}

/// Sees every frame, on the call's own task: it must be quick.
#[derive(Clone)]
pub struct Watch(Arc<dyn Fn(&FrameSeen<'_>) + Send + Sync>);

/// A running network.
#[derive(Debug)]
pub struct TwilioRunning {
    addr: SocketAddr,
    net: Arc<Network>,
}

/// Why a number could not be rung.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The account has no such number.
    #[error("{0} is not a number of this account")]
    UnknownNumber(String),
    /// The number has no `VoiceUrl`, or an application or a trunk takes its calls.
    #[error("{0} has no VoiceUrl that counts: set one, and clear VoiceApplicationSid and TrunkSid")]
    NoVoiceUrl(String),
    /// The network was stopped.
    #[error("the phone network was stopped")]
    Stopped,
}

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

/// Starts the network.
pub async fn start(options: TwilioOptions) -> io::Result<TwilioRunning> {
    if !(options.speed.is_finite() && options.speed > 0.0 && options.chars_per_second > 0.0) {
        let problem = "speed and chars_per_second must be above 0";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    let listener = TcpListener::bind(options.bind).await?;
    let addr = listener.local_addr()?;
    let numbers = options.numbers.iter().cloned().map(PhoneNumber::complete).collect();
    let net = Arc::new(Network {
        calls: Mutex::new(Calls::default()),
        numbers: Mutex::new(numbers),
        callees: Mutex::default(),
        faults: Mutex::default(),
        host_overrides: Mutex::new(options.host_overrides.clone()),
        changed: Notify::new(),
        http: webhooks::client(usize::MAX).map_err(io::Error::other)?,
        tracker: TaskTracker::new(),
        stop: CancellationToken::new(),
        options,
    });
    let app = rest::router(Arc::clone(&net));
    let listener = StoppableListener::new(listener, net.stop.clone());
    let stopped = net.stop.clone().cancelled_owned();
    net.tracker.spawn(async move {
        // It ends with the listener, for which nothing else waits.
        drop(axum::serve(listener, app).with_graceful_shutdown(stopped).await);
    });
    Ok(TwilioRunning { addr, net })
}

impl TwilioRunning {
    /// Where the API listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The API's address for clients: what `TWILIO_API_BASE_URL` wants.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Lets a public host be found somewhere from now on.
    pub fn override_host(&self, public: impl Into<String>, to: impl Into<String>) {
        lock(&self.net.host_overrides).push(HostOverride { public: public.into(), to: to.into() });
    }

    /// Adds a number, or replaces the one written the same.
    pub fn add_number(&self, number: PhoneNumber) {
        let mut numbers = lock(&self.net.numbers);
        numbers.retain(|known| known.phone_number != number.phone_number);
        numbers.push(number.complete());
    }

    /// The account's numbers as they are now.
    #[must_use]
    pub fn numbers(&self) -> Vec<PhoneNumber> {
        lock(&self.net.numbers).clone()
    }

    /// Says who answers at a number, for outbound calls and `<Dial>`.
    pub fn set_callee(&self, phone_number: impl Into<String>, callee: Callee) {
        lock(&self.net.callees).insert(phone_number.into(), callee);
    }

    /// Lets the API fail once; faults wait for one another.
    pub fn fail_next(&self, fault: Fault) {
        lock(&self.net.faults).push_back(fault);
    }

    /// Somebody rings a number of the account. Returns the call's SID at once; the call goes on
    /// by itself.
    pub fn dial_in(&self, from: &str, to: &str, caller: Caller) -> Result<String, DialError> {
        dial_in(&self.net, from, to, caller)
    }

    /// The socket of a call's relay session is lost on the way, as when a network fails: neither
    /// side says goodbye. False if there is no such call.
    #[must_use]
    pub fn drop_socket(&self, sid: &str) -> bool {
        let calls = lock(&self.net.calls);
        calls.get(sid).is_some_and(|cell| cell.control.try_send(Control::DropSocket).is_ok())
    }

    /// All calls that are remembered, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        let cells: Vec<_> = lock(&self.net.calls).oldest_first().cloned().collect();
        cells.iter().map(|cell| cell.record()).collect()
    }

    /// One call.
    #[must_use]
    pub fn call(&self, sid: &str) -> Option<CallRecord> {
        lock(&self.net.calls).get(sid).map(|cell| cell.record())
    }

    /// Waits until a call is as wanted. `Err` holds its record as it was when time, by the clock,
    /// was up; an empty one if there is no such call.
    pub async fn wait_for(
        &self,
        sid: &str,
        wanted: impl Fn(&CallRecord) -> bool,
        timeout: Duration,
    ) -> Result<CallRecord, Box<CallRecord>> {
        let Some(cell) = lock(&self.net.calls).get(sid) else {
            return Err(Box::default());
        };
        let seen = async {
            loop {
                let changed = cell.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if cell.read(&wanted) {
                    return cell.record();
                }
                changed.await;
            }
        };
        tokio::time::timeout(timeout, seen).await.map_err(|_| Box::new(cell.record()))
    }

    /// Waits until a call is over.
    pub async fn wait_for_end(
        &self,
        sid: &str,
        timeout: Duration,
    ) -> Result<CallRecord, Box<CallRecord>> {
        self.wait_for(sid, CallRecord::is_over, timeout).await
    }

    /// Waits until any call is as wanted, such as one that the API was asked for.
    pub async fn wait_for_any(
        &self,
        wanted: impl Fn(&CallRecord) -> bool,
        timeout: Duration,
    ) -> Option<CallRecord> {
        let seen = async {
            loop {
                let changed = self.net.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(record) = self.calls().into_iter().find(|record| wanted(record)) {
                    return record;
                }
                changed.await;
            }
        };
        tokio::time::timeout(timeout, seen).await.ok()
    }

    /// Ends every call and the API, and waits until all of it is gone.
    pub async fn stop(self) {
        self.net.stop.cancel();
        self.net.tracker.close();
        self.net.tracker.wait().await;
    }
}

impl Drop for TwilioRunning {
    fn drop(&mut self) {
        self.net.stop.cancel();
    }
}

impl Watch {
    /// Wraps a function.
    pub fn new(see: impl Fn(&FrameSeen<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(see))
    }

    fn see(&self, frame: &FrameSeen<'_>) {
        (self.0)(frame);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

impl TwilioOptions {
    fn pace(&self) -> Pace {
        Pace {
            chars_per_second: self.chars_per_second,
            first_sound_ms: self.timings.first_sound_ms,
            digits_ms: self.timings.digits_ms,
            hold_ms: self.timings.hold_ms,
            play_ms: self.timings.play_ms,
        }
    }

    fn recognition(&self) -> SpeechRecognition {
        SpeechRecognition {
            prompt_after_ms: self.timings.prompt_ms,
            barge_in_ms: self.timings.barge_in_ms,
            noise_interrupts: self.noise_interrupts,
        }
    }
}

fn dial_in(net: &Arc<Network>, from: &str, to: &str, caller: Caller) -> Result<String, DialError> {
    if net.stop.is_cancelled() {
        return Err(DialError::Stopped);
    }
    let number = net.number(to).ok_or_else(|| DialError::UnknownNumber(to.to_owned()))?;
    let elsewhere = !number.voice_application_sid.is_empty() || !number.trunk_sid.is_empty();
    if number.voice_url.is_empty() || elsewhere {
        return Err(DialError::NoVoiceUrl(to.to_owned()));
    }
    let (cell, control) = net.create(from, to, "inbound");
    let sid = cell.sid.clone();
    net.tracker.spawn(ringing::inbound(Arc::clone(net), cell, control, number, caller));
    Ok(sid)
}
