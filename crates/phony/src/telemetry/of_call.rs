//! Which call a task is about, for its log lines.
//!
//! Not a span: that is looked up in a table of the process each time a task is polled, which is
//! with every word.

use phony_call::CallSid;

tokio::task_local! {
    static CALL: Option<CallSid>;
}

/// Runs a task of a call: every line that it logs has `callSid`.
pub async fn of_call<T>(call: CallSid, task: impl Future<Output = T>) -> T {
    CALL.scope(Some(call), task).await
}

/// Runs a task for the call that the current one is about, if it is about any.
pub fn of_current_call<T>(task: impl Future<Output = T>) -> impl Future<Output = T> {
    CALL.scope(current_call(), task)
}

/// The call that the current task is about.
pub(super) fn current_call() -> Option<CallSid> {
    CALL.try_with(Clone::clone).ok().flatten()
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;

    #[tokio::test]
    async fn a_task_that_is_started_within_a_call_is_about_it() {
        let (call, tasks) = (CallSid::parse("CA1").unwrap(), TaskTracker::new());
        let current = || async { current_call() };
        let starts = async { Some(tasks.spawn(of_current_call(current()))) };
        let started = of_call(call.clone(), starts).await.unwrap();
        assert_eq!(started.await.unwrap(), Some(call));
        assert_eq!(current_call(), None);
        assert_eq!(of_current_call(current()).await, None);
    }
}
