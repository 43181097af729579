//! Failover: a call that began in another process, since dead or released, is resumed here from its
//! stored events, under a new term that fences the former owner. Owns no state; the other parts of
//! [`Calls`] call it when a socket, a question or an action comes for a call that is not here.

use std::time::{Duration, Instant};

use phony_call::{CallSid, EndReason, Event, EventBody, Identity};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::{CallOrigin, Calls, ResumedCall};
use crate::calls::registry::{Handle, Registered};
use crate::cluster::{Cluster, Reply, Request, Unreached};
use crate::history::entries;
use crate::store::{FIRST_TERM, StoreError};

/// How long to wait between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

impl Calls {
    /// Resumes a call of another process on this node. The other process releases it first if it
    /// still answers; if it does not, the store refuses what it writes from now on. `None` if the
    /// call has ended, is unknown, or cannot be resumed now.
    pub async fn resume(&self, call: &CallSid) -> Option<Handle> {
        match self.resume_from(call, None).await {
            Ok(handle) => Some(handle),
            Err(error) => {
                tracing::warn!(callSid = %call, why = %error, "a call cannot go on here");
                None
            }
        }
    }

    /// The same as [`Self::resume`], with the reason of a failure; `last_node` is the node that had
    /// the call last, as far as is known.
    pub(super) async fn resume_from(
        &self,
        call: &CallSid,
        last_node: Option<&str>,
    ) -> Result<Handle, FailoverError> {
        if self.has_ended_here(call) {
            return Err(FailoverError::Ended);
        }
        let stop = self.shutdown.stop.child_token();
        // A second attempt finds the call registered, and its message waits in the mailbox.
        let Some(registered) = self.registry.register(call, stop) else {
            return self.find(call).ok_or(FailoverError::Gone);
        };
        let handle = self.find(call).ok_or(FailoverError::Gone)?;
        self.resume_here(call, registered, last_node).await?;
        Ok(handle)
    }

    async fn resume_here(
        &self,
        call: &CallSid,
        registered: Registered,
        last_node: Option<&str>,
    ) -> Result<(), FailoverError> {
        let Some(store) = self.history.store() else { return Err(FailoverError::Ended) };
        let released = match &self.cluster {
            Some(cluster) => match release_by_owner(cluster, call, last_node).await {
                Ok(Reply::Released(events)) => events,
                Ok(_) | Err(_) => Vec::new(),
            },
            None => Vec::new(),
        };
        let claimed = store.claim(call).await?;
        let was_released = !released.is_empty();
        let kept: Vec<Utf8Bytes> = if was_released {
            released.into_iter().map(Utf8Bytes::from).collect()
        } else {
            store.events(call, 0).await?.unwrap_or_default()
        };
        let term = match claimed {
            Some(term) => term,
            None => match store.summary(call).await? {
                Some(summary) if summary.end.is_some() => return Err(FailoverError::Ended),
                // The last events of its owner have reached the store meanwhile.
                Some(_) => store.claim(call).await?.ok_or(FailoverError::Ended)?,
                None if kept.is_empty() => return Err(FailoverError::Unknown),
                // Only its owner knows it: it is not in the store yet, or was deleted.
                None => FIRST_TERM + 1,
            },
        };
        let events: Vec<Event> =
            kept.iter().filter_map(|event| serde_json::from_str(event).ok()).collect();
        let Some(start) = events.first() else { return Err(FailoverError::Ended) };
        let Some(identity) = Identity::of_start(start) else { return Err(FailoverError::Ended) };
        let agent = self.agents.of_start(&start.body, &self.config);
        tracing::info!(callSid = %call, term, events = events.len(), "a call goes on here");
        // Events released by a living owner may not be in the store, and the owner is fenced.
        let publisher = self.hub.reopen(call, entries(&kept), term, !was_released);
        let line_since = self.line_since(&events);
        self.begin(
            registered,
            identity,
            agent,
            publisher,
            CallOrigin::Resumed(ResumedCall { events, line_since }),
        );
        Ok(())
    }

    /// Since when the line of a resumed call costs money that is not in the day's sum; `None` if
    /// the call was not connected yet. In a cluster nodes share their costs every second, so the
    /// sum is current.
    fn line_since(&self, events: &[Event]) -> Option<Instant> {
        let up = events.iter().find(|event| matches!(event.body, EventBody::Connected { .. }))?;
        let now = (self.clock.now)();
        if self.cluster.is_some() {
            return Some(now);
        }
        let age = (self.clock.wall)().duration_since(up.at).unsigned_abs();
        Some(now.checked_sub(age).unwrap_or(now))
    }

