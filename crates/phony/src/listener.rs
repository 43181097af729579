//! The server's end of every HTTP connection, until it carries a WebSocket.
//!
//! Whoever connects and then says nothing costs a descriptor, and every call needs some. So a
//! connection that waits for its client is bounded in time, and there are only so many of them: a
//! new one takes the place of the one that has waited longest, of the client that has the most.
//! What the server is at work on is never cut off.

mod seat;
mod watched;

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
use axum::http::{Request, StatusCode};
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
use seat::{HEAD_LIMIT, Seat, Waiting, now};
pub(crate) use watched::Connection;
use watched::{Arriving, Leaving};

/// What a connection may hold in memory, the head of a request above all.
const BUFFER: usize = 64 * 1024;
/// A connection that has waited for less than this is not yet one client's too many: many calls may
/// come at once.
const YOUNG: Duration = Duration::from_secs(1);
/// How long to wait when no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(20);

/// How many connections may wait for their clients.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Of all clients together.
    pub all: usize,
    /// Of one client that is no trusted proxy.
    pub each: usize,
}

impl Bounds {
    /// A quarter of the descriptors that this process may have, so that calls have the others.
    #[must_use]
    pub fn of_descriptors(descriptors: usize) -> Self {
        let all = (descriptors / 4).clamp(16, 4096);
        Self { all, each: all / 2 }
    }
}

/// How many descriptors this process may have, after asking the system for as many as it gives.
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

/// How many descriptors this process may have.
#[cfg(not(unix))]
#[must_use]
pub fn descriptors() -> usize {
    8192
}

/// The connections that carry requests.
#[derive(Debug)]
pub struct Connections {
    bounds: Bounds,
    proxies: TrustedProxies,
    open: Mutex<HashMap<u64, Arc<Seat>>>,
    last: AtomicU64,
}

impl Connections {
    /// None yet.
    #[must_use]
    pub fn new(bounds: Bounds, proxies: TrustedProxies) -> Arc<Self> {
        Arc::new(Self { bounds, proxies, open: Mutex::default(), last: AtomicU64::new(0) })
    }

    /// A place for a connection from this address, at the cost of others that wait if need be.
    fn admit(self: &Arc<Self>, from: IpAddr) -> Place {
        let (network, is_proxy) = (Network::from(from), self.proxies.is_trusted(from));
        let seat = Arc::new(Seat::new(network, is_proxy));
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let mut open = self.lock();
        // Fewer than that cannot be too many.
        if open.len() >= self.bounds.each {
            self.make_room(&mut open, &seat);
        }
        open.insert(number, Arc::clone(&seat));
        Place { connections: Arc::clone(self), number, seat }
    }

    /// Closes what waits beyond the bounds, so that one more may come.
    fn make_room(&self, open: &mut HashMap<u64, Arc<Seat>>, new: &Seat) {
        let mut waiting: Vec<_> = open.iter().filter_map(|(n, seat)| seat.waiting(*n)).collect();
        waiting.sort_unstable_by_key(|waiting| waiting.since);
        let now = now();
        while let Some(at) = surplus(&waiting, new, self.bounds, now) {
            close(open, waiting.remove(at).number);
        }
    }

