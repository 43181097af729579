//! Goodbyes, transfers, the end of a call, and what a carrier is told that asks how the call goes
//! on.

use std::time::{Duration, Instant};

use super::acknowledgement::is_acknowledgement;
use super::reply::Exit;
use super::{Call, Identity, Output, State, Unsaid};
use crate::carrier::{LegEnd, LegReport, Next, Parting, ToCarrier};
use crate::deadline::Deadline;
use crate::dialing::{NotDialled, PhoneNumber};
use crate::event::{By, CommandName, EndReason, EventBody, Source, ToolRef};
use crate::ids::LegId;

/// An ending that waits until the goodbye has been heard.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    decision: Decision,
    /// A rule requires the end as well, so that the caller cannot call it off.
    firm: bool,
}

/// Who ends the call, and how.
#[derive(Debug, Clone)]
enum Decision {
    /// The model, by a command in the reply that is being heard.
    Model(Exit),
    /// A rule of the call; by a transfer if `to` is set.
    Policy { to: Option<PhoneNumber>, reason: EndReason },
    /// A supervisor; by a transfer if `to` is set.
    Supervisor { to: Option<PhoneNumber> },
}

impl Ending {
    fn new(decision: Decision) -> Self {
        Self { decision, firm: false }
    }

    pub(super) fn reason(&self) -> EndReason {
        match &self.decision {
            Decision::Model(Exit::EndCall { .. }) => EndReason::AgentEnded,
            Decision::Supervisor { to: None } => EndReason::SupervisorEnded,
            Decision::Policy { reason, .. } => *reason,
            Decision::Model(Exit::Transfer { .. }) | Decision::Supervisor { to: Some(_) } => {
                EndReason::Transferred
            }
        }
    }

    fn is_transfer(&self) -> bool {
        match &self.decision {
            Decision::Model(exit) => exit.is_transfer(),
            Decision::Policy { to, .. } | Decision::Supervisor { to } => to.is_some(),
        }
    }

    /// Whether a caller who speaks, or a supervisor who steps in, keeps the call.
    pub(super) fn can_be_called_off(&self) -> bool {
        !self.firm
            && match &self.decision {
                Decision::Model(_) => true,
                Decision::Policy { reason, .. } => *reason == EndReason::Silence,
                Decision::Supervisor { .. } => false,
            }
    }
}

impl Call {
    pub(super) fn end_after_reply(&mut self, now: Instant, exit: Exit) {
        self.enter_ending(now, Decision::Model(exit));
    }

    /// Suspends the exit of a reply that the caller interrupted, until it is known whether they
    /// object.
    pub(super) fn suspend_ending(&mut self, exit: Exit) {
        self.state = State::Ending(Ending::new(Decision::Model(exit)));
    }

    /// Whether the words accept the transfer or goodbye that the model has announced.
    pub(super) fn is_accepted(&self, words: &str) -> bool {
        match &self.state {
            State::Ending(Ending { decision: Decision::Model(exit), .. }) => {
                is_acknowledgement(words, exit.is_transfer())
            }
            State::Replying(reply) if reply.has_spoken() => {
                reply.exit().is_some_and(|exit| is_acknowledgement(words, exit.is_transfer()))
            }
            State::Ringing
            | State::Listening { .. }
            | State::Replying(_)
            | State::OnHold
            | State::HumanSpeaks
            | State::Lost { .. }
            | State::Ending(_)
            | State::Transferring { .. }
            | State::HangingUp(_)
            | State::HandedOver
            | State::Ended => false,
        }
    }

    /// A rule requires the end as well: the goodbye is not called off any more.
    pub(super) fn make_ending_firm(&mut self) {
        if let State::Ending(ending) = &mut self.state {
            ending.firm = true;
        }
    }

    /// Repeats a goodbye that was cut off, as often as the model may speak unprompted; then leaves.
    pub(super) fn go_on_ending(&mut self, now: Instant) {
        if !matches!(self.state, State::Ending(_)) || !self.playback.is_idle() {
            return;
        }
        let mut unsaid = std::mem::take(&mut self.untold.unsaid);
        unsaid.retain(|unsaid| !unsaid.text.is_empty());
        if unsaid.is_empty() || self.unprompted.turns > self.policy.self_turns {
            return self.leave(now);
        }
        self.unprompted.turns += 1;
        for Unsaid { source, text } in unsaid {
            // Repeated words are no longer a reply of the model.
            let source = if source == Source::Model { Source::Goodbye } else { source };
            self.speak(now, source, &text);
        }
        self.limit_farewell(now);
    }

