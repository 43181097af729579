//! What happens when a deadline passes.

use std::time::Instant;

use super::{Call, State, Unsaid, millis};
use crate::deadline::Deadline;
use crate::event::{By, EndReason, EventBody, Source};
use crate::policy::ApprovalTimeout;

impl Call {
    pub(super) fn on_deadline(&mut self, now: Instant, due: Deadline) {
        match due {
            // An outbound call may still be ringing.
            Deadline::Connect if self.is_outbound() => {
                self.finish_and_hang_up(now, EndReason::NotConnected);
            }
            Deadline::Connect => self.finish(now, EndReason::NotConnected),
            Deadline::Opening => self.on_opening_due(now),
            Deadline::Filler => self.on_filler_due(now),
            Deadline::Answer => self.on_answer_overdue(now),
            Deadline::Retry => self.ask_again(now),
            Deadline::Playback => self.on_playback_due(now),
            Deadline::Silence => self.on_silence(now),
            Deadline::FalseInterrupt => self.on_false_interrupt(now),
            Deadline::Interrupt => self.interrupt(now),
            Deadline::Key => self.key_in(now),
            Deadline::Digits => self.digits_complete(now),
            Deadline::Words => self.on_words_overdue(now),
            Deadline::Question => self.close_question(now, None),
            Deadline::Approval => self.on_approval_overdue(now),
            Deadline::HoldPhrase => self.on_hold_phrase(now),
            Deadline::Reconnect => self.finish(now, EndReason::LineLost),
            Deadline::HandOver => self.hand_over(now),
            Deadline::Transfer => self.on_transfer_overdue(now),
            Deadline::HangUp => self.ask_to_hang_up(now),
            Deadline::Farewell => self.leave(now),
            Deadline::MaxCall => self.on_max_call(now),
            Deadline::Spend => self.on_spend(now),
            Deadline::Unattended => self.on_unattended(now),
            Deadline::Abandoned => self.on_abandoned(now),
        }
    }

    fn on_opening_due(&mut self, now: Instant) {
        if self.playback.is_idle() {
            return self.open(now);
        }
        // A supervisor is speaking.
        self.wait_to_open(now);
    }

    fn on_filler_due(&mut self, now: Instant) {
        if matches!(self.state, State::OnHold) {
            let phrase = self.agent.phrases.filler.clone();
            self.speak(now, Source::Filler, &phrase);
        } else {
            self.say_filler(now);
        }
    }

    /// The carrier has not reported the end of speech that must have ended.
    fn on_playback_due(&mut self, now: Instant) {
        if !self.playback.is_closed() {
            // More of the reply is coming, which has a limit of its own.
            return self.expect_playback(now);
        }
        // The carrier reports that the agent is audible, and has not reported its silence.
        let slack = self.policy.playback_slack * 2;
        if let Some(until) = self.playback.audible_until().map(|until| until + slack)
            && until > now
        {
            return self.deadlines.set(Deadline::Playback, until);
        }
        if self.speaks() {
            // What was sent counts as heard by the clock; sound that never came does not.
            self.cut_speech(now);
        } else {
            let spoken = self.playback.take_all_as_heard();
            self.record(now, spoken);
        }
        self.after_playback(now);
    }

    fn on_silence(&mut self, now: Instant) {
        if !matches!(self.state, State::Listening { .. }) {
            return;
        }
        if self.waits_for_model() {
            return self.settle(now);
        }
        if self.unprompted.nudges < self.policy.nudges {
            self.unprompted.nudges += 1;
            let phrase = self.agent.phrases.nudge.clone();
            self.speak(now, Source::Nudge, &phrase);
        } else {
            let phrase = self.agent.phrases.silence_goodbye.clone();
            self.speak(now, Source::Goodbye, &phrase);
            self.end_by_policy(now, EndReason::Silence);
        }
    }

    fn on_false_interrupt(&mut self, now: Instant) {
        if self.caller.audible {
            let later = now + self.policy.false_interrupt;
            return self.deadlines.set(Deadline::FalseInterrupt, later);
        }
        if self.answer_doubtful(now) {
            return;
        }
        match &self.state {
            State::Listening { .. } => self.go_on_speaking(now),
            State::OnHold => self.say_again(now),
            State::Ending(_) => self.go_on_ending(now),
            State::Ringing
            | State::Replying(_)
            | State::HumanSpeaks
            | State::Lost { .. }
            | State::Transferring { .. }
            | State::HangingUp(_)
            | State::HandedOver
            | State::Ended => {}
        }
    }

