//! What can be wanted of a call from outside its world.

use tokio_util::sync::CancellationToken;

use crate::calls::registry::{CallMessage, Handle, Signal};
use crate::runtime::task_set::Task;

/// What is watched. All calls have some of these tokens in common, and each look at one takes a
/// lock: they are looked at when they are cancelled, and not with every word.
pub(super) struct Signals {
    /// Everything ends at once.
    pub(super) kill: CancellationToken,
    /// The call has another owner.
    pub(super) lost: CancellationToken,
    /// The call shall be left to another server.
    pub(super) hand_over: CancellationToken,
    /// The call shall say goodbye.
    pub(super) stop: CancellationToken,
}

impl Signals {
    /// The part that watches, and tells the call what came. It ends with the call's mailbox.
    pub(super) fn watch(self, call: Handle) -> Task {
        Task::new(self.tell(call))
    }

    async fn tell(self, call: Handle) {
        let (mut stopping, mut leaving) = (false, false);
        loop {
            let signal = tokio::select! {
                biased;
                () = call.closed() => return,
                () = self.kill.cancelled() => Signal::Kill,
                () = self.lost.cancelled() => Signal::Released,
                () = self.hand_over.cancelled(), if !leaving && !stopping => {
                    leaving = true;
                    Signal::HandOver
                }
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    Signal::Stop
                }
            };
            let last = matches!(signal, Signal::Kill | Signal::Released);
            // The listener needs no more than it has been told.
            if !call.send(CallMessage::Signal(signal)).await || last {
                return;
            }
        }
    }
}
