//! What the caller does: speak, press keys, interrupt.

use std::time::{Duration, Instant};

use super::{Call, State, Unprompted, Unsaid};
use crate::deadline::Deadline;
use crate::event::{By, EventBody, Source, Speaker};

/// How long a key waits for the interruption that it may cause before it is recorded.
const KEY_INTERRUPTS: Duration = Duration::from_millis(250);

/// What the model is told when a transfer that was announced to the caller has been withdrawn.
const WITHDRAWN: &str = "You had told the caller that they will be put through, and it has not been \
                         done. If they still want it, say so and give the command again now. If \
                         not, tell them that they stay with you.";

/// What the caller says and presses, as far as it is not recorded yet.
#[derive(Debug, Clone, Default)]
pub(super) struct CallerInput {
    /// The carrier reports that the caller speaks.
    pub(super) audible: bool,
    pub(super) words: CallerWords,
    /// A partial result that was taken as final, and until when the final one may still come.
    pub(super) taken: Option<(String, Instant)>,
    /// A key that was pressed while the agent spoke, and waits for the interruption that it may
    /// cause.
    pub(super) key: Option<char>,
}

/// The caller's utterance under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum CallerWords {
    /// There is none.
    #[default]
    Settled,
    /// It has begun, and nothing of it has been recognised.
    Begun,
    /// The latest partial result.
    Partial(String),
}

impl CallerInput {
    pub(super) fn set_audible(&mut self, audible: bool) {
        self.audible = audible;
        if audible && self.words == CallerWords::Settled {
            self.words = CallerWords::Begun;
        }
    }

    pub(super) fn is_understood_in_part(&self) -> bool {
        matches!(self.words, CallerWords::Partial(_))
    }

    /// Takes the latest partial result, which ends the utterance.
    pub(super) fn take_partial(&mut self) -> Option<String> {
        match std::mem::take(&mut self.words) {
            CallerWords::Partial(text) => Some(text),
            other @ (CallerWords::Settled | CallerWords::Begun) => {
                self.words = other;
                None
            }
        }
    }
}

impl Call {
    pub(super) fn on_said(&mut self, now: Instant, text: String, last: bool) {
        if text.trim().is_empty() || matches!(self.state, State::Ringing) {
            return self.unexpected();
        }
        if !last {
            return self.on_partial(now, text);
        }
        self.caller.words = CallerWords::Settled;
        let taken = self.caller.taken.take().filter(|(_, until)| now < *until);
        if taken.is_some_and(|(taken, _)| taken == text) {
            // It is recorded already, and is being answered.
            return;
        }
        self.on_words(now, text);
    }

