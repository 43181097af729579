//! The futures of one call as one task of the runtime: the call itself, its line, its model.
//!
//! A word passes from the model's future to the call's to the line's. As separate tasks of the
//! runtime each would be queued, and each might wake a sleeping thread; in a `TaskSet` they are
//! polled in turn on one thread, and only those that were woken.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
use tokio_util::task::TaskTracker;

/// Set when a task waits to be added; the other bits stand for slots.
const ADDED: u32 = 1 << 31;
/// Slots of a set. A call has a line and a model, and for a moment their predecessors.
const SLOTS: usize = 31;
/// Rounds of polling before the set yields to other tasks of the runtime.
const ROUNDS: u32 = 64;

/// A future that runs when it is added to a `TaskSet` or spawned.
pub struct Task(Pin<Box<dyn Future<Output = ()> + Send>>);

/// A handle that adds tasks to a running set.
#[derive(Debug, Clone)]
pub(crate) struct TaskSet(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Slots whose tasks were woken.
    ready: AtomicU32,
    /// The set is being polled and reads `ready` again before it sleeps, so it need not be woken.
    awake: AtomicBool,
    task: AtomicWaker,
    waiting: Mutex<Vec<Task>>,
}

/// Wakes the task of one slot.
struct SlotWaker {
    shared: Arc<Shared>,
    bit: u32,
}

struct Slot {
    task: Task,
    waker: Waker,
}

/// Runs the future that `main` makes, and the tasks that are spawned into the set, until all are
/// done.
pub(crate) async fn run<F>(main: impl FnOnce(TaskSet) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let shared = Arc::new(Shared {
        ready: AtomicU32::new(0),
        awake: AtomicBool::new(false),
        task: AtomicWaker::new(),
        waiting: Mutex::default(),
    });
    let tasks = TaskSet(Arc::clone(&shared));
    tasks.spawn(Task::new(main(tasks.clone())));
    drop(tasks);
    let mut slots = Vec::with_capacity(4);
    std::future::poll_fn(move |context| shared.poll(&mut slots, context)).await;
}

impl TaskSet {
    /// Adds a task to the set. May be called from any thread.
    pub(crate) fn spawn(&self, task: Task) {
        self.0.waiting().push(task);
        self.0.wake(ADDED);
    }
}

impl Shared {
    fn poll(self: &Arc<Self>, slots: &mut Vec<Option<Slot>>, task: &Context<'_>) -> Poll<()> {
        self.task.register(task.waker());
        self.awake.store(true, Ordering::SeqCst);
        for _ in 0..ROUNDS {
            let ready = self.ready.swap(0, Ordering::SeqCst);
            if ready == 0 {
                self.awake.store(false, Ordering::SeqCst);
                // A wake-up between the swap and the store has not woken the set.
                if self.ready.load(Ordering::SeqCst) == 0 {
                    let over = slots.iter().all(Option::is_none);
                    return if over { Poll::Ready(()) } else { Poll::Pending };
                }
                self.awake.store(true, Ordering::SeqCst);
                continue;
            }
            let mut waiting = ready & ADDED != 0;
            for (number, slot) in slots.iter_mut().enumerate() {
                if ready & (1 << number) != 0 && slot.as_mut().is_some_and(Slot::is_done) {
                    *slot = None;
                    // Tasks may wait for a free slot.
                    waiting = true;
                }
            }
            if waiting {
                self.admit(slots);
            }
        }
        self.awake.store(false, Ordering::SeqCst);
        task.waker().wake_by_ref();
        Poll::Pending
    }

    /// Moves waiting tasks into free slots; the next round polls them for the
    /// first time.
    fn admit(self: &Arc<Self>, slots: &mut Vec<Option<Slot>>) {
        let mut waiting = self.waiting();
        while let Some(task) = waiting.pop() {
            let free = slots.iter().position(Option::is_none).unwrap_or(slots.len());
            if free == SLOTS {
                waiting.push(task);
                return;
            }
            if free == slots.len() {
                slots.push(None);
            }
            let bit = 1 << free;
            let waker = Arc::new(SlotWaker { shared: Arc::clone(self), bit }).into();
            slots[free] = Some(Slot { task, waker });
            self.ready.fetch_or(bit, Ordering::SeqCst);
        }
    }

