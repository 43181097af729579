//! A bounded queue from one part of a call to another.
//!
//! tokio's has room for 32 messages from the start, and lays its ends out for threads that use them
//! at the same time: half a kilobyte and a dozen cache lines, of which a call would have four. The
//! parts of a call take turns, and its memory is cold whenever a word comes (docs/decisions/0012).

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::mpsc::error::TrySendError;

/// A queue with room for so many messages.
#[must_use]
pub fn queue<T>(room: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Mutex::new(Shared {
        messages: VecDeque::new(),
        room,
        closed: false,
        taker: None,
        giver: None,
    }));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

/// Puts messages in. Dropping it ends the queue once it is empty.
pub struct Sender<T>(Arc<Mutex<Shared<T>>>);

/// Takes messages out. Dropping it drops those that wait.
pub struct Receiver<T>(Arc<Mutex<Shared<T>>>);

struct Shared<T> {
    messages: VecDeque<T>,
    room: usize,
    /// One of the ends is gone.
    closed: bool,
    /// Wants to know of the next message.
    taker: Option<Waker>,
    /// Wants to know when there is room.
    giver: Option<Waker>,
}

impl<T> Sender<T> {
    /// Puts a message in, if there is room.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let mut shared = lock(&self.0);
        if shared.closed {
            return Err(TrySendError::Closed(message));
        }
        if shared.messages.len() >= shared.room {
            return Err(TrySendError::Full(message));
        }
        shared.messages.push_back(message);
        wake(shared.taker.take(), shared);
        Ok(())
    }

    /// Puts a message in as soon as there is room; gives it back if nobody takes any more.
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

    /// Waits until there is room; false if nobody takes any more. May be dropped and called again.
    pub async fn room(&self) -> bool {
        std::future::poll_fn(|context| {
            let mut shared = lock(&self.0);
            if shared.closed {
                return Poll::Ready(false);
            }
            if shared.messages.len() < shared.room {
                return Poll::Ready(true);
            }
            remember(&mut shared.giver, context);
            Poll::Pending
        })
        .await
    }

    /// Waits until nobody takes any more.
    pub async fn closed(&self) {
        std::future::poll_fn(|context| {
            let mut shared = lock(&self.0);
            if shared.closed {
                return Poll::Ready(());
            }
            remember(&mut shared.giver, context);
            Poll::Pending
        })
        .await;
    }
}

impl<T> Receiver<T> {
    /// The next message; `None` when there are no more and none will come. May be dropped and
    /// called again.
    pub async fn recv(&mut self) -> Option<T> {
        std::future::poll_fn(|context| {
            let mut shared = lock(&self.0);
            match shared.messages.pop_front() {
                Some(message) => {
                    wake(shared.giver.take(), shared);
                    Poll::Ready(Some(message))
                }
                None if shared.closed => Poll::Ready(None),
                None => {
                    remember(&mut shared.taker, context);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// The next message, if there is one.
    pub fn try_recv(&mut self) -> Option<T> {
        let mut shared = lock(&self.0);
        let message = shared.messages.pop_front()?;
        wake(shared.giver.take(), shared);
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
        wake(shared.taker.take(), shared);
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut shared = lock(&self.0);
        shared.closed = true;
        // They may hold what wakes somebody when it is dropped: not under the lock.
        let _waiting = std::mem::take(&mut shared.messages);
        wake(shared.giver.take(), shared);
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

/// Wakes whoever waits, with the lock given back.
fn wake<T>(waker: Option<Waker>, shared: MutexGuard<'_, Shared<T>>) {
    drop(shared);
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn remember(place: &mut Option<Waker>, context: &Context<'_>) {
    if !place.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
        *place = Some(context.waker().clone());
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
    const PATIENCE: Duration = Duration::from_secs(5);

    async fn in_time<T>(future: impl Future<Output = T>) -> T {
        timeout(PATIENCE, future).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn everything_arrives_once_and_in_order_between_threads() {
        const MESSAGES: usize = 20_000;
        let (give, mut take) = queue(3);
        let giving = TaskTracker::new().spawn(async move {
            for number in 0..MESSAGES {
                give.send(number).await.unwrap();
            }
        });
        for number in 0..MESSAGES {
            assert_eq!(in_time(take.recv()).await, Some(number));
        }
        assert_eq!(in_time(take.recv()).await, None);
        in_time(giving).await.unwrap();
    }

    #[tokio::test]
    async fn it_holds_no_more_than_it_has_room_for() {
        let (give, mut take) = queue(2);
        give.try_send(1).unwrap();
        give.try_send(2).unwrap();
        assert!(matches!(give.try_send(3), Err(TrySendError::Full(3))));
        assert!(timeout(Duration::from_millis(10), give.room()).await.is_err());
        let (room, taken) = tokio::join!(in_time(give.room()), async { take.try_recv() });
        assert_eq!((room, taken, take.len()), (true, Some(1), 1));
        give.try_send(3).unwrap();
        drop(give);
        assert_eq!(
            (take.recv().await, take.recv().await, take.recv().await),
            (Some(2), Some(3), None)
        );
    }

    #[tokio::test]
    async fn each_end_learns_that_the_other_is_gone() {
        let (give, take) = queue(1);
        give.try_send("waits").unwrap();
        let (sent, ()) = tokio::join!(in_time(give.send("late")), async { drop(take) });
        assert_eq!(sent, Err("late"));
        in_time(give.closed()).await;
        assert!(!give.room().await && matches!(give.try_send("x"), Err(TrySendError::Closed("x"))));
        let (give, mut take) = queue::<()>(1);
        let (taken, ()) = tokio::join!(in_time(take.recv()), async { drop(give) });
        assert_eq!(taken, None);
    }
}
