//! Which supervisors are connected: those who have an events socket open, and those who acted a
//! moment ago. Owns the table of their connections, under a lock that is held for moments.
//!
//! A supervisor who holds a takeover must stay connected, or the caller is alone. This module only
//! observes presence, here and through the cluster on other nodes; the call decides what follows.
//! `http` reports connections and actions, the actor of a call watches its holder.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use phony_call::{Presence, SupervisorId};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::calls::registry::{CallMessage, Handle};
use crate::cluster::{Cluster, SEEN};
use crate::runtime::task_set::Task;

/// How long a silent socket counts as connected. It is pinged every 10 s.
const SILENT: Duration = Duration::from_secs(25);
/// How long an action counts as presence: long enough for other nodes to learn of it.
const ACTED: Duration = Duration::from_secs(3);
/// How often the holder's presence is checked.
const LOOK: Duration = Duration::from_millis(500);
/// Every how many checks the other nodes are asked.
const ASK_OTHERS: u32 = 2;

/// The supervisors who are connected to this server.
pub struct Supervisors {
    now: fn() -> Instant,
    seen: Mutex<HashMap<SupervisorId, Seen>>,
    cluster: Option<Arc<Cluster>>,
}

/// The connections of one supervisor.
#[derive(Debug, Default)]
struct Seen {
    /// When each open socket was last heard from.
    sockets: HashMap<u64, Instant>,
    next_socket: u64,
    acted: Option<Instant>,
    /// When the last socket was closed.
    left: Option<Instant>,
}

/// An open socket of a supervisor, until this is dropped.
pub(crate) struct SupervisorConnection {
    supervisors: Arc<Supervisors>,
    who: SupervisorId,
    socket: u64,
}

/// A supervisor whose presence is watched, until this is dropped.
pub(crate) struct PresenceWatch {
    pub(crate) who: SupervisorId,
    _over: DropGuard,
}

impl fmt::Debug for Supervisors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Supervisors")
    }
}

impl Supervisors {
    /// Without connections. With a cluster, those of other nodes count as well.
    #[must_use]
    pub fn new(now: fn() -> Instant, cluster: Option<Arc<Cluster>>) -> Arc<Self> {
        Arc::new(Self { now, seen: Mutex::default(), cluster })
    }

    /// Adds a socket of a supervisor.
    pub(crate) fn connect(self: &Arc<Self>, who: &SupervisorId) -> SupervisorConnection {
        let mut all = self.lock();
        let seen = all.entry(who.clone()).or_default();
        let socket = seen.next_socket;
        seen.next_socket += 1;
        seen.sockets.insert(socket, (self.now)());
        SupervisorConnection { supervisors: Arc::clone(self), who: who.clone(), socket }
    }

    /// Notes that a supervisor acts.
    pub(crate) fn acted(&self, who: &SupervisorId) {
        let now = (self.now)();
        let mut all = self.lock();
        // A supervisor without a socket is never removed otherwise.
        all.retain(|_, seen| !seen.sockets.is_empty() || seen.last(now).is_some());
        all.entry(who.clone()).or_default().acted = Some(now);
    }

    /// The presence of a supervisor on this server; `None` if they were not seen for long.
    pub(crate) fn presence_of(&self, who: &SupervisorId) -> Option<Presence> {
        self.lock().get(who)?.last((self.now)())
    }

    /// The supervisors who are present.
    pub(crate) fn connected(&self) -> Vec<SupervisorId> {
        let now = (self.now)();
        let all = self.lock();
        let here = all.iter().filter(|(_, seen)| seen.last(now) == Some(Presence::Here));
        here.map(|(who, _)| who.clone()).collect()
    }

    /// Tells a call about a supervisor's presence from now on, in a task of the call.
    pub(crate) fn watch(
        self: &Arc<Self>,
        who: &SupervisorId,
        call: Handle,
    ) -> (PresenceWatch, Task) {
        let over = CancellationToken::new();
        let (telling, cancelled) = (Arc::clone(self).tell(who.clone(), call), over.clone());
        let watching = async move {
            cancelled.run_until_cancelled(telling).await;
        };
        (PresenceWatch { who: who.clone(), _over: over.drop_guard() }, Task::new(watching))
    }

