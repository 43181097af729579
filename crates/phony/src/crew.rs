//! One call's futures as one task: the call itself, its line, its model.
//!
//! A word goes from the model's future to the call's to the line's. As tasks of their own each of
//! them would be queued, and for each of them a sleeping thread might be woken; as parts of one
//! task they are polled one after the other, and only those that have something to do.

pub mod queue;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
use tokio_util::task::TaskTracker;

/// Set when a part wants to join; the other bits are places of parts.
const JOINING: u32 = 1 << 31;
/// The places there are. A call has a line and a model, and for a moment those before them.
const PLACES: usize = 31;
/// How often in one go the parts are polled; what would go on for longer lets others go first.
const ROUNDS: u32 = 64;

/// A future that does not run by itself.
pub struct Part(Pin<Box<dyn Future<Output = ()> + Send>>);

/// Lets parts join a task.
#[derive(Debug, Clone)]
pub(crate) struct Crew(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Places whose parts are to be polled.
    ready: AtomicU32,
    /// The task looks at `ready` once more before it sleeps, and need not be woken.
    awake: AtomicBool,
    task: AtomicWaker,
    joining: Mutex<Vec<Part>>,
}

/// Wakes one part.
struct PartWaker {
    shared: Arc<Shared>,
    bit: u32,
}

struct Place {
    part: Part,
    waker: Waker,
}

/// Runs what `main` makes, and the parts that join it, as one task until all of them are done.
pub(crate) async fn run<F>(main: impl FnOnce(Crew) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let shared = Arc::new(Shared {
        ready: AtomicU32::new(0),
        awake: AtomicBool::new(false),
        task: AtomicWaker::new(),
        joining: Mutex::default(),
    });
    let crew = Crew(Arc::clone(&shared));
    crew.join(Part::new(main(crew.clone())));
    drop(crew);
    let mut places = Vec::with_capacity(4);
    std::future::poll_fn(move |context| shared.poll(&mut places, context)).await;
}

impl Crew {
    /// Adds a part to the task. It is polled soon, also if this is called from another task.
    pub(crate) fn join(&self, part: Part) {
        self.0.joining().push(part);
        self.0.wake(JOINING);
    }
}

impl Shared {
    fn poll(self: &Arc<Self>, places: &mut Vec<Option<Place>>, task: &Context<'_>) -> Poll<()> {
        self.task.register(task.waker());
        self.awake.store(true, Ordering::SeqCst);
        for _ in 0..ROUNDS {
            let ready = self.ready.swap(0, Ordering::SeqCst);
            if ready == 0 {
                self.awake.store(false, Ordering::SeqCst);
                // Whoever came before that has woken nobody.
                if self.ready.load(Ordering::SeqCst) == 0 {
                    let over = places.iter().all(Option::is_none);
                    return if over { Poll::Ready(()) } else { Poll::Pending };
                }
                self.awake.store(true, Ordering::SeqCst);
                continue;
            }
            let mut joining = ready & JOINING != 0;
            for (number, place) in places.iter_mut().enumerate() {
                if ready & (1 << number) != 0 && place.as_mut().is_some_and(Place::is_done) {
                    *place = None;
                    // There may be some who found no place.
                    joining = true;
                }
            }
            if joining {
                self.take_in(places);
            }
        }
        self.awake.store(false, Ordering::SeqCst);
        task.waker().wake_by_ref();
        Poll::Pending
    }

    /// Gives those who want to join a place, and a first poll in the next round.
    fn take_in(self: &Arc<Self>, places: &mut Vec<Option<Place>>) {
        let mut joining = self.joining();
        while let Some(part) = joining.pop() {
            let free = places.iter().position(Option::is_none).unwrap_or(places.len());
            if free == PLACES {
                joining.push(part);
                return;
            }
            if free == places.len() {
                places.push(None);
            }
            let bit = 1 << free;
            let waker = Arc::new(PartWaker { shared: Arc::clone(self), bit }).into();
            places[free] = Some(Place { part, waker });
            self.ready.fetch_or(bit, Ordering::SeqCst);
        }
    }

    fn wake(&self, bit: u32) {
        self.ready.fetch_or(bit, Ordering::SeqCst);
        if !self.awake.load(Ordering::SeqCst) {
            self.task.wake();
        }
    }

    fn joining(&self) -> MutexGuard<'_, Vec<Part>> {
        // Nothing is done under the lock that could leave the list half changed.
        self.joining.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for PartWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.shared.wake(self.bit);
    }
}

