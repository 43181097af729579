//! What has been sent to the line, and how much of it has been heard.
//!
//! A carrier speaks what it is given in order, and reports each stretch when it ends, in its own
//! spelling: «$5» may come back as «five dollars». Positions are therefore found by comparing
//! letters and digits, or by counting words if those differ. What was heard is always a prefix of
//! what was sent.

mod speech;
mod text;
mod utterance;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub(crate) use self::speech::Speech;
use self::text::{count_words, find_prefix, letters, time_of, words_in};
use self::utterance::Utterance;
pub(crate) use self::utterance::{Keys, Spoken};
use crate::event::{By, Source, ToolRef};
use crate::ids::TurnId;

/// The estimated time from sending a text to its first sound.
const ONSET: Duration = Duration::from_millis(300);
/// The speech and keys on their way to the caller, oldest first.
#[derive(Debug, Clone)]
pub(crate) struct Playback {
    /// The estimated speed of the voice, in characters per second, for lines that report nothing.
    pace: u32,
    queue: VecDeque<Utterance>,
    /// The part of the current talk cycle that was heard and has left the queue.
    lead: String,
    /// Text that is recorded already, but may still be reported as played; such reports are
    /// ignored.
    settled: String,
    /// Until when the line speaks the part of `settled` that nothing cuts off; the queue follows.
    ahead_until: Option<Instant>,
    reports: Reports,
    /// When everything that was sent will have been spoken, by the estimate.
    spoken_by: Option<Instant>,
    /// Since when the line has been speaking what is in the queue, or when it last reported a
    /// stretch of it.
    sounding: Option<Instant>,
}

/// What the line reports about the agent's voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reports {
    /// Nothing so far: what was heard is estimated by time.
    Nothing,
    /// What it has played.
    Played,
    /// When it is audible. A line that has done so once will do so for every word.
    Voice(Voice),
}

/// The agent's voice, as the line last reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    Audible,
    Silent,
    /// Silent, after what is in the queue had sounded.
    FellSilent,
}

impl Playback {
    /// An empty queue for a voice that is estimated at this speed.
    pub(crate) fn new(chars_per_second: u32) -> Self {
        Self {
            pace: chars_per_second.max(1),
            queue: VecDeque::new(),
            lead: String::new(),
            settled: String::new(),
            ahead_until: None,
            reports: Reports::Nothing,
            spoken_by: None,
            sounding: None,
        }
    }

    /// Shortens the words of a turn that are on their way: the rest will not come.
    pub(crate) fn shorten(&mut self, turn: TurnId, bytes: usize) {
        for utterance in self.queue.iter_mut().filter(|u| u.turn == Some(turn)) {
            utterance.text.truncate(bytes.max(utterance.heard));
            utterance.closed = true;
        }
        self.queue.retain(|u| u.turn != Some(turn) || !u.text.is_empty() || !u.keys.is_empty());
    }

    /// The line reports everything that it plays.
    pub(crate) fn is_reported(&mut self) {
        self.reports = Reports::Played;
    }

    /// What is known to have been heard of the current utterance.
    pub(crate) fn heard_of_current(&self) -> String {
        let current = self.queue.iter().find(|u| u.heard < u.text.len() || !u.closed);
        current.map_or_else(String::new, |u| u.text[..u.heard].to_owned())
    }

    /// Adds text to the utterance that is open, or opens one.
    pub(crate) fn sent(&mut self, now: Instant, speech: Speech, text: &str) {
        let (turn, closed, firm) = (speech.turn(), speech.is_last(), !speech.is_preemptible());
        match self.queue.back_mut() {
            Some(open) if !open.closed && open.source == speech.source() => {
                open.text.push_str(text);
                open.turn = turn;
                open.closed = closed;
                open.firm = firm;
            }
            _ => self.queue.push_back(Utterance {
                source: speech.source(),
                turn,
                text: text.to_owned(),
                heard: 0,
                closed,
                firm,
                joined: false,
                keys: VecDeque::new(),
            }),
        }
        self.forget_silence();
        self.will_take(now, self.time_of(text));
    }

