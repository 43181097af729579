//! The carrier's questions how a call goes on, and those that wait for the end of its line. Owned by
//! the actor of the call, which decides.

use std::time::Duration;

use phony_call::{LegReport, Next};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::calls::registry::{CallMessage, Handle, MAILBOX};
use crate::runtime::task_set::Task;

use super::CallActor;

/// How long to wait for the end of the line after a report that names no line. Another node waits
/// for the answer for 1.5 s at most.
const AMBIGUITY_LIMIT: Duration = Duration::from_secs(1);

/// A report that names no line while one is connected.
pub(super) type AmbiguousReport = (LegReport, oneshot::Sender<Next>);

impl CallActor {
    /// Answers the carrier's question how the call continues.
    pub(super) fn leg_ended(&mut self, report: LegReport, reply: oneshot::Sender<Next>) {
        let (next, outputs) = self.call.leg_ended(super::now(), &report);
        self.perform(outputs);
        if next.is_none() && self.line.is_some() && self.ambiguous.len() < MAILBOX {
            self.ambiguous.push((report, reply));
            self.tasks.spawn(Task::new(ambiguity_timeout(self.handle.clone())));
            return;
        }
        // The receiver may be gone.
        drop(reply.send(next.unwrap_or(Next::Nothing)));
    }

    /// The line has ended, so the ambiguous reports were about it.
    pub(super) fn accept_ambiguous(&mut self) {
        for (report, reply) in std::mem::take(&mut self.ambiguous) {
            let (next, outputs) = self.call.leg_ended(super::now(), &report);
            self.perform(outputs);
            drop(reply.send(next.unwrap_or(Next::Nothing)));
        }
    }

    /// The line did not end in time, so the ambiguous reports were not about it.
    pub(super) fn reject_ambiguous(&mut self) {
        if self.line.is_none() {
            return self.accept_ambiguous();
        }
        for (_, reply) in self.ambiguous.drain(..) {
            drop(reply.send(Next::Nothing));
        }
    }
}

async fn ambiguity_timeout(call: Handle) {
    sleep(AMBIGUITY_LIMIT).await;
    call.send(CallMessage::AmbiguityTimeout).await;
}