impl Place {
    /// Polls the part. One that panics is done: the others go on, as if it were a task of its own.
    fn is_done(&mut self) -> bool {
        let mut context = Context::from_waker(&self.waker);
        let poll = catch_unwind(AssertUnwindSafe(|| self.part.0.as_mut().poll(&mut context)));
        poll.unwrap_or(Poll::Ready(())).is_ready()
    }
}

impl Part {
    /// A part that does this.
    pub fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }

    /// Runs the part as a task of its own.
    pub fn spawn_on(self, tasks: &TaskTracker) {
        tasks.spawn(self.0);
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Part")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use tokio::sync::{mpsc, oneshot};
    use tokio::time::timeout;

    use super::*;

    /// Nothing here takes nearly as long.
    const PATIENCE: Duration = Duration::from_secs(5);

    async fn in_time<T>(future: impl Future<Output = T>) -> T {
        timeout(PATIENCE, future).await.unwrap()
    }

    /// Counts how often it is polled, until it gets a message.
    fn counting(polls: &Arc<AtomicUsize>) -> (Part, oneshot::Sender<()>) {
        let (end, mut ended) = oneshot::channel();
        let polls = Arc::clone(polls);
        let part = Part::new(std::future::poll_fn(move |context| {
            polls.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut ended).poll(context).map(drop)
        }));
        (part, end)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn words_go_from_part_to_part_and_only_who_is_woken_is_polled() {
        const WORDS: usize = 500;
        let polls = Arc::new(AtomicUsize::new(0));
        let (idle, end) = counting(&polls);
        let (from_far, mut far) = mpsc::channel::<usize>(4);
        let (to_middle, mut middle) = mpsc::channel::<usize>(4);
        let (out, mut heard) = mpsc::channel::<usize>(4);
        let crew = TaskTracker::new().spawn(run(move |crew| async move {
            crew.join(idle);
            let first = async move {
                while let Some(word) = far.recv().await {
                    to_middle.send(word).await.unwrap();
                }
            };
            crew.join(Part::new(first));
            while let Some(word) = middle.recv().await {
                out.send(word).await.unwrap();
            }
        }));
        for word in 0..WORDS {
            from_far.send(word).await.unwrap();
            assert_eq!(in_time(heard.recv()).await, Some(word));
        }
        drop(from_far);
        assert_eq!(in_time(heard.recv()).await, None, "the call itself is over");
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        assert!(!crew.is_finished(), "a part of it is not");
        end.send(()).unwrap();
        in_time(crew).await.unwrap();
        assert_eq!(polls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_wake_up_is_lost_between_threads() {
        let (tell, mut told) = mpsc::channel::<u32>(1);
        let (answer, mut answers) = mpsc::channel::<u32>(1);
        let crew = TaskTracker::new().spawn(run(move |_| async move {
            while let Some(number) = told.recv().await {
                answer.send(number).await.unwrap();
            }
        }));
        for number in 0..20_000 {
            tell.send(number).await.unwrap();
            assert_eq!(in_time(answers.recv()).await, Some(number));
        }
        drop(tell);
        in_time(crew).await.unwrap();
    }

    #[tokio::test]
    async fn a_part_that_panics_leaves_the_others_alone() {
        let (done, is_done) = oneshot::channel();
        in_time(run(|crew| async move {
            crew.join(Part::new(async { panic!("a part's own trouble") }));
            tokio::task::yield_now().await;
            done.send(()).unwrap();
        }))
        .await;
        is_done.await.unwrap();
    }

    #[tokio::test]
    async fn whoever_finds_no_place_waits_for_one() {
        let polls = Arc::new(AtomicUsize::new(0));
        let parts = (0..PLACES * 3).map(|_| counting(&polls)).collect::<Vec<_>>();
        let (parts, ends): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let count = parts.len();
        let crew = TaskTracker::new().spawn(run(move |crew| async move {
            for part in parts {
                crew.join(part);
            }
        }));
        tokio::task::yield_now().await;
        for end in ends {
            end.send(()).unwrap();
        }
        in_time(crew).await.unwrap();
        assert!(polls.load(Ordering::Relaxed) >= count, "each of them ran to its end");
    }

    #[tokio::test]
    async fn who_never_sleeps_lets_others_go_first() {
        let (stop, mut stopped) = oneshot::channel();
        let crew = run(|_| async move {
            std::future::poll_fn(|context| {
                context.waker().wake_by_ref();
                Pin::new(&mut stopped).poll(context).map(drop)
            })
            .await;
        });
        let other = async { stop.send(()).unwrap() };
        in_time(async { tokio::join!(crew, other) }).await;
    }
}
