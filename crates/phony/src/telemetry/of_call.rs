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

/// The call that the current task is about.
pub(super) fn current_call() -> Option<CallSid> {
    CALL.try_with(Clone::clone).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_runs_in_a_call_is_about_it() {
        let call = CallSid::parse("CA1").unwrap();
        let current = || async { current_call() };
        assert_eq!(of_call(call.clone(), current()).await, Some(call));
        assert_eq!(current_call(), None);
    }
}
