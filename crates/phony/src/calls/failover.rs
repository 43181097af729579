//! Calls that go on here although they began elsewhere: in another process that died, or on another
//! node whose socket or question came to us.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;
use phony_call::{
    CallSid, Direction, EndReason, Event, EventBody, Identity, LegEnd, Next, Parting, Refused,
};
use tokio::time::sleep;

use super::error::{ActError, NotPassedOn};
use super::socket_tokens::TokenClaims;
use super::{Before, Calls, Past};
use crate::calls::registry::{CallMessage, Handle, Registered};
use crate::cluster::{Cluster, Reply, Report, Request, Unreached};
use crate::cluster::{LegReport, SupervisorAction};
use crate::history::entries;
use crate::limits;
use crate::numbers;
use crate::store::{FIRST_TERM, StoreError};
use crate::token;

/// For how long an answer to the carrier is sought, which waits for 15 s.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// For how long a call is sought that nobody has heard of.
const UNHEARD_LIMIT: Duration = Duration::from_secs(1);
/// For how long Redis is waited for before a socket is asked for that may come to whoever has the call.
const BLIND_LIMIT: Duration = Duration::from_secs(2);
/// For how long a socket waits for its call to come here.
const SOCKET_LIMIT: Duration = Duration::from_secs(5);
/// How long to wait between two attempts.
const AGAIN: Duration = Duration::from_millis(50);
/// How often, and how long after each other, a report of the carrier is passed on that could not be.
const REPORT_TRIES: u32 = 600;
const REPORT_AGAIN: Duration = Duration::from_secs(1);
/// How long after each other an order is tried at a call that moves.
const ORDER_TRY: Duration = Duration::from_millis(15);
/// How long another server has at least to carry out an order.
const ORDER_LEAST: Duration = Duration::from_millis(500);

impl Calls {
    /// The single-use token of the next socket of this call, good on every node, and the same until
    /// that has come; `None` if nobody could take the socket.
    pub async fn mint(&self, call: &CallSid) -> Option<String> {
        let wall = (self.clock.wall)();
        let Some(cluster) = &self.cluster else {
            let make = |next| self.socket_tokens.sign_next(call, next, wall);
            return self.registry.next_token(call, make).map(|(token, _)| token);
        };
        // One in which nothing has happened yet, or not even its beginning, can begin anywhere.
        let is_new = self
            .hub
            .summary(call)
            .is_none_or(|summary| summary.last_seq == 1 && summary.direction == Direction::Inbound);
        let agent = self.registry.agent_of(call).filter(|_| is_new);
        let agent = agent.as_ref().map(|agent| agent.call.id.as_str());
        let token = self.socket_tokens.sign(call, token::random(), wall, agent);
        let is_here = match self.registry.next_token(call, |_| token.clone()) {
            // Who was told of it first may have used it meanwhile.
            Some((known, false)) => return Some(known),
            known => known.is_some(),
        };
        let shared = cluster.share_token(call, &token).await;
        (is_here || shared || self.socket_tokens.are_signed()).then_some(token)
    }

    /// The call for which a token was made, if it is this one; the token is used up. A call that is
    /// elsewhere moves here, for its voice is here from now on. `inbound` is who calls whom, if the
    /// call came from outside, as the socket says.
    pub async fn redeem(
        &self,
        call: &CallSid,
        token: &str,
        inbound: Option<Identity>,
    ) -> Option<Handle> {
        let Some(cluster) = &self.cluster else { return self.redeem_alone(call, token).await };
        let wall = (self.clock.wall)();
        if let Some(handle) = self.registry.redeem(call, token) {
            // Used is used, also for the time in which it would be believed.
            self.socket_tokens.take(call, token, wall);
            let (cluster, token) = (Arc::clone(cluster), token.to_owned());
            self.tasks.spawn(async move { cluster.spend_token(&token).await });
            return Some(handle);
        }
        let retry = RetryLimit::of(self, SOCKET_LIMIT);
        let mark = token::random();
        let holder = loop {
            match cluster.redeem_token(call, token, &mark).await {
                Ok(holder) => {
                    self.socket_tokens.take(call, token, wall);
                    break holder?;
                }
                Err(error) => {
                    if let Some(claims) = self.socket_tokens.take(call, token, wall) {
                        tracing::warn!(callSid = %call, %error, "a token is believed by itself");
                        return self.believe(call, &claims, inbound);
                    }
                    retry.with(call, &FailoverError::Redis(error)).await?;
                }
            }
        };
        loop {
            match self.resume_from(call, Some(&holder)).await {
                Ok(handle) => {
                    self.registry.connected(call);
                    return Some(handle);
                }
                Err(FailoverError::Over) => return None,
                Err(error) => retry.with(call, &error).await?,
            }
        }
    }

