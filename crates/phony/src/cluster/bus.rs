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

use super::orders::Known;
use super::words::{Letter, Reply, Wish};
use super::{About, Cluster, HEARTBEAT, LEASE, REDIS_LIMIT, node_channel};
use crate::numbers;
use crate::registry::{self, Order};
use crate::store::Store as _;
use crate::store::redis::PREFIX;
use crate::switchboard::Switchboard;

/// How often the calls that are held here are compared with what the store says, in heartbeats.
const COMPARE: u32 = 5;
/// How long a node must be dead before its calls are taken from it unasked. One that only cannot
/// reach Redis goes on with its calls meanwhile.
const ABANDONED: Duration = Duration::from_mins(5);
/// How long to wait before Redis is listened to again.
const AGAIN: Duration = Duration::from_millis(200);
/// How long what this node wrote last may take before it says that it has a call no longer.
const SETTLING: Duration = Duration::from_secs(1);

impl Cluster {
    /// Works until the server ends.
    pub async fn run(self: Arc<Self>, switchboard: Arc<Switchboard>) {
        let kill = switchboard.shutdown.kill.clone();
        let work = async {
            tokio::join!(
                self.live(&switchboard),
                self.listen(&switchboard),
                self.look_after(&switchboard),
                self.keep_in_step(&switchboard),
                self.tell_whom_it_sees(&switchboard)
            )
        };
        kill.run_until_cancelled(work).await;
        drop(timeout(REDIS_LIMIT, self.leave()).await);
    }

    /// Says again and again that this node lives. After a silence, when others may have taken it
    /// for dead, calls that are not its own any more fall silent before anything else.
    async fn live(&self, switchboard: &Switchboard) {
        let mut beat = interval(HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = (switchboard.clock.now)();
        for round in 0u32.. {
            beat.tick().await;
            let now = (switchboard.clock.now)();
            let silent = now.saturating_duration_since(last) > HEARTBEAT * 2;
            if silent || round.is_multiple_of(COMPARE) {
                self.compare(switchboard).await;
            }
            if self.say_alive(Some(&About::this(switchboard))).await.is_ok() {
                last = now;
            }
        }
    }

    /// Lets go of the calls that have another owner.
    async fn compare(&self, switchboard: &Switchboard) {
        // One that is just being taken over has no term here yet.
        let held: Vec<_> = switchboard
            .registry
            .calls()
            .into_iter()
            .filter_map(|call| switchboard.hub.term(&call).map(|term| (call, term)))
            .collect();
        for chunk in held.chunks(500) {
            let Ok(lost) = self.lost(chunk).await else { return };
            for call in lost {
                tracing::warn!(callSid = %call, "the call has another owner");
                switchboard.registry.lose(&call);
            }
        }
    }

    /// Listens to what the others want, for ever.
    async fn listen(self: &Arc<Self>, switchboard: &Arc<Switchboard>) {
        loop {
            let heard = self.listen_once(switchboard).await;
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

    async fn listen_once(
        self: &Arc<Self>,
        switchboard: &Arc<Switchboard>,
    ) -> Result<(), RedisError> {
        let connecting = timeout(REDIS_LIMIT, self.client.get_async_pubsub()).await;
        let Ok(pubsub) = connecting else { return Ok(()) };
        let (mut sink, mut stream) = pubsub?.split();
        sink.subscribe(&[node_channel(&self.node), all_nodes()]).await?;
        // What was said before was not heard: that a call has another owner, for one.
        self.compare(switchboard).await;
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
                    Some(message) => self.hear(switchboard, &message),
                    None => break,
                },
                changed = feeding.changed() => if changed.is_err() { break },
            }
        }
        self.feeding.is_fed(false);
        Ok(())
    }

