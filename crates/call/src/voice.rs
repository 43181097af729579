//! The agent's voice on a line that carries sound: what is on its way to the caller, and how much
//! of it was heard.
//!
//! Sound is played in the order of its utterances, whatever the order in which the model produces
//! it: that of a later utterance waits until the one before it is complete. The line reports marks
//! between pieces of sound; between two reports what was heard is known by the clock, never beyond
//! what was sent (OpenAI, "Realtime conversations", Interruption and Truncation; Twilio, "Media
//! Streams: WebSocket messages").
//!
//! [`Playback`](crate::playback::Playback) goes on counting words: this file tells it which of them
//! have sounded, by their share of the sound.

mod samples;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::samples::PER_MS;
use crate::carrier::ToCarrier;
use crate::ids::TurnId;
use crate::model::{Clip, ToModel};

/// How often the model is asked for words that it does not say.
const ASKED: u32 = 2;

/// How much longer a digit is than a letter, for it is spoken as a word.
const DIGIT: u64 = 5;

/// The sound on its way to the caller.
#[derive(Debug, Clone, Default)]
pub(crate) struct Voice {
    queue: VecDeque<Utterance>,
    /// The sound of a reply that is kept back.
    kept: Option<Utterance>,
    line: Line,
    /// The number of the words that were given to the model last.
    words: u32,
}

/// What the line was sent, in samples since the call began.
#[derive(Debug, Clone, Default)]
struct Line {
    sent: u64,
    /// What was heard for certain, and when that was known.
    heard: u64,
    since: Option<Instant>,
    /// The marks on their way, and how much was sent before them.
    marks: VecDeque<(u64, u64)>,
    /// The number of the last mark.
    mark: u64,
}

/// What an utterance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Reply(TurnId),
    Words(u32),
    Keys,
}

#[derive(Debug, Clone)]
struct Utterance {
    what: What,
    /// Its words as far as they are known.
    text: String,
    /// How many bytes of the text were told as heard.
    told: usize,
    /// The parts of a reply, each with the samples before it.
    parts: Vec<(u32, u64)>,
    /// Sound that waits for what is before it.
    waiting: VecDeque<Bytes>,
    /// Samples that came, waiting ones included.
    samples: u64,
    /// Samples that were sent.
    sent: u64,
    /// What the line had been sent before its first sample.
    from: Option<u64>,
    /// No more sound will come.
    complete: bool,
    /// No more words will come.
    closed: bool,
    /// The caller may cut it off.
    interruptible: bool,
    /// How often the model was asked for it.
    asked: u32,
}

/// What was cut off.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    /// Orders to the line and to the model, in order.
    pub(crate) line: Option<ToCarrier>,
    pub(crate) model: Vec<ToModel>,
}

impl Voice {
    /// Adds words that the model is to speak; returns their number.
    pub(crate) fn speak(&mut self, text: &str, interruptible: bool) -> u32 {
        self.words += 1;
        let words = Utterance::new(What::Words(self.words), text, interruptible);
        self.queue.push_back(Utterance { closed: true, ..words });
        self.words
    }

    /// The words of this number, if they are on their way.
    pub(crate) fn text_of(&self, words: u32) -> Option<&str> {
        let of = self.queue.iter().find(|u| u.what == What::Words(words));
        of.map(|utterance| utterance.text.as_str())
    }

    /// Adds words of a reply, whose sound comes by itself.
    pub(crate) fn reply(&mut self, turn: TurnId, text: &str) {
        self.of_reply(turn).text.push_str(text);
    }

    /// Adds keys. Returns what is to be sent to the line now.
    pub(crate) fn press(&mut self, now: Instant, row: &str) -> Vec<ToCarrier> {
        let mut keys = Utterance::new(What::Keys, row, true);
        keys.add(Bytes::from(samples::keys(row)));
        (keys.complete, keys.closed) = (true, true);
        self.queue.push_back(keys);
        self.send(now)
    }