    /// As [`Self::redeem`], where there are no other servers. The token may be of the process before
    /// this one; whether it was used is told by how many sockets came to the call, by its record.
    async fn redeem_alone(&self, call: &CallSid, token: &str) -> Option<Handle> {
        if let Some(handle) = self.registry.redeem(call, token) {
            return Some(handle);
        }
        let after = self.socket_tokens.read_next(call, token, (self.clock.wall)())?;
        let retry = RetryLimit::of(self, SOCKET_LIMIT);
        while self.find(call).is_none() {
            match self.resume_from(call, None).await {
                Ok(_) => break,
                Err(FailoverError::Over | FailoverError::Unknown) => return None,
                Err(error) => retry.with(call, &error).await?,
            }
        }
        self.registry.until_read(call).await;
        let handle = self.registry.admit(call, after)?;
        tracing::info!(callSid = %call, "a token of before the restart is believed");
        Some(handle)
    }

    /// The call that a token is for while only the token can tell: one that is here, or one that was
    /// just taken elsewhere and begins here. Whoever took it is told as soon as the store is back.
    fn believe(
        &self,
        call: &CallSid,
        claims: &TokenClaims,
        inbound: Option<Identity>,
    ) -> Option<Handle> {
        if let Some(handle) = self.find(call) {
            self.registry.connected(call);
            return Some(handle);
        }
        let agent = self.agents.find(claims.agent.as_deref()?)?;
        let identity = inbound?;
        let registered = self.registry.register(call, self.shutdown.stop.child_token())?;
        let publisher = self.hub.reopen(call, Vec::new(), FIRST_TERM + 1, true);
        self.registry.connected(call);
        self.begin(registered, identity, agent, publisher, Before::Nothing);
        self.find(call)
    }

    /// The carrier asks how a call goes on, wherever it is; `None` if nobody knows it. A call whose
    /// process does not answer goes on here. The caller is lost with a wrong answer, so a question
    /// that cannot be answered now is asked again for as long as the carrier waits.
    pub async fn leg_ended(&self, call: &CallSid, report: &LegReport) -> Option<Next> {
        let goes_on = matches!(report.end, LegEnd::Failed | LegEnd::Left(Parting::Return));
        let (retry, unheard) =
            (RetryLimit::of(self, ANSWER_LIMIT), RetryLimit::of(self, UNHEARD_LIMIT));
        let blind = RetryLimit::of(self, BLIND_LIMIT);
        loop {
            let error = match self.next_of(call, report, goes_on).await {
                Ok(next) => return Some(next),
                Err(error) => error,
            };
            match &error {
                // Who took it may not have written that yet.
                FailoverError::Unknown if goes_on && self.cluster.is_some() => {
                    unheard.with(call, &error).await?;
                }
                FailoverError::Over | FailoverError::Unknown => return None,
                FailoverError::Unreached(_)
                    if goes_on && blind.is_over() && self.socket_tokens.may_send_blindly(call) =>
                {
                    return Some(Next::Reconnect);
                }
                FailoverError::Gone
                | FailoverError::Unreached(_)
                | FailoverError::Redis(_)
                | FailoverError::Store(_) => {
                    retry.with(call, &error).await?;
                }
            }
        }
    }

    async fn next_of(
        &self,
        call: &CallSid,
        report: &LegReport,
        goes_on: bool,
    ) -> Result<Next, FailoverError> {
        if let Some(handle) = self.find(call)
            && let Some(next) = ask(&handle, report).await
        {
            return Ok(next);
        }
        if let Some(cluster) = &self.cluster {
            match self.ask_elsewhere(cluster, call, Request::LegEnded(report.clone())).await {
                Ok(Reply::Next(next)) => return Ok(next),
                Ok(_) | Err(Unreached::Silent | Unreached::Moving) => {}
                Err(Unreached::Unknown) => return Err(FailoverError::Unknown),
                Err(Unreached::Ended) => return Err(FailoverError::Over),
                Err(why @ (Unreached::NoRedis | Unreached::Uncertain)) => {
                    return Err(FailoverError::Unreached(why));
                }
            }
            // Who is about to stop leaves the call to whoever gets the socket.
            if self.shutdown.drain.is_cancelled() && goes_on {
                return Ok(Next::Reconnect);
            }
        }
        ask(&self.resume_from(call, None).await?, report).await.ok_or(FailoverError::Gone)
    }