    /// A partial result: the final one follows, or this one is taken as final.
    fn on_partial(&mut self, now: Instant, text: String) {
        self.deadlines.clear(Deadline::Silence);
        self.deadlines.clear(Deadline::FalseInterrupt);
        self.caller.taken = None;
        self.caller.words = CallerWords::Partial(text.clone());
        self.wait_for_words(now);
        let speaker = Speaker::Caller;
        self.show(now, EventBody::Transcript { speaker, text, r#final: false });
    }

    /// Limits how long an utterance under way is waited for, while the caller is audible and after.
    fn wait_for_words(&mut self, now: Instant) {
        if self.caller.audible {
            self.deadlines.set(Deadline::Words, now + self.policy.voice_limit);
        } else if self.caller.is_understood_in_part() {
            self.deadlines.set(Deadline::Words, now + self.policy.words_limit);
        } else {
            self.deadlines.clear(Deadline::Words);
        }
    }

    /// The caller's utterance has not been completed in time.
    pub(super) fn on_words_overdue(&mut self, now: Instant) {
        let partial = self.caller.take_partial();
        self.on_caller_speaking(now, false);
        self.caller.words = CallerWords::Settled;
        if let Some(text) = partial {
            self.caller.taken = Some((text.clone(), now + self.policy.words_limit));
            self.on_words(now, text);
        }
    }

    /// The caller has said something complete.
    pub(super) fn on_words(&mut self, now: Instant, text: String) {
        self.deadlines.clear(Deadline::Silence);
        self.deadlines.clear(Deadline::FalseInterrupt);
        self.wait_for_words(now);
        // Words are answered together with the keys before them.
        self.key_in(now);
        self.deadlines.clear(Deadline::Digits);
        let speaker = Speaker::Caller;
        if self.is_accepted(&text) {
            self.emit(now, EventBody::Transcript { speaker, text, r#final: true });
            return self.go_on_ending(now);
        }
        self.settle_before_input(now, "the caller spoke");
        self.emit(now, EventBody::Transcript { speaker, text, r#final: true });
        self.caller_has_spoken(now);
    }

    /// Records what was being spoken when the caller spoke or pressed a key, as it came first, and
    /// calls off the ending that was to follow it.
    fn settle_before_input(&mut self, now: Instant, because: &str) {
        match &self.state {
            State::Listening { .. } | State::Replying(_) => self.settle_speech_before_words(now),
            State::Ringing
            | State::OnHold
            | State::HumanSpeaks
            | State::Lost { .. }
            | State::Ending(_)
            | State::Transferring { .. }
            | State::HangingUp(_)
            | State::HandedOver
            | State::Ended => {}
        }
        self.call_off_ending(now, because);
    }

    /// Records the key and the partial result that wait: nothing more of them will come.
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

    /// Answers what the caller has said or pressed, which is recorded by now.
    pub(super) fn caller_has_spoken(&mut self, now: Instant) {
        self.unprompted = Unprompted::default();
        self.reply_due = true;
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
            // The words are recorded; they are answered when the caller is off hold.
            State::OnHold => {
                self.untold.unsaid.clear();
                // A caller who keeps asking must not postpone the hold phrase for ever.
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
            | State::HandedOver
            | State::Ended => {
                self.unexpected();
            }
        }
    }

    /// The caller spoke without interrupting. If the agent was no longer audible, everything was
    /// heard; otherwise the next reply cuts this one off.
    fn settle_speech_before_words(&mut self, now: Instant) {
        if self.playback.fell_silent() {
            let spoken = self.playback.take_all_as_heard();
            self.record(now, spoken);
        } else {
            self.cut_speech(now);
        }
    }

    pub(super) fn on_pressed(&mut self, now: Instant, digit: char) {
        if !matches!(digit, '0'..='9' | '*' | '#') || matches!(self.state, State::Ringing) {
            return self.unexpected();
        }
        self.key_in(now);
        if self.playback.is_idle() {
            return self.on_key(now, digit);
        }
        // The interruption that it may cause reports how far the words before it were heard.
        self.caller.key = Some(digit);
        self.deadlines.set(Deadline::Key, now + KEY_INTERRUPTS);
    }

    /// Handles the key that waited for an interruption, if there is one.
    pub(super) fn key_in(&mut self, now: Instant) {
        self.deadlines.clear(Deadline::Key);
        if let Some(digit) = self.caller.key.take() {
            self.on_key(now, digit);
        }
    }

    fn on_key(&mut self, now: Instant, digit: char) {
        self.deadlines.clear(Deadline::Silence);
        // What is expected now are more keys, not words.
        self.deadlines.clear(Deadline::FalseInterrupt);
        self.settle_before_input(now, "the caller pressed a key");
        if matches!(self.state, State::Replying(_)) {
            // Nothing is said between keys; the reply answers all of them.
            self.reply_due = true;
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

    pub(super) fn on_interrupted(&mut self, now: Instant, heard: &str) {
        if self.playback.is_idle() {
            // A key or a noise after the last word: nothing was cut off.
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
        self.reply_due |= dropped.any(|keys| keys.by == By::Ai);
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
            // Only a filler was cut off, and the reply still comes. A human repeats what they
            // choose.
            State::Replying(_) | State::HumanSpeaks => self.untold.unsaid.clear(),
            State::Ringing
            | State::Lost { .. }
            | State::Transferring { .. }
            | State::HangingUp(_)
            | State::HandedOver
            | State::Ended => self.unexpected(),
        }
        self.expect_words(now);
        self.key_in(now);
    }

    /// The reply was interrupted. Its exit is suspended: it happens if the caller says nothing.
    fn cut_reply(&mut self, now: Instant) {
        let Some(reply) = self.reply() else { return };
        let (exit, again) = (reply.take_exit(), reply.waits_again());
        self.reply_due |= again;
        self.drop_reply(now, "the caller spoke");
        match exit {
            Some(exit) => self.suspend_ending(exit),
            None => self.listen(now, false),
        }
    }

    /// An interruption should be followed by words or keys. If it is not, it was a noise, and what
    /// it cut off is resumed.
    fn expect_words(&mut self, now: Instant) {
        let keys = self.deadlines.is_set(Deadline::Digits);
        let wait = match &self.state {
            State::Listening { .. } => !keys && (self.reply_due || !self.untold.unsaid.is_empty()),
            State::OnHold => !self.untold.unsaid.is_empty(),
            State::Ending(_) => true,
            State::Ringing
            | State::Replying(_)
            | State::HumanSpeaks
            | State::Lost { .. }
            | State::Transferring { .. }
            | State::HangingUp(_)
            | State::HandedOver
            | State::Ended => false,
        };
        if wait {
            self.deadlines.clear(Deadline::Silence);
            self.deadlines.set(Deadline::FalseInterrupt, now + self.policy.false_interrupt);
        }
    }

    pub(super) fn on_caller_speaking(&mut self, now: Instant, on: bool) {
        self.caller.set_audible(on);
        self.wait_for_words(now);
        if !on && self.deadlines.is_set(Deadline::FalseInterrupt) {
            // What they said is still being recognised: the wait for it begins now.
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
}
