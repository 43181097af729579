//! Turns the server's cancellation tokens into [`Signal`] messages to the call. Its task runs
//! beside the actor and ends with the call's mailbox.

use tokio_util::sync::CancellationToken;

use crate::calls::registry::{CallMessage, Handle, Signal};
use crate::runtime::task_set::Task;

/// The tokens that are watched. All calls share some of them, and polling one takes a lock, so the
/// actor does not poll them with every message.
pub(super) struct Signals {
    /// End at once.
    pub(super) kill: CancellationToken,
    /// Another node owns the call.
    pub(super) lost: CancellationToken,
    /// Leave the call to another node.
    pub(super) hand_over: CancellationToken,
    /// Say goodbye and end.
    pub(super) stop: CancellationToken,
}

impl Signals {
    /// The task that watches the tokens and sends the signals.
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
            // Nothing follows these signals.
            if !call.send(CallMessage::Signal(signal)).await || last {
                return;
            }
        }
    }
}