    /// The carrier reports on a call, wherever it is. Of one that nobody has, only its end matters.
    /// A report that cannot be passed on is kept for a while and passed on when it can; the carrier
    /// is told that it has not been, for this process may not live that long.
    pub async fn tell(self: &Arc<Self>, call: &CallSid, report: Report) -> Result<(), NotPassedOn> {
        let Err(error) = self.try_tell(call, report).await else { return Ok(()) };
        tracing::warn!(callSid = %call, why = %error, "a carrier's report is passed on later");
        metrics::counter!("phony_reports_kept_total").increment(1);
        if let Ok(place) = Arc::clone(&self.reports).try_acquire_owned() {
            let (this, call) = (Arc::clone(self), call.clone());
            self.tasks.spawn(async move {
                let drain = this.shutdown.drain.clone();
                let told = drain.run_until_cancelled(this.tell_later(&call, report)).await;
                if told != Some(true) {
                    tracing::error!(callSid = %call, "a carrier's report was not passed on");
                }
                drop(place);
            });
        }
        Err(NotPassedOn { why: error.to_string(), again: REPORT_AGAIN })
    }

    /// Passes a report on when that is possible; false if it has not been for too long.
    async fn tell_later(&self, call: &CallSid, report: Report) -> bool {
        for _ in 0..REPORT_TRIES {
            sleep(REPORT_AGAIN).await;
            if self.try_tell(call, report).await.is_ok() {
                return true;
            }
        }
        false
    }

