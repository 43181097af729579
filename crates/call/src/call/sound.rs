//! Calls whose model hears and speaks: sound in both directions, and what the caller says as the
//! model reports it.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::reply::ReplyPhase;
use super::{Call, Output, State};
use crate::carrier::ToCarrier;
use crate::deadline::Deadline;
use crate::event::{EventBody, Speaker, Stage, Where};
use crate::ids::{TurnId, UtteranceId};
use crate::model::{Clip, ToModel, Traits};
use crate::playback::Speech;
use crate::voice::Cut;

/// An utterance that interrupted the agent and was shorter than this may be a cough: whether it had
/// words is waited for.
const COUGH: Duration = Duration::from_millis(700);

/// What the model has heard of the caller.
#[derive(Debug, Clone, Default)]
pub(super) struct Hearing {
    /// When the caller began to speak, if they do.
    since: Option<Instant>,
    /// How long the utterance lasted that is over.
    lasted: Duration,
    /// It has cut the agent off.
    interrupted: bool,
    /// The utterance of which it is waited for whether it has words.
    doubtful: Option<UtteranceId>,
}

impl Call {
    pub(in crate::call) fn speaks(&self) -> bool {
        self.agent.traits == Traits::Speech
    }

    /// Whether the call has lost its voice: the model that spoke is refused.
    pub(super) fn is_mute(&self) -> bool {
        self.speaks() && self.model_refused
    }

    /// Whether the line is up and the call is not ending.
    pub(super) fn is_conversing(&self) -> bool {
        matches!(
            self.state,
            State::Listening { .. } | State::Replying(_) | State::OnHold | State::HumanSpeaks
        )
    }

    /// Sound of the caller, which the model hears.
    pub(super) fn on_audio(&mut self, audio: Bytes) {
        if !self.speaks() || self.model_refused {
            return self.unexpected();
        }
        self.tell_model(ToModel::Hear(audio));
    }

    /// The line has played everything before this mark.
    pub(super) fn on_marked(&mut self, now: Instant, mark: u64) {
        if let Some(turn) = self.voice.marked(now, mark)
            && turn == self.turn
        {
            self.measure(now, turn, Stage::FirstPlayed);
            self.asked_at = None;
        }
        self.note_sounded(now);
    }

    /// Sound of the model.
    pub(super) fn on_sound(&mut self, now: Instant, clip: Clip, audio: Bytes) {
        let Clip::Reply { turn, .. } = clip else {
            let orders = self.voice.sound(now, clip, audio);
            return self.play(orders);
        };
        if !self.is_current(turn) {
            return;
        }
        self.begin(now);
        let Some(reply) = self.reply() else { return };
        if reply.kept_back().is_some() {
            return self.voice.keep(clip, audio);
        }
        if reply.sounds() {
            self.measure_spoken(now, turn);
        }
        let orders = self.voice.sound(now, clip, audio);
        self.play(orders);
        self.expect_playback(now);
    }