    /// Adds a whole utterance to the open talk cycle, and closes it. The next utterance does not
    /// cut the cycle off.
    pub(crate) fn joined(&mut self, now: Instant, source: Source, text: &str) {
        let joined = self.close();
        if let Some(before) = self.queue.back_mut()
            && joined
        {
            before.firm = true;
        }
        self.sent(now, Speech::Whole { source, interruptible: true }, text);
        if let Some(added) = self.queue.back_mut() {
            added.joined = joined;
        }
    }

    /// Adds keys, which are pressed between the words before and after them.
    pub(crate) fn pressed(&mut self, now: Instant, keys: &str, by: By, tool: Option<ToolRef>) {
        let (row, behind) = (keys.to_owned(), 0);
        let added = Keys { row, by, tool, behind };
        self.will_take(now, added.time());
        match self.queue.back_mut() {
            Some(open) if !open.closed => {
                open.keys.push_back(Keys { behind: open.text.len(), ..added });
            }
            _ => self.queue.push_back(Utterance::of_keys(added)),
        }
    }

    /// Closes the open utterance. Returns whether one was open.
    pub(crate) fn close(&mut self) -> bool {
        self.queue.back_mut().is_some_and(|last| !std::mem::replace(&mut last.closed, true))
    }

    /// Whether the queue is empty.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether every utterance in the queue is complete.
    pub(crate) fn is_closed(&self) -> bool {
        self.queue.iter().all(|utterance| utterance.closed)
    }

    /// Whether every utterance in the queue is complete, and the line fell silent after them.
    pub(crate) fn fell_silent(&self) -> bool {
        self.reports == Reports::Voice(Voice::FellSilent) && self.is_closed()
    }

    /// How long the rest takes, by the estimate.
    pub(crate) fn remaining(&self, now: Instant) -> Duration {
        let ahead = self.ahead_until.map(|until| until.saturating_duration_since(now));
        ahead.unwrap_or_default() + self.queued()
    }

    /// Until when a line that reports the agent as audible may take for the queue, at half the
    /// estimated speed. `None` if it does not.
    pub(crate) fn audible_until(&self) -> Option<Instant> {
        let since = self.sounding.filter(|_| self.reports == Reports::Voice(Voice::Audible))?;
        Some(since + self.queued() * 2)
    }

    /// The line reports that the agent became audible, or fell silent. Returns whether that was the
    /// end of everything in the queue.
    pub(crate) fn voice(&mut self, now: Instant, on: bool) -> bool {
        if on {
            self.reports = Reports::Voice(Voice::Audible);
            self.sounding = (!self.is_idle()).then_some(now);
            return false;
        }
        // A silence before the queue has sounded ends what was before it.
        let sounded = self.sounding.take().is_some();
        let voice = if sounded { Voice::FellSilent } else { Voice::Silent };
        self.reports = Reports::Voice(voice);
        self.fell_silent() && !self.is_idle()
    }

    /// The line reports a stretch as played. Returns the turn that it belongs to, if any.
    pub(crate) fn played(&mut self, now: Instant, stretch: &str) -> Option<TurnId> {
        if self.reports == Reports::Nothing {
            self.reports = Reports::Played;
        }
        if self.played_keys(stretch.trim()) {
            self.sounding = Some(now);
            return None;
        }
        letters(stretch).next()?;
        let of_queue =
            |(at, u): (usize, &Utterance)| Some((at, find_prefix(u.unheard(), stretch)?));
        let exact = self.queue.iter().enumerate().find_map(of_queue);
        // Once the queue sounds, only what was ahead of it can still be reported.
        let settled = self.ahead_until.is_some() || self.sounding.is_none() || exact.is_none();
        if settled && let Some(end) = find_prefix(&self.settled, stretch) {
            self.settled.drain(..end);
            if letters(&self.settled).next().is_none() {
                self.ahead_until = None;
            }
            return None;
        }
        // Without a match the carrier has spelled it differently. It is settled text if nothing
        // else can have sounded, or else the first text that is unheard.
        let old = letters(&self.settled).next().is_some();
        let tells_voice = matches!(self.reports, Reports::Voice(_));
        if old && exact.is_none() && tells_voice && self.sounding.is_none() {
            let end = words_in(&self.settled, count_words(stretch));
            self.settled.drain(..end);
            return None;
        }
        let first = || self.queue.iter().position(|u| letters(u.unheard()).next().is_some());
        let at = exact.map(|(at, _)| at).or_else(first)?;
        for earlier in self.queue.iter_mut().take(at) {
            earlier.all_heard();
        }
        self.ahead_until = None;
        self.sounding = Some(now);
        let utterance = self.queue.get_mut(at)?;
        utterance.heard += match exact {
            Some((_, end)) => end,
            None => words_in(utterance.unheard(), count_words(stretch)),
        };
        utterance.turn
    }