    /// Limits the goodbye by its length: a voice may take twice as long as estimated.
    fn limit_farewell(&mut self, now: Instant) {
        let longest = self.playback.remaining(now) * 2 + self.policy.playback_slack * 2;
        self.deadlines.set(Deadline::Farewell, now + longest.max(self.policy.farewell));
    }

    pub(super) fn end_by_policy(&mut self, now: Instant, reason: EndReason) {
        self.enter_ending(now, Decision::Policy { to: None, reason });
    }

    /// Whether the caller may be transferred to this number.
    pub(super) fn may_transfer(&self, target: &PhoneNumber) -> Result<(), NotDialled> {
        let Identity { from, to, .. } = &self.identity;
        if [from, to].into_iter().any(|party| party == target.as_str()) {
            return Err(NotDialled::Party);
        }
        self.agent.transfers.check(target)
    }

    /// The number for transfers without one.
    pub(super) fn fallback(&self) -> Option<&PhoneNumber> {
        let fallback = self.agent.transfers.fallback.as_ref()?;
        (self.may_transfer(fallback) != Err(NotDialled::Party)).then_some(fallback)
    }

    pub(super) fn end_by_transfer(&mut self, now: Instant, to: PhoneNumber, reason: EndReason) {
        self.enter_ending(now, Decision::Policy { to: Some(to), reason });
    }

    pub(super) fn end_by_supervisor(&mut self, now: Instant, to: Option<PhoneNumber>) {
        if !self.has_line() {
            return self.keep_hanging_up(now, EndReason::SupervisorEnded, By::Supervisor);
        }
        self.record_last(now);
        self.drop_reply(now, "a supervisor ended it");
        self.stop_waiting();
        self.state = State::Ending(Ending::new(Decision::Supervisor { to }));
        self.leave(now);
    }

    fn enter_ending(&mut self, now: Instant, decision: Decision) {
        self.stop_waiting();
        self.state = State::Ending(Ending::new(decision));
        self.limit_farewell(now);
        self.after_playback(now);
    }

    /// Stops waiting for the caller and for supervisors.
    fn stop_waiting(&mut self) {
        for waits in [
            Deadline::Silence,
            Deadline::FalseInterrupt,
            Deadline::HoldPhrase,
            Deadline::Filler,
            Deadline::Question,
            Deadline::Approval,
        ] {
            self.deadlines.clear(waits);
        }
    }

    /// Calls the ending off, if it can be, because somebody spoke during the goodbye.
    pub(super) fn call_off_ending(&mut self, now: Instant, because: &str) {
        let State::Ending(ending) = &self.state else { return };
        if !ending.can_be_called_off() {
            return;
        }
        let decision = ending.decision.clone();
        self.cut_speech(now);
        self.deadlines.clear(Deadline::Farewell);
        self.deadlines.clear(Deadline::FalseInterrupt);
        self.untold.unsaid.clear();
        if let Decision::Model(exit) = decision {
            self.untold.withdrawn |= exit.is_transfer();
            self.reject_exit(now, exit, because);
        }
        self.listen(now, false);
    }

    /// Leaves the line: the goodbye has been heard, or its time is over.
    pub(super) fn leave(&mut self, now: Instant) {
        let State::Ending(ending) = self.state.clone() else { return };
        self.record_last(now);
        self.deadlines.clear(Deadline::Farewell);
        self.deadlines.clear(Deadline::FalseInterrupt);
        let reason = ending.reason();
        let (by, to, tool) = match ending.decision {
            Decision::Model(Exit::EndCall { tool }) => (By::Ai, None, tool),
            Decision::Model(Exit::Transfer { target, tool }) => (By::Ai, Some(target), tool),
            Decision::Policy { to, .. } => (By::Policy, to, None),
            Decision::Supervisor { to } => (By::Supervisor, to, None),
        };
        match to {
            None => {
                if by != By::Policy {
                    self.executed(now, CommandName::EndCall, String::new(), by, tool);
                }
                let next = if self.is_mute() { self.apologise() } else { Next::HangUp };
                self.tell_line(ToCarrier::Leave(next));
                self.finish(now, reason);
            }
            Some(target) => {
                self.executed(now, CommandName::Transfer, target.to_string(), by, tool);
                self.emit(now, EventBody::SessionTransfer { target: target.to_string() });
                let dial = self.dial(target.clone());
                self.tell_line(ToCarrier::Leave(dial));
                self.begin_transfer(now, target, reason);
            }
        }
    }

