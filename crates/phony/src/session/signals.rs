//! What can be wanted of a call from outside its world.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::crew::Part;

/// There are not more of them in a call.
const QUEUE: usize = 4;

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

/// What came; each at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Everything ends at once.
    Kill,
    /// The call has another owner: not a word more.
    Lost,
    /// The call shall be left to another server.
    HandOver,
    /// The call shall say goodbye.
    Stop,
}

impl Signals {
    /// The part that watches, and where it says what came. It ends with its listener.
    pub(super) fn watch(self) -> (Part, mpsc::Receiver<Signal>) {
        let (tell, signalled) = mpsc::channel(QUEUE);
        (Part::new(self.tell(tell)), signalled)
    }

    async fn tell(self, tell: mpsc::Sender<Signal>) {
        let (mut stopping, mut leaving) = (false, false);
        loop {
            let signal = tokio::select! {
                biased;
                () = tell.closed() => return,
                () = self.kill.cancelled() => Signal::Kill,
                () = self.lost.cancelled() => Signal::Lost,
                () = self.hand_over.cancelled(), if !leaving && !stopping => {
                    leaving = true;
                    Signal::HandOver
                }
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    Signal::Stop
                }
            };
            let last = matches!(signal, Signal::Kill | Signal::Lost);
            // The listener needs no more than it has been told.
            if tell.send(signal).await.is_err() || last {
                return;
            }
        }
    }
}
