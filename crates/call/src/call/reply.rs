//! What the model says, from the request to the last word heard. Its commands are in `commands`,
//! replies that wait for a supervisor in `held`, failed attempts in `retry`.

mod commands;
mod held;
mod retry;

use std::time::Instant;

use super::{Call, State};
use crate::command::{Command, Piece, Scanner};
use crate::deadline::Deadline;
use crate::event::{EventBody, HeldCommand, Source, Stage, ToolRef};
use crate::ids::{ItemId, ItemKind, PhoneNumber, TurnId};
use crate::model::{Fault, FromModel, Item, ItemBody, Outcome, ToModel, Usage};
use crate::speakable::{Speakable, is_audible, without_invisible};

/// One reply of the model, across the attempts that it takes.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states of one machine")]
pub(super) struct Reply {
    turn: TurnId,
    scanner: Scanner,
    speech: Speakable,
    /// What the model wrote in this attempt, commands included.
    written: String,
    /// What all attempts have sent to the line.
    words: String,
    /// What attempts that failed have sent to the line.
    earlier: String,
    /// What this attempt has said so far, as long as it may be repeating the earlier ones.
    repeating: Option<String>,
    /// How this attempt goes on from the earlier ones.
    follows: Follows,
    /// Dots, dashes and spaces in front of the first word: alone they would be silence.
    lead: String,
    /// What was told for this reply only.
    hints: Vec<String>,
    /// What of it is for the caller, while the reply is kept back; afterwards only its presence
    /// counts.
    kept_back: Option<String>,
    /// Words have been sent to the line.
    spoken: bool,
    /// The model has begun.
    begun: bool,
    done: bool,
    /// The model is at it.
    active: bool,
    /// The caller has heard a filler.
    filler: bool,
    failures: u32,
    losses: u32,
    pauses: u32,
    /// How often guidance of a supervisor has made it begin anew.
    rethought: u32,
    /// The words stand in the model's memory as one reply, as they were written.
    verbatim: bool,
    /// What is to be done when it has been heard.
    then: Option<Then>,
    /// Commands of a reply that is kept back, in order.
    commands: Vec<HeldCommand>,
    /// The commands that count, whether carried out, to be, or kept back; each once.
    given: Vec<Command>,
    /// The model must speak again: a tool or a refusal waits for its reaction.
    again: bool,
}

/// How an attempt goes on from those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follows {
    /// It is the first to be heard, or begins with all that was said before.
    Whole,
    /// It goes on from there.
    On,
    /// It goes on from there, behind a space.
    Apart,
}

/// What is to be done when the reply has been heard.
#[derive(Debug, Clone)]
pub(super) enum Then {
    EndCall { tool: Option<ToolRef> },
    Transfer { target: PhoneNumber, tool: Option<ToolRef> },
}

/// What the model wrote in one turn.
#[derive(Debug, Clone)]
pub(super) struct Written {
    turn: TurnId,
    pub(super) text: String,
    pub(super) verbatim: bool,
    /// The model came to its end.
    pub(super) finished: bool,
}

