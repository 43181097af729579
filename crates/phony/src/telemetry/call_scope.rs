//! The call that a task belongs to, for its log lines.
//!
//! Not a span: entering a span looks it up in a global table each time a task is polled, which
//! happens with every word of a call.

use phony_call::CallSid;

tokio::task_local! {
    static CALL: Option<CallSid>;
}

/// Runs a task of a call, so that every line it logs has `callSid`.
pub async fn in_call<T>(call: CallSid, task: impl Future<Output = T>) -> T {
    CALL.scope(Some(call), task).await
}

/// The call that the current task belongs to.
pub(super) fn current_call() -> Option<CallSid> {
    CALL.try_with(Clone::clone).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_knows_its_call() {
        let call = CallSid::parse("CA1").unwrap();
        let current = || async { current_call() };
        assert_eq!(in_call(call.clone(), current()).await, Some(call));
        assert_eq!(current_call(), None);
    }
}
