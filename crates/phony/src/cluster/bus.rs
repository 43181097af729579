//! The message bus of the cluster: sends this node's heartbeat, receives the other nodes' messages
//! over Redis pub/sub, and resumes the calls of dead nodes. `server` runs it until the process
//! ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use phony_call::CallSid;
use redis::{Msg, RedisError};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

use super::actions::Seen;
use super::protocol::NodeMessage;
use super::{Cluster, HEARTBEAT, Handler, LEASE, REDIS_LIMIT, node_channel};
use crate::store::Store as _;
use crate::store::redis::PREFIX;

/// How often the owners of the calls held here are checked, in heartbeats.
const COMPARE: u32 = 5;
/// How long a node must be dead before its calls are resumed unasked. A node that merely cannot
/// reach Redis continues its calls meanwhile.
const ABANDONED: Duration = Duration::from_mins(5);
/// How long to wait before subscribing again.
const AGAIN: Duration = Duration::from_millis(200);

impl Cluster {
    /// Runs until `kill`.
    pub(crate) async fn run(self: Arc<Self>, handler: Arc<dyn Handler>, kill: CancellationToken) {
        let work = async {
            tokio::join!(
                self.heartbeat(&*handler),
                self.listen(&handler),
                self.resume_abandoned(&handler),
                self.sync_shared(&*handler),
                self.publish_presence(&*handler)
            )
        };
        kill.run_until_cancelled(work).await;
        drop(timeout(REDIS_LIMIT, self.leave()).await);
    }

    /// Renews the heartbeat. After a gap, in which other nodes may have taken over its calls, it
    /// first releases those that it does not own any more.
    async fn heartbeat(&self, handler: &dyn Handler) {
        let mut beat = interval(HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = (handler.clock().now)();
        for round in 0u32.. {
            beat.tick().await;
            let now = (handler.clock().now)();
            let silent = now.saturating_duration_since(last) > HEARTBEAT * 2;
            if silent || round.is_multiple_of(COMPARE) {
                self.compare(handler).await;
            }
            if self.send_heartbeat(Some(&handler.node_info())).await.is_ok() {
                last = now;
            }
        }
    }

    /// Releases the calls that another node owns.
    async fn compare(&self, handler: &dyn Handler) {
        // A call that is just being resumed has no term here yet.
        let held: Vec<_> = handler
            .calls()
            .into_iter()
            .filter_map(|call| handler.hub().term(&call).map(|term| (call, term)))
            .collect();
        for chunk in held.chunks(500) {
            let Ok(lost) = self.lost(chunk).await else { return };
            for call in lost {
                tracing::warn!(callSid = %call, "the call has another owner");
                handler.release(&call);
            }
        }
    }

    /// Receives messages, and subscribes again whenever the connection is lost.
    async fn listen(self: &Arc<Self>, handler: &Arc<dyn Handler>) {
        loop {
            let heard = self.listen_once(handler).await;
            let listened = self.listening.send_replace(false);
            if let Err(error) = heard {
                tracing::debug!(%error, "Redis cannot be listened to");
            }
            // A connection that worked until now is replaced at once.
            if !listened {
                sleep(AGAIN).await;
            }
        }
    }

    async fn listen_once(self: &Arc<Self>, handler: &Arc<dyn Handler>) -> Result<(), RedisError> {
        let connecting = timeout(REDIS_LIMIT, self.client.get_async_pubsub()).await;
        let Ok(pubsub) = connecting else { return Ok(()) };
        let (mut sink, mut stream) = pubsub?.split();
        sink.subscribe(&[node_channel(&self.node), all_nodes()]).await?;
        // Earlier messages were missed, such as that a call has another owner.
        self.compare(&**handler).await;
        self.listening.send_replace(true);
        let mut feeding = self.feeding.wanted();
        let mut fed = false;
        loop {
            let wanted = *feeding.borrow_and_update();
            if wanted != fed {
                let pattern = format!("{PREFIX}event:*");
                if wanted {
                    sink.psubscribe(pattern).await?;
                } else {
                    sink.punsubscribe(pattern).await?;
                }
                fed = wanted;
                self.feeding.is_fed(fed);
            }
            tokio::select! {
                message = stream.next() => match message {
                    Some(message) => self.dispatch(handler, &message),
                    None => break,
                },
                changed = feeding.changed() => if changed.is_err() { break },
            }
        }
        self.feeding.is_fed(false);
        Ok(())
    }

    fn dispatch(self: &Arc<Self>, handler: &Arc<dyn Handler>, message: &Msg) {
        let Ok(text) = message.get_payload::<String>() else { return };
        let events = format!("{PREFIX}event:");
        if let Some(call) = message.get_channel_name().strip_prefix(&events) {
            if let Ok(call) = CallSid::parse(call) {
                // Fails if the last viewer has just gone.
                drop(self.feed.send((call, Utf8Bytes::from(text))));
            }
            return;
        }
        match serde_json::from_str(&text) {
            Ok(NodeMessage::Ask { id, from, call, what, leg }) => {
                let what = what.about(leg.as_deref());
                let name = format!("{from} {id}");
                let known = match self.actions.begin(&name) {
                    Seen::New => None,
                    Seen::InProgress => return,
                    Seen::Answered(reply) => Some(reply),
                };
                let (cluster, handler) = (Arc::clone(self), Arc::clone(handler));
                self.tasks.spawn(async move {
                    let reply = match known {
                        Some(reply) => reply,
                        None => handler.answer(&call, what).await,
                    };
                    cluster.actions.answered(&name, &reply);
                    if let Err(error) =
                        cluster.tell(&from, &NodeMessage::Answer { id, reply }).await
                    {
                        tracing::warn!(%error, callSid = %call, "an answer was not sent");
                    }
                });
            }
            Ok(NodeMessage::Answer { id, reply }) => {
                if let Some(waiting) = self.pending_requests().remove(&id) {
                    // The receiver may be gone.
                    drop(waiting.send(reply));
                }
            }
            Ok(NodeMessage::Action { id, from, call, order: action, until_ms }) => {
                self.perform_action(handler, (id, from, until_ms), (call, action));
            }
            Ok(NodeMessage::ActionResult { id, reply }) => self.actions.answer_received(&id, reply),
            Ok(NodeMessage::Watch { call }) => self.show(handler, call),
            Err(error) => tracing::warn!(%error, "another server says what is not understood"),
        }
    }

    /// Resumes the calls of nodes that have been dead for long, so that they end properly.
    async fn resume_abandoned(&self, handler: &Arc<dyn Handler>) {
        let mut round = interval(LEASE);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut dead: HashMap<CallSid, Instant> = HashMap::new();
        loop {
            round.tick().await;
            let Ok(open) = self.store.open_calls().await else {
                dead.clear();
                continue;
            };
            let now = (handler.clock().now)();
            dead.retain(|call, _| open.iter().any(|line| line.sid == *call));
            for line in open {
                if handler.has(&line.sid)
                    || !matches!(self.is_owner_alive(&line.sid).await, Ok(Some(false)))
                {
                    dead.remove(&line.sid);
                    continue;
                }
                let since = *dead.entry(line.sid.clone()).or_insert(now);
                if now.saturating_duration_since(since) >= ABANDONED {
                    tracing::warn!(callSid = %line.sid, "the call's server is dead");
                    Arc::clone(handler).resume(&line.sid).await;
                }
            }
        }
    }
}

/// The channel of all nodes.
pub(super) fn all_nodes() -> String {
    format!("{PREFIX}nodes:all")
}
