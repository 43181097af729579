//! A stand-in for Twilio: its REST API and the telephone network behind it.
//!
//! It requests TwiML from the webhooks of its numbers, with Twilio's signatures, and follows it. It
//! opens ConversationRelay sockets, simulates both voices at the pace of speech, and records
//! everything that happens. Its behaviour follows Twilio's documentation and observations of live
//! calls.
//!
//! Media Streams (`<Connect><Stream>`) carry sound both ways, frame by frame. Callers understand none
//! of it: they notice by its energy when the agent speaks. Not simulated: lossy or delayed sound, the
//! warnings of a slow application (31930), tones of the keypad within the sound, sound between two
//! numbers of the account that call each other, and streams of one way (`<Start><Stream>`).
//!
//! A call runs in its own time, `speed` times as fast as real time, as one task with one timer.
//! Nothing outlives [`TwilioRunning::stop`].
//!
//! - `rest`: the REST API.
//! - `ringing` → `leg`: a call until it is answered, then the TwiML that it follows, with
//!   `leg::dial`, `leg::relay` and `leg::media` for `<Dial>`, `<ConversationRelay>` and `<Stream>`.
//! - `document`, `bridge`, `socket`: TwiML documents, calls between two numbers of the account,
//!   and the WebSocket of a relay session or stream.
//! - `line` → `speech`: the caller and the agent's voice, as values that take time as an argument.
//! - `media`: the sound of a stream, likewise.
//! - `network`: the state that all of these share.
//! - [`load_generator`]: thousands of callers for a load test, without voices or records.

mod bridge;
mod callee;
mod calls;
mod clock;
mod document;
mod fault;
mod leg;
mod line;
mod listener;
pub mod load_generator;
mod media;
mod network;
mod options;
mod phone_number;
mod record;
mod rest;
mod ringing;
mod socket;
mod speech;
mod webhooks;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::callee::{Answers, Callee};
pub use self::fault::Fault;
pub use self::media::{ApplicationMark, BadFrame, Lateness, MediaStream, StreamSound, Stretch};
pub use self::options::{FrameSeen, Timings, TwilioOptions, Watch};
pub use self::phone_number::PhoneNumber;
pub use self::record::{
    CallRecord, Dialled, End, Fate, Frame, Heard, HeardPiece, Interrupt, Said, Sender, Session,
    Webhook,
};
pub use self::ringing::DialError;
pub use self::webhooks::HostOverride;

use self::calls::{Calls, Control, lock};
use self::listener::StoppableListener;
use self::network::Network;
use super::callers::Caller;

/// A running phone network. It stops when this is dropped; [`TwilioRunning::stop`] also waits until
/// everything has ended.
#[derive(Debug)]
pub struct TwilioRunning {
    addr: SocketAddr,
    net: Arc<Network>,
}

/// Starts the network. Fails if it cannot listen at `options.bind` or if a speed is not positive.
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
        // It fails only with the listener, and then there is nobody to tell.
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

    /// The base URL of the REST API, such as `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Sends requests for the host `public` to the origin `to` from now on; see [`HostOverride`].
    pub fn override_host(&self, public: impl Into<String>, to: impl Into<String>) {
        lock(&self.net.host_overrides).push(HostOverride { public: public.into(), to: to.into() });
    }

    /// Adds a number to the account, or replaces the one with the same `phone_number`.
    pub fn add_number(&self, number: PhoneNumber) {
        let mut numbers = lock(&self.net.numbers);
        numbers.retain(|known| known.phone_number != number.phone_number);
        numbers.push(number.complete());
    }

    /// The account's numbers with their present settings.
    #[must_use]
    pub fn numbers(&self) -> Vec<PhoneNumber> {
        lock(&self.net.numbers).clone()
    }

    /// Sets who answers at a number, for outbound calls and `<Dial>`.
    pub fn set_callee(&self, phone_number: impl Into<String>, callee: Callee) {
        lock(&self.net.callees).insert(phone_number.into(), callee);
    }

    /// Queues a fault of the API, which occurs once.
    pub fn fail_next(&self, fault: Fault) {
        lock(&self.net.faults).push_back(fault);
    }

    /// Starts a call from `from` to `to`, a number of the account. Returns the call's SID at once;
    /// the call proceeds in the background.
    pub fn dial_in(&self, from: &str, to: &str, caller: Caller) -> Result<String, DialError> {
        ringing::dial_in(&self.net, from, to, caller)
    }

    /// Drops the socket of a call's relay session or stream without a close frame, as when a network fails.
    /// False if there is no such call.
    #[must_use]
    pub fn drop_socket(&self, sid: &str) -> bool {
        let calls = lock(&self.net.calls);
        calls.get(sid).is_some_and(|cell| cell.control.try_send(Control::DropSocket).is_ok())
    }

    /// The records of all calls that are kept, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        let cells: Vec<_> = lock(&self.net.calls).oldest_first().cloned().collect();
        cells.iter().map(|cell| cell.record()).collect()
    }

    /// The record of one call.
    #[must_use]
    pub fn call(&self, sid: &str) -> Option<CallRecord> {
        lock(&self.net.calls).get(sid).map(|cell| cell.record())
    }

    /// Waits until a call's record satisfies `wanted`, for at most `timeout` in real time. `Err`
    /// holds the record at the timeout, or an empty one if there is no such call.
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

    /// Waits until a call is over, like [`TwilioRunning::wait_for`].
    pub async fn wait_for_end(
        &self,
        sid: &str,
        timeout: Duration,
    ) -> Result<CallRecord, Box<CallRecord>> {
        self.wait_for(sid, CallRecord::is_over, timeout).await
    }

    /// Waits until the record of any call satisfies `wanted`, such as a call that the application
    /// placed. `None` at the timeout.
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

    /// Ends every call and the API, and waits until everything has ended.
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
