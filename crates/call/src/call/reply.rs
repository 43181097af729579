//! Replies of the model, from the request to the last word heard. `state` has the state of one,
//! `commands` its commands, `held` replies that need approval, `retry` failed attempts.

mod commands;
mod held;
mod retry;
mod state;

use std::time::Instant;

pub(super) use self::state::ReplyPhase;
pub(super) use self::state::{Completion, Exit, Reply, Written, spoken_words};
use self::state::{Delivery, KeptBack, Milestone, Sent};
use super::{Call, State};
use crate::command::Piece;
use crate::deadline::Deadline;
use crate::event::{EventBody, Source, Stage, ToolRef};
use crate::ids::{ItemId, ItemKind, TurnId};
use crate::model::{Fault, FromModel, Item, ItemBody, Outcome, ToModel};
use crate::playback::Speech;
use crate::speakable::without_invisible;
use crate::usage::Usage;

impl Call {
    /// Asks the model for a reply; `hints` are notes for this reply only.
    pub(super) fn respond(&mut self, now: Instant, hints: &[&str]) {
        self.reply_due = false;
        self.deadlines.clear(Deadline::Silence);
        self.deadlines.clear(Deadline::FalseInterrupt);
        if self.model_refused {
            return self.give_up(now);
        }
        if self.unprompted.turns > self.policy.self_turns {
            return self.listen(now, false);
        }
        self.unprompted.turns += 1;
        self.turn = self.turn.next();
        let delivery = if self.may_need_approval() {
            Delivery::KeptBack(KeptBack::default())
        } else {
            Delivery::Direct(Sent::default())
        };
        self.state = State::Replying(Box::new(Reply::new(self.turn, delivery, hints)));
        let mut context = self.transcript.context();
        let disclosure = self.disclosure_hint();
        let told = hints.iter().copied().chain(disclosure.as_deref());
        context.extend((0..).zip(told).map(|(at, hint)| self.hint(at, hint)));
        self.tell_model(ToModel::Respond { turn: self.turn, context });
        self.deadlines.set(Deadline::Filler, now + self.policy.filler_after);
        self.deadlines.set(Deadline::Answer, now + self.policy.answer_limit);
    }

    /// A note for one reply only.
    fn hint(&self, at: u32, text: &str) -> Item {
        let id = ItemId::new(ItemKind::Hint, self.turn.0.into(), at);
        Item { id, body: ItemBody::Note(text.into()) }
    }

    pub(super) fn on_model(&mut self, now: Instant, said: FromModel) {
        if self.is_over() {
            self.counters.late += 1;
            return;
        }
        match said {
            FromModel::Ready => {}
            FromModel::Text { turn, text } => {
                if self.is_current(turn) {
                    self.on_text(now, &text);
                }
            }
            FromModel::Audio { clip, audio } => self.on_sound(now, clip, audio),
            FromModel::AudioDone { clip, said } => self.on_sound_done(now, clip, said.as_deref()),
            FromModel::CallerSpeaking(on) => self.on_heard_speaking(now, on),
            FromModel::CallerSaid { utterance } => self.on_caller_said(now, utterance),
            FromModel::Understood { utterance, text, last } => {
                self.on_understood(now, utterance, text, last);
            }
            FromModel::Tool { turn, call_id, name, arguments } => {
                if self.is_current(turn) {
                    self.on_tool(now, ToolRef { call_id, name, arguments });
                }
            }
            FromModel::Done { turn, outcome, usage } => {
                self.count_usage(now, Some(turn), usage);
                if self.is_current(turn) {
                    self.on_done(now, outcome);
                }
            }
            FromModel::Failed { turn, fault, code, message, usage } => {
                self.count_usage(now, turn, usage);
                self.on_failed(now, turn, fault, code, message);
            }
        }
    }

    /// Whether facts about `turn` are still of use. Counts those that are not.
    pub(super) fn is_current(&mut self, turn: TurnId) -> bool {
        let current = matches!(
            &self.state,
            State::Replying(reply) if reply.turn == turn && reply.phase == ReplyPhase::Writing
        );
        if !current {
            self.counters.late += 1;
        }
        current
    }

