//! The carrier is asked to end a call of which no line is left here.

use std::sync::Arc;
use std::time::Duration;

use phony_call::{CallSid, NotHungUp, Refused};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::calls::registry::{CallMessage, Handle};
use crate::carriers::twilio::account::Account;
use crate::events::Publisher;

/// How long an answer waits for the store.
const WRITING: Duration = Duration::from_secs(1);

/// How a call is ended at its carrier.
#[derive(Debug, Clone)]
pub struct HangUp {
    /// The call.
    pub call: CallSid,
    /// The account at the carrier.
    pub account: Arc<Account>,
    /// Where what goes on after the call runs.
    pub tasks: TaskTracker,
    /// Ends that at once.
    pub kill: CancellationToken,
}

impl HangUp {
    /// Asks the carrier once, and tells the call what it said. A call that is over by then does not
    /// ask again, so that is done here.
    pub(super) fn ask(&self, handle: Handle) {
        let Self { call, account, tasks, kill } = self.clone();
        tasks.spawn(async move {
            let asking = async {
                let outcome = account.hang_up(&call).await;
                let failed = outcome.is_err();
                if !handle.send(CallMessage::HungUp(outcome)).await && failed {
                    account.hang_up_until_done(&call).await;
                }
            };
            kill.run_until_cancelled(asking).await;
        });
    }

    /// Tells who waits for the end of the call that the carrier has not ended it and will be asked
    /// again: once that is written, so that it is done whatever becomes of this process.
    pub(super) fn promise(
        &self,
        record: Publisher,
        waiting: Vec<oneshot::Sender<Result<(), Refused>>>,
        why: NotHungUp,
    ) {
        if waiting.is_empty() {
            return;
        }
        let call = self.call.clone();
        self.tasks.spawn(async move {
            if !record.flush(WRITING).await {
                tracing::warn!(callSid = %call, "an end that was ordered is not written yet");
            }
            for reply in waiting {
                drop(reply.send(Err(Refused::NotHungUp(why.clone()))));
            }
        });
    }
}