    /// Takes sound of the model. Returns what is to be sent to the line now.
    pub(crate) fn sound(&mut self, now: Instant, clip: Clip, audio: Bytes) -> Vec<ToCarrier> {
        let utterance = match clip {
            Clip::Reply { turn, part } => {
                let reply = self.of_reply(turn);
                reply.enter(part);
                Some(reply)
            }
            Clip::Words(words) => self.find(What::Words(words)),
        };
        if let Some(utterance) = utterance {
            utterance.add(audio);
        }
        self.send(now)
    }

    /// Keeps sound of a reply back.
    pub(crate) fn keep(&mut self, clip: Clip, audio: Bytes) {
        let Clip::Reply { turn, part } = clip else { return };
        let kept = match &mut self.kept {
            Some(kept) if kept.what == What::Reply(turn) => kept,
            kept => kept.insert(Utterance::new(What::Reply(turn), "", true)),
        };
        kept.enter(part);
        kept.add(audio);
    }

    /// Sends the sound that was kept back of a reply, whose words are given, or drops it if none
    /// are. Returns what is to be sent to the line now; `None` if no sound is sent.
    pub(crate) fn release(
        &mut self,
        now: Instant,
        turn: TurnId,
        words: Option<&str>,
    ) -> Option<Vec<ToCarrier>> {
        let kept = self.kept.take().filter(|kept| kept.what == What::Reply(turn))?;
        let (text, complete, closed) = (words?.to_owned(), true, true);
        self.queue.push_back(Utterance { text, complete, closed, ..kept });
        Some(self.send(now))
    }

    /// No more sound of the words will come. Returns what is to be sent to the line now.
    pub(crate) fn complete(&mut self, now: Instant, words: u32) -> Vec<ToCarrier> {
        if let Some(utterance) = self.find(What::Words(words)) {
            utterance.complete = true;
        }
        self.send(now)
    }

    /// The model did not say the words. Returns the number under which it is asked for them again,
    /// unless it was asked often enough or has begun to say them.
    pub(crate) fn ask_again(&mut self, words: u32) -> Option<u32> {
        let again = self.words + 1;
        let unsaid = self.find(What::Words(words)).filter(|u| u.samples == 0 && u.asked < ASKED)?;
        (unsaid.what, unsaid.asked) = (What::Words(again), unsaid.asked + 1);
        self.words = again;
        Some(again)
    }

    /// Neither sound nor words of the reply will come any more. Returns what is to be sent to the
    /// line now.
    pub(crate) fn close(&mut self, now: Instant, turn: TurnId) -> Vec<ToCarrier> {
        if let Some(reply) = self.find(What::Reply(turn)) {
            (reply.complete, reply.closed) = (true, true);
        }
        self.send(now)
    }

    /// The reply breaks off: what has come of it is still played. Returns how many bytes of its
    /// words that is, for words come ahead of their sound, and what is to be sent to the line now.
    pub(crate) fn break_off(
        &mut self,
        now: Instant,
        turn: TurnId,
        pace: u32,
    ) -> Option<(usize, Vec<ToCarrier>)> {
        let reply = self.find(What::Reply(turn)).filter(|reply| !reply.complete)?;
        let bytes = words_by(&reply.text, reply.samples, reply.length(pace));
        reply.text.truncate(bytes);
        if reply.samples == 0 {
            self.queue.retain(|utterance| utterance.what != What::Reply(turn));
        }
        Some((bytes, self.close(now, turn)))
    }

    /// The line reports a mark: everything before it was heard. Returns the reply that begins to
    /// sound.
    pub(crate) fn marked(&mut self, now: Instant, mark: u64) -> Option<TurnId> {
        let mut begins = None;
        // Marks of sound that was dropped are forgotten, and reported nevertheless.
        while let Some((_, sent)) = self.line.marks.pop_front_if(|(each, _)| *each <= mark) {
            self.line.heard = self.line.heard.max(sent);
            self.line.since = Some(now);
            let next = self.queue.iter().find(|utterance| utterance.from == Some(sent));
            if let Some(What::Reply(turn)) = next.map(|utterance| utterance.what) {
                begins = Some(turn);
            }
        }
        begins
    }