    fn wake(&self, bit: u32) {
        self.ready.fetch_or(bit, Ordering::SeqCst);
        if !self.awake.load(Ordering::SeqCst) {
            self.task.wake();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Task>> {
        // Nothing is done under the lock that could leave the list half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.shared.wake(self.bit);
    }
}

impl Slot {
    /// Polls the task. One that panics is done and leaves the others alone, as a task of the
    /// runtime would.
    fn is_done(&mut self) -> bool {
        let mut context = Context::from_waker(&self.waker);
        let poll = catch_unwind(AssertUnwindSafe(|| self.task.0.as_mut().poll(&mut context)));
        poll.unwrap_or(Poll::Ready(())).is_ready()
    }
}

impl Task {
    /// Wraps a future.
    pub fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }

    /// Runs it as a task of the runtime.
    pub fn spawn_on(self, tasks: &TaskTracker) {
        tasks.spawn(self.0);
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
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
    const LIMIT: Duration = Duration::from_secs(5);

    async fn in_time<T>(future: impl Future<Output = T>) -> T {
        timeout(LIMIT, future).await.unwrap()
    }

    /// Counts how often it is polled, until it gets a message.
    fn counting(polls: &Arc<AtomicUsize>) -> (Task, oneshot::Sender<()>) {
        let (end, mut ended) = oneshot::channel();
        let polls = Arc::clone(polls);
        let task = Task::new(std::future::poll_fn(move |context| {
            polls.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut ended).poll(context).map(drop)
        }));
        (task, end)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn messages_pass_between_tasks_and_only_woken_tasks_are_polled() {
        const MESSAGES: usize = 500;
        let polls = Arc::new(AtomicUsize::new(0));
        let (idle, end) = counting(&polls);
        let (from_far, mut far) = mpsc::channel::<usize>(4);
        let (to_middle, mut middle) = mpsc::channel::<usize>(4);
        let (out, mut heard) = mpsc::channel::<usize>(4);
        let running = TaskTracker::new().spawn(run(move |tasks| async move {
            tasks.spawn(idle);
            let first = async move {
                while let Some(word) = far.recv().await {
                    to_middle.send(word).await.unwrap();
                }
            };
            tasks.spawn(Task::new(first));
            while let Some(word) = middle.recv().await {
                out.send(word).await.unwrap();
            }
        }));
        for word in 0..MESSAGES {
            from_far.send(word).await.unwrap();
            assert_eq!(in_time(heard.recv()).await, Some(word));
        }
        drop(from_far);
        assert_eq!(in_time(heard.recv()).await, None, "the first task is done");
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        assert!(!running.is_finished(), "another is not");
        end.send(()).unwrap();
        in_time(running).await.unwrap();
        assert_eq!(polls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_wake_up_is_lost_between_threads() {
        let (tell, mut told) = mpsc::channel::<u32>(1);
        let (answer, mut answers) = mpsc::channel::<u32>(1);
        let running = TaskTracker::new().spawn(run(move |_| async move {
            while let Some(number) = told.recv().await {
                answer.send(number).await.unwrap();
            }
        }));
        for number in 0..20_000 {
            tell.send(number).await.unwrap();
            assert_eq!(in_time(answers.recv()).await, Some(number));
        }
        drop(tell);
        in_time(running).await.unwrap();
    }

    #[tokio::test]
    async fn a_task_that_panics_leaves_the_others_alone() {
        let (done, is_done) = oneshot::channel();
        in_time(run(|tasks| async move {
            tasks.spawn(Task::new(async { panic!("a fault of one task") }));
            tokio::task::yield_now().await;
            done.send(()).unwrap();
        }))
        .await;
        is_done.await.unwrap();
    }

    #[tokio::test]
    async fn a_task_without_a_free_slot_waits_for_one() {
        let polls = Arc::new(AtomicUsize::new(0));
        let tasks = (0..SLOTS * 3).map(|_| counting(&polls)).collect::<Vec<_>>();
        let (tasks, ends): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
        let count = tasks.len();
        let running = TaskTracker::new().spawn(run(move |set| async move {
            for task in tasks {
                set.spawn(task);
            }
        }));
        tokio::task::yield_now().await;
        for end in ends {
            end.send(()).unwrap();
        }
        in_time(running).await.unwrap();
        assert!(polls.load(Ordering::Relaxed) >= count, "each of them ran to completion");
    }

    #[tokio::test]
    async fn a_set_that_is_always_ready_yields() {
        let (stop, mut stopped) = oneshot::channel();
        let busy = run(|_| async move {
            std::future::poll_fn(|context| {
                context.waker().wake_by_ref();
                Pin::new(&mut stopped).poll(context).map(drop)
            })
            .await;
        });
        let other = async { stop.send(()).unwrap() };
        in_time(async { tokio::join!(busy, other) }).await;
    }
}
