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
mod callee;
mod calls;
mod clock;
mod document;
mod fault;
mod leg;
mod line;
mod listener;
pub mod load_generator;
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

/// A running network.
#[derive(Debug)]
pub struct TwilioRunning {
    addr: SocketAddr,
    net: Arc<Network>,
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
        ringing::dial_in(&self.net, from, to, caller)
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