    /// The words that have sounded since this was asked last, by utterance. Keys come as their row,
    /// once all of them have sounded. Utterances that are over are forgotten. `now` is given to go
    /// by the clock as well as by the line's reports.
    pub(crate) fn take_heard(&mut self, now: Option<Instant>, pace: u32) -> Vec<String> {
        let heard = now.map_or(self.line.heard, |now| self.line.position(now));
        let mut stretches = Vec::new();
        for utterance in &mut self.queue {
            stretches.extend(utterance.take_heard(heard, pace));
        }
        while self.queue.pop_front_if(|u| u.closed && u.is_heard(heard)).is_some() {}
        stretches
    }

    /// Whether the line is playing something.
    pub(crate) fn sounds(&self, now: Instant) -> bool {
        self.line.position(now) < self.line.sent
    }

    /// Whether the line is playing something that the caller must not cut off.
    pub(crate) fn is_firm(&self, now: Instant) -> bool {
        let heard = self.line.position(now);
        let current = self.queue.iter().find(|utterance| !utterance.is_heard(heard));
        current.is_some_and(|utterance| !utterance.interruptible)
    }

    /// Whether sound that was asked of the model has not come yet.
    pub(crate) fn is_awaited(&self) -> bool {
        self.queue.iter().any(|utterance| !utterance.complete)
    }

    /// How long the sound that has come takes.
    pub(crate) fn remaining(&self, now: Instant) -> Duration {
        let unheard = self.line.sent - self.line.position(now);
        let waiting = self.queue.iter().map(|u| u.samples - u.sent).sum::<u64>();
        Duration::from_millis((unheard + waiting) / PER_MS)
    }

    /// Drops everything that was not heard. The model must remember only what was.
    pub(crate) fn cut(&mut self, now: Instant) -> Cut {
        let heard = self.line.position(now);
        let mut cut = Cut::default();
        if self.sounds(now) {
            cut.line = Some(ToCarrier::Clear);
        }
        for utterance in self.queue.drain(..) {
            utterance.forget(heard, &mut cut.model);
        }
        self.kept = None;
        self.line.clear(heard);
        cut
    }

    fn find(&mut self, what: What) -> Option<&mut Utterance> {
        self.queue.iter_mut().find(|utterance| utterance.what == what)
    }

    fn of_reply(&mut self, turn: TurnId) -> &mut Utterance {
        let what = What::Reply(turn);
        let at = self.queue.iter().position(|utterance| utterance.what == what);
        let at = at.unwrap_or_else(|| {
            self.queue.push_back(Utterance::new(what, "", true));
            self.queue.len() - 1
        });
        &mut self.queue[at]
    }

    /// Sends what need not wait: the sound of the first utterance that is not complete, and of
    /// those before it.
    fn send(&mut self, now: Instant) -> Vec<ToCarrier> {
        let mut orders = Vec::new();
        for utterance in &mut self.queue {
            for audio in utterance.waiting.drain(..) {
                let samples = audio.len() as u64;
                let before = self.line.begin(now, samples);
                if utterance.from.is_none() {
                    utterance.from = Some(before);
                    orders.push(ToCarrier::Mark(self.line.mark_at(before)));
                }
                utterance.sent += samples;
                orders.extend([
                    ToCarrier::Play(audio),
                    ToCarrier::Mark(self.line.mark_at(self.line.sent)),
                ]);
            }
            if !utterance.complete {
                break;
            }
        }
        orders
    }
}

impl Line {
    /// Adds samples; returns how many were sent before them.
    fn begin(&mut self, now: Instant, samples: u64) -> u64 {
        let before = self.sent;
        if self.position(now) == before {
            (self.heard, self.since) = (before, Some(now));
        }
        self.sent += samples;
        before
    }

    /// A new mark, behind so many samples.
    fn mark_at(&mut self, sent: u64) -> u64 {
        self.mark += 1;
        self.marks.push_back((self.mark, sent));
        self.mark
    }

    /// How many samples have been heard, by the last report and the clock.
    fn position(&self, now: Instant) -> u64 {
        let since = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let passed = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.heard.saturating_add(passed.saturating_mul(PER_MS)).min(self.sent)
    }

