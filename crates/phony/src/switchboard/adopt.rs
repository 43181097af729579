//! Calls that go on here although they began elsewhere: in another process that died, or on another
//! node whose socket or question came to us.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use phony_call::{Action, CallSid, Event, Identity, LegEnd, Next, Parting};

use super::{Before, Switchboard};
use crate::cluster::{Cluster, Reply, Report, Unreached, Wish};
use crate::error::ApiError;
use crate::history::entries;
use crate::registry::{Handle, Letter, Registered, random_token};
use crate::store::{FIRST_TERM, StoreError};

impl Switchboard {
    /// A new single-use token for a socket of this call, good on every node; `None` if nobody could
    /// take the socket.
    pub async fn mint(&self, call: &CallSid) -> Option<String> {
        let minted = self.registry.mint(call);
        let Some(cluster) = &self.cluster else { return minted };
        let is_here = minted.is_some();
        let token = minted.unwrap_or_else(random_token);
        let shared = cluster.share_token(call, &token).await;
        (is_here || shared).then_some(token)
    }

    /// The call for which a token was made, if it is this one; the token is used up. A call that is
    /// elsewhere moves here, for its voice is here from now on.
    pub async fn redeem(&self, call: &CallSid, token: &str) -> Option<Handle> {
        let Some(cluster) = &self.cluster else { return self.registry.redeem(call, token) };
        if let Some(handle) = self.registry.redeem(call, token) {
            let (cluster, token) = (Arc::clone(cluster), token.to_owned());
            self.calls.spawn(async move { cluster.spend_token(&token).await });
            return Some(handle);
        }
        let holder = cluster.redeem_token(call, token).await?;
        self.adopt_from(call, Some(&holder)).await
    }

    /// The carrier asks how a call goes on, wherever it is; `None` if nobody knows it. A call whose
    /// process does not answer goes on here.
    pub async fn leg_ended(&self, call: &CallSid, end: &LegEnd) -> Option<Next> {
        if let Some(handle) = self.find(call)
            && let Some(next) = ask(&handle, end).await
        {
            return Some(next);
        }
        if let Some(cluster) = &self.cluster {
            match cluster.ask(call, Wish::LegEnded(end.clone())).await {
                Ok(Reply::Next(next)) => return Some(next),
                Err(Unreached::Unknown | Unreached::Ended | Unreached::NoRedis) => return None,
                Ok(_) | Err(Unreached::Silent) => {}
            }
        }
        // Who is about to stop leaves the call to whoever gets the socket.
        let goes_on = matches!(end, LegEnd::Failed | LegEnd::Left(Parting::Return));
        if self.cluster.is_some() && self.life.drain.is_cancelled() && goes_on {
            return Some(Next::Reconnect);
        }
        ask(&self.adopt(call).await?, end).await
    }

    /// The carrier reports on a call, wherever it is. Of one that nobody has, only its end matters.
    pub async fn tell(&self, call: &CallSid, report: Report) {
        if let Some(handle) = self.find(call) {
            handle.send(report.letter()).await;
            return;
        }
        if let Some(cluster) = &self.cluster {
            match cluster.ask(call, Wish::Report(report)).await {
                Err(Unreached::Silent) => {}
                Ok(_) | Err(_) => return,
            }
        } else if !matches!(self.history.line(call).await, Ok(Some(line)) if line.end.is_none()) {
            return;
        }
        if matches!(report, Report::Over(_))
            && let Some(handle) = self.adopt(call).await
        {
            handle.send(report.letter()).await;
        }
    }

