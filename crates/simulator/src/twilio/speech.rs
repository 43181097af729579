//! The agent's voice: what is queued, what has been heard, and when.
//!
//! A value that takes time as an argument, so that it can be tested to the millisecond. It speaks a
//! fixed number of characters a second. As with Twilio, it starts with the first whole words, and
//! the last token only closes the reply (Twilio, "ConversationRelay WebSocket messages", `text`).

mod item;
mod types;

use std::collections::VecDeque;

pub use self::types::Heard;
pub(crate) use self::types::{Cut, Flags, Input, Pace, Piece, SpeechEvent};

use self::item::{Content, Item, whole};

#[derive(Debug, Clone, Copy)]
enum State {
    Idle,
    Starting { at_ms: u64 },
    Running { since_ms: u64, from: usize },
    Starved { since_ms: u64 },
}

/// The voice and its queue.
#[derive(Debug)]
pub(crate) struct Speaker {
    pace: Pace,
    queue: VecDeque<Item>,
    state: State,
    /// The number of the newest talk cycle (a reply); `open` until its `last` token has come.
    cycle: u64,
    open: bool,
    /// Characters spoken of items that have ended.
    past: usize,
    sounding_since_ms: u64,
    quiet_since_ms: u64,
}

impl Speaker {
    pub(crate) fn new(pace: Pace, now_ms: u64) -> Self {
        Self {
            pace,
            queue: VecDeque::new(),
            state: State::Idle,
            cycle: 0,
            open: false,
            past: 0,
            sounding_since_ms: now_ms,
            quiet_since_ms: now_ms,
        }
    }

    /// Adds text to the open talk cycle, or begins a new one, which ends every earlier cycle that
    /// is preemptible.
    pub(crate) fn text(
        &mut self,
        now_ms: u64,
        token: &str,
        last: bool,
        (session, preemptible): (Input, bool),
        flags: Flags,
        out: &mut Vec<SpeechEvent>,
    ) {
        self.advance(now_ms, out);
        if !self.open && !token.is_empty() {
            self.cycle += 1;
            self.preempt(now_ms, out);
        }
        let cycle = self.cycle;
        let extends = self.open
            && self.queue.back().is_some_and(|item| {
                !item.closed && item.cycle == cycle && matches!(item.content, Content::Text(_))
            });
        if !extends && !token.is_empty() {
            self.push(Content::Text(Vec::new()), session, preemptible, now_ms);
        }
        if (extends || !token.is_empty())
            && let Some(item) = self.queue.back_mut()
        {
            if let Content::Text(chars) = &mut item.content {
                chars.extend(token.chars());
            }
            if !token.is_empty() {
                item.last_token_ms = now_ms;
            }
            item.interruptible = flags.input().unwrap_or(item.interruptible);
            item.preemptible = flags.preemptible.unwrap_or(item.preemptible);
            item.closed = last;
        }
        self.open = !last && (self.open || !token.is_empty());
        self.advance(now_ms, out);
    }

    /// Queues digits.
    pub(crate) fn digits(
        &mut self,
        now_ms: u64,
        digits: String,
        session: Input,
        caller_speaks: bool,
        out: &mut Vec<SpeechEvent>,
    ) {
        self.advance(now_ms, out);
        self.close_back();
        let idle = self.queue.is_empty();
        self.push(Content::Digits(digits), session, false, now_ms);
        if idle {
            let wait_ms = if caller_speaks { 0 } else { self.pace.digits_ms };
            self.state = State::Starting { at_ms: now_ms + wait_ms };
        }
        self.advance(now_ms, out);
    }

    /// Queues a recording, played `times` times.
    pub(crate) fn recording(
        &mut self,
        now_ms: u64,
        source: String,
        times: u32,
        (session, preemptible): (Input, bool),
        flags: Flags,
        out: &mut Vec<SpeechEvent>,
    ) {
        self.advance(now_ms, out);
        self.close_back();
        let lasts_ms = self.pace.play_ms * u64::from(times.clamp(1, 1000));
        let session = flags.input().unwrap_or(session);
        let preemptible = flags.preemptible.unwrap_or(preemptible);
        self.push(Content::Recording { source, lasts_ms }, session, preemptible, now_ms);
        self.advance(now_ms, out);
    }

