//! The line: it comes up, reports what was played, closes.

use std::time::Instant;

use super::caller::CallerWords;
use super::{Call, State};
use crate::carrier::{EndStatus, FromCarrier, Next, ToCarrier};
use crate::deadline::Deadline;
use crate::event::{EndReason, EventBody, Source, Stage, Where};
use crate::ids::LegId;

impl Call {
    pub(super) fn on_carrier(&mut self, now: Instant, said: FromCarrier) {
        if self.is_over() {
            return self.unexpected();
        }
        match said {
            FromCarrier::Connected { line } => self.on_connected(now, line),
            FromCarrier::Said { text, last } => self.on_said(now, text, last),
            FromCarrier::Pressed { digit } => self.on_pressed(now, digit),
            FromCarrier::Interrupted { heard } => self.on_interrupted(now, &heard),
            FromCarrier::Audio(audio) => self.on_audio(audio),
            FromCarrier::Marked(mark) => self.on_marked(now, mark),
            FromCarrier::Played { text } => self.on_played(now, &text),
            FromCarrier::AgentSpeaking(on) => self.on_agent_speaking(now, on),
            FromCarrier::CallerSpeaking(on) => self.on_caller_speaking(now, on),
            FromCarrier::Trouble { code, message } => {
                let code = code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
                let r#where = Where::Carrier;
                self.emit(now, EventBody::Error { r#where, code, message, fatal: false });
            }
            FromCarrier::Closed { clean } => self.on_closed(now, clean),
            FromCarrier::Progress(progress) => self.on_progress(now, progress),
            FromCarrier::AnsweredBy(who) => self.on_answered_by(now, who),
            FromCarrier::Over { status } => self.on_over(now, status),
            FromCarrier::HungUp => self.on_hung_up(now),
            FromCarrier::NotHungUp(why) => self.on_not_hung_up(now, why),
        }
    }

    fn on_connected(&mut self, now: Instant, line: Option<LegId>) {
        match self.state {
            State::Ringing => {
                self.deadlines.clear(Deadline::Connect);
                self.deadlines.set(Deadline::MaxCall, now + self.policy.max_call);
                self.emit(now, EventBody::Connected { line });
                self.line_up(now);
                if self.transcript.takeover.is_some() {
                    return self.settle(now);
                }
                if let Some(who) = self.answerer.take()
                    && self.is_for_machine(now, who)
                {
                    return;
                }
                if self.model_refused {
                    return self.give_up(now);
                }
                match &self.agent.greeting {
                    Some(_) if self.is_outbound() && self.agent.opens_after.is_some() => {
                        self.state = State::Listening { greeting: true };
                        self.wait_to_open(now);
                    }
                    Some(_) => self.greet(now),
                    None => self.respond(now, &["The call has just been connected. You begin."]),
                }
            }
            State::Lost { since, returning } => {
                self.deadlines.clear(Deadline::Reconnect);
                let gap = now.saturating_duration_since(since).as_millis();
                let gap_ms = u64::try_from(gap).unwrap_or(u64::MAX);
                self.emit(now, EventBody::Resumed { gap_ms, line });
                if !returning {
                    let phrase = self.agent.phrases.back_again.clone();
                    self.speak(now, Source::Apology, &phrase);
                }
                self.settle(now);
            }
            // There is a line again, and hanging up on it is quicker.
            State::HangingUp(_) => {
                self.tell_line(ToCarrier::Leave(Next::HangUp));
                self.on_hung_up(now);
            }
            State::Listening { .. }
            | State::Replying(_)
            | State::OnHold
            | State::HumanSpeaks
            | State::Ending(_)
            | State::Transferring { .. }
            | State::HandedOver
            | State::Ended => self.unexpected(),
        }
    }

    fn greet(&mut self, now: Instant) {
        if let Some(greeting) = self.agent.greeting.clone() {
            self.speak(now, Source::Greeting, &greeting);
            self.listen(now, true);
        }
    }

    /// The callee greets first; the agent follows a while after their last sound.
    pub(super) fn wait_to_open(&mut self, now: Instant) {
        if let Some(wait) = self.agent.opens_after {
            self.deadlines.set(Deadline::Opening, now + wait);
        }
    }

    /// The callee has greeted, or will not: speaks the greeting.
    pub(super) fn open(&mut self, now: Instant) {
        self.deadlines.clear(Deadline::Opening);
        if matches!(self.state, State::Listening { .. }) {
            self.reply_due = false;
            self.greet(now);
        }
    }

    pub(super) fn on_played(&mut self, now: Instant, text: &str) {
        let turn = self.playback.played(now, text);
        if let Some(turn) = turn
            && turn == self.turn
        {
            self.measure(now, turn, Stage::FirstPlayed);
            self.asked_at = None;
        }
        let finished = self.playback.take_finished();
        self.record(now, finished);
        self.note_heard(now);
        self.after_playback(now);
    }

    /// Continues if everything that was sent has been heard.
    pub(super) fn after_playback(&mut self, now: Instant) {
        if !self.playback.is_idle() {
            return;
        }
        match &self.state {
            State::Listening { .. } if self.waits_for_model() => self.settle(now),
            State::Listening { .. } => self.listen(now, false),
            State::Replying(reply) if reply.is_done() => self.reply_heard(now),
            // The caller has begun to speak, and may object to the ending.
            State::Ending(ending)
                if self.caller.is_understood_in_part() && ending.can_be_called_off() => {}
            State::Ending(_) => self.leave(now),
            State::Ringing
            | State::Replying(_)
            | State::OnHold
            | State::HumanSpeaks
            | State::Lost { .. }
            | State::Transferring { .. }
            | State::HangingUp(_)
            | State::HandedOver
            | State::Ended => {}
        }
    }

    /// Whether the model must speak, and nothing is expected from the caller before it does.
    pub(super) fn waits_for_model(&self) -> bool {
        let caller =
            [Deadline::Opening, Deadline::FalseInterrupt, Deadline::Digits, Deadline::Words];
        self.reply_due && !caller.into_iter().any(|waits| self.deadlines.is_set(waits))
    }

    fn on_agent_speaking(&mut self, now: Instant, on: bool) {
        if self.playback.voice(now, on) {
            // A last report may be on its way; if it does not come soon, it never will.
            let soon = now + self.policy.playback_slack / 4;
            self.deadlines.set(Deadline::Playback, soon);
        } else if on {
            // What is audible is waited for, even if a silence before it seemed to be its end.
            self.expect_playback(now);
        }
    }

    fn on_closed(&mut self, now: Instant, clean: bool) {
        match &self.state {
            State::Transferring { .. } | State::HangingUp(_) => {}
            State::Ending(_) if clean => self.hang_up_during_ending(now),
            State::Ending(_) => self.leave(now),
            State::Listening { .. } | State::Replying(_) | State::OnHold | State::HumanSpeaks => {
                if clean {
                    self.finish(now, EndReason::CallerHungUp);
                } else {
                    self.lose_line(now);
                }
            }
            State::Ringing | State::Lost { .. } | State::HandedOver | State::Ended => {
                self.unexpected();
            }
        }
    }

    /// The line is lost: records what was heard, and waits for it to come back.
    pub(super) fn lose_line(&mut self, now: Instant) {
        self.line_losses += 1;
        if self.line_losses > self.policy.line_losses {
            return self.finish(now, EndReason::LineLost);
        }
        self.record_cut(now);
        if self.is_replying_unfinished() {
            self.reply_due = true;
        }
        self.drop_reply(now, "the line was lost");
        self.caller.audible = false;
        self.caller.words = CallerWords::Settled;
        self.asked_at = None;
        self.untold.unsaid.clear();
        self.untold.withdrawn = false;
        self.reply_due |= self.transcript.is_reply_due();
        for waits in [
            Deadline::Opening,
            Deadline::Silence,
            Deadline::FalseInterrupt,
            Deadline::Digits,
            Deadline::Words,
            Deadline::Key,
            Deadline::HoldPhrase,
            Deadline::Question,
            Deadline::Approval,
        ] {
            self.deadlines.clear(waits);
        }
        self.state = State::Lost { since: now, returning: false };
        self.deadlines.set(Deadline::Reconnect, now + self.policy.reconnect);
    }

    fn on_over(&mut self, now: Instant, status: EndStatus) {
        let reason = match (status, &self.state) {
            (_, State::HangingUp(_)) => return self.on_hung_up(now),
            (EndStatus::Busy, _) => EndReason::Busy,
            (EndStatus::NoAnswer, _) => EndReason::NoAnswer,
            (EndStatus::Canceled, _) => EndReason::Canceled,
            (EndStatus::Failed, _) => EndReason::Failed,
            (EndStatus::Completed, State::Transferring { .. }) => EndReason::Transferred,
            (EndStatus::Completed, State::Ending(ending)) => ending.reason(),
            (EndStatus::Completed, _) => EndReason::CallerHungUp,
        };
        self.finish(now, reason);
    }
}