    /// A supervisor acts on a call, wherever it is.
    pub async fn act(&self, call: &CallSid, action: Action) -> Result<(), ApiError> {
        if let Some(handle) = self.find(call)
            && let Some(done) =
                handle.ask(|reply| Letter::Act { action: action.clone(), reply }).await
        {
            return done.map_err(ApiError::from);
        }
        if let Some(cluster) = &self.cluster {
            return match cluster.ask(call, Wish::Act(action)).await {
                Ok(Reply::Done) => Ok(()),
                Ok(Reply::Refused(refused)) => Err(refused.into()),
                Ok(Reply::Next(_) | Reply::Released(_) | Reply::Gone) => {
                    Err(Unreached::Silent.into())
                }
                Err(unreached) => Err(unreached.into()),
            };
        }
        match self.history.line(call).await? {
            None => Err(ApiError::call_not_found()),
            Some(line) if line.end.is_some() => Err(Unreached::Ended.into()),
            Some(_) => Err(ApiError::lost()),
        }
    }

    /// Goes on with a call that is not here. The process that has it, if it still answers, lets go
    /// of it first; if it does not, what it writes from now on is refused. `None` if the call is
    /// over or unknown.
    pub async fn adopt(&self, call: &CallSid) -> Option<Handle> {
        self.adopt_from(call, None).await
    }

    /// As [`Self::adopt`]; `holder` is the node that had the call last, as far as we were told.
    async fn adopt_from(&self, call: &CallSid, holder: Option<&str>) -> Option<Handle> {
        let stop = self.life.stop.child_token();
        // Who comes second finds the call's place taken, and waits in its mailbox.
        let Some(registered) = self.registry.register(call, stop) else { return self.find(call) };
        let handle = self.find(call)?;
        match self.take_up(call, registered, holder).await {
            Ok(true) => Some(handle),
            Ok(false) => None,
            Err(error) => {
                tracing::warn!(callSid = %call, error = error.chain(), "a call cannot go on here");
                None
            }
        }
    }

    async fn take_up(
        &self,
        call: &CallSid,
        registered: Registered,
        holder: Option<&str>,
    ) -> Result<bool, StoreError> {
        let Some(store) = self.history.store() else { return Ok(false) };
        let released = match &self.cluster {
            Some(cluster) => match released(cluster, call, holder).await {
                Ok(Reply::Released(events)) => events,
                Ok(_) | Err(_) => Vec::new(),
            },
            None => Vec::new(),
        };
        let claimed = store.claim(call).await?;
        let kept: Vec<Utf8Bytes> = if released.is_empty() {
            store.events(call, 0).await?.unwrap_or_default()
        } else {
            released.into_iter().map(Utf8Bytes::from).collect()
        };
        let term = match claimed {
            Some(term) => term,
            None if kept.is_empty() => return Ok(false),
            None => match store.line(call).await? {
                // The store does not know it yet, or has forgotten it; its owner does.
                None => FIRST_TERM + 1,
                // What its owner wrote last has come in meanwhile.
                Some(_) => match store.claim(call).await? {
                    Some(term) => term,
                    None => return Ok(false),
                },
            },
        };
        let past: Vec<Event> =
            kept.iter().filter_map(|event| serde_json::from_str(event).ok()).collect();
        let Some(start) = past.first() else { return Ok(false) };
        let Some(identity) = Identity::of_start(start) else { return Ok(false) };
        let agent = self.agents.of_start(&start.body, &self.config);
        tracing::info!(callSid = %call, term, events = past.len(), "a call goes on here");
        let publisher = self.hub.reopen(call, entries(&kept), term);
        self.begin(registered, identity, agent, publisher, Before::Kept(past));
        Ok(true)
    }
}

/// Has whoever holds a call let go of it. A call that has just begun may not be in the store yet.
async fn released(
    cluster: &Cluster,
    call: &CallSid,
    holder: Option<&str>,
) -> Result<Reply, Unreached> {
    match (cluster.ask(call, Wish::Release).await, holder) {
        (Err(Unreached::Unknown), Some(holder)) => {
            cluster.ask_node(holder, call, Wish::Release).await
        }
        (answer, _) => answer,
    }
}

async fn ask(handle: &Handle, end: &LegEnd) -> Option<Next> {
    handle.ask(|reply| Letter::LegEnded { end: end.clone(), reply }).await
}
