//! Ends a call at the carrier when no line of it is left here. Owned by the actor of the call; what
//! outlives the call runs among the server's tasks.

use std::sync::Arc;
use std::time::Duration;

use phony_call::{CallSid, NotHungUp, Refused};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::calls::registry::{CallMessage, Handle};
use crate::carriers::twilio::account::Account;
use crate::events::Publisher;

/// How long to wait for the store before answering.
const WRITING: Duration = Duration::from_secs(1);

/// Ends one call at the carrier.
#[derive(Debug, Clone)]
pub struct HangUp {
    /// The call.
    pub call: CallSid,
    /// The account at the carrier.
    pub account: Arc<Account>,
    /// Runs what outlives the call.
    pub tasks: TaskTracker,
    /// Stops that at once.
    pub kill: CancellationToken,
}

impl HangUp {
    /// Asks the carrier once, and sends the call its answer. If the call has ended by then and the
    /// carrier has not ended it, retries here until it has.
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

    /// Tells the waiting supervisors that the carrier has not ended the call and will be asked
    /// again, once that is stored, so that it survives a crash of this process.
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