    async fn try_tell(&self, call: &CallSid, report: Report) -> Result<(), FailoverError> {
        if let Some(handle) = self.find(call)
            && handle.send(report.into()).await
        {
            return Ok(());
        }
        // Another node may still take itself for its owner.
        if self.has_ended_here(call) {
            return Ok(());
        }
        let is_end = matches!(report, Report::Over(_));
        if is_end {
            self.over.note(call);
        }
        if let Some(cluster) = &self.cluster {
            match self.ask_elsewhere(cluster, call, Request::Report(report)).await {
                Err(Unreached::NoRedis) => {
                    return Err(FailoverError::Unreached(Unreached::NoRedis));
                }
                Err(Unreached::Moving) if !is_end => return Err(FailoverError::Gone),
                Err(Unreached::Silent | Unreached::Uncertain | Unreached::Moving) => {}
                Err(Unreached::Unknown) if is_end => {
                    cluster.over_unheard(call).await;
                    return Ok(());
                }
                Ok(_) | Err(Unreached::Unknown | Unreached::Ended) => return Ok(()),
            }
        } else if self.history.summary(call).await?.is_none_or(|summary| summary.end.is_some()) {
            return Ok(());
        }
        if !is_end {
            return Ok(());
        }
        match self.resume_from(call, None).await {
            Ok(handle) if handle.send(report.into()).await => Ok(()),
            Ok(_) => Err(FailoverError::Gone),
            Err(FailoverError::Over | FailoverError::Unknown) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Asks the node that has a call. One that has just been here may not be in Redis yet.
    async fn ask_elsewhere(
        &self,
        cluster: &Cluster,
        call: &CallSid,
        what: Request,
    ) -> Result<Reply, Unreached> {
        self.known_here(call, cluster.ask(call, what).await)
    }

    /// An answer about a call, where this server may know more than the store.
    fn known_here(
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

    /// Whether somebody or a limit has ended a call, so that it goes on nowhere. One that ended for
    /// want of a line, a model or a server may.
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

    /// Whether a call has ended here: it is over, even if its end is not in the store yet.
    fn has_ended_here(&self, call: &CallSid) -> bool {
        self.hub.summary(call).is_some_and(|summary| summary.end.is_some())
    }

    /// A supervisor acts on a call, wherever it is; one that is just moving is waited for, and so is
    /// a line that was lost.
    pub async fn act(&self, call: &CallSid, order: SupervisorAction) -> Result<(), ActError> {
        numbers::unfolded_for(&order.action).await;
        let retry = RetryLimit::of(self, limits::ORDER);
        loop {
            let limit = retry.left().max(ORDER_LEAST);
            match self.try_act(call, &order, limit).await {
                ControlFlow::Break(done) => return done,
                ControlFlow::Continue(why) if retry.is_over() => return Err(why),
                ControlFlow::Continue(_) => sleep(ORDER_TRY).await,
            }
        }
    }

    /// Goes on, with why, if nothing was done but may be in a moment.
    async fn try_act(
        &self,
        call: &CallSid,
        order: &SupervisorAction,
        limit: Duration,
    ) -> ControlFlow<Result<(), ActError>, ActError> {
        if let Some(handle) = self.find(call)
            && let Some(answer) =
                handle.ask(|reply| CallMessage::Act { order: order.clone(), reply }).await
        {
            return done(answer);
        }
        if let Some(cluster) = &self.cluster {
            let told = self.known_here(call, cluster.order(call, order, limit).await);
            // A node that may be alive is not robbed.
            if matches!(told, Err(Unreached::Silent))
                && !order.action.needs_line()
                && matches!(cluster.owner_lives(call).await, Ok(Some(false)))
            {
                return self.act_on_resumed(call, order).await;
            }
            return match told {
                Ok(Reply::Done) => done(Ok(())),
                Ok(Reply::Refused(refused)) => done(Err(refused)),
                // Nothing was done, and will not be.
                Ok(Reply::Gone) => ControlFlow::Continue(Unreached::Moving.into()),
                Err(not_yet @ (Unreached::Moving | Unreached::Silent | Unreached::NoRedis)) => {
                    ControlFlow::Continue(not_yet.into())
                }
                Ok(Reply::Next(_) | Reply::Token(_) | Reply::Released(_)) => {
                    ControlFlow::Break(Err(Unreached::Silent.into()))
                }
                Err(unreached) => ControlFlow::Break(Err(unreached.into())),
            };
        }
        ControlFlow::Break(match self.history.summary(call).await {
            Err(error) => Err(error.into()),
            Ok(None) => Err(Unreached::Unknown.into()),
            Ok(Some(summary)) if summary.end.is_some() => Err(Unreached::Ended.into()),
            Ok(Some(_)) if !order.action.needs_line() => {
                return self.act_on_resumed(call, order).await;
            }
            Ok(Some(_)) => return ControlFlow::Continue(ActError::Lost),
        })
    }

    /// Goes on with a call whose process is dead, to do what needs no line.
    async fn act_on_resumed(
        &self,
        call: &CallSid,
        order: &SupervisorAction,
    ) -> ControlFlow<Result<(), ActError>, ActError> {
        // What goes on here now is told to stop at once.
        if self.shutdown.stop.is_cancelled() {
            return ControlFlow::Continue(ActError::Lost);
        }
        let handle = match self.resume_from(call, None).await {
            Ok(handle) => handle,
            Err(FailoverError::Over) => return ControlFlow::Break(Err(Unreached::Ended.into())),
            Err(FailoverError::Unknown) => {
                return ControlFlow::Break(Err(Unreached::Unknown.into()));
            }
            Err(FailoverError::Gone) => return ControlFlow::Continue(ActError::Lost),
            Err(FailoverError::Unreached(why)) => return ControlFlow::Continue(why.into()),
            Err(FailoverError::Redis(_)) => {
                return ControlFlow::Continue(Unreached::NoRedis.into());
            }
            Err(FailoverError::Store(error)) => return ControlFlow::Continue(error.into()),
        };
        match handle.ask(|reply| CallMessage::Act { order: order.clone(), reply }).await {
            Some(answer) => done(answer),
            None => ControlFlow::Continue(ActError::Lost),
        }
    }

    /// Goes on with a call that is not here. The process that has it, if it still answers, lets go
    /// of it first; if it does not, what it writes from now on is refused. `None` if the call is
    /// over or unknown.
    pub async fn resume(&self, call: &CallSid) -> Option<Handle> {
        match self.resume_from(call, None).await {
            Ok(handle) => Some(handle),
            Err(error) => {
                tracing::warn!(callSid = %call, why = %error, "a call cannot go on here");
                None
            }
        }
    }

    /// As [`Self::resume`]; `holder` is the node that had the call last, as far as we were told.
    async fn resume_from(
        &self,
        call: &CallSid,
        holder: Option<&str>,
    ) -> Result<Handle, FailoverError> {
        if self.has_ended_here(call) {
            return Err(FailoverError::Over);
        }
        let stop = self.shutdown.stop.child_token();
        // Who comes second finds the call's place taken, and waits in its mailbox.
        let Some(registered) = self.registry.register(call, stop) else {
            return self.find(call).ok_or(FailoverError::Gone);
        };
        let handle = self.find(call).ok_or(FailoverError::Gone)?;
        self.take_up(call, registered, holder).await?;
        Ok(handle)
    }

    async fn take_up(
        &self,
        call: &CallSid,
        registered: Registered,
        holder: Option<&str>,
    ) -> Result<(), FailoverError> {
        let Some(store) = self.history.store() else { return Err(FailoverError::Over) };
        let released = match &self.cluster {
            Some(cluster) => match released(cluster, call, holder).await {
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
                Some(summary) if summary.end.is_some() => return Err(FailoverError::Over),
                // What its owner wrote last has come in meanwhile.
                Some(_) => store.claim(call).await?.ok_or(FailoverError::Over)?,
                None if kept.is_empty() => return Err(FailoverError::Unknown),
                // The store does not know it yet, or has forgotten it; its owner does.
                None => FIRST_TERM + 1,
            },
        };
        let events: Vec<Event> =
            kept.iter().filter_map(|event| serde_json::from_str(event).ok()).collect();
        let Some(start) = events.first() else { return Err(FailoverError::Over) };
        let Some(identity) = Identity::of_start(start) else { return Err(FailoverError::Over) };
        let agent = self.agents.of_start(&start.body, &self.config);
        tracing::info!(callSid = %call, term, events = events.len(), "a call goes on here");
        // What a living owner told may not be in the store, and he cannot write it there any more.
        let publisher = self.hub.reopen(call, entries(&kept), term, !was_released);
        let line_since = self.line_since(&events);
        self.begin(
            registered,
            identity,
            agent,
            publisher,
            Before::Kept(Past { events, line_since }),
        );
        Ok(())
    }

    /// Since when the line of a call that goes on here costs money that is not in the day's sum;
    /// `None` if it was not up yet. Several servers tell each other every second what theirs cost.
    fn line_since(&self, events: &[Event]) -> Option<Instant> {
        let up = events.iter().find(|event| matches!(event.body, EventBody::Connected))?;
        let now = (self.clock.now)();
        if self.cluster.is_some() {
            return Some(now);
        }
        let age = (self.clock.wall)().duration_since(up.at).unsigned_abs();
        Some(now.checked_sub(age).unwrap_or(now))
    }
}

/// What the call says to an order; one whose line is lost may take it in a moment.
fn done(done: Result<(), Refused>) -> ControlFlow<Result<(), ActError>, ActError> {
    match done {
        Err(lost @ Refused::LineLost) => ControlFlow::Continue(lost.into()),
        done => ControlFlow::Break(done.map_err(ActError::from)),
    }
}

/// Why a call cannot go on here, now or at all.
#[derive(Debug, thiserror::Error)]
enum FailoverError {
    /// It is over.
    #[error("the call is over")]
    Over,
    /// Nobody knows of it, or not yet.
    #[error("nobody knows of the call")]
    Unknown,
    /// It ended, or left, just when it was asked.
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

/// For how long something is tried again that has somebody waiting.
struct RetryLimit {
    now: fn() -> Instant,
    until: Instant,
}

impl RetryLimit {
    fn of(switchboard: &Calls, limit: Duration) -> Self {
        let now = switchboard.clock.now;
        Self { now, until: now() + limit }
    }

    fn is_over(&self) -> bool {
        (self.now)() >= self.until
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since((self.now)())
    }

    /// Waits a moment before the next attempt; `None` if it is too late for one.
    async fn with(&self, call: &CallSid, error: &FailoverError) -> Option<()> {
        if self.is_over() {
            tracing::warn!(callSid = %call, why = %error, "a call cannot go on here");
            return None;
        }
        tracing::debug!(callSid = %call, why = %error, "once more");
        sleep(AGAIN).await;
        Some(())
    }
}

/// Has whoever holds a call let go of it. A call that has just begun may not be in the store yet.
async fn released(
    cluster: &Cluster,
    call: &CallSid,
    holder: Option<&str>,
) -> Result<Reply, Unreached> {
    match (cluster.ask(call, Request::Release).await, holder) {
        (Err(Unreached::Unknown), Some(holder)) => {
            cluster.ask_node(holder, call, Request::Release).await
        }
        (answer, _) => answer,
    }
}

async fn ask(handle: &Handle, report: &LegReport) -> Option<Next> {
    handle.ask(|reply| CallMessage::LegEnded { report: report.clone(), reply }).await
}