    fn begin_transfer(&mut self, now: Instant, target: PhoneNumber, reason: EndReason) {
        self.state = State::Transferring { target, reason };
        self.deadlines.clear(Deadline::Reconnect);
        self.limit_transfer(now, Duration::ZERO);
    }

    /// Limits a transfer that has lasted this long already.
    pub(super) fn limit_transfer(&mut self, now: Instant, so_far: Duration) {
        let rest = self.policy.longest_transfer().saturating_sub(so_far);
        self.deadlines.set(Deadline::Transfer, now + rest);
    }

    fn executed(
        &mut self,
        now: Instant,
        command: CommandName,
        value: String,
        by: By,
        tool: Option<ToolRef>,
    ) {
        self.emit(now, EventBody::CommandExecuted { command, value, by, tool });
    }

    fn dial(&self, target: PhoneNumber) -> Next {
        Next::Dial { target, ring: self.policy.ring, limit: self.policy.max_call }
    }

    /// The caller hung up during the goodbye.
    pub(super) fn hang_up_during_ending(&mut self, now: Instant) {
        let State::Ending(ending) = &self.state else { return };
        let reason = if ending.is_transfer() { EndReason::CallerHungUp } else { ending.reason() };
        self.finish(now, reason);
    }

    /// Ends the call.
    pub(super) fn finish(&mut self, now: Instant, reason: EndReason) {
        if self.is_over() {
            return;
        }
        self.record_last(now);
        self.drop_reply(now, "the call ended");
        let started = self.transcript.started.unwrap_or(self.clock.wall);
        let lasted = self.wall(now).duration_since(started).as_millis();
        let duration_ms = u64::try_from(lasted).unwrap_or(0);
        self.close_progress(now, reason);
        self.emit(now, EventBody::SessionEnd { reason, duration_ms });
        self.state = State::Ended;
        self.deadlines.clear_all();
        self.outputs.push(Output::Finished);
    }

    /// The server stops.
    pub(super) fn on_stop(&mut self, now: Instant) {
        match &self.state {
            State::Ringing | State::Lost { .. } => {
                self.finish_and_hang_up(now, EndReason::Shutdown);
            }
            // The transfer goes on without this node. If nobody answers, the carrier asks another
            // node.
            State::Transferring { .. } => self.finish_hand_over(),
            State::Ending(_) => self.make_ending_firm(),
            State::HangingUp(_) | State::HandedOver | State::Ended => {}
            State::Listening { .. } | State::Replying(_) | State::OnHold | State::HumanSpeaks => {
                let phrase = self.agent.phrases.shutdown_goodbye.clone();
                self.say_goodbye(now, &phrase, EndReason::Shutdown);
            }
        }
    }

    /// Cuts off what is being spoken, and says goodbye.
    pub(super) fn say_goodbye(&mut self, now: Instant, phrase: &str, reason: EndReason) {
        self.cut_speech(now);
        self.drop_reply(now, "the call ends");
        self.speak(now, Source::Goodbye, phrase);
        self.end_by_policy(now, reason);
    }

