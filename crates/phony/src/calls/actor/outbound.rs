//! What a call of ours has besides: rules that watch it, and a place among the others.

use std::sync::Arc;
use std::time::Instant;

use phony_call::{CallSid, Event};

use crate::safety::Safety;
use crate::safety::dial_limits::Slot;

/// What a call of ours is held to.
pub struct OutboundGuard {
    /// The call.
    pub call: CallSid,
    /// The rules.
    pub safety: Arc<Safety>,
    /// Its place among the calls of ours, which it gives back at its end.
    pub slot: Option<Slot>,
}

impl OutboundGuard {
    /// Lets the rules see what happens.
    pub(super) fn observe(&self, event: &Event, now: Instant) {
        self.safety.observe(event, now);
    }
}

impl Drop for OutboundGuard {
    /// It may go on elsewhere; what it costs there is counted there.
    fn drop(&mut self) {
        self.safety.call_left(&self.call);
    }
}
