//! Handing words to the carrier, and recording what was heard of them.

use std::borrow::Cow;
use std::time::Instant;

use super::Call;
use super::reply::Completion;
use crate::carrier::ToCarrier;
use crate::deadline::Deadline;
use crate::event::{CommandName, EventBody, Source};
use crate::playback::{Keys, Speech, Spoken};
use crate::speakable::without_controls;
use crate::transcript::KEYS_DROPPED;

impl Call {
    /// Speaks a whole utterance.
    pub(super) fn speak(&mut self, now: Instant, source: Source, text: &str) {
        // A whole utterance is never preemptible, so that a reply does not cut off the filler
        // before it.
        let interruptible = match source {
            Source::Greeting => self.agent.greeting_interruptible,
            // An answering machine that still makes a sound must not interrupt the message.
            Source::Message => false,
            Source::Model
            | Source::Filler
            | Source::Nudge
            | Source::Hold
            | Source::Apology
            | Source::Goodbye
            | Source::Supervisor => true,
        };
        self.say(now, Speech::Whole { source, interruptible }, text.to_owned());
    }

    /// Speaks an utterance after a reply that is still open, in the same talk cycle, or it would
    /// cut the reply off.
    pub(super) fn speak_on(&mut self, now: Instant, source: Source, text: &str) {
        if self.playback.is_closed() {
            return self.speak(now, source, text);
        }
        let token = format!(" {}", without_controls(text));
        self.playback.joined(now, source, &token);
        self.words_sent(now);
        self.tell_words(now, Speech::Whole { source, interruptible: true }, token);
    }

    /// Hands words to the carrier. All speech passes through here or through
    /// [`Self::speak_on`].
    pub(super) fn say(&mut self, now: Instant, speech: Speech, text: String) {
        let token = match without_controls(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(token) => token,
        };
        self.playback.sent(now, speech, &token);
        self.tell_words(now, speech, token);
        self.words_sent(now);
    }

    fn tell_words(&mut self, now: Instant, speech: Speech, token: String) {
        if self.speaks() {
            self.voice_words(now, speech, &token);
        } else {
            self.tell_line(speech.order(token));
        }
    }

    pub(super) fn words_sent(&mut self, now: Instant) {
        self.deadlines.clear(Deadline::Silence);
        // What was cut off before these words is not repeated after them.
        self.deadlines.clear(Deadline::FalseInterrupt);
        self.untold.unsaid.clear();
        self.expect_playback(now);
    }

    /// Sets the time by which everything that was sent counts as heard.
    pub(super) fn expect_playback(&mut self, now: Instant) {
        if self.playback.is_idle() {
            self.deadlines.clear(Deadline::Playback);
        } else {
            let mut rest = self.playback.remaining(now).max(self.voice.remaining(now));
            if self.voice.is_awaited() {
                rest += self.policy.answer_limit;
            }
            self.deadlines.set(Deadline::Playback, now + rest + self.policy.playback_slack);
        }
    }

    /// Records what was heard of utterances that are over.
    pub(super) fn record(&mut self, now: Instant, spoken: Vec<Spoken>) {
        for mut utterance in spoken {
            let dropped = std::mem::take(&mut utterance.dropped);
            self.record_words(now, utterance);
            for Keys { row, by, tool, .. } in dropped {
                let (command, value) = (CommandName::Press.as_str().to_owned(), row);
                let reason = KEYS_DROPPED.to_owned();
                self.emit(
                    now,
                    EventBody::CommandRejected { command, value, by, reason, tool, leg: None },
                );
            }
        }
        self.expect_playback(now);
    }

    pub(super) fn record_words(&mut self, now: Instant, utterance: Spoken) {
        let model = utterance.source == Source::Model;
        if utterance.source == Source::Supervisor && utterance.whole {
            if self.transcript.heard.is_some() {
                let (text, source, turn) = (utterance.text, utterance.source, utterance.turn);
                self.emit(now, EventBody::AssistantHeard { text, source, turn });
            }
            return;
        }
        if utterance.text.is_empty() {
            return;
        }
        self.note_disclosure(now, &utterance.text);
        let written = model.then(|| self.written(utterance.turn)).flatten();
        let completion = written.as_ref().map(|written| written.completion);
        let whole = utterance.whole && completion != Some(Completion::Unfinished);
        let generated = written
            .as_ref()
            .filter(|written| written.text.trim() != utterance.text)
            .map(|written| written.text.clone());
        let body = EventBody::AssistantResponse {
            text: utterance.text,
            interrupted: !whole,
            source: utterance.source,
            turn: utterance.turn,
            generated,
            // A model that speaks has been told how far its words were heard.
            verbatim: (whole && completion == Some(Completion::Verbatim))
                || (self.speaks()
                    && matches!(completion, Some(Completion::Unfinished | Completion::Verbatim))),
        };
        self.emit(now, body);
    }

    /// Records that whatever is being spoken is cut off, as the next utterance will do.
    pub(super) fn cut_speech(&mut self, now: Instant) {
        self.close_utterance();
        self.cut_voice(now);
        let cut = self.playback.take_all_as_cut(now);
        self.record(now, cut);
    }

    /// Closes the open utterance, or the carrier would add the next words to it.
    pub(super) fn close_utterance(&mut self) {
        if self.playback.close() && !self.speaks() {
            self.tell_line(ToCarrier::Say {
                token: String::new(),
                last: true,
                preemptible: true,
                interruptible: true,
            });
        }
    }

    /// Records what was heard and said until now, because the line is left or lost.
    pub(super) fn record_cut(&mut self, now: Instant) {
        self.cut_voice(now);
        let cut = self.playback.take_all_as_lost(now);
        self.record(now, cut);
        self.record_partial(now);
    }

    /// As [`Self::record_cut`], at the end of a call: dropped keys no longer matter.
    pub(super) fn record_last(&mut self, now: Instant) {
        self.cut_voice(now);
        let mut cut = self.playback.take_all_as_lost(now);
        for spoken in &mut cut {
            spoken.dropped.clear();
        }
        self.record(now, cut);
        self.record_partial(now);
    }

    /// Records how far the current utterance has been heard, if that has changed.
    pub(super) fn note_heard(&mut self, now: Instant) {
        let known = self.transcript.heard.as_ref().map_or("", |heard| heard.text.as_str());
        let Some(Spoken { source, turn, text, .. }) = self.playback.under_way() else { return };
        if !text.is_empty() && text != known {
            self.emit(now, EventBody::AssistantHeard { text, source, turn });
        }
    }
}