    fn count_usage(&mut self, now: Instant, turn: Option<TurnId>, usage: Option<Usage>) {
        if let Some(usage) = usage
            && usage != Usage::default()
        {
            let cost_usd = self.policy.prices.cost(&usage);
            self.emit(now, EventBody::Usage { turn, usage, cost_usd });
            self.watch_spend(now);
        }
    }

    pub(super) fn reply(&mut self) -> Option<&mut Reply> {
        if let State::Replying(reply) = &mut self.state { Some(reply) } else { None }
    }

    fn on_text(&mut self, now: Instant, text: &str) {
        self.begin(now);
        let Some(reply) = self.reply() else { return };
        reply.written.push_str(text);
        let text = without_invisible(text);
        if self.speaks() {
            // What it says is heard as it is; commands come as tools alone.
            return self.say_words(now, text.into_owned());
        }
        let Some(reply) = self.reply() else { return };
        if reply.scanner.passes(&text) {
            return self.on_piece(now, Piece::Text(text.into_owned()));
        }
        for piece in reply.scanner.push(&text) {
            self.on_piece(now, piece);
        }
    }

    /// The model has written something.
    pub(super) fn begin(&mut self, now: Instant) {
        self.deadlines.set(Deadline::Answer, now + self.policy.answer_limit);
        let Some(reply) = self.reply() else { return };
        if reply.reached == Milestone::Asked {
            reply.reached = Milestone::Begun;
            let turn = reply.turn;
            self.measure(now, turn, Stage::FirstToken);
        }
    }

    fn on_piece(&mut self, now: Instant, piece: Piece) {
        let Some(reply) = self.reply() else { return };
        if let Piece::Text(text) = piece {
            let words = reply.speech.push(&text);
            return self.say_words(now, words);
        }
        if reply.speech.is_thought() {
            return;
        }
        // Commands are carried out between the words before and after them.
        self.flush_words(now);
        match piece {
            Piece::Text(_) => {}
            Piece::Command(command) => self.on_command(now, command, None),
            Piece::Malformed(malformed) => self.reject_malformed(now, malformed, None),
        }
    }

    /// Says what was held back until it was known what follows.
    fn flush_words(&mut self, now: Instant) {
        if let Some(reply) = self.reply() {
            let words = reply.speech.flush();
            self.say_words(now, words);
        }
    }

    /// Says words of the model, unless they are kept back or were said before.
    fn say_words(&mut self, now: Instant, words: String) {
        let Some(reply) = self.reply() else { return };
        let words = reply.sendable(words);
        if !words.is_empty() {
            self.say_reply(now, words, false);
        }
    }

    fn say_reply(&mut self, now: Instant, text: String, last: bool) {
        let Some(reply) = self.reply() else { return };
        reply.note_sent(&text);
        let turn = reply.turn;
        // The sound of a model that speaks comes by itself.
        if !self.speaks() && self.reply().is_some_and(Reply::sounds) {
            self.measure_spoken(now, turn);
        }
        let shown = (!text.is_empty()).then(|| text.clone());
        self.say(now, Speech::Reply { turn, last }, text);
        if let Some(text) = shown {
            self.show(now, EventBody::AssistantDelta { text });
        }
    }

    /// The first words, or the first sound, of a reply have been sent.
    pub(super) fn measure_spoken(&mut self, now: Instant, turn: TurnId) {
        self.deadlines.clear(Deadline::Filler);
        self.measure(now, turn, Stage::FirstSpoken);
    }

    fn on_done(&mut self, now: Instant, outcome: Outcome) {
        self.deadlines.clear(Deadline::Answer);
        self.deadlines.clear(Deadline::Filler);
        let rest = self.reply().and_then(|reply| reply.scanner.finish());
        if let Some(piece) = rest {
            self.on_piece(now, piece);
        }
        self.flush_words(now);
        let Some(reply) = self.reply() else { return };
        reply.verbatim &= outcome == Outcome::Complete;
        let (silent, acts) = (reply.is_silent(), reply.acts());
        match outcome {
            Outcome::Complete => {}
            Outcome::TooLong => {
                let message = "the reply was cut off at the limit of its length";
                self.report(now, "max_output_tokens", message);
            }
            Outcome::Filtered => {
                self.report(now, "content_filter", "the reply was cut off by a content filter");
                self.forget_attempt(now);
                let phrase = self.agent.phrases.say_again.clone();
                self.speak_on(now, Source::Apology, &phrase);
                return self.reply_done(now);
            }
        }
        if silent && !acts && self.transcript.questions.is_empty() {
            return self.on_empty(now, outcome);
        }
        self.keep_or_send(now);
    }