    /// Resumes what a noise cut off: the model continues its reply, anything else is repeated.
    fn go_on_speaking(&mut self, now: Instant) {
        if self.reply_due || self.untold.unsaid.iter().any(|unsaid| unsaid.source == Source::Model)
        {
            self.untold.unsaid.clear();
            let hint = "The caller interrupted you but said nothing that could be understood. Go \
                        on from where you were cut off.";
            return self.respond(now, &[hint]);
        }
        let greeting = self.untold.unsaid.iter().any(|unsaid| unsaid.source == Source::Greeting);
        self.say_again(now);
        self.listen(now, greeting);
    }

    fn say_again(&mut self, now: Instant) {
        let unsaid = std::mem::take(&mut self.untold.unsaid);
        if self.unprompted.turns >= self.policy.self_turns {
            return;
        }
        self.unprompted.turns += 1;
        for Unsaid { source, text } in unsaid.into_iter().filter(|unsaid| !unsaid.text.is_empty()) {
            if source == Source::Supervisor {
                let (text, by) = (text.clone(), By::Policy);
                self.emit(now, EventBody::AssistantOverride { text, by });
            }
            self.speak(now, source, &text);
        }
    }

    fn on_approval_overdue(&mut self, now: Instant) {
        let Some(held) = self.transcript.held.clone() else { return };
        match self.policy.approval_timeout {
            ApprovalTimeout::Send => self.send_held(now, &held.text, By::Policy),
            ApprovalTimeout::AskAgain => {
                let phrase = self.agent.phrases.still_holding.clone();
                self.speak(now, Source::Hold, &phrase);
                let (text, turn, commands) = (held.text, held.turn, held.commands);
                let timeout_ms = millis(self.policy.approval_limit);
                self.emit(now, EventBody::PendingResponse { text, turn, commands, timeout_ms });
                self.deadlines.set(Deadline::Approval, now + self.policy.approval_limit);
                self.deadlines.set(Deadline::HoldPhrase, now + self.policy.hold_phrase);
            }
        }
    }

    /// A hold phrase was interrupted: it is repeated soon.
    pub(super) fn hold_phrase_soon(&mut self, now: Instant) {
        if self.unprompted.turns <= self.policy.self_turns {
            self.unprompted.turns += 1;
            self.deadlines.set(Deadline::HoldPhrase, now + self.policy.false_interrupt);
        }
    }

    fn on_hold_phrase(&mut self, now: Instant) {
        if matches!(self.state, State::OnHold) {
            let phrase = self.agent.phrases.still_holding.clone();
            self.speak(now, Source::Hold, &phrase);
            self.deadlines.set(Deadline::HoldPhrase, now + self.policy.hold_phrase);
        }
    }

    /// No report has come that the transfer is over, or that the carrier has ended the call.
    fn on_transfer_overdue(&mut self, now: Instant) {
        let reason = match &self.state {
            State::HangingUp(hanging_up) => hanging_up.reason(),
            State::Ringing
            | State::Listening { .. }
            | State::Replying(_)
            | State::OnHold
            | State::HumanSpeaks
            | State::Lost { .. }
            | State::Ending(_)
            | State::Transferring { .. }
            | State::HandedOver
            | State::Ended => EndReason::Transferred,
        };
        self.finish_and_hang_up(now, reason);
    }

    fn on_max_call(&mut self, now: Instant) {
        match &self.state {
            State::Ringing | State::Lost { .. } => {
                self.finish_and_hang_up(now, EndReason::MaxDuration);
            }
            State::Ending(_) => self.make_ending_firm(),
            // A transfer has a limit of its own.
            State::Transferring { .. } | State::HangingUp(_) | State::HandedOver | State::Ended => {
            }
            State::Listening { .. } | State::Replying(_) | State::OnHold | State::HumanSpeaks => {
                let phrase = self.agent.phrases.time_goodbye.clone();
                self.say_goodbye(now, &phrase, EndReason::MaxDuration);
            }
        }
    }
}