impl Reply {
    fn new(turn: TurnId) -> Self {
        Self {
            turn,
            scanner: Scanner::default(),
            speech: Speakable::default(),
            written: String::new(),
            words: String::new(),
            earlier: String::new(),
            repeating: None,
            follows: Follows::Whole,
            lead: String::new(),
            hints: Vec::new(),
            kept_back: None,
            spoken: false,
            begun: false,
            done: false,
            active: true,
            filler: false,
            failures: 0,
            losses: 0,
            pauses: 0,
            rethought: 0,
            verbatim: true,
            then: None,
            commands: Vec::new(),
            given: Vec::new(),
            again: false,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    pub(super) fn has_spoken(&self) -> bool {
        self.spoken
    }

    /// Whether the caller was told that it takes a moment.
    pub(super) fn has_filled(&self) -> bool {
        self.filler
    }

    /// What is to be done when it has been heard.
    pub(super) fn then(&self) -> Option<&Then> {
        self.then.as_ref()
    }

    /// As [`Self::then`], and forgets it.
    pub(super) fn take_then(&mut self) -> Option<Then> {
        self.then.take()
    }

    /// Whether the model must speak again after it.
    pub(super) fn waits_again(&self) -> bool {
        self.again
    }

    /// Whether the caller has been asked to wait already: by a filler, or by the model in words with
    /// which the phrase for it begins.
    fn has_asked_to_wait(&self, phrase: &str) -> bool {
        self.filler || begins_in(phrase, &spoken_of(&self.generated()))
    }

    /// Whether a tool waits for the model's reaction.
    pub(super) fn answer_tool(&mut self, waits: bool) {
        self.again |= waits;
    }

    fn written(&self) -> Written {
        let (turn, text, finished) = (self.turn, self.generated(), self.done);
        Written { turn, text, verbatim: self.verbatim && finished, finished }
    }

    /// What the model wrote that counts: of an attempt that failed, what was spoken.
    fn generated(&self) -> String {
        let (earlier, written) = (self.earlier.as_str(), self.written.as_str());
        match self.follows {
            _ if self.repeating.is_some() => earlier.to_owned(),
            Follows::Whole => written.to_owned(),
            Follows::On => format!("{earlier}{written}"),
            Follows::Apart => format!("{earlier} {written}"),
        }
    }

    /// Lets through what an earlier attempt has not said already.
    fn unrepeated(&mut self, text: String) -> String {
        let Some(so_far) = &mut self.repeating else { return text };
        so_far.push_str(&text);
        if let Some(rest) = so_far.strip_prefix(self.earlier.as_str()) {
            let rest = rest.to_owned();
            self.repeating = None;
            self.follows = Follows::Whole;
            return rest;
        }
        if self.earlier.starts_with(so_far.as_str()) {
            return String::new();
        }
        let mut text = std::mem::take(so_far);
        self.repeating = None;
        self.follows = Follows::On;
        if self.earlier.ends_with(['.', '?', '!', ',', ';', ':']) && !text.starts_with(' ') {
            self.follows = Follows::Apart;
            text.insert(0, ' ');
        }
        text
    }

    /// Holds signs back until a word follows them.
    fn with_lead(&mut self, text: String) -> String {
        if self.spoken {
            return text;
        }
        self.lead.push_str(&text);
        if is_audible(&self.lead) { std::mem::take(&mut self.lead) } else { String::new() }
    }

    /// Whether the caller has heard, and will hear, nothing of it.
    fn is_silent(&self) -> bool {
        !self.spoken && self.kept_back.as_deref().is_none_or(|kept| !is_audible(kept))
    }

    /// Whether it does anything but talk. Whoever asks not to be called again must be answered.
    fn acts(&self) -> bool {
        self.then.is_some()
            || self.again
            || self.given.iter().any(|command| *command != Command::DoNotCall)
    }
}

impl Call {
    /// Asks the model for a reply; `hints` are told for this reply only.
    pub(super) fn respond(&mut self, now: Instant, hints: &[&str]) {
        self.owed = false;
        self.deadlines.clear(Deadline::Silence);
        self.deadlines.clear(Deadline::FalseInterrupt);
        if self.model_refused {
            return self.give_up(now);
        }
        if self.self_turns > self.policy.self_turns {
            return self.listen(now, false);
        }
        self.self_turns += 1;
        self.turn = self.turn.next();
        let mut reply = Reply::new(self.turn);
        if self.needs_approval_before_it_is_known() {
            reply.kept_back = Some(String::new());
        }
        self.state = State::Replying(Box::new(reply));
        let mut context = self.transcript.context();
        let disclosure = self.disclosure_hint();
        let told = hints.iter().copied().chain(disclosure.as_deref());
        context.extend((0..).zip(told).map(|(at, hint)| self.hint(at, hint)));
        if let Some(reply) = self.reply() {
            reply.hints = hints.iter().map(|hint| (*hint).to_owned()).collect();
        }
        self.tell_model(ToModel::Respond { turn: self.turn, context });
        self.deadlines.set(Deadline::Filler, now + self.policy.filler_after);
        self.deadlines.set(Deadline::Answer, now + self.policy.answer_limit);
    }

    /// An item that is told for one reply only.
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

    /// Whether words of `turn` are still wanted.
    fn is_current(&mut self, turn: TurnId) -> bool {
        let current =
            matches!(&self.state, State::Replying(reply) if reply.turn == turn && !reply.done);
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
        match &mut self.state {
            State::Replying(reply) => Some(reply),
            State::Ringing
            | State::Listening { .. }
            | State::OnHold
            | State::HumanSpeaks
            | State::Lost { .. }
            | State::Ending(_)
            | State::Transferring { .. }
            | State::HangingUp(_)
            | State::Gone
            | State::Ended => None,
        }
    }

    fn on_text(&mut self, now: Instant, text: &str) {
        self.begin(now);
        let Some(reply) = self.reply() else { return };
        reply.written.push_str(text);
        let text = without_invisible(text);
        if reply.scanner.passes(&text) {
            return self.on_piece(now, Piece::Text(text.into_owned()));
        }
        for piece in reply.scanner.push(&text) {
            self.on_piece(now, piece);
        }
    }

    /// The model gives a sign of life.
    fn begin(&mut self, now: Instant) {
        self.deadlines.set(Deadline::Answer, now + self.policy.answer_limit);
        let Some(reply) = self.reply() else { return };
        if !std::mem::replace(&mut reply.begun, true) {
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

    /// Says what was held back because of what might have followed.
    fn flush_words(&mut self, now: Instant) {
        if let Some(reply) = self.reply() {
            let words = reply.speech.flush();
            self.say_words(now, words);
        }
    }

    /// Says words of the model, or keeps them back. What was said before is not said again.
    fn say_words(&mut self, now: Instant, words: String) {
        let Some(reply) = self.reply() else { return };
        if let Some(kept) = &mut reply.kept_back {
            return kept.push_str(&words);
        }
        let words = reply.unrepeated(words);
        let words = reply.with_lead(words);
        if !words.is_empty() {
            self.say_reply(now, words, false);
        }
    }

    fn say_reply(&mut self, now: Instant, text: String, last: bool) {
        let Some(reply) = self.reply() else { return };
        reply.words.push_str(&text);
        let turn = reply.turn;
        let first = !std::mem::replace(&mut reply.spoken, true);
        if first {
            self.deadlines.clear(Deadline::Filler);
            self.measure(now, turn, Stage::FirstSpoken);
        }
        let shown = (!text.is_empty()).then(|| text.clone());
        self.say(now, Source::Model, Some(turn), text, last, true, true);
        if let Some(text) = shown {
            self.show(now, EventBody::AssistantDelta { text });
        }
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
        let kept = reply.kept_back.as_ref();
        let kept = kept.map(|kept| if is_audible(kept) { kept.trim() } else { "" }.to_owned());
        match outcome {
            Outcome::Complete => {}
            Outcome::TooLong => {
                let message = "the reply was cut off at the limit of its length";
                self.report(now, "max_output_tokens", message);
            }
            Outcome::Filtered => {
                self.report(now, "content_filter", "the reply was cut off by a content filter");
                self.forget_attempt();
                let phrase = self.agent.phrases.say_again.clone();
                self.speak_on(now, Source::Apology, &phrase);
                return self.reply_done(now);
            }
        }
        if silent && !acts && self.transcript.questions.is_empty() {
            return self.on_empty(now, outcome);
        }
        if let Some(text) = kept {
            self.keep_or_send(now, text);
        } else {
            self.reply_done(now);
        }
    }

    /// The model gave nothing that could be heard.
    fn on_empty(&mut self, now: Instant, outcome: Outcome) {
        let Some(reply) = self.reply() else { return };
        reply.active = false;
        if !reply.given.is_empty() {
            // It has noted a wish and not said so.
            reply.again = true;
            return self.reply_done(now);
        }
        if outcome == Outcome::Complete {
            self.report(now, "empty", "the reply had no words");
        }
        self.forget_attempt();
        if matches!(self.reply(), Some(reply) if reply.failures < 1) {
            return self.retry_now(now, Fault::Passing);
        }
        let phrase = self.agent.phrases.say_again.clone();
        self.speak(now, Source::Apology, &phrase);
        self.reply_done(now);
    }

    /// The model has finished; the caller may still be listening.
    fn reply_done(&mut self, now: Instant) {
        let Some(reply) = self.reply() else { return };
        reply.done = true;
        let then = reply.then.take();
        if then.is_none() && !self.transcript.questions.is_empty() {
            self.last_written = self.reply().map(|reply| reply.written());
            let phrase = self.agent.phrases.hold.clone();
            // Whoever hears it twice in a row hears a machine. Something is said in any case: what
            // the model has said must not be cut off by the reply to a fast answer.
            let asked = self.reply().is_some_and(|reply| reply.has_asked_to_wait(&phrase));
            let phrase = if asked { after_opening(&phrase) } else { phrase };
            self.speak_on(now, Source::Hold, &phrase);
            return self.hold_for_answer(now);
        }
        self.close_utterance();
        if let Some(then) = then {
            self.last_written = self.reply().map(|reply| reply.written());
            return self.end_after_reply(now, then);
        }
        self.after_playback(now);
    }

    /// The reply has been heard to its end.
    pub(super) fn reply_heard(&mut self, now: Instant) {
        let Some(reply) = self.reply() else { return };
        self.owed |= reply.again;
        self.last_written = self.reply().map(|reply| reply.written());
        self.settle(now);
    }

    /// Stops the reply that is under way; what was to follow it does not.
    pub(super) fn drop_reply(&mut self, now: Instant, because: &str) {
        let State::Replying(reply) = &mut self.state else { return };
        self.last_written = Some(reply.written());
        let (turn, done, then) = (reply.turn, reply.done, reply.then.take());
        let (active, spoken) = (reply.active, reply.spoken);
        self.state = State::Listening { greeting: false };
        for of_reply in [Deadline::Filler, Deadline::Answer, Deadline::Retry] {
            self.deadlines.clear(of_reply);
        }
        if active && !done {
            self.tell_model(ToModel::Cancel { turn });
        }
        if let Some(then) = then {
            let told = spoken && matches!(then, Then::Transfer { .. });
            self.withdrawn |= told;
            self.reject_then(now, then, because);
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

/// Whether the first two words of a phrase stand somewhere in the text, however they are spelt.
fn begins_in(phrase: &str, text: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let (phrase, text) = (words(phrase), words(text));
    phrase.get(..2).is_some_and(|opening| text.windows(2).any(|pair| pair == opening))
}

/// A phrase without its first clause; all of it, if it has but one.
fn after_opening(phrase: &str) -> String {
    let rest = phrase.split_once([',', '.', ';', '!']).map_or("", |(_, rest)| rest.trim());
    let mut letters = rest.chars();
    match letters.next().filter(|first| first.is_alphanumeric()) {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => phrase.to_owned(),
    }
}

/// What the caller hears of what the model wrote.
fn spoken_of(written: &str) -> String {
    let mut scanner = Scanner::default();
    let mut pieces = scanner.push(written);
    pieces.extend(scanner.finish());
    let spoken = pieces.into_iter().filter_map(|piece| match piece {
        Piece::Text(text) => Some(text),
        Piece::Command(_) | Piece::Malformed(_) => None,
    });
    spoken.collect()
}
