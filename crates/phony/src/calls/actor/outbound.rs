//! What the actor of an outbound call holds besides: the rules that observe its events, and its
//! slot. Dropped with the actor, which stops counting the call's costs here.

use std::sync::Arc;
use std::time::Instant;

use phony_call::{CallSid, Event};

use crate::safety::Safety;
use crate::safety::dial_limits::Slot;

/// Holds an outbound call to the rules.
pub struct OutboundGuard {
    /// The call.
    pub call: CallSid,
    /// The rules.
    pub safety: Arc<Safety>,
    /// Its slot among the live outbound calls, free again when dropped.
    pub slot: Option<Slot>,
}

impl OutboundGuard {
    /// Reports an event of the call to the rules.
    pub(super) fn observe(&self, event: &Event, now: Instant) {
        self.safety.observe(event, now);
    }
}

impl Drop for OutboundGuard {
    /// The call may continue on another node, which counts its further costs.
    fn drop(&mut self) {
        self.safety.call_left(&self.call);
    }
}
