//! Accepts HTTP connections and bounds those that wait for their client.
//!
//! An idle or slow connection costs a file descriptor, and every call needs some. So a connection
//! that waits for its client has a deadline, and the number of such connections is bounded: a new
//! one replaces the one that has waited longest, of the client that has the most. A request that
//! the server is working on is never cut off. A WebSocket that has not named its call yet waits
//! like any other connection.

mod connection;
mod state;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::UPGRADE;
use axum::http::{HeaderMap, Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::{Network, TrustedProxies};
pub(crate) use connection::Connection;
use connection::{RequestBody, ResponseBody};
use state::{ConnectionState, HEAD_LIMIT, Owner, Waiting, now};

/// In bytes: what a connection may buffer, mainly the head of a request.
const BUFFER: usize = 64 * 1024;
/// A connection that has waited for less than this counts only towards [`Bounds::burst`], since
/// many calls may arrive at once.
const RECENT: Duration = Duration::from_secs(1);
/// The pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(20);

/// How many connections may wait for their client.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Of all clients together.
    pub all: usize,
    /// Of one client that is not a trusted proxy.
    pub each: usize,
    /// Of all clients together, including those that have only just begun to wait.
    pub burst: usize,
}

impl Bounds {
    /// A quarter of the file descriptors that this process may have, so that calls have the rest;
    /// in a burst half of them, since most new connections are calls themselves.
    #[must_use]
    pub fn of_descriptors(descriptors: usize) -> Self {
        let all = (descriptors / 4).clamp(16, 4096);
        Self { all, each: all / 2, burst: (descriptors / 2).clamp(32, 16_384) }
    }
}

/// The number of file descriptors that this process may have, after raising its soft limit to the
/// hard limit.
#[cfg(unix)]
#[must_use]
pub fn descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = current != maximum
        && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let now = if raised { maximum } else { current };
    now.map_or(usize::MAX, |now| usize::try_from(now).unwrap_or(usize::MAX))
}

/// The number of file descriptors that this process may have.
#[cfg(not(unix))]
#[must_use]
pub fn descriptors() -> usize {
    8192
}

/// The open connections that carry requests.
#[derive(Debug)]
pub struct Connections {
    bounds: Bounds,
    proxies: TrustedProxies,
    open: Mutex<HashMap<u64, Arc<ConnectionState>>>,
    last: AtomicU64,
}

impl Connections {
    /// No connections yet.
    #[must_use]
    pub fn new(bounds: Bounds, proxies: TrustedProxies) -> Arc<Self> {
        Arc::new(Self { bounds, proxies, open: Mutex::default(), last: AtomicU64::new(0) })
    }

    /// Admits a connection from this address, and closes waiting ones to make room if necessary.
    fn admit(self: &Arc<Self>, peer: IpAddr) -> Arc<ConnectionSlot> {
        let state = Arc::new(ConnectionState::new(self.owner(peer)));
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let mut open = self.lock();
        self.make_room(&mut open, state.owner());
        open.insert(number, Arc::clone(&state));
        Arc::new(ConnectionSlot { connections: Arc::clone(self), peer, number, state })
    }

    fn owner(&self, address: IpAddr) -> Owner {
        Owner { network: address.into(), is_proxy: self.proxies.is_trusted(address) }
    }

    /// Closes waiting connections beyond the bounds, so that one more may wait.
    fn make_room(&self, open: &mut HashMap<u64, Arc<ConnectionState>>, new: Owner) {
        // None of the bounds is smaller.
        if open.len() < self.bounds.each {
            return;
        }
        let mut waiting: Vec<_> = open.iter().filter_map(|(n, state)| state.waiting(*n)).collect();
        waiting.sort_unstable_by_key(|waiting| waiting.since);
        let now = now();
        while let Some(at) = surplus(&waiting, new, self.bounds, now) {
            close(open, waiting.remove(at).number);
        }
    }