    /// What was not heard is no longer on its way.
    fn clear(&mut self, heard: u64) {
        (self.sent, self.heard, self.since) = (heard, heard, None);
        self.marks.clear();
    }
}

impl Utterance {
    fn new(what: What, text: &str, interruptible: bool) -> Self {
        Self {
            what,
            text: text.to_owned(),
            told: 0,
            parts: Vec::new(),
            waiting: VecDeque::new(),
            samples: 0,
            sent: 0,
            from: None,
            complete: false,
            closed: false,
            interruptible,
            asked: 1,
        }
    }

    fn add(&mut self, audio: Bytes) {
        self.samples += audio.len() as u64;
        self.waiting.push_back(audio);
    }

    /// What comes next belongs to this part.
    fn enter(&mut self, part: u32) {
        if self.parts.last().is_none_or(|(last, _)| *last != part) {
            self.parts.push((part, self.samples));
        }
    }

    /// Whether it sounded to its end, when the line has played `heard` samples. Without any sound
    /// it was not heard.
    fn is_heard(&self, heard: u64) -> bool {
        self.complete && self.samples > 0 && self.heard(heard) == self.samples
    }

    /// How many of its samples were heard, when the line has played `heard`.
    fn heard(&self, heard: u64) -> u64 {
        self.from.map_or(0, |from| heard.saturating_sub(from).min(self.sent))
    }

    /// The words that have sounded and were not told yet.
    fn take_heard(&mut self, heard: u64, pace: u32) -> Option<String> {
        let end = if self.is_heard(heard) {
            self.text.len()
        } else if self.what == What::Keys {
            0
        } else {
            words_by(&self.text, self.heard(heard), self.length(pace))
        };
        let (told, end) = (self.told, end.max(self.told));
        self.told = end;
        Some(self.text[told..end].to_owned()).filter(|text| !text.trim().is_empty())
    }

    /// How many samples all its words take, by what has come or, before the end, by the pace if
    /// that is more.
    fn length(&self, pace: u32) -> u64 {
        let estimated = weight(&self.text) * 1000 * PER_MS / u64::from(pace.max(1));
        if self.complete { self.samples } else { self.samples.max(estimated) }
    }

    /// What the model must be told of an utterance that is cut off.
    fn forget(&self, heard: u64, orders: &mut Vec<ToModel>) {
        if self.is_heard(heard) {
            return;
        }
        match self.what {
            What::Words(words) if !self.complete => orders.push(ToModel::Hush { words }),
            What::Keys | What::Words(_) => {}
            What::Reply(turn) => self.forget_parts(turn, self.heard(heard), orders),
        }
    }

    fn forget_parts(&self, turn: TurnId, heard: u64, orders: &mut Vec<ToModel>) {
        let ends = self.parts.iter().skip(1).map(|(_, from)| *from).chain([self.samples]);
        for (&(part, from), end) in self.parts.iter().zip(ends) {
            let ms = heard.saturating_sub(from).min(end - from) / PER_MS;
            if ms == 0 {
                orders.push(ToModel::Forget { turn, part });
            } else if heard < end || (end == self.samples && !self.complete) {
                orders.push(ToModel::Truncate { turn, part, heard: Duration::from_millis(ms) });
            }
        }
    }
}

/// How many bytes of the text are whole words that lie within the first `heard` of `all` samples.
fn words_by(text: &str, heard: u64, all: u64) -> usize {
    if all == 0 {
        return 0;
    }
    let until = u128::from(weight(text)) * u128::from(heard) / u128::from(all);
    let (mut passed, mut end, mut in_word) = (0_u128, 0, false);
    for (at, c) in text.char_indices() {
        if passed > until {
            return end;
        }
        if c.is_whitespace() && in_word {
            end = at;
        }
        in_word = !c.is_whitespace();
        passed += u128::from(weight_of(c));
    }
    if passed <= until { text.len() } else { end }
}

/// How long a text is, in letters.
fn weight(text: &str) -> u64 {
    text.chars().map(weight_of).sum()
}

fn weight_of(c: char) -> u64 {
    if c.is_ascii_digit() { DIGIT } else { 1 }
}

#[cfg(test)]
mod tests;
