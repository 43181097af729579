//! Requests and actions of other nodes for the calls that are here. Owns no state; `app` calls it
//! through [`crate::cluster::Handler`].

use std::time::Duration;

use phony_call::CallSid;
use tokio::time::timeout;

use super::Calls;
use super::registry::CallMessage;
use crate::cluster::{Reply, Request, SupervisorAction};
use crate::numbers;

/// How long a call that is being resumed may keep another node waiting, which waits for 1.5 s.
const TOKEN_LIMIT: Duration = Duration::from_secs(1);
/// How long to wait for a call's last events to be written before answering [`Reply::Gone`].
const SETTLING: Duration = Duration::from_secs(1);

impl Calls {
    /// Carries out an action that a supervisor sent to another node; [`Reply::Gone`] if the call is
    /// not here.
    pub(crate) async fn act_here(&self, call: &CallSid, action: SupervisorAction) -> Reply {
        numbers::load_for(&action.action).await;
        let done = match self.find(call) {
            Some(handle) => handle.ask(|reply| CallMessage::Act { action, reply }).await,
            None => None,
        };
        match done {
            Some(done) => done.map_or_else(Reply::Refused, |()| Reply::Done),
            None => self.gone(call).await,
        }
    }

    /// Answers another node's request; [`Reply::Gone`] if the call is not here.
    pub(crate) async fn answer(&self, call: &CallSid, request: Request) -> Reply {
        match self.answered(call, request).await {
            Some(reply) => reply,
            None => self.gone(call).await,
        }
    }

    /// Answers another node's request; `None` if the call is not here, or not any more.
    async fn answered(&self, call: &CallSid, request: Request) -> Option<Reply> {
        let handle = self.find(call)?;
        match request {
            Request::Act(action) => {
                Some(self.act_here(call, SupervisorAction { action, by: None }).await)
            }
            Request::LegEnded(report) => {
                let next = handle.ask(|reply| CallMessage::LegEnded { report, reply }).await;
                next.map(Reply::Next)
            }
            // A call that is just being resumed here is answered for later, within the asker's time.
            Request::Token => {
                let token = timeout(TOKEN_LIMIT, self.first_token(call)).await;
                token.ok().map(Reply::Token)
            }
            Request::Report(report) => handle.send(report.into()).await.then_some(Reply::Done),
            Request::Release => {
                self.registry.release(call);
                handle.closed().await;
                // Events that are written already are in the store.
                let events = self.hub.events(call, 0).unwrap_or_default();
                Some(Reply::Released(events.iter().map(ToString::to_string).collect()))
            }
        }
    }

    /// The call has just ended or moved. Waits for its events to be stored, where the other node
    /// looks next.
    async fn gone(&self, call: &CallSid) -> Reply {
        self.hub.settled(call, SETTLING).await;
        Reply::Gone
    }
}