    /// Closes those that have waited longest: no descriptor is left for a new connection.
    fn shed(&self) {
        let mut open = self.lock();
        let mut waiting: Vec<_> = open.iter().filter_map(|(n, seat)| seat.waiting(*n)).collect();
        waiting.sort_unstable_by_key(|waiting| waiting.since);
        for old in waiting.iter().take(self.bounds.all / 8) {
            close(&mut open, old.number);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Seat>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn close(open: &mut HashMap<u64, Arc<Seat>>, number: u64) {
    if let Some(seat) = open.remove(&number) {
        metrics::counter!("phony_connections_closed_total", "why" => "crowded").increment(1);
        tracing::debug!(waiting = open.len(), "a connection that waited was closed for another");
        seat.close.cancel();
    }
}

/// Which of those that wait, the oldest first, is one too many if another comes.
fn surplus(waiting: &[Waiting], new: &Seat, bounds: Bounds, now: Instant) -> Option<usize> {
    let own = |other: &&Waiting| !new.is_proxy && !other.is_proxy && other.network == new.network;
    if waiting.iter().filter(own).count() >= bounds.each {
        let old = |other| own(&other) && now.duration_since(other.since) >= YOUNG;
        if let Some(at) = waiting.iter().position(old) {
            return Some(at);
        }
    }
    if waiting.len() < bounds.all {
        return None;
    }
    let mut counts: HashMap<Network, usize> = HashMap::new();
    for other in waiting.iter().filter(|other| !other.is_proxy) {
        *counts.entry(other.network).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(network, _)| network);
    let of_most = |other: &Waiting| !other.is_proxy && Some(other.network) == most;
    waiting.iter().position(of_most).or_else(|| (!waiting.is_empty()).then_some(0))
}

/// A connection's place among the others; given back when it is dropped.
#[derive(Debug)]
struct Place {
    connections: Arc<Connections>,
    number: u64,
    seat: Arc<Seat>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.lock().remove(&self.number);
    }
}

/// Accepts connections and answers their requests, until it is told to end.
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
                // One frame is one packet: words must not wait for more to fill it.
                drop(stream.set_nodelay(true));
                let place = connections.admit(from.ip());
                tasks.spawn(carry(stream, from, app.clone(), place, kill.clone()));
            }
            Err(error) if is_of_the_client(&error) => {}
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

/// The client was gone before it was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers the requests of one connection.
async fn carry(
    stream: TcpStream,
    from: SocketAddr,
    app: Router,
    place: Place,
    kill: CancellationToken,
) {
    let seat = &place.seat;
    let app = TowerToHyperService::new(app);
    let service = service_fn(|request: Request<Incoming>| {
        seat.asked(!request.body().is_end_stream());
        let seat = Arc::clone(seat);
        let mut request = request.map(|body| Body::new(Arriving { body, seat: Arc::clone(&seat) }));
        request.extensions_mut().insert(ConnectInfo(from));
        let answer = app.call(request);
        async move {
            let response = answer.await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                seat.upgraded();
            }
            Ok::<_, Infallible>(response.map(|body| Leaving { body, seat }))
        }
    });
    let connection = Connection { io: TokioIo::new(stream), seat: Arc::clone(seat) };
    let mut http = http1::Builder::new();
    http.max_buf_size(BUFFER);
    let mut serving = pin!(http.serve_connection(connection, service).with_upgrades());
    let mut timer = pin!(sleep_until(now() + HEAD_LIMIT));
    let mut is_closing = false;
    loop {
        // Whatever changes the phase happens while the connection is polled, so that its deadline
        // is right afterwards.
        let step = poll_fn(|context| {
            if serving.as_mut().poll(context).is_ready() {
                return Poll::Ready(Step::Done);
            }
            overdue(seat, timer.as_mut(), context).map(|()| Step::Overdue)
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
            () = seat.close.cancelled(), if !is_closing => {}
            () = kill.cancelled(), if !is_closing => {}
        }
        if seat.waits_since().is_some() {
            return;
        }
        // What the server is at work on is answered yet.
        is_closing = true;
        serving.as_mut().graceful_shutdown();
    }
}

/// How the serving of a connection ends by itself.
enum Step {
    Done,
    Overdue,
}

/// Whether the client has let its deadline pass. The timer is set again only where it is too late,
/// or has gone off too early.
fn overdue(seat: &Seat, mut timer: Pin<&mut Sleep>, context: &mut Context<'_>) -> Poll<()> {
    let Some(deadline) = seat.deadline() else { return Poll::Pending };
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

    const BOUNDS: Bounds = Bounds { all: 8, each: 4 };

    fn seat(address: &str) -> Seat {
        let address: IpAddr = address.parse().unwrap();
        Seat::new(Network::from(address), address.is_loopback())
    }

    /// Those that wait at these addresses, a second apart, the last since just now.
    fn waiting(addresses: &[&str], now: Instant) -> Vec<Waiting> {
        let ages = (0..addresses.len() as u64).rev();
        let all = addresses.iter().zip(ages).enumerate();
        all.map(|(at, (address, age))| {
            let Seat { network, is_proxy, .. } = seat(address);
            let since = now.checked_sub(Duration::from_secs(age)).unwrap();
            Waiting { number: at as u64, network, is_proxy, since }
        })
        .collect()
    }

    fn gone(addresses: &[&str], new: &str) -> Option<usize> {
        let now = now() + Duration::from_secs(100);
        surplus(&waiting(addresses, now), &seat(new), BOUNDS, now)
    }

    #[test]
    fn one_client_has_its_share() {
        assert_eq!(gone(&["1.1.1.1", "2.2.2.2", "2.2.2.2", "2.2.2.2"], "2.2.2.2"), None);
        let four = ["1.1.1.1", "2.2.2.2", "2.2.2.2", "2.2.2.2", "2.2.2.2"];
        assert_eq!(gone(&four, "2.2.2.2"), Some(1), "its own oldest");
        assert_eq!(gone(&four, "1.1.1.1"), None);
        assert_eq!(gone(&["127.0.0.1"; 7], "127.0.0.1"), None, "a proxy has many clients");
    }

    #[test]
    fn all_together_have_theirs() {
        let all = ["3.3.3.3", "1.1.1.1", "2.2.2.2", "2.2.2.2", "2.2.2.2", "127.0.0.1", "127.0.0.1"];
        assert_eq!(gone(&all, "4.4.4.4"), None);
        let full = [&all[..], &["127.0.0.1"]].concat();
        assert_eq!(gone(&full, "4.4.4.4"), Some(2), "the oldest of whoever has most");
        assert_eq!(gone(&["127.0.0.1"; 8], "4.4.4.4"), Some(0));
    }

    #[test]
    fn calls_have_most_of_the_descriptors() {
        assert_eq!(Bounds::of_descriptors(1024).all, 256);
        assert_eq!(Bounds::of_descriptors(256).each, 32);
        assert_eq!(Bounds::of_descriptors(usize::MAX).all, 4096);
        assert!(Bounds::of_descriptors(0).each > 0);
    }
}
