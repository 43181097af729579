//! Supervisors' actions on calls of other nodes: each is carried out once or not at all, even if
//! the connections to Redis fail meanwhile. Owns the actions that wait for an answer and the
//! answers to recent messages; `calls` calls [`Cluster::act`], the bus the rest.
//!
//! An action has an id and a deadline by Redis's clock. The sender repeats it until it is answered;
//! the node that has the call takes it in Redis before it does anything, which succeeds once for
//! each id and not after the deadline. The answer is stored under the id as well, for a sender that
//! missed the message. A sender that gives up withdraws the action: one reported as not done is not
//! done later.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phony_call::CallSid;
use redis::{Pipeline, RedisError, Script, cmd};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::protocol::{NodeMessage, Reply, SupervisorAction};
use super::{Cluster, Handler, Unreached, millis, node_channel};
use crate::store::redis::{PREFIX, call_key};
use crate::timeouts;
use crate::token;

/// How long to wait for an answer before an action is sent again.
const SEND_AGAIN: Duration = Duration::from_millis(150);
/// The same while no node listens, as when one has just lost its connection.
const LISTEN_AGAIN: Duration = Duration::from_millis(50);
/// How long after its deadline an action that was taken may go unanswered.
const LATE_ANSWER: Duration = Duration::from_millis(1500);
/// The same where the carrier must answer first, if the action was taken just before its deadline.
const LATE_END: Duration = timeouts::HANG_UP.saturating_add(LATE_ANSWER);
/// How long Redis keeps the outcome of an action: longer than a sender asks for it.
const KEPT: Duration = Duration::from_mins(1);
const _: () = {
    assert!(LATE_END.as_millis() > timeouts::HANG_UP.as_millis(), "the carrier has its time");
    let asked = timeouts::ACTION.as_millis() + LATE_END.as_millis();
    assert!(asked < KEPT.as_millis(), "an answer is kept as long as it is asked for");
    assert!(asked < timeouts::REQUEST.as_millis(), "who ordered it hears the answer");
};
/// How many answers to other nodes are remembered.
const REMEMBERED: usize = 4096;
/// Stored instead of a node's name for an action that was withdrawn.
const WITHDRAWN: &str = "withdrawn";
/// The prefix of a stored answer.
const DONE: &str = "done ";

static TAKE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/take_action.lua")));

/// Actions sent from this node, and messages received from others.
#[derive(Debug, Default)]
pub(super) struct Actions {
    /// Actions sent from here that are not answered yet.
    waiting: Mutex<HashMap<String, oneshot::Sender<Reply>>>,
    asked: Mutex<Asked>,
}

/// Messages of other nodes, the oldest forgotten first.
#[derive(Debug, Default)]
struct Asked {
    order: VecDeque<String>,
    /// The answers; `None` while one is in progress, or if it is too large to keep.
    answers: HashMap<String, Option<Reply>>,
}

/// What is known of a message from another node, which may come more than once.
#[derive(Debug)]
pub(super) enum Seen {
    /// It is new.
    New,
    /// It is being carried out, or its answer was not kept.
    InProgress,
    /// It was answered.
    Answered(Reply),
}

impl Actions {
    /// Registers a message from another node.
    pub(super) fn begin(&self, id: &str) -> Seen {
        let mut asked = lock(&self.asked);
        match asked.answers.get(id) {
            Some(Some(reply)) => return Seen::Answered(reply.clone()),
            Some(None) => return Seen::InProgress,
            None => {}
        }
        if asked.order.len() == REMEMBERED
            && let Some(oldest) = asked.order.pop_front()
        {
            asked.answers.remove(&oldest);
        }
        asked.order.push_back(id.to_owned());
        asked.answers.insert(id.to_owned(), None);
        Seen::New
    }

    /// Keeps the answer to a message.
    pub(super) fn answered(&self, id: &str, reply: &Reply) {
        // The events of a released call are large, and are asked for once.
        let kept = (!matches!(reply, Reply::Released(_))).then(|| reply.clone());
        if let Some(answer) = lock(&self.asked).answers.get_mut(id) {
            *answer = kept;
        }
    }

    /// Forgets a message that could not be carried out, so that a repeat counts as new.
    fn forget(&self, id: &str) {
        let mut asked = lock(&self.asked);
        asked.answers.remove(id);
        asked.order.retain(|other| other != id);
    }