    fn hear(self: &Arc<Self>, switchboard: &Arc<Switchboard>, message: &Msg) {
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
            Ok(Letter::Ask { id, from, call, what, leg }) => {
                let what = what.about(leg);
                let name = format!("{from} {id}");
                let known = match self.orders.begin(&name) {
                    Known::New => None,
                    Known::Working => return,
                    Known::Answered(reply) => Some(reply),
                };
                let (cluster, switchboard) = (Arc::clone(self), Arc::clone(switchboard));
                self.tasks.spawn(async move {
                    let reply = match known {
                        Some(reply) => reply,
                        None => serve(&switchboard, &call, what).await,
                    };
                    cluster.orders.answered(&name, &reply);
                    if let Err(error) = cluster.tell(&from, &Letter::Answer { id, reply }).await {
                        tracing::warn!(%error, callSid = %call, "an answer was not sent");
                    }
                });
            }
            Ok(Letter::Answer { id, reply }) => {
                if let Some(waiting) = self.questions().remove(&id) {
                    // Whoever asked may have gone away.
                    drop(waiting.send(reply));
                }
            }
            Ok(Letter::Order { id, from, call, order, until_ms }) => {
                self.carry_out(switchboard, (id, from, until_ms), (call, order));
            }
            Ok(Letter::Ordered { id, reply }) => self.orders.hear(&id, reply),
            Ok(Letter::Watch { call }) => self.show(switchboard, call),
            Err(error) => tracing::warn!(%error, "another server says what is not understood"),
        }
    }

    /// Takes up the calls of nodes that have been dead for long, so that they end in order.
    async fn look_after(&self, switchboard: &Arc<Switchboard>) {
        let mut round = interval(LEASE);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut dead: HashMap<CallSid, Instant> = HashMap::new();
        loop {
            round.tick().await;
            let Ok(open) = self.store.open().await else {
                dead.clear();
                continue;
            };
            let now = (switchboard.clock.now)();
            dead.retain(|call, _| open.iter().any(|line| line.sid == *call));
            for line in open {
                if switchboard.find(&line.sid).is_some()
                    || !matches!(self.owner_lives(&line.sid).await, Ok(Some(false)))
                {
                    dead.remove(&line.sid);
                    continue;
                }
                let since = *dead.entry(line.sid.clone()).or_insert(now);
                if now.saturating_duration_since(since) >= ABANDONED {
                    tracing::warn!(callSid = %line.sid, "the call's server is dead");
                    drop(switchboard.adopt(&line.sid).await);
                }
            }
        }
    }
}

/// Carries out what a supervisor orders, if the call is here.
pub(super) async fn act(switchboard: &Switchboard, call: &CallSid, order: Order) -> Reply {
    numbers::unfolded_for(&order.action).await;
    if let Some(handle) = switchboard.find(call)
        && let Some(done) = handle.ask(|reply| registry::Letter::Act { order, reply }).await
    {
        return done.map_or_else(Reply::Refused, |()| Reply::Done);
    }
    gone(switchboard, call).await
}

/// Does what another node wants of a call that is here.
async fn serve(switchboard: &Switchboard, call: &CallSid, what: Wish) -> Reply {
    if let Some(handle) = switchboard.find(call) {
        let reply = match what {
            Wish::Act(action) => {
                return act(switchboard, call, Order { action, by: None }).await;
            }
            Wish::LegEnded(report) => {
                let next = handle.ask(|reply| registry::Letter::LegEnded { report, reply }).await;
                next.map(Reply::Next)
            }
            Wish::Token => Some(Reply::Token(switchboard.first_token(call).await)),
            Wish::Report(report) => handle.send(report.letter()).await.then_some(Reply::Done),
            Wish::Release => {
                switchboard.registry.lose(call);
                handle.closed().await;
                // What is written already is found in the store.
                let events = switchboard.hub.events(call, 0).unwrap_or_default();
                return Reply::Released(events.iter().map(ToString::to_string).collect());
            }
        };
        if let Some(reply) = reply {
            return reply;
        }
    }
    gone(switchboard, call).await
}

/// The call is not here, or no longer.
async fn gone(switchboard: &Switchboard, call: &CallSid) -> Reply {
    // It has just ended or been handed over here: whoever asks must find all of it in the store.
    switchboard.hub.settled(call, SETTLING).await;
    Reply::Gone
}

/// The channel that every node listens to.
pub(super) fn all_nodes() -> String {
    format!("{PREFIX}nodes:all")
}
