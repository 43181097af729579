//! The supervisor who holds a takeover, and what happens if they leave.
//!
//! During a takeover the model is silent, so a supervisor who closes the browser leaves the caller
//! alone. The server reports whether the holder is present; this file decides how long their
//! absence is tolerated.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Call, State, millis};
use crate::action::Action;
use crate::deadline::Deadline;
use crate::event::{By, EventBody};
use crate::ids::SupervisorId;

/// Whether a supervisor is present, as far as the server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// They have the dashboard open.
    Here,
    /// They have been absent since then.
    GoneSince(Instant),
}

/// Whether the holder of the takeover is present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HolderPresence {
    Seen,
    /// Absent, or nobody holds the takeover.
    Unseen,
}

impl Call {
    /// The supervisor who holds the takeover, if there is one and it is known who.
    #[must_use]
    pub fn holder(&self) -> Option<&SupervisorId> {
        self.transcript.takeover.as_ref()?.holder.as_ref()
    }

    /// A supervisor who may be the holder has come or gone.
    pub(super) fn on_presence(&mut self, now: Instant, who: &SupervisorId, presence: Presence) {
        if self.is_over() || self.holder() != Some(who) {
            // The takeover has just ended, or has another holder.
            return self.unexpected();
        }
        match presence {
            Presence::Here => {
                self.holder_presence = HolderPresence::Seen;
                self.clear_holder_deadlines();
                self.end_alarm(now);
            }
            Presence::GoneSince(since) if self.holder_presence == HolderPresence::Seen => {
                self.holder_presence = HolderPresence::Unseen;
                self.wait_for_holder(now, now.saturating_duration_since(since));
            }
            Presence::GoneSince(_) => self.unexpected(),
        }
    }

    /// An action of the holder shows that they are present. Words of any supervisor show that the
    /// caller is not alone.
    pub(super) fn on_action(&mut self, now: Instant, who: Option<&SupervisorId>, action: &Action) {
        if self.transcript.takeover.is_none() {
            return;
        }
        let is_holder = who == self.holder();
        let speaks = matches!(action, Action::Say { .. });
        if speaks && !is_holder && who.is_some() && self.unattended_since().is_some() {
            // A supervisor who speaks in place of an absent holder becomes the holder.
            return self.hold_for(now, who);
        }
        if is_holder {
            self.end_alarm(now);
        }
        if is_holder || speaks {
            self.attended(now);
        }
    }

    /// Even a refused action shows that its supervisor is present.
    pub(super) fn on_refused(&mut self, now: Instant, who: Option<&SupervisorId>) {
        let is_holder = who.is_some() && who == self.holder();
        if is_holder && self.transcript.takeover.is_some() && !self.is_over() {
            self.attended(now);
        }
    }

    /// Makes this supervisor the holder of the takeover.
    pub(super) fn hold_for(&mut self, now: Instant, who: Option<&SupervisorId>) {
        let holder = who.cloned();
        self.emit(now, EventBody::Takeover { by: By::Supervisor, holder });
        self.holder_presence = HolderPresence::Unseen;
        self.wait_for_holder(now, Duration::ZERO);
    }

    /// A human still has the call, after it was lost or transferred.
    pub(super) fn expect_holder(&mut self, now: Instant) {
        let alarm = self.unattended_since().is_some();
        let next = if alarm { Deadline::Abandoned } else { Deadline::Unattended };
        if self.holder_presence == HolderPresence::Unseen && !self.deadlines.is_set(next) {
            self.wait_for_holder(now, Duration::ZERO);
        }
    }

    /// The call was taken over by this node; its holder may be connected to another one.
    pub(super) fn resume_holder(&mut self, now: Instant) {
        if self.transcript.takeover.is_none() {
            return;
        }
        let gone_for = self.unattended_since().map_or(Duration::ZERO, |since| {
            let alarmed_for = self.wall(now).duration_since(since).unsigned_abs();
            self.policy.takeover_unattended.saturating_add(alarmed_for)
        });
        self.wait_for_holder(now, gone_for);
    }

    pub(super) fn clear_holder_deadlines(&mut self) {
        self.deadlines.clear(Deadline::Unattended);
        self.deadlines.clear(Deadline::Abandoned);
    }

    /// The holder has been absent for a while: alarms the other supervisors.
    pub(super) fn on_unattended(&mut self, now: Instant) {
        if !self.caller_depends_on_holder() {
            return;
        }
        let left = self.policy.takeover_abandoned.saturating_sub(self.policy.takeover_unattended);
        let (holder, timeout_ms) = (self.holder().cloned(), millis(left));
        self.emit(now, EventBody::TakeoverUnattended { holder, timeout_ms });
    }

    /// The holder has not returned: ends the takeover.
    pub(super) fn on_abandoned(&mut self, now: Instant) {
        if self.caller_depends_on_holder() {
            // Nobody has spoken for a while, so the model speaks even if nothing was asked.
            self.reply_due |= self.transcript.connected;
            self.release(now, By::Policy);
        }
    }

    /// Ends the takeover: the model speaks again.
    pub(super) fn release(&mut self, now: Instant, by: By) {
        self.emit(now, EventBody::Release { by });
        self.clear_holder_deadlines();
        self.holder_presence = HolderPresence::Unseen;
        self.reply_due |= self.transcript.is_reply_due();
        if matches!(self.state, State::HumanSpeaks) {
            self.settle(now);
        }
    }

    /// Whether the caller is alone without the holder.
    fn caller_depends_on_holder(&self) -> bool {
        self.transcript.takeover.is_some()
            && self.holder_presence == HolderPresence::Unseen
            && match self.state {
                State::Ringing | State::HumanSpeaks | State::Lost { .. } => true,
                // Somebody else speaks with the caller, or nobody will.
                State::Listening { .. }
                | State::Replying(_)
                | State::OnHold
                | State::Ending(_)
                | State::Transferring { .. }
                | State::HangingUp(_)
                | State::HandedOver
                | State::Ended => false,
            }
    }

    /// When the other supervisors were alarmed, unless the holder has returned.
    fn unattended_since(&self) -> Option<Timestamp> {
        self.transcript.takeover.as_ref()?.unattended
    }

    /// Somebody has just attended to the caller, so the wait for an absent holder begins again.
    fn attended(&mut self, now: Instant) {
        if self.holder_presence == HolderPresence::Unseen {
            self.wait_for_holder(now, Duration::ZERO);
        }
    }

    fn end_alarm(&mut self, now: Instant) {
        if self.unattended_since().is_some() {
            let holder = self.holder().cloned();
            self.emit(now, EventBody::TakeoverAttended { holder });
        }
    }

    /// Waits for a holder who has been absent for this long already.
    fn wait_for_holder(&mut self, now: Instant, gone_for: Duration) {
        let (alarm, end) = (self.policy.takeover_unattended, self.policy.takeover_abandoned);
        self.deadlines.set(Deadline::Abandoned, now + end.saturating_sub(gone_for));
        if self.unattended_since().is_none() && alarm < end {
            self.deadlines.set(Deadline::Unattended, now + alarm.saturating_sub(gone_for));
        } else {
            self.deadlines.clear(Deadline::Unattended);
        }
    }
}
