//! A bounded channel between two tasks of one call.
//!
//! tokio's allocates 32 slots at once and pads its ends for threads that use them concurrently:
//! half a kilobyte and a dozen cache lines, of which a call would have four. The tasks of a call
//! take turns, and its memory is cold whenever a token arrives (docs/decisions/0012).

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::mpsc::error::TrySendError;

/// A channel that holds up to `room` messages.
#[must_use]
pub fn channel<T>(room: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Mutex::new(Shared {
        messages: VecDeque::new(),
        room,
        closed: false,
        receiver: None,
        sender: None,
    }));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

/// The sending end. Dropping it closes the channel once it is empty.
pub struct Sender<T>(Arc<Mutex<Shared<T>>>);

/// The receiving end. Dropping it drops the waiting messages.
pub struct Receiver<T>(Arc<Mutex<Shared<T>>>);

struct Shared<T> {
    messages: VecDeque<T>,
    room: usize,
    /// One end was dropped.
    closed: bool,
    /// Wakes the receiver for the next message.
    receiver: Option<Waker>,
    /// Wakes the sender when there is room.
    sender: Option<Waker>,
}

impl<T> Sender<T> {
    /// Sends a message if there is room.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let mut shared = lock(&self.0);
        if shared.closed {
            return Err(TrySendError::Closed(message));
        }
        if shared.messages.len() >= shared.room {
            return Err(TrySendError::Full(message));
        }
        shared.messages.push_back(message);
        wake(shared.receiver.take(), shared);
        Ok(())
    }

    /// Sends a message as soon as there is room; returns it if the receiver was dropped.
    pub async fn send(&self, message: T) -> Result<(), T> {
        let mut message = message;
        loop {
            match self.try_send(message) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Closed(message)) => return Err(message),
                Err(TrySendError::Full(back)) => message = back,
            }
            self.room().await;
        }
    }

    /// Waits until there is room; false if the receiver was dropped. Safe to cancel.
    pub async fn room(&self) -> bool {
        std::future::poll_fn(|context| {
            let mut shared = lock(&self.0);
            if shared.closed {
                return Poll::Ready(false);
            }
            if shared.messages.len() < shared.room {
                return Poll::Ready(true);
            }
            remember(&mut shared.sender, context);
            Poll::Pending
        })
        .await
    }

    /// Waits until the receiver is dropped.
    pub async fn closed(&self) {
        std::future::poll_fn(|context| {
            let mut shared = lock(&self.0);
            if shared.closed {
                return Poll::Ready(());
            }
            remember(&mut shared.sender, context);
            Poll::Pending
        })
        .await;
    }
}

impl<T> Receiver<T> {
    /// The next message; `None` when the channel is closed and empty. Safe to cancel.
    pub async fn recv(&mut self) -> Option<T> {
        std::future::poll_fn(|context| {
            let mut shared = lock(&self.0);
            match shared.messages.pop_front() {
                Some(message) => {
                    wake(shared.sender.take(), shared);
                    Poll::Ready(Some(message))
                }
                None if shared.closed => Poll::Ready(None),
                None => {
                    remember(&mut shared.receiver, context);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// The next message, if one waits.
    pub fn try_recv(&mut self) -> Option<T> {
        let mut shared = lock(&self.0);
        let message = shared.messages.pop_front()?;
        wake(shared.sender.take(), shared);
        Some(message)
    }

    /// How many messages wait.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.0).messages.len()
    }

    /// Whether no message waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut shared = lock(&self.0);
        shared.closed = true;
        wake(shared.receiver.take(), shared);
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut shared = lock(&self.0);
        shared.closed = true;
        // Dropping a message may wake a task, so it must not happen under the lock.
        let _waiting = std::mem::take(&mut shared.messages);
        wake(shared.sender.take(), shared);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}

/// Releases the lock, then wakes.
fn wake<T>(waker: Option<Waker>, shared: MutexGuard<'_, Shared<T>>) {
    drop(shared);
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn remember(slot: &mut Option<Waker>, context: &Context<'_>) {
    if !slot.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
        *slot = Some(context.waker().clone());
    }
}

fn lock<T>(shared: &Mutex<Shared<T>>) -> MutexGuard<'_, Shared<T>> {
    // Nothing is done under the lock that could leave it half changed.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;
    use tokio_util::task::TaskTracker;

    use super::*;

    /// Nothing here takes nearly as long.
    const LIMIT: Duration = Duration::from_secs(5);

    async fn in_time<T>(future: impl Future<Output = T>) -> T {
        timeout(LIMIT, future).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn messages_arrive_once_and_in_order_between_threads() {
        const MESSAGES: usize = 20_000;
        let (tx, mut rx) = channel(3);
        let sending = TaskTracker::new().spawn(async move {
            for number in 0..MESSAGES {
                tx.send(number).await.unwrap();
            }
        });
        for number in 0..MESSAGES {
            assert_eq!(in_time(rx.recv()).await, Some(number));
        }
        assert_eq!(in_time(rx.recv()).await, None);
        in_time(sending).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_channel_takes_no_more() {
        let (tx, mut rx) = channel(2);
        tx.try_send(1).unwrap();
        tx.try_send(2).unwrap();
        assert!(matches!(tx.try_send(3), Err(TrySendError::Full(3))));
        assert!(timeout(Duration::from_millis(10), tx.room()).await.is_err());
        let (room, taken) = tokio::join!(in_time(tx.room()), async { rx.try_recv() });
        assert_eq!((room, taken, rx.len()), (true, Some(1), 1));
        tx.try_send(3).unwrap();
        drop(tx);
        assert_eq!((rx.recv().await, rx.recv().await, rx.recv().await), (Some(2), Some(3), None));
    }

    #[tokio::test]
    async fn each_end_learns_that_the_other_was_dropped() {
        let (tx, rx) = channel(1);
        tx.try_send("waits").unwrap();
        let (sent, ()) = tokio::join!(in_time(tx.send("late")), async { drop(rx) });
        assert_eq!(sent, Err("late"));
        in_time(tx.closed()).await;
        assert!(!tx.room().await && matches!(tx.try_send("x"), Err(TrySendError::Closed("x"))));
        let (tx, mut rx) = channel::<()>(1);
        let (taken, ()) = tokio::join!(in_time(rx.recv()), async { drop(tx) });
        assert_eq!(taken, None);
    }
}
