//! The carrier's reports on calls: progress, who answered, the end. Delivers each to its call, here
//! or on another node, and keeps those that cannot be delivered yet (a semaphore bounds how many).
//! The Twilio webhooks call it.

use std::sync::Arc;
use std::time::Duration;

use phony_call::CallSid;
use tokio::time::sleep;

use super::Calls;
use super::error::ReportNotDelivered;
use super::failover::FailoverError;
use crate::cluster::{Report, Request, Unreached};

/// How often the delivery of a report is retried.
const REPORT_TRIES: u32 = 600;
/// How long to wait between two attempts.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

impl Calls {
    /// Delivers a carrier's report to its call, on whichever node that is. Of a call that no node
    /// has, only the end matters. A report that cannot be delivered now is retried in the
    /// background; the carrier gets an error all the same and sends it again, because this process
    /// may not live that long.
    pub async fn deliver(
        self: &Arc<Self>,
        call: &CallSid,
        report: Report,
    ) -> Result<(), ReportNotDelivered> {
        let Err(error) = self.try_deliver(call, report).await else { return Ok(()) };
        tracing::warn!(callSid = %call, why = %error, "a carrier's report is passed on later");
        metrics::counter!("phony_reports_kept_total").increment(1);
        if let Ok(place) = Arc::clone(&self.reports).try_acquire_owned() {
            let (this, call) = (Arc::clone(self), call.clone());
            self.tasks.spawn(async move {
                let drain = this.shutdown.drain.clone();
                let told = drain.run_until_cancelled(this.deliver_later(&call, report)).await;
                if told != Some(true) {
                    tracing::error!(callSid = %call, "a carrier's report was not passed on");
                }
                drop(place);
            });
        }
        Err(ReportNotDelivered { why: error.to_string(), again: REPORT_INTERVAL })
    }

    /// Retries until the report is delivered; false if it was not within [`REPORT_TRIES`].
    async fn deliver_later(&self, call: &CallSid, report: Report) -> bool {
        for _ in 0..REPORT_TRIES {
            sleep(REPORT_INTERVAL).await;
            if self.try_deliver(call, report).await.is_ok() {
                return true;
            }
        }
        false
    }

    async fn try_deliver(&self, call: &CallSid, report: Report) -> Result<(), FailoverError> {
        if let Some(handle) = self.find(call)
            && handle.send(report.into()).await
        {
            return Ok(());
        }
        // Another node may still believe that it owns the call.
        if self.has_ended_here(call) {
            return Ok(());
        }
        let is_end = matches!(report, Report::Over(_));
        if is_end {
            self.ended.note(call);
        }
        if let Some(cluster) = &self.cluster {
            match self.ask_elsewhere(cluster, call, Request::Report(report)).await {
                Err(Unreached::NoRedis) => {
                    return Err(FailoverError::Unreached(Unreached::NoRedis));
                }
                Err(Unreached::Moving) if !is_end => return Err(FailoverError::Gone),
                Err(Unreached::Silent | Unreached::Uncertain | Unreached::Moving) => {}
                Err(Unreached::Unknown) if is_end => {
                    cluster.mark_ended(call).await;
                    return Ok(());
                }
                Ok(_) | Err(Unreached::Unknown | Unreached::Ended) => return Ok(()),
            }
        } else if self.history.summary(call).await?.is_none_or(|line| line.end.is_some()) {
            return Ok(());
        }
        if !is_end {
            return Ok(());
        }
        match self.resume_from(call, None).await {
            Ok(handle) if handle.send(report.into()).await => Ok(()),
            Ok(_) => Err(FailoverError::Gone),
            Err(FailoverError::Ended | FailoverError::Unknown) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