    /// Closes those that have waited longest, when no descriptor is left for a new connection.
    fn shed(&self) {
        let mut open = self.lock();
        let mut waiting: Vec<_> = open.iter().filter_map(|(n, state)| state.waiting(*n)).collect();
        waiting.sort_unstable_by_key(|waiting| waiting.since);
        for old in waiting.iter().take(self.bounds.all / 8) {
            close(&mut open, old.number);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<ConnectionState>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn close(open: &mut HashMap<u64, Arc<ConnectionState>>, number: u64) {
    if let Some(state) = open.remove(&number) {
        metrics::counter!("phony_connections_closed_total", "why" => "crowded").increment(1);
        tracing::debug!(waiting = open.len(), "a connection that waited was closed for another");
        state.close.cancel();
    }
}

/// The index of the waiting connection to close before another is admitted. `waiting` is sorted,
/// oldest first.
fn surplus(waiting: &[Waiting], new: Owner, bounds: Bounds, now: Instant) -> Option<usize> {
    let is_old = |other: &Waiting| now.duration_since(other.since) >= RECENT;
    let is_own = |other: &Waiting| !new.is_proxy && other.owner == new;
    if waiting.iter().filter(|other| is_own(other)).count() >= bounds.each {
        let old = |other: &Waiting| is_own(other) && is_old(other);
        if let Some(at) = waiting.iter().position(old) {
            return Some(at);
        }
    }
    if waiting.iter().filter(|other| is_old(other)).count() >= bounds.all {
        return oldest_of_most(waiting, is_old);
    }
    if waiting.len() < bounds.burst {
        return None;
    }
    // A request is usually complete within milliseconds, so a burst of calls displaces slow clients
    // first.
    let is_slow = |other: &Waiting| !other.is_idle && is_old(other);
    oldest_of_most(waiting, is_slow).or_else(|| oldest_of_most(waiting, |_| true))
}

/// The index of the oldest of `these`, of the client that has the most of them. A trusted proxy's
/// connection is chosen only if there are no others.
fn oldest_of_most(waiting: &[Waiting], these: impl Fn(&Waiting) -> bool) -> Option<usize> {
    let mut counts: HashMap<Network, usize> = HashMap::new();
    for other in waiting.iter().filter(|other| these(other) && !other.owner.is_proxy) {
        *counts.entry(other.owner.network).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(network, _)| network);
    let of_most = |other: &Waiting| {
        !other.owner.is_proxy && Some(other.owner.network) == most && these(other)
    };
    waiting.iter().position(of_most).or_else(|| waiting.iter().position(these))
}

/// A connection's slot in [`Connections`], freed on drop.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    connections: Arc<Connections>,
    peer: IpAddr,
    number: u64,
    state: Arc<ConnectionState>,
}

impl ConnectionSlot {
    /// The connection is now the WebSocket of the client that sent these headers, and waits for its
    /// first message.
    pub(crate) fn await_first_message(&self, headers: &HeaderMap) {
        let connections = &self.connections;
        let client = connections.owner(connections.proxies.client(self.peer, headers));
        let mut open = connections.lock();
        connections.make_room(&mut open, client);
        self.state.belongs_to(client);
        self.state.wait_for_message();
    }

    /// Runs a future that waits for the client of a WebSocket; `None` if the connection is closed
    /// meanwhile to make room for another.
    pub(crate) async fn wait<T>(&self, waiting: impl Future<Output = T>) -> Option<T> {
        self.state.wait_for_message();
        let done = self.state.close.run_until_cancelled(waiting).await;
        self.state.message_arrived();
        done
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connections.lock().remove(&self.number);
    }
}

/// Accepts connections and serves their requests until `kill` is cancelled.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    connections: Arc<Connections>,
    kill: CancellationToken,
) {
    let tasks = TaskTracker::new();
    while let Some(accepted) = kill.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, from)) => {
                // Small frames must not wait for more to fill a packet.
                drop(stream.set_nodelay(true));
                let slot = connections.admit(from.ip());
                tasks.spawn(carry(stream, from, app.clone(), slot, kill.clone()));
            }
            Err(error) if is_client_gone(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted; some that wait are closed");
                connections.shed();
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// Whether the client closed the connection before it was accepted.
fn is_client_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Serves the requests of one connection.
async fn carry(
    stream: TcpStream,
    from: SocketAddr,
    app: Router,
    slot: Arc<ConnectionSlot>,
    kill: CancellationToken,
) {
    let state = &slot.state;
    let app = TowerToHyperService::new(app);
    let service = service_fn(|request: Request<Incoming>| {
        state.head_arrived(!request.body().is_end_stream());
        let state = Arc::clone(state);
        let mut request =
            request.map(|body| Body::new(RequestBody { body, state: Arc::clone(&state) }));
        request.extensions_mut().insert(ConnectInfo(from));
        if request.headers().contains_key(UPGRADE) {
            request.extensions_mut().insert(Arc::clone(&slot));
        }
        let answer = app.call(request);
        async move {
            let response = answer.await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                state.upgraded();
            }
            Ok::<_, Infallible>(response.map(|body| ResponseBody { body, state }))
        }
    });
    let connection = Connection { io: TokioIo::new(stream), state: Arc::clone(state) };
    let mut http = http1::Builder::new();
    http.max_buf_size(BUFFER);
    let mut serving = pin!(http.serve_connection(connection, service).with_upgrades());
    let mut timer = pin!(sleep_until(now() + HEAD_LIMIT));
    let mut is_closing = false;
    loop {
        // The phase changes only while the connection is polled, so the deadline read afterwards is
        // up to date.
        let step = poll_fn(|context| {
            if serving.as_mut().poll(context).is_ready() {
                return Poll::Ready(Step::Done);
            }
            overdue(state, timer.as_mut(), context).map(|()| Step::Overdue)
        });
        tokio::select! {
            biased;
            step = step => {
                if matches!(step, Step::Overdue) {
                    metrics::counter!("phony_connections_closed_total", "why" => "slow")
                        .increment(1);
                }
                return;
            }
            () = state.close.cancelled(), if !is_closing => {}
            () = kill.cancelled(), if !is_closing => {}
        }
        if state.waits_since().is_some() {
            return;
        }
        // The request that the server is working on is still answered.
        is_closing = true;
        serving.as_mut().graceful_shutdown();
    }
}