    /// Delays speech that has not begun until this time, for the greeting, which starts later than
    /// a reply does.
    pub(crate) fn not_before(&mut self, at_ms: u64) {
        if let State::Starting { at_ms: planned } = &mut self.state {
            *planned = at_ms.max(*planned);
        }
    }

    /// Interrupts the voice and drops the queue. `None` if it is silent, or if this input may not
    /// interrupt it.
    pub(crate) fn interrupt(
        &mut self,
        now_ms: u64,
        by: Input,
        out: &mut Vec<SpeechEvent>,
    ) -> Option<Cut> {
        self.advance(now_ms, out);
        if !self.may_be_cut(by) {
            return None;
        }
        let cut = self.stop_front(now_ms, false, out);
        self.silence(now_ms, out);
        self.queue.clear();
        self.open = false;
        cut
    }

    /// Stops the voice and drops the queue: the session or the call is over.
    pub(crate) fn stop(&mut self, now_ms: u64, out: &mut Vec<SpeechEvent>) {
        self.advance(now_ms, out);
        if self.sounding() {
            self.stop_front(now_ms, false, out);
            self.silence(now_ms, out);
        }
        self.queue.clear();
        self.open = false;
        self.state = State::Idle;
    }

    /// Whether the voice is speaking and this input may interrupt it.
    pub(crate) fn may_be_cut(&self, by: Input) -> bool {
        self.sounding() && self.queue.front().is_some_and(|item| item.interruptible.has(by))
    }

    pub(crate) fn sounding(&self) -> bool {
        matches!(self.state, State::Running { .. } | State::Starved { .. })
    }

    /// Whether anything that has been queued is still to be spoken.
    pub(crate) fn pending(&self) -> bool {
        self.sounding() || self.queue.iter().any(|item| item.position < item.len())
    }

    pub(crate) fn sounding_since_ms(&self) -> u64 {
        self.sounding_since_ms
    }

    pub(crate) fn quiet_since_ms(&self) -> u64 {
        self.quiet_since_ms
    }

    /// Characters spoken in all, up to `now_ms`.
    pub(crate) fn spoken(&self, now_ms: u64) -> usize {
        let current = self.queue.front().filter(|item| item.is_text());
        self.past + current.map_or(0, |item| self.position_at(item, now_ms))
    }

    /// Characters received in all, without those that were cut off, and whether the current reply
    /// is complete.
    pub(crate) fn received(&self) -> (usize, bool) {
        let queued: usize = self.queue.iter().filter(|item| item.is_text()).map(Item::len).sum();
        (self.past + queued, !self.open)
    }

    /// When this many characters in all will have been spoken, if the text at hand reaches that
    /// far.
    pub(crate) fn when_spoken(&self, chars: usize) -> Option<u64> {
        let State::Running { since_ms, from } = self.state else { return None };
        let item = self.queue.front().filter(|item| item.is_text())?;
        let target = chars.checked_sub(self.past).filter(|target| *target > from)?;
        (target <= item.stop()).then(|| since_ms + self.time_of(item, target - from))
    }