    async fn tell(self: Arc<Self>, who: SupervisorId, call: Handle) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut was_here, mut elsewhere) = (false, false);
        for round in 0u32.. {
            tokio::select! {
                biased;
                () = call.closed() => return,
                _ = look.tick() => {}
            }
            let seen = self.presence_of(&who);
            let mut is_here = seen == Some(Presence::Here);
            if let Some(cluster) = self.cluster.as_ref().filter(|_| !is_here) {
                if round.is_multiple_of(ASK_OTHERS) {
                    // A supervisor on an unreachable node cannot speak with the caller either.
                    elsewhere = cluster.is_present(&who).await.unwrap_or(false);
                }
                is_here = elsewhere;
            }
            if is_here == std::mem::replace(&mut was_here, is_here) {
                continue;
            }
            let now = (self.now)();
            let presence = match seen {
                _ if is_here => Presence::Here,
                Some(gone @ Presence::GoneSince(_)) => gone,
                // Other nodes report a supervisor for a while after the last sight.
                Some(Presence::Here) | None => {
                    Presence::GoneSince(now.checked_sub(SEEN).unwrap_or(now))
                }
            };
            if !call.send(CallMessage::Presence { who: who.clone(), presence }).await {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SupervisorId, Seen>> {
        // Nothing is done under the lock that could leave the map half changed.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn last(&self, now: Instant) -> Option<Presence> {
        let within = |at: &Instant, limit| now.saturating_duration_since(*at) < limit;
        if self.sockets.values().any(|heard| within(heard, SILENT))
            || self.acted.is_some_and(|at| within(&at, ACTED))
        {
            return Some(Presence::Here);
        }
        let last = self.sockets.values().copied().chain(self.acted).chain(self.left).max()?;
        // Longer than a call waits for a supervisor who has gone.
        within(&last, Duration::from_hours(1)).then_some(Presence::GoneSince(last))
    }
}

impl SupervisorConnection {
    /// Notes that the socket was heard from.
    pub(crate) fn heard(&self) {
        let now = (self.supervisors.now)();
        if let Some(seen) = self.supervisors.lock().get_mut(&self.who) {
            seen.sockets.insert(self.socket, now);
        }
    }
}

impl Drop for SupervisorConnection {
    fn drop(&mut self) {
        let now = (self.supervisors.now)();
        let mut all = self.supervisors.lock();
        if let Some(seen) = all.get_mut(&self.who) {
            seen.sockets.remove(&self.socket);
            seen.left = Some(now);
        }
        all.retain(|_, seen| !seen.sockets.is_empty() || seen.last(now).is_some());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    static PASSED_S: AtomicU64 = AtomicU64::new(0);

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn clock() -> Instant {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        *START + Duration::from_secs(PASSED_S.load(Ordering::Relaxed))
    }

    fn pass(seconds: u64) {
        PASSED_S.fetch_add(seconds, Ordering::Relaxed);
    }

    #[test]
    fn a_supervisor_is_present_with_a_live_socket_or_a_recent_action() {
        let supervisors = Supervisors::new(clock, None);
        let ann = SupervisorId::parse("ann").unwrap();
        assert_eq!(supervisors.presence_of(&ann), None);
        let (one, two) = (supervisors.connect(&ann), supervisors.connect(&ann));
        pass(30);
        two.heard();
        drop(one);
        assert_eq!(supervisors.presence_of(&ann), Some(Presence::Here), "another tab is open");
        assert_eq!(supervisors.connected(), std::slice::from_ref(&ann));
        let silent = clock();
        pass(24);
        assert_eq!(supervisors.presence_of(&ann), Some(Presence::Here));
        pass(1);
        assert_eq!(
            supervisors.presence_of(&ann),
            Some(Presence::GoneSince(silent)),
            "nothing was heard"
        );
        drop(two);
        assert_eq!(
            supervisors.presence_of(&ann),
            Some(Presence::GoneSince(clock())),
            "it was closed"
        );
        pass(10);
        supervisors.acted(&ann);
        let acted = clock();
        assert_eq!(supervisors.presence_of(&ann), Some(Presence::Here));
        pass(3);
        assert_eq!(supervisors.presence_of(&ann), Some(Presence::GoneSince(acted)));
        assert!(supervisors.connected().is_empty());
        pass(4000);
        supervisors.acted(&SupervisorId::parse("bob").unwrap());
        assert_eq!(supervisors.lock().len(), 1, "the first is forgotten");
    }
}