    /// Passes on the answer to an action that was sent from here.
    pub(super) fn answer_received(&self, id: &str, reply: Reply) {
        if let Some(waiting) = lock(&self.waiting).remove(id) {
            // The receiver may be gone.
            drop(waiting.send(reply));
        }
    }
}

impl Cluster {
    /// Has the node that owns a call carry out an action within `limit`. Any error but
    /// [`Unreached::Uncertain`] means that it was not done and will not be.
    pub(crate) async fn act(
        self: &Arc<Self>,
        call: &CallSid,
        action: &SupervisorAction,
        limit: Duration,
    ) -> Result<Reply, Unreached> {
        let (owner, now_ms) = self.owner_and_time(call).await.map_err(|_| Unreached::NoRedis)?;
        let owner = self.other_owner(owner)?;
        let id = token::random()[..32].to_owned();
        let (reply, mut answer) = oneshot::channel();
        lock(&self.actions.waiting).insert(id.clone(), reply);
        let _waiting = Waiting { cluster: self, id: &id };
        let message = NodeMessage::Action {
            id: id.clone(),
            from: self.node.clone(),
            call: call.clone(),
            order: action.clone(),
            until_ms: now_ms.saturating_add(millis(limit)),
        };
        // The limit starts after Redis's time was read, so it ends after the action's deadline.
        let why = tokio::select! {
            Ok(reply) = &mut answer => return Ok(reply),
            done = timeout(limit, self.deliver(call, owner, &message, &id)) => match done {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(why)) => why,
                Err(_) => Unreached::Silent,
            },
        };
        let late = if action.action.needs_line() { LATE_ANSWER } else { LATE_END };
        self.withdraw(&id, answer, why, late).await
    }

    /// Sends an action until it is answered, following the call from node to node; an error if no
    /// node is left to send it to.
    async fn deliver(
        &self,
        call: &CallSid,
        mut owner: String,
        message: &NodeMessage,
        id: &str,
    ) -> Result<Reply, Unreached> {
        loop {
            let listeners = self.tell(&owner, message).await;
            let is_heard = !matches!(listeners, Ok(0));
            if !is_heard && matches!(self.is_alive(&owner).await, Ok(false)) {
                return Err(Unreached::Silent);
            }
            sleep(if is_heard { SEND_AGAIN } else { LISTEN_AGAIN }).await;
            let mut get = cmd("GET");
            get.arg(action_key(id));
            if let Ok(Some(kept)) = self.command::<Option<String>>(&get).await
                && let Some(reply) = read(&kept)
            {
                return Ok(reply);
            }
            if let Ok((now, _)) = self.owner_and_time(call).await {
                owner = self.other_owner(now)?;
            }
        }
    }

    /// Withdraws an action, or waits for its answer for at most `late` if it was taken already.
    async fn withdraw(
        &self,
        id: &str,
        mut answer: oneshot::Receiver<Reply>,
        why: Unreached,
        late: Duration,
    ) -> Result<Reply, Unreached> {
        let settling = async {
            loop {
                match self.take(id, WITHDRAWN, u64::MAX).await {
                    Ok(taken) if taken == WITHDRAWN => return Err(why),
                    Ok(taken) => {
                        if let Some(reply) = read(&taken) {
                            return Ok(reply);
                        }
                    }
                    Err(error) => tracing::debug!(%error, "an order cannot be withdrawn yet"),
                }
                sleep(LISTEN_AGAIN).await;
            }
        };
        let settled = timeout(late, async {
            tokio::select! {
                Ok(reply) = &mut answer => Ok(reply),
                settled = settling => settled,
            }
        });
        settled.await.unwrap_or(Err(Unreached::Uncertain))
    }

    /// Carries out an action for another node, once.
    pub(super) fn perform_action(
        self: &Arc<Self>,
        handler: &Arc<dyn Handler>,
        (id, from, until_ms): (String, String, u64),
        (call, action): (CallSid, SupervisorAction),
    ) {
        let reply = match self.actions.begin(&id) {
            Seen::New => None,
            Seen::InProgress => return,
            Seen::Answered(reply) => Some(reply),
        };
        let (cluster, handler) = (Arc::clone(self), Arc::clone(handler));
        self.tasks.spawn(async move {
            let reply = match reply {
                Some(reply) => reply,
                None => match cluster.take(&id, &cluster.node, until_ms).await {
                    Ok(taken) if taken == cluster.node => {
                        let reply = handler.act(&call, action).await;
                        cluster.actions.answered(&id, &reply);
                        reply
                    }
                    // It was carried out by another node, is too late, or was withdrawn.
                    Ok(taken) => match read(&taken) {
                        Some(reply) => reply,
                        None => return,
                    },
                    Err(error) => {
                        tracing::warn!(%error, callSid = %call, "an order cannot be taken");
                        return cluster.actions.forget(&id);
                    }
                },
            };
            if let Err(error) = cluster.answer(&id, &from, reply).await {
                tracing::warn!(%error, callSid = %call, "the answer to an order was not sent");
            }
        });
    }

    /// Stores an answer and sends it.
    async fn answer(&self, id: &str, from: &str, reply: Reply) -> Result<(), RedisError> {
        let kept = format!("{DONE}{}", serde_json::to_string(&reply).unwrap_or_default());
        let message = NodeMessage::ActionResult { id: id.to_owned(), reply };
        let message = serde_json::to_string(&message).unwrap_or_default();
        let mut pipeline = Pipeline::new();
        pipeline.cmd("SET").arg(action_key(id)).arg(kept).arg("PX").arg(millis(KEPT));
        pipeline.cmd("PUBLISH").arg(node_channel(from)).arg(message);
        pipeline.exec_async(&mut self.connection.clone()).await
    }

    /// Takes an action for `who`, unless it is taken or its deadline has passed. Returns who has
    /// it, its stored answer, or an empty text if the deadline has passed.
    async fn take(&self, id: &str, who: &str, until_ms: u64) -> Result<String, RedisError> {
        let mut taking = TAKE.key(action_key(id));
        taking.arg(who).arg(until_ms).arg(millis(KEPT));
        taking.invoke_async(&mut self.connection.clone()).await
    }

    /// The owner of a call, and the time by Redis's clock in milliseconds since 1970.
    async fn owner_and_time(&self, call: &CallSid) -> Result<(Owner, u64), RedisError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HMGET").arg(call_key(call.as_str())).arg("node").arg("end");
        pipeline.cmd("TIME");
        let ((node, end), (seconds, micros)): (_, (u64, u64)) =
            pipeline.query_async(&mut self.connection.clone()).await?;
        Ok((Owner { node, end }, seconds * 1000 + micros / 1000))
    }

    /// The name of the owner, if that is another node.
    fn other_owner(&self, owner: Owner) -> Result<String, Unreached> {
        match owner {
            Owner { node: None, .. } => Err(Unreached::Unknown),
            Owner { end: Some(_), .. } => Err(Unreached::Ended),
            Owner { node: Some(node), .. } if node == self.node => Err(Unreached::Moving),
            Owner { node: Some(node), .. } => Ok(node),
        }
    }

    /// Whether a node is alive.
    async fn is_alive(&self, node: &str) -> Result<bool, RedisError> {
        let mut exists = cmd("EXISTS");
        exists.arg(format!("{PREFIX}alive:{node}"));
        self.command(&exists).await
    }
}

