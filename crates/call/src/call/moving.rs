//! The call moves: rebuilt from its events after its node died, or handed over by a node that stops.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::{Call, Identity, Output, State};
use crate::carrier::{Next, ToCarrier};
use crate::deadline::Deadline;
use crate::event::{Event, EventBody};
use crate::policy::{Agent, Policy};
use crate::transcript::{Heard, Transcript};

impl Call {
    /// The same call, rebuilt from its stored events. Its line is lost, and it waits for it to come
    /// back; or it still rings, or is being dialled on, as it was. `None` if the events do not begin
    /// with a start or if the call has ended.
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
        if let Some((reason, by)) = call.transcript.hanging_up {
            call.hangs_up(now, reason, by);
        } else if let Some((target, reason)) = call.transcript.transfer.clone() {
            let longest = call.policy.ring + call.policy.max_call;
            call.deadlines.set(Deadline::Dialled, now + longest);
            call.state = State::Transferring { target, reason };
        } else if call.transcript.connected {
            // Without an opening line the model begins, and nobody has heard it yet.
            call.owed |= call.agent.greeting.is_none() && call.transcript.entries.is_empty();
            call.deadlines.set(Deadline::Reconnect, now + call.policy.reconnect);
            let returning = call.transcript.handed_over || call.transcript.returned;
            call.state = State::Lost { since: now, returning };
        } else {
            call.deadlines.set(Deadline::Connect, now + call.policy.connect);
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
        call.owed |= call.transcript.owes();
        call.resume_holder(now);
        let outputs = call.take_outputs();
        Some((call, outputs))
    }

    /// The server stops, and another can go on with the call.
    pub(super) fn on_hand_over(&mut self, now: Instant) {
        match &self.state {
            State::Ringing | State::Lost { .. } | State::Transferring { .. } => self.let_go(),
            // It ends by itself, soon.
            State::Ending(_) | State::HangingUp(_) | State::Gone | State::Ended => {}
            State::Listening { .. } | State::Replying(_) | State::OnHold | State::HumanSpeaks => {
                self.leaving = true;
                self.deadlines.set(Deadline::HandOver, now + self.policy.hand_over);
            }
        }
    }

    /// Leaves the line as soon as nobody speaks: what is on its way is heard to its end, and what
    /// the caller has begun to say, or to key in, is understood first.
    pub(super) fn hand_over_if_quiet(&mut self, now: Instant) {
        let more = [Deadline::FalseInterrupt, Deadline::Key, Deadline::Digits];
        let caller_goes_on =
            self.words_due || more.into_iter().any(|more| self.deadlines.is_set(more));
        if !self.leaving || !self.playback.is_idle() || caller_goes_on {
            return;
        }
        match &self.state {
            State::Listening { .. } | State::OnHold | State::HumanSpeaks => self.hand_over(now),
            State::Replying(reply) if !reply.has_spoken() => self.hand_over(now),
            // More of the reply is coming.
            State::Replying(_)
            | State::Ending(_)
            | State::HangingUp(_)
            | State::Gone
            | State::Ended => {}
            State::Ringing | State::Lost { .. } | State::Transferring { .. } => self.let_go(),
        }
    }

    /// Leaves the line for whoever the carrier asks next.
    pub(super) fn hand_over(&mut self, now: Instant) {
        match &self.state {
            State::Listening { .. } | State::Replying(_) | State::OnHold | State::HumanSpeaks => {
                self.close_utterance();
                self.record_cut(now);
                self.drop_reply(now, "the call moved");
                self.emit(now, EventBody::HandedOver);
                self.tell_line(ToCarrier::Leave(Next::Reconnect));
                self.let_go();
            }
            State::Ringing | State::Lost { .. } | State::Transferring { .. } => self.let_go(),
            State::Ending(_) | State::HangingUp(_) | State::Gone | State::Ended => {}
        }
    }

    fn let_go(&mut self) {
        self.state = State::Gone;
        self.deadlines.clear_all();
        self.outputs.push(Output::HandedOver);
    }
}
