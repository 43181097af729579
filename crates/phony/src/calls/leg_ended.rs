//! The carrier's question how a call continues after a line, or a leg that it dialled, has ended.
//! Asks the call here, then the node that has it, and resumes it here if no node answers. Owns no
//! state; the Twilio webhooks call it.

use std::time::Duration;

use phony_call::{CallSid, LegEnd, LegReport, Next, Parting};

use super::Calls;
use super::failover::{FailoverError, RetryLimit};
use super::registry::{CallMessage, Handle};
use crate::cluster::{Reply, Request, Unreached};

/// How long an answer is sought. The carrier waits for 15 s.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How long a call is looked for that no node knows.
const UNHEARD_LIMIT: Duration = Duration::from_secs(1);
/// How long to wait for Redis before the carrier is told to open a new socket without knowing which
/// node has the call.
const BLIND_LIMIT: Duration = Duration::from_secs(2);

impl Calls {
    /// Answers the carrier's question how a call continues after a line or a dialled leg has ended,
    /// on whichever node the call is; `None` if no node knows it. A call whose node does not answer
    /// fails over to this one. A wrong answer loses the caller, so this retries for as long as the
    /// carrier waits.
    pub async fn leg_ended(&self, call: &CallSid, report: &LegReport) -> Option<Next> {
        let goes_on = matches!(report.end, LegEnd::Failed | LegEnd::Left(Parting::Return));
        let (retry, unheard) =
            (RetryLimit::new(self, ANSWER_LIMIT), RetryLimit::new(self, UNHEARD_LIMIT));
        let blind = RetryLimit::new(self, BLIND_LIMIT);
        loop {
            let error = match self.next_of(call, report, goes_on).await {
                Ok(next) => return Some(next),
                Err(error) => error,
            };
            match &error {
                // The node that opened it may not have written that yet.
                FailoverError::Unknown if goes_on && self.cluster.is_some() => {
                    unheard.wait(call, &error).await?;
                }
                FailoverError::Ended | FailoverError::Unknown => return None,
                FailoverError::Unreached(_)
                    if goes_on && blind.is_over() && self.socket_tokens.may_send_blindly(call) =>
                {
                    return Some(Next::Reconnect);
                }
                FailoverError::Gone
                | FailoverError::Unreached(_)
                | FailoverError::Redis(_)
                | FailoverError::Store(_) => {
                    retry.wait(call, &error).await?;
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
                Err(Unreached::Ended) => return Err(FailoverError::Ended),
                Err(why @ (Unreached::NoRedis | Unreached::Uncertain)) => {
                    return Err(FailoverError::Unreached(why));
                }
            }
            // A node that drains leaves the call to the one that gets the socket.
            if self.shutdown.drain.is_cancelled() && goes_on {
                return Ok(Next::Reconnect);
            }
        }
        ask(&self.resume_from(call, None).await?, report).await.ok_or(FailoverError::Gone)
    }
}

async fn ask(handle: &Handle, report: &LegReport) -> Option<Next> {
    handle.ask(|reply| CallMessage::LegEnded { report: report.clone(), reply }).await
}