    /// Whether the recorded end of a call is final. After a transfer or a failure the call may
    /// continue.
    pub async fn was_ended(&self, call: &CallSid) -> bool {
        let summary = self.history.summary(call).await;
        let end = summary.ok().flatten().and_then(|summary| summary.end);
        end.is_some_and(|end| match end.reason {
            EndReason::CallerHungUp
            | EndReason::AgentEnded
            | EndReason::SupervisorEnded
            | EndReason::Silence
            | EndReason::MaxDuration
            | EndReason::Busy
            | EndReason::NoAnswer
            | EndReason::Canceled
            | EndReason::SpendLimit
            | EndReason::Machine
            | EndReason::VoicemailLeft => true,
            EndReason::Transferred
            | EndReason::ModelFailed
            | EndReason::LineLost
            | EndReason::NotConnected
            | EndReason::Failed
            | EndReason::Shutdown
            | EndReason::Internal => false,
        })
    }

    /// Whether a call has ended on this node, even if its end is not in the store yet.
    pub(super) fn has_ended_here(&self, call: &CallSid) -> bool {
        self.hub.summary(call).is_some_and(|line| line.end.is_some())
    }

    /// Asks the node that has a call. A call that has just begun here may not be in Redis yet.
    pub(super) async fn ask_elsewhere(
        &self,
        cluster: &Cluster,
        call: &CallSid,
        what: Request,
    ) -> Result<Reply, Unreached> {
        self.known_here(call, cluster.ask(call, what).await)
    }

    /// Corrects an answer about a call by what this node knows and the store does not yet.
    pub(super) fn known_here(
        &self,
        call: &CallSid,
        answer: Result<Reply, Unreached>,
    ) -> Result<Reply, Unreached> {
        match answer {
            Err(Unreached::Unknown) => Err(match self.hub.summary(call) {
                Some(summary) if summary.end.is_some() => Unreached::Ended,
                Some(_) => Unreached::Moving,
                None => Unreached::Unknown,
            }),
            answer => answer,
        }
    }
}

/// Asks the owner of a call to release it. A call that has just begun may not be in the store yet,
/// so `last_node` is asked when the store does not know it.
async fn release_by_owner(
    cluster: &Cluster,
    call: &CallSid,
    last_node: Option<&str>,
) -> Result<Reply, Unreached> {
    match (cluster.ask(call, Request::Release).await, last_node) {
        (Err(Unreached::Unknown), Some(last_node)) => {
            cluster.ask_node(last_node, call, Request::Release).await
        }
        (answer, _) => answer,
    }
}

/// Why a call cannot be resumed here, now or at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum FailoverError {
    /// It has ended.
    #[error("the call is over")]
    Ended,
    /// No node knows it, or not yet.
    #[error("nobody knows of the call")]
    Unknown,
    /// It ended or moved while it was being asked.
    #[error("the call has just gone")]
    Gone,
    /// Other nodes cannot be asked.
    #[error("{0}")]
    Unreached(Unreached),
    /// Redis does not answer.
    #[error("Redis does not answer: {0}")]
    Redis(redis::RedisError),
    /// The store does not answer.
    #[error("{}", .0.chain())]
    Store(#[from] StoreError),
}

/// Limits how long an operation is retried while somebody waits for its outcome.
pub(super) struct RetryLimit {
    now: fn() -> Instant,
    until: Instant,
}

impl RetryLimit {
    pub(super) fn new(calls: &Calls, limit: Duration) -> Self {
        let now = calls.clock.now;
        Self { now, until: now() + limit }
    }

    pub(super) fn is_over(&self) -> bool {
        (self.now)() >= self.until
    }

    pub(super) fn remaining(&self) -> Duration {
        self.until.saturating_duration_since((self.now)())
    }

    /// Waits before the next attempt; `None` if the limit is reached.
    pub(super) async fn wait(&self, call: &CallSid, error: &FailoverError) -> Option<()> {
        if self.is_over() {
            tracing::warn!(callSid = %call, why = %error, "a call cannot go on here");
            return None;
        }
        tracing::debug!(callSid = %call, why = %error, "once more");
        sleep(RETRY_INTERVAL).await;
        Some(())
    }
}