/// The owner of a call, by the store.
struct Owner {
    node: Option<String>,
    end: Option<String>,
}

/// Removes a waiting action when dropped.
struct Waiting<'a> {
    cluster: &'a Cluster,
    id: &'a str,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.cluster.actions.waiting).remove(self.id);
    }
}

/// Reads a stored answer.
fn read(kept: &str) -> Option<Reply> {
    serde_json::from_str(kept.strip_prefix(DONE)?).ok()
}

fn action_key(id: &str) -> String {
    format!("{PREFIX}act:{id}")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic under these locks cannot leave the maps half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_message_is_carried_out_once() {
        let actions = Actions::default();
        assert!(matches!(actions.begin("a"), Seen::New));
        assert!(matches!(actions.begin("a"), Seen::InProgress));
        actions.answered("a", &Reply::Done);
        assert!(matches!(actions.begin("a"), Seen::Answered(Reply::Done)));
        assert!(matches!(actions.begin("b"), Seen::New));
        actions.forget("b");
        assert!(matches!(actions.begin("b"), Seen::New), "it was not begun");
    }

    #[test]
    fn the_oldest_messages_are_forgotten() {
        let actions = Actions::default();
        for n in 0..=REMEMBERED {
            assert!(matches!(actions.begin(&n.to_string()), Seen::New));
        }
        assert_eq!(lock(&actions.asked).answers.len(), REMEMBERED);
        assert!(matches!(actions.begin("0"), Seen::New), "the oldest is forgotten");
        assert!(matches!(actions.begin("2"), Seen::InProgress));
    }
}