    /// The reply contained nothing that could be heard.
    fn on_empty(&mut self, now: Instant, outcome: Outcome) {
        let Some(reply) = self.reply() else { return };
        reply.phase = ReplyPhase::Failed;
        if !reply.given.is_empty() {
            // It has noted a wish not to be called again, and not told the caller.
            reply.again = true;
            return self.reply_done(now);
        }
        if outcome == Outcome::Complete {
            self.report(now, "empty", "the reply had no words");
        }
        self.forget_attempt(now);
        if matches!(self.reply(), Some(reply) if reply.attempts.failures < 1) {
            return self.retry_now(now, Fault::Passing);
        }
        let phrase = self.agent.phrases.say_again.clone();
        self.speak(now, Source::Apology, &phrase);
        self.reply_done(now);
    }

    /// The model has finished; the caller may still be listening.
    fn reply_done(&mut self, now: Instant) {
        let Some(reply) = self.reply() else { return };
        reply.phase = ReplyPhase::Done;
        let exit = reply.exit.take();
        if exit.is_none() && !self.transcript.questions.is_empty() {
            self.last_written = self.reply().map(|reply| reply.written());
            let phrase = self.agent.phrases.hold.clone();
            // Hearing the phrase twice in a row sounds like a machine. But something must be said
            // after the reply, or the reply to a quick answer would cut it off.
            let asked = self.reply().is_some_and(|reply| reply.has_asked_to_wait(&phrase));
            let phrase = if asked { after_opening(&phrase) } else { phrase };
            self.speak_on(now, Source::Hold, &phrase);
            return self.hold_for_answer(now);
        }
        let turn = self.turn;
        self.close_utterance();
        self.close_voice(now, turn);
        if let Some(exit) = exit {
            self.last_written = self.reply().map(|reply| reply.written());
            return self.end_after_reply(now, exit);
        }
        self.after_playback(now);
    }

    /// The reply has been heard to its end.
    pub(super) fn reply_heard(&mut self, now: Instant) {
        let Some(reply) = self.reply() else { return };
        self.reply_due |= reply.again;
        self.last_written = self.reply().map(|reply| reply.written());
        self.settle(now);
    }

    /// Stops the current reply, and rejects its command to leave the call.
    pub(super) fn drop_reply(&mut self, now: Instant, because: &str) {
        let State::Replying(reply) = &mut self.state else { return };
        self.last_written = Some(reply.written());
        let (turn, exit) = (reply.turn, reply.exit.take());
        let (writing, spoken) = (reply.phase == ReplyPhase::Writing, reply.has_spoken());
        self.state = State::Listening { greeting: false };
        self.break_voice_off(now, turn);
        for of_reply in [Deadline::Filler, Deadline::Answer, Deadline::Retry] {
            self.deadlines.clear(of_reply);
        }
        if writing {
            self.tell_model(ToModel::Cancel { turn });
        }
        if let Some(exit) = exit {
            self.untold.withdrawn |= spoken && exit.is_transfer();
            self.reject_exit(now, exit, because);
        }
    }

    pub(super) fn written(&self, turn: Option<TurnId>) -> Option<Written> {
        let turn = turn?;
        if let State::Replying(reply) = &self.state
            && reply.turn == turn
        {
            return Some(reply.written());
        }
        self.last_written.clone().filter(|written| written.turn == turn)
    }
}

/// A phrase without its first clause, or all of it if it has only one.
fn after_opening(phrase: &str) -> String {
    let rest = phrase.split_once([',', '.', ';', '!']).map_or("", |(_, rest)| rest.trim());
    let mut letters = rest.chars();
    match letters.next().filter(|first| first.is_alphanumeric()) {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => phrase.to_owned(),
    }
}