    /// The model has spoken a clip to its end.
    pub(super) fn on_sound_done(&mut self, now: Instant, clip: Clip, said: Option<&str>) {
        // The sound of a reply is over when the reply is.
        let Clip::Words(words) = clip else { return };
        let Some(text) = self.voice.text_of(words).map(str::to_owned) else {
            return self.unexpected();
        };
        let message = match said {
            Some(said) if is_same(&text, said) => None,
            Some(said) => Some(format!("the model was to say {text:?}, and said {said:?}")),
            None => Some(format!("the model did not say {text:?}")),
        };
        if let Some(message) = message {
            let (code, fatal) = ("inexact_words".to_owned(), false);
            let r#where = Where::Model;
            self.emit(now, EventBody::Error { r#where, code, message, fatal });
        }
        if said.is_none() {
            return self.on_unsaid(now, words, &text);
        }
        let orders = self.voice.complete(now, words);
        self.play(orders);
        self.note_sounded(now);
        self.expect_playback(now);
    }

    /// The model did not say the words: it is asked once more, then the call goes on without them.
    fn on_unsaid(&mut self, now: Instant, words: u32, text: &str) {
        if let Some(words) = self.voice.ask_again(words) {
            self.tell_model(ToModel::Speak { words, text: text.trim().to_owned() });
            return self.expect_playback(now);
        }
        self.cut_speech(now);
        self.after_playback(now);
    }

    /// Hands words of ours, or of a reply, to the voice.
    pub(super) fn voice_words(&mut self, now: Instant, speech: Speech, text: &str) {
        let Speech::Reply { turn, .. } = speech else {
            return self.voice_exactly(text, speech.is_interruptible());
        };
        let verbatim = self.reply().is_some_and(|reply| reply.verbatim);
        if let Some(orders) = self.voice.release(now, turn, verbatim.then_some(text)) {
            self.play(orders);
        } else if matches!(self.reply(), Some(reply) if reply.phase == ReplyPhase::Writing) {
            self.voice.reply(turn, text);
        } else if !text.trim().is_empty() {
            // A supervisor has changed the words, or their sound was lost with another node.
            self.voice_exactly(text, true);
        }
    }

    fn voice_exactly(&mut self, text: &str, interruptible: bool) {
        let words = self.voice.speak(text, interruptible);
        let text = text.trim().to_owned();
        self.tell_model(ToModel::Speak { words, text });
    }

    /// Presses keys as tones in the sound.
    pub(super) fn sound_keys(&mut self, now: Instant, row: &str) {
        let orders = self.voice.press(now, row);
        self.play(orders);
    }

    /// The reply is complete: no more words or sound of it will come.
    pub(super) fn close_voice(&mut self, now: Instant, turn: TurnId) {
        if self.speaks() {
            let orders = self.voice.close(now, turn);
            self.play(orders);
            self.note_sounded(now);
        }
    }

    /// The reply breaks off; what has come of it is still played.
    pub(super) fn break_voice_off(&mut self, now: Instant, turn: TurnId) {
        let pace = self.policy.chars_per_second;
        if let Some((bytes, orders)) = self.voice.break_off(now, turn, pace) {
            self.playback.shorten(turn, bytes);
            self.play(orders);
            self.note_sounded(now);
        }
    }

    /// Stops the voice: the words that have sounded until now are known afterwards.
    pub(super) fn cut_voice(&mut self, now: Instant) {
        if !self.speaks() {
            return;
        }
        let pace = self.policy.chars_per_second;
        for stretch in self.voice.take_heard(Some(now), pace) {
            self.playback.played(now, &stretch);
        }
        let Cut { line, model } = self.voice.cut(now);
        self.play(line);
        for order in model {
            self.tell_model(order);
        }
    }

    /// Tells the playback which words have sounded.
    fn note_sounded(&mut self, now: Instant) {
        let pace = self.policy.chars_per_second;
        for stretch in self.voice.take_heard(None, pace) {
            self.on_played(now, &stretch);
        }
    }

    fn play(&mut self, orders: impl IntoIterator<Item = ToCarrier>) {
        self.outputs.extend(orders.into_iter().map(Output::Carrier));
    }

    // What the caller says, as the model reports it.

    /// The model hears that the caller begins to speak, or stops.
    pub(super) fn on_heard_speaking(&mut self, now: Instant, on: bool) {
        if matches!(self.state, State::Ringing) {
            return self.unexpected();
        }
        self.deadlines.clear(Deadline::Interrupt);
        if on {
            let (since, lasted) = (Some(now), Duration::ZERO);
            self.hearing = Hearing { since, lasted, ..Hearing::default() };
        } else if let Some(since) = self.hearing.since.take() {
            self.hearing.lasted = now.saturating_duration_since(since);
        }
        self.on_caller_speaking(now, on);
        if on && self.voice.sounds(now) {
            if self.agent.interrupt_after.is_zero() {
                self.interrupt(now);
            } else {
                self.deadlines.set(Deadline::Interrupt, now + self.agent.interrupt_after);
            }
        }
    }

    /// The caller speaks over the agent, for long enough.
    pub(super) fn interrupt(&mut self, now: Instant) {
        if !self.voice.sounds(now) || self.voice.is_firm(now) {
            return;
        }
        self.hearing.interrupted = true;
        self.cut_voice(now);
        let heard = self.playback.heard_of_current();
        self.on_interrupted(now, &heard);
    }

    /// The caller has said something that the model remembers. Its words come later.
    pub(super) fn on_caller_said(&mut self, now: Instant, utterance: UtteranceId) {
        if matches!(self.state, State::Ringing) {
            return self.unexpected();
        }
        if utterance <= std::mem::replace(&mut self.last_said, utterance) {
            // Another model counts from the beginning, and has heard nothing of what was before.
            self.transcript.forget_hearing();
        }
        if !self.hearing.interrupted && self.voice.sounds(now) {
            if self.hearing.lasted < self.agent.interrupt_after {
                // Too short to interrupt: «uh-huh». It is recorded, and not answered.
                return;
            }
            // The voice went on while they spoke.
            self.interrupt(now);
        }
        if matches!(self.state, State::Ending(_))
            || (self.hearing.interrupted && self.hearing.lasted < COUGH)
        {
            self.hearing.doubtful = Some(utterance);
            return;
        }
        self.answer_heard(now);
    }

    fn answer_heard(&mut self, now: Instant) {
        self.hearing = Hearing::default();
        self.deadlines.clear(Deadline::Silence);
        self.deadlines.clear(Deadline::FalseInterrupt);
        self.key_in(now);
        self.deadlines.clear(Deadline::Digits);
        self.caller_has_spoken(now);
    }

    /// What the caller has said.
    pub(super) fn on_understood(
        &mut self,
        now: Instant,
        utterance: UtteranceId,
        text: Option<String>,
        last: bool,
    ) {
        let text = text.filter(|text| !text.trim().is_empty());
        let doubtful = self.hearing.doubtful == Some(utterance);
        match text {
            Some(text) if !last => {
                let speaker = Speaker::Caller;
                self.show(now, EventBody::Transcript { speaker, text, r#final: false });
            }
            Some(text) if doubtful => {
                self.hearing = Hearing::default();
                self.transcript.heard_next = Some(utterance);
                self.on_words(now, text);
            }
            Some(text) => {
                self.transcript.heard_next = Some(utterance);
                let speaker = Speaker::Caller;
                self.emit(now, EventBody::Transcript { speaker, text, r#final: true });
            }
            None if doubtful && last => {
                // A cough: the agent goes on from where it was cut off.
                self.hearing = Hearing::default();
                if self.deadlines.is_set(Deadline::FalseInterrupt) {
                    self.deadlines.set(Deadline::FalseInterrupt, now);
                }
            }
            None => {}
        }
    }

    /// Whether the caller's words, which have interrupted the agent, are still not known. They are
    /// then taken for words.
    pub(super) fn answer_doubtful(&mut self, now: Instant) -> bool {
        if self.hearing.doubtful.is_none() || matches!(self.state, State::Ending(_)) {
            return false;
        }
        self.answer_heard(now);
        true
    }
}

/// Whether two texts have the same letters and digits.
fn is_same(one: &str, other: &str) -> bool {
    let letters = |text: &str| {
        text.chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect::<String>()
    };
    letters(one) == letters(other)
}
