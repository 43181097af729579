//! What the line says.

use std::time::{Duration, Instant};

use super::{Call, CallerWords, State, Unprompted, Unsaid};
use crate::carrier::{EndStatus, FromCarrier, Next, ToCarrier};
use crate::deadline::Deadline;
use crate::event::{By, EndReason, EventBody, Source, Speaker, Stage, Where};

/// How long a key waits for the interruption that it may cause.
const KEY_INTERRUPTS: Duration = Duration::from_millis(250);

/// What the model is told when a transfer that was announced to the caller has been withdrawn.
const WITHDRAWN: &str = "You had told the caller that they will be put through, and it has not been \
                         done. If they still want it, say so and give the command again now. If \
                         not, tell them that they stay with you.";

impl Call {
    pub(super) fn on_carrier(&mut self, now: Instant, said: FromCarrier) {
        if self.is_over() {
            return self.unexpected();
        }
        match said {
            FromCarrier::Connected => self.on_connected(now),
            FromCarrier::Said { text, last } => self.on_said(now, text, last),
            FromCarrier::Pressed { digit } => self.on_pressed(now, digit),
            FromCarrier::Interrupted { heard } => self.on_interrupted(now, &heard),
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

    fn on_connected(&mut self, now: Instant) {
        match self.state {
            State::Ringing => {
                self.deadlines.clear(Deadline::Connect);
                self.deadlines.set(Deadline::MaxCall, now + self.policy.max_call);
                self.emit(now, EventBody::Connected);
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
                self.emit(now, EventBody::Resumed { gap_ms });
                if !returning {
                    let phrase = self.agent.phrases.back_again.clone();
                    self.speak(now, Source::Apology, &phrase);
                }
                self.settle(now);
            }
            // There is a line again: it is the shorter way.
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
            | State::Gone
            | State::Ended => self.unexpected(),
        }
    }

    fn greet(&mut self, now: Instant) {
        if let Some(greeting) = self.agent.greeting.clone() {
            self.speak(now, Source::Greeting, &greeting);
            self.listen(now, true);
        }
    }

    /// The callee greets first; from their last sound on it is our turn after a while.
    pub(super) fn wait_to_open(&mut self, now: Instant) {
        if let Some(wait) = self.agent.opens_after {
            self.deadlines.set(Deadline::Opening, now + wait);
        }
    }

    /// The callee has greeted, or will not: our opening is the answer.
    pub(super) fn open(&mut self, now: Instant) {
        self.deadlines.clear(Deadline::Opening);
        if matches!(self.state, State::Listening { .. }) {
            self.owed = false;
            self.greet(now);
        }
    }

    fn on_said(&mut self, now: Instant, text: String, last: bool) {
        if text.trim().is_empty() || matches!(self.state, State::Ringing) {
            return self.unexpected();
        }
        if !last {
            return self.on_partial(now, text);
        }
        self.caller.words = CallerWords::Settled;
        let taken = self.caller.taken.take().filter(|(_, until)| now < *until);
        if taken.is_some_and(|(taken, _)| taken == text) {
            // It stands on record already, and is being answered.
            return;
        }
        self.on_words(now, text);
    }

    /// The caller's utterance grows: it is complete soon, or counts as it is.
    fn on_partial(&mut self, now: Instant, text: String) {
        self.deadlines.clear(Deadline::Silence);
        self.deadlines.clear(Deadline::FalseInterrupt);
        self.caller.taken = None;
        self.caller.words = CallerWords::Partial(text.clone());
        self.wait_for_words(now);
        let speaker = Speaker::Caller;
        self.show(now, EventBody::Transcript { speaker, text, r#final: false });
    }

    /// What the caller has begun to say must come to an end: while they are audible, and after it.
    fn wait_for_words(&mut self, now: Instant) {
        if self.caller.audible {
            self.deadlines.set(Deadline::Words, now + self.policy.voice_limit);
        } else if self.caller.is_understood_in_part() {
            self.deadlines.set(Deadline::Words, now + self.policy.words_limit);
        } else {
            self.deadlines.clear(Deadline::Words);
        }
    }

    /// The line says that the caller speaks, and has said nothing else for too long.
    pub(super) fn on_words_overdue(&mut self, now: Instant) {
        let partial = self.caller.take_partial();
        self.on_caller_speaking(now, false);
        self.caller.words = CallerWords::Settled;
        if let Some(text) = partial {
            self.caller.taken = Some((text.clone(), now + self.policy.words_limit));
            self.on_words(now, text);
        }
    }

    /// The caller has said something, to its end.
    fn on_words(&mut self, now: Instant, text: String) {
        self.deadlines.clear(Deadline::Silence);
        self.deadlines.clear(Deadline::FalseInterrupt);
        self.wait_for_words(now);
        // They are answered together with the keys before them.
        self.key_in(now);
        self.deadlines.clear(Deadline::Digits);
        let speaker = Speaker::Caller;
        if self.is_let_happen(&text) {
            self.emit(now, EventBody::Transcript { speaker, text, r#final: true });
            return self.go_on_ending(now);
        }
        self.make_way(now, "the caller spoke");
        self.emit(now, EventBody::Transcript { speaker, text, r#final: true });
        self.caller_has_spoken(now);
    }

    /// Puts on record what was being said when the caller spoke or pressed a key: it came first. What
    /// was to follow it does not.
    fn make_way(&mut self, now: Instant, because: &str) {
        match &self.state {
            State::Listening { .. } | State::Replying(_) => self.settle_speech_before_words(now),
            State::Ringing
            | State::OnHold
            | State::HumanSpeaks
            | State::Lost { .. }
            | State::Ending(_)
            | State::Transferring { .. }
            | State::HangingUp(_)
            | State::Gone
            | State::Ended => {}
        }
        self.call_off_ending(now, because);
    }

    /// What the caller has begun to say will not be understood any further: it counts as it is.
    pub(super) fn record_partial(&mut self, now: Instant) {
        self.deadlines.clear(Deadline::Key);
        if let Some(digit) = self.caller.key.take() {
            self.emit(now, EventBody::Dtmf { digit });
        }
        self.deadlines.clear(Deadline::Words);
        let Some(text) = self.caller.take_partial() else { return };
        let speaker = Speaker::Caller;
        self.emit(now, EventBody::Transcript { speaker, text, r#final: true });
    }

    /// The caller has said or keyed something that is on record by now.
    pub(super) fn caller_has_spoken(&mut self, now: Instant) {
        self.unprompted = Unprompted::default();
        self.owed = true;
        match &self.state {
            State::Listening { .. } if self.deadlines.is_set(Deadline::Opening) => self.open(now),
            State::Listening { .. } | State::Replying(_) => {
                self.untold.unsaid.clear();
                self.drop_reply(now, "the caller spoke");
                self.asked_at = Some(now);
                let withdrawn = std::mem::take(&mut self.untold.withdrawn);
                self.respond(now, if withdrawn { &[WITHDRAWN] } else { &[] });
            }
            State::Ending(_) => self.go_on_ending(now),
            // The words are kept; the answer comes when the caller is off hold.
            State::OnHold => {
                self.untold.unsaid.clear();
                // However often they ask whether we are there, they hear that we are.
                let soon = now + self.policy.filler_after;
                let due = self.deadlines.at(Deadline::HoldPhrase);
                let due = due.map_or(now + self.policy.hold_phrase, |due| due.max(soon));
                self.deadlines.set(Deadline::HoldPhrase, due);
            }
            State::HumanSpeaks => {}
            State::Ringing
            | State::Lost { .. }
            | State::Transferring { .. }
            | State::HangingUp(_)
            | State::Gone
            | State::Ended => {
                self.unexpected();
            }
        }
    }

    /// Words came without an interruption. If we were not audible any more, all was heard; if we
    /// still are, the next reply will cut this one off.
    fn settle_speech_before_words(&mut self, now: Instant) {
        if self.playback.fell_silent() {
            let spoken = self.playback.take_all_as_heard();
            self.record(now, spoken);
        } else {
            self.cut_speech(now);
        }
    }

    fn on_pressed(&mut self, now: Instant, digit: char) {
        if !matches!(digit, '0'..='9' | '*' | '#') || matches!(self.state, State::Ringing) {
            return self.unexpected();
        }
        self.key_in(now);
        if self.playback.is_idle() {
            return self.on_key(now, digit);
        }
        // The interruption that it may cause tells how far the words before it were heard.
        self.caller.key = Some(digit);
        self.deadlines.set(Deadline::Key, now + KEY_INTERRUPTS);
    }

    /// A key that waited for its interruption waits no longer.
    pub(super) fn key_in(&mut self, now: Instant) {
        self.deadlines.clear(Deadline::Key);
        if let Some(digit) = self.caller.key.take() {
            self.on_key(now, digit);
        }
    }

    fn on_key(&mut self, now: Instant, digit: char) {
        self.deadlines.clear(Deadline::Silence);
        // More keys are waited for, not words.
        self.deadlines.clear(Deadline::FalseInterrupt);
        self.make_way(now, "the caller pressed a key");
        if matches!(self.state, State::Replying(_)) {
            // Nothing is said into a row of keys; the answer is to all of them.
            self.owed = true;
            self.drop_reply(now, "the caller pressed a key");
        }
        self.emit(now, EventBody::Dtmf { digit });
        if digit == '#' {
            self.digits_complete(now);
        } else {
            self.deadlines.set(Deadline::Digits, now + self.policy.digits_pause);
        }
    }

    pub(super) fn digits_complete(&mut self, now: Instant) {
        self.deadlines.clear(Deadline::Digits);
        self.caller_has_spoken(now);
    }

    fn on_interrupted(&mut self, now: Instant, heard: &str) {
        if self.playback.is_idle() {
            // A key or a cough after the last word: nothing was cut.
            return self.unexpected();
        }
        let cut = self.playback.take_interrupted(now, heard);
        let current = cut.iter().find(|spoken| !spoken.whole).or_else(|| cut.last());
        let heard = current.map(|spoken| spoken.text.clone()).unwrap_or_default();
        self.emit(now, EventBody::Interrupt { heard });
        let unsaid = cut.iter().filter(|spoken| !spoken.whole);
        let unsaid = unsaid.map(|cut| Unsaid { source: cut.source, text: cut.unsaid.clone() });
        self.untold.unsaid = unsaid.collect();
        // The model must know that its keys have not been pressed.
        let mut dropped = cut.iter().flat_map(|spoken| &spoken.dropped);
        self.owed |= dropped.any(|keys| keys.by == By::Ai);
        self.record(now, cut);
        match &self.state {
            State::Replying(reply) if reply.has_spoken() || reply.is_done() => {
                self.asked_at = None;
                self.cut_reply(now);
            }
            State::Listening { .. } => self.listen(now, false),
            State::Ending(_) => self.deadlines.clear(Deadline::Farewell),
            State::OnHold => {
                self.untold.unsaid.retain(|unsaid| unsaid.source == Source::Supervisor);
                if self.untold.unsaid.is_empty() {
                    self.hold_phrase_soon(now);
                }
            }
            // Only a filler was cut off: what is being waited for still comes. A human who speaks
            // decides for himself.
            State::Replying(_) | State::HumanSpeaks => self.untold.unsaid.clear(),
            State::Ringing
            | State::Lost { .. }
            | State::Transferring { .. }
            | State::HangingUp(_)
            | State::Gone
            | State::Ended => self.unexpected(),
        }
        self.expect_words(now);
        self.key_in(now);
    }

    /// The reply is cut off. What was to follow it is not forgotten: it is done if nothing is said.
    fn cut_reply(&mut self, now: Instant) {
        let Some(reply) = self.reply() else { return };
        let (exit, again) = (reply.take_exit(), reply.waits_again());
        self.owed |= again;
        self.drop_reply(now, "the caller spoke");
        match exit {
            Some(exit) => self.suspend_ending(exit),
            None => self.listen(now, false),
        }
    }

    /// An interruption should be followed by words, or by keys; if it is not, it was a noise, and
    /// what it cut off goes on.
    fn expect_words(&mut self, now: Instant) {
        let keys = self.deadlines.is_set(Deadline::Digits);
        let wait = match &self.state {
            State::Listening { .. } => !keys && (self.owed || !self.untold.unsaid.is_empty()),
            State::OnHold => !self.untold.unsaid.is_empty(),
            State::Ending(_) => true,
            State::Ringing
            | State::Replying(_)
            | State::HumanSpeaks
            | State::Lost { .. }
            | State::Transferring { .. }
            | State::HangingUp(_)
            | State::Gone
            | State::Ended => false,
        };
        if wait {
            self.deadlines.clear(Deadline::Silence);
            self.deadlines.set(Deadline::FalseInterrupt, now + self.policy.false_interrupt);
        }
    }

    fn on_played(&mut self, now: Instant, text: &str) {
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

    /// Goes on if the last words have been heard.
    pub(super) fn after_playback(&mut self, now: Instant) {
        if !self.playback.is_idle() {
            return;
        }
        match &self.state {
            State::Listening { .. } if self.waits_for_model() => self.settle(now),
            State::Listening { .. } => self.listen(now, false),
            State::Replying(reply) if reply.is_done() => self.reply_heard(now),
            // What the caller has begun to say may be that they want to stay.
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
            | State::Gone
            | State::Ended => {}
        }
    }

    /// Whether nothing but the model is waited for: not what the caller may be about to say or key.
    pub(super) fn waits_for_model(&self) -> bool {
        let caller =
            [Deadline::Opening, Deadline::FalseInterrupt, Deadline::Digits, Deadline::Words];
        self.owed && !caller.into_iter().any(|waits| self.deadlines.is_set(waits))
    }

    fn on_agent_speaking(&mut self, now: Instant, on: bool) {
        if self.playback.voice(now, on) {
            // What the carrier has not reported by the time that its last report would take, it will
            // not report.
            let soon = now + self.policy.playback_slack / 4;
            self.deadlines.set(Deadline::Playback, soon);
        } else if on {
            // What sounds is waited for, whatever a silence before it seemed to say.
            self.expect_playback(now);
        }
    }

    fn on_caller_speaking(&mut self, now: Instant, on: bool) {
        self.caller.set_audible(on);
        self.wait_for_words(now);
        if !on && self.deadlines.is_set(Deadline::FalseInterrupt) {
            // What they said is still being understood: the wait for it begins now.
            self.deadlines.set(Deadline::FalseInterrupt, now + self.policy.false_interrupt);
        }
        if self.deadlines.is_set(Deadline::Opening) {
            self.wait_to_open(now);
        }
        if on {
            self.deadlines.clear(Deadline::Silence);
        } else if matches!(self.state, State::Listening { .. })
            && self.playback.is_idle()
            && !self.deadlines.is_set(Deadline::FalseInterrupt)
        {
            self.deadlines.set(Deadline::Silence, now + self.policy.silence);
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
            State::Ringing | State::Lost { .. } | State::Gone | State::Ended => self.unexpected(),
        }
    }

    /// The words on their way are lost with the line; the conversation is not.
    pub(super) fn lose_line(&mut self, now: Instant) {
        self.line_losses += 1;
        if self.line_losses > self.policy.line_losses {
            return self.finish(now, EndReason::LineLost);
        }
        self.record_cut(now);
        if self.is_replying_unfinished() {
            self.owed = true;
        }
        self.drop_reply(now, "the line was lost");
        self.caller.audible = false;
        self.caller.words = CallerWords::Settled;
        self.asked_at = None;
        self.untold.unsaid.clear();
        self.untold.withdrawn = false;
        self.owed |= self.transcript.owes();
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
