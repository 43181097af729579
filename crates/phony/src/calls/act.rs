//! A supervisor's action on a call: carried out here, on the node that has the call, or on the call
//! resumed here if its process is dead and the action needs no line. Owns no state; the override
//! endpoints of the API call it.

use std::ops::ControlFlow;
use std::time::Duration;

use phony_call::{CallSid, Refused};
use tokio::time::sleep;

use super::Calls;
use super::error::ActError;
use super::failover::{FailoverError, RetryLimit};
use super::registry::CallMessage;
use crate::cluster::{Reply, SupervisorAction, Unreached};
use crate::numbers;
use crate::timeouts;

/// How long to wait between two attempts at a call that moves.
const ACTION_INTERVAL: Duration = Duration::from_millis(15);
/// The least time that another node has to carry out an action.
const ACTION_LEAST: Duration = Duration::from_millis(500);

impl Calls {
    /// Carries out a supervisor's action on a call, on whichever node that is. Retries while the
    /// call fails over or has lost its line, for at most `timeouts::ACTION`.
    pub async fn act(&self, call: &CallSid, action: SupervisorAction) -> Result<(), ActError> {
        numbers::load_for(&action.action).await;
        let retry = RetryLimit::new(self, timeouts::ACTION);
        loop {
            let limit = retry.remaining().max(ACTION_LEAST);
            match self.try_act(call, &action, limit).await {
                ControlFlow::Break(done) => return done,
                ControlFlow::Continue(why) if retry.is_over() => return Err(why),
                ControlFlow::Continue(_) => sleep(ACTION_INTERVAL).await,
            }
        }
    }

    /// `Continue` says why nothing was done yet, when another attempt may succeed.
    async fn try_act(
        &self,
        call: &CallSid,
        action: &SupervisorAction,
        limit: Duration,
    ) -> ControlFlow<Result<(), ActError>, ActError> {
        if let Some(handle) = self.find(call)
            && let Some(answer) =
                handle.ask(|reply| CallMessage::Act { action: action.clone(), reply }).await
        {
            return done(answer);
        }
        if let Some(cluster) = &self.cluster {
            let told = self.known_here(call, cluster.act(call, action, limit).await);
            // No call is taken from a node that may be alive.
            if matches!(told, Err(Unreached::Silent))
                && !action.action.needs_line()
                && matches!(cluster.is_owner_alive(call).await, Ok(Some(false)))
            {
                return self.act_on_resumed(call, action).await;
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
            Ok(Some(line)) if line.end.is_some() => Err(Unreached::Ended.into()),
            Ok(Some(_)) if !action.action.needs_line() => {
                return self.act_on_resumed(call, action).await;
            }
            Ok(Some(_)) => return ControlFlow::Continue(ActError::Lost),
        })
    }

    /// Resumes a call whose process is dead, to carry out an action that needs no line.
    async fn act_on_resumed(
        &self,
        call: &CallSid,
        action: &SupervisorAction,
    ) -> ControlFlow<Result<(), ActError>, ActError> {
        // A call that is resumed now would be stopped at once.
        if self.shutdown.stop.is_cancelled() {
            return ControlFlow::Continue(ActError::Lost);
        }
        let handle = match self.resume_from(call, None).await {
            Ok(handle) => handle,
            Err(FailoverError::Ended) => return ControlFlow::Break(Err(Unreached::Ended.into())),
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
        match handle.ask(|reply| CallMessage::Act { action: action.clone(), reply }).await {
            Some(answer) => done(answer),
            None => ControlFlow::Continue(ActError::Lost),
        }
    }
}

/// The outcome of an action; a call whose line is lost may accept the action in a moment.
fn done(done: Result<(), Refused>) -> ControlFlow<Result<(), ActError>, ActError> {
    match done {
        Err(lost @ Refused::LineLost) => ControlFlow::Continue(lost.into()),
        done => ControlFlow::Break(done.map_err(ActError::from)),
    }
}