/// How serving a connection ended.
enum Step {
    Done,
    Overdue,
}

/// Ready once the client has missed its deadline. The timer is reset only if it would fire too late
/// or has fired too early.
fn overdue(
    state: &ConnectionState,
    mut timer: Pin<&mut Sleep>,
    context: &mut Context<'_>,
) -> Poll<()> {
    let Some(deadline) = state.deadline() else { return Poll::Pending };
    loop {
        if timer.deadline() > deadline || timer.is_elapsed() {
            timer.as_mut().reset(deadline);
        }
        if timer.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        if timer.deadline() >= deadline {
            return Poll::Ready(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { all: 8, each: 4, burst: 12 };

    fn owner(address: &str) -> Owner {
        let address: IpAddr = address.parse().unwrap();
        Owner { network: address.into(), is_proxy: address.is_loopback() }
    }

    /// Waiting connections of these addresses, each for so many seconds.
    fn waiting(addresses: &[&str], ages: &[u64], now: Instant) -> Vec<Waiting> {
        let all = addresses.iter().zip(ages).enumerate();
        all.map(|(at, (address, age))| {
            let since = now.checked_sub(Duration::from_secs(*age)).unwrap();
            Waiting { number: at as u64, owner: owner(address), is_idle: false, since }
        })
        .collect()
    }

    /// Which of the connections of these addresses is closed. They came a second apart, the last
    /// one just now.
    fn closed(addresses: &[&str], new: &str) -> Option<usize> {
        let ages: Vec<_> = (0..addresses.len() as u64).rev().collect();
        closed_of(addresses, &ages, new)
    }

    fn closed_of(addresses: &[&str], ages: &[u64], new: &str) -> Option<usize> {
        let now = now() + Duration::from_secs(100);
        surplus(&waiting(addresses, ages, now), owner(new), BOUNDS, now)
    }

    #[test]
    fn one_client_has_its_share() {
        assert_eq!(closed(&["1.1.1.1", "2.2.2.2", "2.2.2.2", "2.2.2.2"], "2.2.2.2"), None);
        let four = ["1.1.1.1", "2.2.2.2", "2.2.2.2", "2.2.2.2", "2.2.2.2"];
        assert_eq!(closed(&four, "2.2.2.2"), Some(1), "its own oldest");
        assert_eq!(closed(&four, "1.1.1.1"), None);
        assert_eq!(closed(&["127.0.0.1"; 7], "127.0.0.1"), None, "a proxy has many clients");
    }

    #[test]
    fn all_clients_together_have_a_share() {
        let all = [
            "3.3.3.3",
            "1.1.1.1",
            "2.2.2.2",
            "2.2.2.2",
            "2.2.2.2",
            "127.0.0.1",
            "127.0.0.1",
            "127.0.0.1",
        ];
        assert_eq!(closed(&all, "4.4.4.4"), None, "seven of them are a second old");
        let full = [&all[..], &["127.0.0.1"]].concat();
        assert_eq!(closed(&full, "4.4.4.4"), Some(2), "the oldest of the client that has most");
        assert_eq!(closed(&["127.0.0.1"; 9], "4.4.4.4"), Some(0));
    }

    #[test]
    fn a_burst_is_admitted_up_to_its_bound() {
        let burst = ["1.1.1.1"; 12];
        assert_eq!(closed_of(&burst[..11], &[0; 11], "1.1.1.1"), None);
        assert_eq!(closed_of(&burst, &[0; 12], "2.2.2.2"), Some(0));
        let mixed = [&["2.2.2.2", "2.2.2.2"][..], &burst[..10]].concat();
        let ages = [&[5, 5][..], &[0; 10]].concat();
        assert_eq!(closed_of(&mixed, &ages, "1.1.1.1"), Some(0), "slow ones are closed first");
        let now = now() + Duration::from_secs(100);
        let mut waiting = waiting(&mixed, &ages, now);
        for idle in &mut waiting[..2] {
            idle.is_idle = true;
        }
        let at = surplus(&waiting, owner("3.3.3.3"), BOUNDS, now);
        assert_eq!(at, Some(2), "idle ones are not slow");
    }

    #[test]
    fn calls_have_most_descriptors() {
        assert_eq!(Bounds::of_descriptors(1024).all, 256);
        assert_eq!(Bounds::of_descriptors(1024).burst, 512);
        assert_eq!(Bounds::of_descriptors(256).each, 32);
        assert_eq!(Bounds::of_descriptors(usize::MAX).all, 4096);
        assert!(Bounds::of_descriptors(0).each > 0);
    }
}