    /// Whether the stretch is keys in the queue. Everything before them has then been played, too.
    fn played_keys(&mut self, stretch: &str) -> bool {
        let holds = |u: &Utterance| u.keys.iter().any(|keys| keys.row == stretch);
        let Some(at) = self.queue.iter().position(holds) else { return false };
        for earlier in self.queue.iter_mut().take(at) {
            earlier.all_heard();
        }
        if let Some(utterance) = self.queue.get_mut(at) {
            while let Some(Keys { behind, row, .. }) = utterance.keys.pop_front() {
                utterance.heard = utterance.heard.max(behind);
                if row == stretch {
                    break;
                }
            }
        }
        true
    }

    /// The current utterance, as far as it has been heard.
    pub(crate) fn under_way(&self) -> Option<Spoken> {
        let front = self.queue.front().filter(|utterance| utterance.heard > 0)?;
        Some(front.clone().spoken(false, Vec::new()))
    }

    /// Takes out the utterances that are complete and have been heard in full.
    pub(crate) fn take_finished(&mut self) -> Vec<Spoken> {
        let mut finished = Vec::new();
        while let Some(front) = self.queue.pop_front_if(|u| u.is_finished()) {
            if self.queue.front().is_some_and(|next| next.joined) {
                self.lead.push_str(&front.text);
            } else {
                self.lead.clear();
            }
            finished.push(front.spoken(true, Vec::new()));
        }
        if self.is_idle() {
            self.sounding = None;
        }
        finished
    }

    /// Takes out everything as heard in full. Reports of it may still come.
    pub(crate) fn take_all_as_heard(&mut self) -> Vec<Spoken> {
        self.forget_settled();
        self.settled = self.queue.iter().map(Utterance::unheard).collect();
        self.drain(Utterance::all_heard)
    }

    /// Takes out all words as heard in full, although they are still being spoken.
    pub(crate) fn take_all_as_sent(&mut self, now: Instant) -> Vec<Spoken> {
        let unheard = self.queue.iter().map(Utterance::unheard).collect::<String>();
        self.settle(now, &unheard, self.time_of(&unheard));
        self.drain_words(now, |utterance| utterance.heard = utterance.text.len())
    }

    /// Takes out all words as cut off at the point up to which they were heard: the next words
    /// replace them, after those that nothing cuts off.
    pub(crate) fn take_all_as_cut(&mut self, now: Instant) -> Vec<Spoken> {
        self.estimate(now);
        let cut = self.queue.iter().position(|u| u.heard < u.text.len());
        let may_sound = self.queue.iter().enumerate().filter(|(at, u)| u.firm || Some(*at) == cut);
        let may_sound = may_sound.map(|(_, u)| u.unheard()).collect::<String>();
        let firm = self.queue.iter().filter(|u| u.firm).map(|u| self.time_of(u.unheard())).sum();
        self.settle(now, &may_sound, firm);
        self.drain_words(now, |_| ())
    }

    /// Takes out everything as cut off at the point up to which it was heard, because the line is
    /// gone.
    pub(crate) fn take_all_as_lost(&mut self, now: Instant) -> Vec<Spoken> {
        self.estimate(now);
        self.forget_settled();
        self.drain(|_| ())
    }

    /// Takes out everything because the caller interrupted. `heard` is what the carrier reports as
    /// heard of the current utterance: from its beginning, or from the last stretch that was
    /// reported.
    pub(crate) fn take_interrupted(&mut self, now: Instant, heard: &str) -> Vec<Spoken> {
        // The carrier reports how far the words were heard, but nothing about keys.
        let mut by_time = self.clone();
        by_time.estimate(now);
        for (utterance, estimated) in self.queue.iter_mut().zip(by_time.queue) {
            utterance.keys = estimated.keys;
        }
        self.forget_settled();
        let current = self.queue.iter().position(|u| u.heard < u.text.len() || !u.closed);
        if let Some(current) = current
            && letters(heard).next().is_some()
        {
            self.move_to(current, heard);
        }
        self.drain(|_| ())
    }

