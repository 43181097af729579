//! Calls that move to another node: rebuilt from their events after a node has died, or handed over
//! by a node that stops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::caller::CallerWords;
use super::{Call, Identity, Output, State};
use crate::carrier::{Next, ToCarrier};
use crate::deadline::Deadline;
use crate::event::{Direction, Event, EventBody};
use crate::policy::{Agent, Policy};
use crate::transcript::{Heard, Transcript, Whereabouts};

/// When another process takes over a call whose process has died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failover {
    /// At once: the call needs no line, so the carrier will not ask for it.
    Immediate,
    /// When the carrier asks how the call goes on, within the time for which a lost line is waited
    /// for ([`Policy::reconnect`]).
    OnRequest,
}

impl Call {
    /// When another process takes over the call of these stored events, whose own process has died.
    ///
    /// A call that the carrier is to end is taken over at once. So is one that was transferred, or
    /// an outbound one that rings, for as long as that can last. An inbound call that was not
    /// answered yet is asked for by the carrier.
    #[must_use]
    pub fn failover(policy: &Policy, events: &[Event], wall: Timestamp) -> Failover {
        let (Some(start), Some(last)) = (events.first(), events.last()) else {
            return Failover::OnRequest;
        };
        let Some(identity) = Identity::of_start(start) else { return Failover::OnRequest };
        let mut transcript = Transcript::default();
        for event in events {
            transcript.apply(event);
        }
        if transcript.ended.is_some() {
            return Failover::OnRequest;
        }
        let goes_on = match transcript.whereabouts {
            Whereabouts::HangingUp { .. } => true,
            Whereabouts::Transferred { since, .. } => ago(since, wall) < policy.longest_transfer(),
            Whereabouts::Here | Whereabouts::HandedOver => {
                let is_outbound = identity.direction == Direction::Outbound;
                is_outbound && !transcript.connected && ago(last.at, wall) < policy.connect
            }
        };
        if goes_on { Failover::Immediate } else { Failover::OnRequest }
    }

    /// Rebuilds a call from its stored events. Its line is lost and it waits for it to come back,
    /// unless it is still ringing, transferred or being hung up. `None` if the events do not begin
    /// with `session_start` or if the call has ended.
    #[must_use]
    pub fn resume(
        policy: impl Into<Arc<Policy>>,
        agent: impl Into<Arc<Agent>>,
        events: &[Event],
        now: Instant,
        wall: Timestamp,
    ) -> Option<(Self, Vec<Output>)> {
        let start = events.first()?;
        let identity = Identity::of_start(start)?;
        let mut transcript = Transcript::default();
        for event in events {
            transcript.apply(event);
        }
        if transcript.ended.is_some() {
            return None;
        }
        let mut call = Self::bare(policy.into(), agent.into(), identity, transcript, now, wall);
        call.turn = call.transcript.turn;
        call.line_losses = call.transcript.losses;
        if call.transcript.connected {
            let age = wall.duration_since(start.at).unsigned_abs();
            call.deadlines.set(Deadline::MaxCall, now + call.policy.max_call.saturating_sub(age));
            call.line_since = now.checked_sub(age);
            call.watch_spend(now);
        }
        match call.transcript.whereabouts.clone() {
            Whereabouts::HangingUp { reason, by, since } => {
                call.enter_hanging_up(now, reason, by);
                call.limit_transfer(now, ago(since, wall));
            }
            Whereabouts::Transferred { target, reason, since } => {
                call.limit_transfer(now, ago(since, wall));
                call.state = State::Transferring { target, reason };
            }
            whereabouts @ (Whereabouts::Here | Whereabouts::HandedOver)
                if call.transcript.connected =>
            {
                // Without a greeting the model begins, and it has not been heard yet.
                call.reply_due |=
                    call.agent.greeting.is_none() && call.transcript.entries.is_empty();
                call.deadlines.set(Deadline::Reconnect, now + call.policy.reconnect);
                let handed_over = matches!(whereabouts, Whereabouts::HandedOver);
                let returning = handed_over || call.transcript.returned;
                call.state = State::Lost { since: now, returning };
            }
            Whereabouts::Here | Whereabouts::HandedOver => {
                call.deadlines.set(Deadline::Connect, now + call.policy.connect);
            }
        }
        if let Some(Heard { text, source, turn }) = call.transcript.heard.clone() {
            let (interrupted, generated, verbatim) = (true, None, false);
            let cut = EventBody::AssistantResponse {
                text,
                interrupted,
                source,
                turn,
                generated,
                verbatim,
            };
            call.emit(now, cut);
        }
        call.reply_due |= call.transcript.is_reply_due();
        call.resume_holder(now);
        let outputs = call.take_outputs();
        Some((call, outputs))
    }

