//! What keeps a node among the others: it says that it lives, listens to them, and looks after the
//! calls of those that are dead.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;
use futures_util::StreamExt as _;
use phony_call::CallSid;
use redis::{Msg, RedisError};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::actions::Seen;
use super::protocol::NodeMessage;
use super::{Cluster, HEARTBEAT, Handler, LEASE, REDIS_LIMIT, node_channel};
use crate::store::Store as _;
use crate::store::redis::PREFIX;

/// How often the calls that are held here are compared with what the store says, in heartbeats.
const COMPARE: u32 = 5;
/// How long a node must be dead before its calls are taken from it unasked. One that only cannot
/// reach Redis goes on with its calls meanwhile.
const ABANDONED: Duration = Duration::from_mins(5);
/// How long to wait before Redis is listened to again.
const AGAIN: Duration = Duration::from_millis(200);

impl Cluster {
    /// Works until the server ends.
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

    /// Says again and again that this node lives. After a silence, when others may have taken it
    /// for dead, calls that are not its own any more fall silent before anything else.
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

    /// Lets go of the calls that have another owner.
    async fn compare(&self, handler: &dyn Handler) {
        // One that is just being taken over has no term here yet.
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

    /// Listens to what the others want, for ever.
    async fn listen(self: &Arc<Self>, handler: &Arc<dyn Handler>) {
        loop {
            let heard = self.listen_once(handler).await;
            let listened = self.listening.send_replace(false);
            if let Err(error) = heard {
                tracing::debug!(%error, "Redis cannot be listened to");
            }
            // A connection that was closed is made again at once.
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
        // What was said before was not heard: that a call has another owner, for one.
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
                // Nobody listens if the last viewer has just gone.
                drop(self.feed.send((call, Utf8Bytes::from(text))));
            }
            return;
        }
        match serde_json::from_str(&text) {
            Ok(NodeMessage::Ask { id, from, call, what, leg }) => {
                let what = what.about(leg);
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
                if let Some(waiting) = self.questions().remove(&id) {
                    // Whoever asked may have gone away.
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

    /// Takes up the calls of nodes that have been dead for long, so that they end in order.
    async fn resume_abandoned(&self, handler: &Arc<dyn Handler>) {
        let mut round = interval(LEASE);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut dead: HashMap<CallSid, Instant> = HashMap::new();
        loop {
            round.tick().await;
            let Ok(open) = self.store.open().await else {
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

/// The channel that every node listens to.
pub(super) fn all_nodes() -> String {
    format!("{PREFIX}nodes:all")
}