    /// Sets what was heard of the talk cycle that contains the utterance at `current`.
    fn move_to(&mut self, current: usize, heard: &str) {
        let first = (0..=current).rev().find(|at| !self.queue[*at].joined).unwrap_or(0);
        let follow = self.queue.iter().skip(first + 1).take_while(|u| u.joined).count();
        let mut cycle = if self.queue[first].joined { self.lead.clone() } else { String::new() };
        let (mut offset, mut mark) = (cycle.len(), cycle.len());
        for utterance in self.queue.range(first..=first + follow) {
            if utterance.heard > 0 {
                mark = cycle.len() + utterance.heard;
            }
            cycle.push_str(&utterance.text);
        }
        let from_mark = || find_prefix(&cycle[mark..], heard).map(|at| mark + at);
        let by_words = || words_in(&cycle, count_words(heard));
        let to = find_prefix(&cycle, heard).or_else(from_mark).unwrap_or_else(by_words);
        for utterance in self.queue.range_mut(first..=first + follow) {
            let here = to.saturating_sub(offset).min(utterance.text.len());
            offset += utterance.text.len();
            utterance.heard = utterance.heard.max(here);
            utterance.keys.retain(|keys| keys.behind >= utterance.heard);
        }
    }

    /// On a line that reports nothing, sets what was heard by the time that has passed.
    fn estimate(&mut self, now: Instant) {
        let Some(spoken_by) = self.spoken_by.filter(|_| self.reports == Reports::Nothing) else {
            return;
        };
        let mut rest = spoken_by.saturating_duration_since(now);
        let pace = self.pace;
        for utterance in self.queue.iter_mut().rev() {
            let takes = time_of(utterance.unheard(), pace) + utterance.keys_time();
            utterance.hear(takes.saturating_sub(rest), pace);
            rest = rest.saturating_sub(takes);
        }
    }

    /// Adds to the estimated time that the queue takes.
    fn will_take(&mut self, now: Instant, time: Duration) {
        let from = self.spoken_by.filter(|by| *by > now).unwrap_or(now + ONSET);
        self.spoken_by = Some(from + time);
    }

    fn time_of(&self, text: &str) -> Duration {
        time_of(text, self.pace)
    }

    /// How long the queue takes.
    fn queued(&self) -> Duration {
        self.queue.iter().map(|u| self.time_of(u.unheard()) + u.keys_time()).sum()
    }

    /// A silence says nothing about words that are sent after it.
    fn forget_silence(&mut self) {
        if self.reports == Reports::Voice(Voice::FellSilent) {
            self.reports = Reports::Voice(Voice::Silent);
        }
    }

    fn forget_settled(&mut self) {
        self.settled.clear();
        self.ahead_until = None;
        self.spoken_by = None;
    }

    /// Notes what the line may still report, and how long it goes on speaking of that.
    fn settle(&mut self, now: Instant, may_sound: &str, takes: Duration) {
        let ahead = self.ahead_until.filter(|until| *until > now);
        if ahead.is_none() {
            self.settled.clear();
        }
        self.settled.push_str(may_sound);
        let until = ahead.unwrap_or(now) + takes;
        self.ahead_until = Some(until).filter(|until| *until > now);
        self.spoken_by = self.ahead_until;
    }

    fn drain(&mut self, mut settle: impl FnMut(&mut Utterance)) -> Vec<Spoken> {
        self.lead.clear();
        self.sounding = None;
        self.forget_silence();
        let mut all = Vec::new();
        for mut utterance in std::mem::take(&mut self.queue) {
            settle(&mut utterance);
            let whole = letters(utterance.unheard()).next().is_none();
            let dropped = std::mem::take(&mut utterance.keys).into();
            all.push(utterance.spoken(whole, dropped));
        }
        all
    }

    /// Takes out the words only: the line keeps the keys.
    fn drain_words(&mut self, now: Instant, settle: impl FnMut(&mut Utterance)) -> Vec<Spoken> {
        let mut spoken = self.drain(settle);
        for keys in spoken.iter_mut().flat_map(|spoken| std::mem::take(&mut spoken.dropped)) {
            self.will_take(now, keys.time());
            self.queue.push_back(Utterance::of_keys(keys));
        }
        spoken
    }
}

#[cfg(test)]
mod tests;