    /// The server stops, and another node can take the call over.
    pub(super) fn on_hand_over(&mut self, now: Instant) {
        match &self.state {
            State::Ringing | State::Lost { .. } | State::Transferring { .. } => {
                self.finish_hand_over();
            }
            // It ends soon by itself.
            State::Ending(_) | State::HangingUp(_) | State::HandedOver | State::Ended => {}
            State::Listening { .. } | State::Replying(_) | State::OnHold | State::HumanSpeaks => {
                self.handing_over = true;
                self.deadlines.set(Deadline::HandOver, now + self.policy.hand_over);
            }
        }
    }

    /// Leaves the line once nobody speaks: everything sent has been heard, and what the caller has
    /// begun to say or press is complete.
    pub(super) fn hand_over_if_quiet(&mut self, now: Instant) {
        let more = [Deadline::FalseInterrupt, Deadline::Key, Deadline::Digits];
        let caller_goes_on = self.caller.words != CallerWords::Settled
            || more.into_iter().any(|more| self.deadlines.is_set(more));
        if !self.handing_over || !self.playback.is_idle() || caller_goes_on {
            return;
        }
        match &self.state {
            State::Listening { .. } | State::OnHold | State::HumanSpeaks => self.hand_over(now),
            State::Replying(reply) if !reply.has_spoken() => self.hand_over(now),
            // More of the reply is coming.
            State::Replying(_)
            | State::Ending(_)
            | State::HangingUp(_)
            | State::HandedOver
            | State::Ended => {}
            State::Ringing | State::Lost { .. } | State::Transferring { .. } => {
                self.finish_hand_over();
            }
        }
    }

    /// Leaves the line to the node that the carrier asks next.
    pub(super) fn hand_over(&mut self, now: Instant) {
        match &self.state {
            State::Listening { .. } | State::Replying(_) | State::OnHold | State::HumanSpeaks => {
                self.close_utterance();
                self.record_cut(now);
                self.drop_reply(now, "the call moved");
                self.emit(now, EventBody::HandedOver);
                self.tell_line(ToCarrier::Leave(Next::Reconnect));
                self.finish_hand_over();
            }
            State::Ringing | State::Lost { .. } | State::Transferring { .. } => {
                self.finish_hand_over();
            }
            State::Ending(_) | State::HangingUp(_) | State::HandedOver | State::Ended => {}
        }
    }

    /// Whether the call goes on although its process ends now, because it has no line here. Its
    /// record must not say that it is over.
    #[must_use]
    pub fn goes_on_by_itself(&self) -> bool {
        match &self.state {
            State::Transferring { .. } | State::HangingUp(_) => true,
            State::Ringing
            | State::Listening { .. }
            | State::Replying(_)
            | State::OnHold
            | State::HumanSpeaks
            | State::Lost { .. }
            | State::Ending(_)
            | State::HandedOver
            | State::Ended => false,
        }
    }

    pub(super) fn finish_hand_over(&mut self) {
        self.state = State::HandedOver;
        self.deadlines.clear_all();
        self.outputs.push(Output::HandedOver);
    }
}

/// How long ago that was; zero for a time in the future, as after a clock was set back.
fn ago(then: Timestamp, wall: Timestamp) -> Duration {
    Duration::try_from(wall.duration_since(then)).unwrap_or_default()
}