    /// The next moment at which [`Speaker::advance`] has something to do.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        let front = self.queue.front();
        match self.state {
            State::Idle => front.and_then(|item| self.tail_ms(item)),
            State::Starting { at_ms } => Some(at_ms),
            State::Running { since_ms, from } => {
                let item = front?;
                Some(since_ms + self.time_of(item, item.stop().saturating_sub(from)))
            }
            State::Starved { since_ms } => {
                let item = front?;
                Some(self.tail_ms(item).unwrap_or_else(|| self.gives_up_ms(item, since_ms)))
            }
        }
    }

    /// Lets time pass up to `now_ms`.
    pub(crate) fn advance(&mut self, now_ms: u64, out: &mut Vec<SpeechEvent>) {
        while self.advance_once(now_ms, out) {}
    }

    fn advance_once(&mut self, now_ms: u64, out: &mut Vec<SpeechEvent>) -> bool {
        let Some(item) = self.queue.front() else {
            if self.sounding() {
                self.silence(now_ms, out);
            }
            self.state = State::Idle;
            return false;
        };
        let limit = self.limit(item, now_ms);
        self.refresh(now_ms);
        let Some(item) = self.queue.front() else { return false };
        match self.state {
            State::Idle if item.is_over() => {
                self.finish_front(now_ms, out);
                true
            }
            State::Idle if limit > item.position => {
                self.state = State::Starting { at_ms: now_ms + self.pace.first_sound_ms };
                true
            }
            State::Starting { at_ms } if at_ms <= now_ms => {
                self.sounding_since_ms = at_ms;
                out.push(SpeechEvent::Started { at_ms });
                self.run(at_ms);
                true
            }
            State::Running { since_ms, from } => {
                let stop = item.stop();
                let at_ms = since_ms + self.time_of(item, stop.saturating_sub(from));
                if at_ms > now_ms {
                    return false;
                }
                self.arrive(stop, at_ms, out);
                true
            }
            State::Starved { since_ms } if limit > item.position => {
                let tail_ms = self.tail_ms(item).filter(|tail| *tail <= now_ms);
                self.run(tail_ms.unwrap_or(now_ms).max(since_ms));
                true
            }
            State::Starved { since_ms } if item.is_over() => {
                // The silence began when the text ran out.
                self.tell(self.front_position(), since_ms, false, true, out);
                self.finish_front(now_ms, out);
                true
            }
            State::Starved { since_ms } if self.gives_up_ms(item, since_ms) <= now_ms => {
                self.tell(self.front_position(), since_ms, false, true, out);
                self.silence(now_ms, out);
                self.quiet_since_ms = since_ms;
                false
            }
            State::Idle | State::Starting { .. } | State::Starved { .. } => false,
        }
    }

    /// The voice has reached a planned stop: the end of a clause, of an item or of the text at
    /// hand.
    fn arrive(&mut self, stop: usize, at_ms: u64, out: &mut Vec<SpeechEvent>) {
        let Some(item) = self.queue.front_mut() else { return };
        item.position = stop;
        let over = item.is_over();
        let clause = item.clause_end(item.told, stop, over) == Some(stop);
        if over {
            self.finish_front(at_ms, out);
            return;
        }
        if clause {
            self.tell(stop, at_ms, false, true, out);
        }
        self.refresh(at_ms);
        let more = self.queue.front().is_some_and(|item| item.allowed > stop);
        self.state = if more {
            State::Running { since_ms: at_ms, from: stop }
        } else {
            State::Starved { since_ms: at_ms }
        };
    }

    /// Ends the front item; the next one follows without a pause.
    fn finish_front(&mut self, at_ms: u64, out: &mut Vec<SpeechEvent>) {
        self.tell(self.front_position(), at_ms, false, true, out);
        if let Some(item) = self.queue.pop_front()
            && item.is_text()
        {
            self.past += item.len();
        }
        if !self.sounding() {
            return;
        }
        match self.queue.front() {
            Some(next) if self.limit(next, at_ms) > next.position => self.run(at_ms),
            Some(_) | None => self.silence(at_ms, out),
        }
    }

    fn run(&mut self, at_ms: u64) {
        self.refresh(at_ms);
        let Some(item) = self.queue.front_mut() else { return };
        item.began_ms.get_or_insert(at_ms);
        if item.told == item.position {
            item.told_ms = at_ms;
        }
        self.state = State::Running { since_ms: at_ms, from: item.position };
    }

    fn silence(&mut self, at_ms: u64, out: &mut Vec<SpeechEvent>) {
        self.quiet_since_ms = at_ms;
        self.state = State::Idle;
        out.push(SpeechEvent::Stopped { at_ms });
    }

    /// Reports the front item as played up to `to`.
    fn tell(&mut self, to: usize, at_ms: u64, cut: bool, told: bool, out: &mut Vec<SpeechEvent>) {
        let Some(item) = self.queue.front_mut() else { return };
        let (kind, text) = item.slice(item.told, to);
        let from_ms = item.told_ms;
        item.told = to;
        item.told_ms = at_ms;
        if !text.is_empty() {
            out.push(SpeechEvent::Played(Piece {
                kind,
                text,
                from_ms,
                until_ms: at_ms,
                cut,
                told,
            }));
        }
    }

    /// Drops the front item and reports what was heard of it.
    fn stop_front(&mut self, now_ms: u64, told: bool, out: &mut Vec<SpeechEvent>) -> Option<Cut> {
        let item = self.queue.front()?;
        let heard = item.word_end(self.position_at(item, now_ms)).max(item.told);
        let (kind, utterance) = item.slice(0, heard);
        let cut = Cut {
            utterance: if kind == Heard::Speech { utterance } else { String::new() },
            duration_ms: item.began_ms.map_or(0, |began| now_ms.saturating_sub(began)),
        };
        self.tell(heard, now_ms, true, told, out);
        if self.queue.pop_front().is_some_and(|item| item.is_text()) {
            self.past += heard;
        }
        Some(cut)
    }

    /// Drops the earlier talk cycles that are preemptible.
    fn preempt(&mut self, now_ms: u64, out: &mut Vec<SpeechEvent>) {
        let front_goes = self.queue.front().is_some_and(|item| item.preemptible);
        if front_goes && self.sounding() {
            self.stop_front(now_ms, true, out);
            self.silence(now_ms, out);
        }
        self.queue.retain(|item| !item.preemptible);
        if front_goes {
            self.state = State::Idle;
        }
    }

    fn push(&mut self, content: Content, interruptible: Input, preemptible: bool, now_ms: u64) {
        let closed = !matches!(content, Content::Text(_));
        self.queue.push_back(Item {
            content,
            cycle: self.cycle,
            closed,
            interruptible,
            preemptible,
            last_token_ms: now_ms,
            began_ms: None,
            position: 0,
            told: 0,
            told_ms: now_ms,
            allowed: 0,
        });
    }

    /// Closes the last item, as something else follows it.
    fn close_back(&mut self) {
        if let Some(item) = self.queue.back_mut() {
            item.closed = true;
        }
    }

    fn front_position(&self) -> usize {
        self.queue.front().map_or(0, |item| item.position)
    }

    fn position_at(&self, item: &Item, now_ms: u64) -> usize {
        let State::Running { since_ms, from } = self.state else { return item.position };
        let gone_ms = now_ms.saturating_sub(since_ms);
        let gone = if item.is_text() { self.chars_in(gone_ms) } else { whole(gone_ms) };
        (from + gone).min(item.stop())
    }

    /// How far the voice may speak for now: whole words, and all of the text once the reply is
    /// closed or nothing has arrived for a while.
    fn limit(&self, item: &Item, now_ms: u64) -> usize {
        let Content::Text(chars) = &item.content else { return item.len() };
        if item.closed || item.last_token_ms + self.pace.hold_ms <= now_ms {
            return chars.len();
        }
        let words = chars.iter().rposition(|c| c.is_whitespace()).unwrap_or(0);
        words.max(item.allowed)
    }

    fn refresh(&mut self, now_ms: u64) {
        let limit = self.queue.front().map_or(0, |item| self.limit(item, now_ms));
        if let Some(item) = self.queue.front_mut() {
            item.allowed = limit;
        }
    }

    /// When an unfinished last word is spoken all the same.
    fn tail_ms(&self, item: &Item) -> Option<u64> {
        let waits = !item.closed && item.position < item.len();
        waits.then(|| item.last_token_ms + self.pace.hold_ms)
    }

    /// When a voice that has run out of text stops waiting for more.
    fn gives_up_ms(&self, item: &Item, since_ms: u64) -> u64 {
        since_ms.max(item.last_token_ms) + self.pace.hold_ms
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "lengths of one call's speech, far below 2^52"
    )]
    fn time_of(&self, item: &Item, units: usize) -> u64 {
        if item.is_text() {
            (units as f64 * 1000.0 / self.pace.chars_per_second).ceil() as u64
        } else {
            units as u64
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "lengths of one call's speech, far below 2^52"
    )]
    fn chars_in(&self, ms: u64) -> usize {
        (ms as f64 * self.pace.chars_per_second / 1000.0) as usize
    }
}

#[cfg(test)]
mod tests;
