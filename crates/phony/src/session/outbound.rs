//! What a call of ours has besides: rules that watch it, and a carrier that can hang it up while it
//! has no line.

use std::sync::Arc;
use std::time::Instant;

use phony_call::{CallSid, Event};
use tokio_util::task::TaskTracker;

use crate::dialer::Dials;
use crate::safety::Safety;
use crate::safety::pace::Slot;

/// What a call of ours is held to.
pub struct Outbound {
    /// The call.
    pub call: CallSid,
    /// The rules.
    pub safety: Arc<Safety>,
    /// The way to the carrier.
    pub dials: Arc<Dials>,
    /// Its place among the calls of ours, which it gives back at its end.
    pub slot: Option<Slot>,
    /// Where what goes on after the call runs.
    pub tasks: TaskTracker,
}

impl Outbound {
    /// Lets the rules see what happens.
    pub(super) fn observe(&self, event: &Event, now: Instant) {
        self.safety.observe(event, now);
    }

    /// Ends a call that has no line.
    pub(super) fn hang_up(&self) {
        let (dials, call) = (Arc::clone(&self.dials), self.call.clone());
        self.tasks.spawn(async move { dials.hang_up(&call).await });
    }
}

impl Drop for Outbound {
    /// It may go on elsewhere; what it costs there is counted there.
    fn drop(&mut self) {
        self.safety.leaves(&self.call);
    }
}