    /// How the call goes on after a line or a dialled leg has ended.
    pub(super) fn after_leg(&mut self, now: Instant, report: &LegReport) -> Next {
        if let State::HangingUp(_) = &self.state {
            return self.hang_up_now(now, &report.end);
        }
        match &report.end {
            LegEnd::Completed => {
                let reason = match &self.state {
                    State::Ending(ending) => ending.reason(),
                    State::HangingUp(hanging_up) => hanging_up.reason(),
                    // The caller hung up before the target was dialled.
                    State::Transferring { .. }
                    | State::Ringing
                    | State::Listening { .. }
                    | State::Replying(_)
                    | State::OnHold
                    | State::HumanSpeaks
                    | State::Lost { .. }
                    | State::HandedOver
                    | State::Ended => EndReason::CallerHungUp,
                };
                self.finish(now, reason);
                Next::Nothing
            }
            LegEnd::Left(parting) => self.after_parting(now, parting.clone()),
            LegEnd::Failed => self.after_line(now),
            LegEnd::Dialled { answered, caller_left: true, .. } => {
                let reason = match &self.state {
                    State::Transferring { .. } if *answered => EndReason::Transferred,
                    State::Transferring { .. }
                    | State::Ringing
                    | State::Listening { .. }
                    | State::Replying(_)
                    | State::OnHold
                    | State::HumanSpeaks
                    | State::Lost { .. }
                    | State::Ending(_)
                    | State::HangingUp(_)
                    | State::HandedOver
                    | State::Ended => EndReason::CallerHungUp,
                };
                self.finish(now, reason);
                Next::Nothing
            }
            LegEnd::Dialled { answered, outcome, .. } => {
                self.after_dial(now, *answered, outcome, report.leg.clone())
            }
        }
    }

    /// The reason for leaving the line, as the carrier returns it, counts if the call does not
    /// remember leaving it, because its node has died since.
    fn after_parting(&mut self, now: Instant, parting: Parting) -> Next {
        if matches!(self.state, State::Lost { .. }) {
            match parting {
                Parting::Unsaid => {}
                Parting::HangUp => self.finish(now, EndReason::AgentEnded),
                Parting::Transfer(target) => {
                    self.emit(now, EventBody::SessionTransfer { target: target.to_string() });
                    self.begin_transfer(now, target, EndReason::Transferred);
                }
                Parting::Return => self.state = State::Lost { since: now, returning: true },
            }
        }
        self.after_line(now)
    }

    fn after_line(&mut self, now: Instant) -> Next {
        if matches!(self.state, State::Ending(_)) {
            self.leave(now);
        }
        match &self.state {
            State::Ended if self.is_mute() => self.apologise(),
            State::Ended | State::HangingUp(_) => Next::HangUp,
            State::Transferring { target, .. } => self.dial(target.clone()),
            State::Lost { .. } | State::HandedOver => Next::Reconnect,
            // The carrier never reached the socket. It may try again, within the time for
            // connecting.
            State::Ringing if self.line_losses < self.policy.line_losses => {
                self.line_losses += 1;
                Next::Reconnect
            }
            State::Ringing => {
                self.finish(now, EndReason::NotConnected);
                self.apologise()
            }
            // The carrier learns of it before the socket does.
            State::Listening { .. }
            | State::Replying(_)
            | State::OnHold
            | State::HumanSpeaks
            | State::Ending(_) => {
                self.lose_line(now);
                if self.is_over() { self.apologise() } else { Next::Reconnect }
            }
        }
    }

    fn apologise(&self) -> Next {
        Next::Apologise { text: self.agent.phrases.apology_goodbye.clone() }
    }

    fn after_dial(
        &mut self,
        now: Instant,
        answered: bool,
        outcome: &str,
        leg: Option<LegId>,
    ) -> Next {
        let State::Transferring { target, reason } = self.state.clone() else {
            self.unexpected();
            return if self.is_over() { Next::HangUp } else { Next::Reconnect };
        };
        if answered {
            self.finish(now, EndReason::Transferred);
            return Next::HangUp;
        }
        if reason == EndReason::ModelFailed {
            self.finish(now, EndReason::ModelFailed);
            return self.apologise();
        }
        // The time limit of the call passed while the target was ringing.
        if !self.deadlines.is_set(Deadline::MaxCall) {
            self.finish(now, EndReason::MaxDuration);
            return Next::Apologise { text: self.agent.phrases.time_goodbye.clone() };
        }
        let rejected = EventBody::CommandRejected {
            command: CommandName::Transfer.as_str().into(),
            value: target.to_string(),
            by: By::Ai,
            reason: format!("{outcome}: nobody took the call, the caller is back with you"),
            tool: None,
            leg,
        };
        self.emit(now, rejected);
        self.reply_due = true;
        self.deadlines.clear(Deadline::Transfer);
        self.deadlines.set(Deadline::Reconnect, now + self.policy.reconnect);
        self.state = State::Lost { since: now, returning: true };
        Next::Reconnect
    }
}
