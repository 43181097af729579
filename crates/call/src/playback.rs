//! What has been sent to the line, and what of it has been heard.
//!
//! A carrier speaks what it is given in order and reports each stretch as it ends, in its own
//! spelling: «$5» may come back as «five dollars». Positions are therefore found by letters and
//! digits alone, and by counting words where even those differ. What was heard is always a
//! beginning of what was sent.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::Source;
use crate::ids::TurnId;

/// The speech and keys on their way to the caller, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Playback {
    queue: VecDeque<Utterance>,
    /// What was heard to its end of the talk cycle that goes on in the queue.
    lead: String,
    /// What has been settled and may still be reported as it ends: it counts for nothing any more.
    settled: String,
}

#[derive(Debug, Clone)]
struct Utterance {
    source: Source,
    turn: Option<TurnId>,
    text: String,
    /// Bytes of `text` that have been heard.
    heard: usize,
    /// No more text will be added.
    closed: bool,
    /// It goes on in the talk cycle of the one before it: the line knows them as one.
    joined: bool,
    /// Keys that are pressed within it, each behind so many bytes of text.
    keys: VecDeque<(usize, String)>,
}

/// An utterance that will not be heard any further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) source: Source,
    pub(crate) turn: Option<TurnId>,
    /// What was heard of it.
    pub(crate) text: String,
    /// Whether that is all that was sent.
    pub(crate) whole: bool,
}

impl Playback {
    /// Adds text to the utterance that is open, or opens one.
    pub(crate) fn sent(&mut self, source: Source, turn: Option<TurnId>, text: &str, last: bool) {
        match self.queue.back_mut() {
            Some(open) if !open.closed && open.source == source => {
                open.text.push_str(text);
                open.turn = turn;
                open.closed = last;
            }
            _ => self.queue.push_back(Utterance {
                source,
                turn,
                text: text.to_owned(),
                heard: 0,
                closed: last,
                joined: false,
                keys: VecDeque::new(),
            }),
        }
    }

    /// Adds a whole utterance of its own to the talk cycle that is open, and closes it.
    pub(crate) fn joined(&mut self, source: Source, text: &str) {
        let joined = self.close();
        self.sent(source, None, text, true);
        if let Some(added) = self.queue.back_mut() {
            added.joined = joined;
        }
    }

    /// Adds keys. They stand between the words before and after them.
    pub(crate) fn pressed(&mut self, keys: &str) {
        match self.queue.back_mut() {
            Some(open) if !open.closed => open.keys.push_back((open.text.len(), keys.to_owned())),
            _ => self.queue.push_back(Utterance {
                source: Source::Model,
                turn: None,
                text: String::new(),
                heard: 0,
                closed: true,
                joined: false,
                keys: VecDeque::from([(0, keys.to_owned())]),
            }),
        }
    }

    /// Lets nothing be added to the utterance that is open. Returns whether one was.
    pub(crate) fn close(&mut self) -> bool {
        self.queue.back_mut().is_some_and(|last| !std::mem::replace(&mut last.closed, true))
    }

    /// Nothing is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Everything on its way has been sent in full.
    pub(crate) fn is_closed(&self) -> bool {
        self.queue.iter().all(|utterance| utterance.closed)
    }

    /// How long the rest takes at `chars_per_second`; keys take a quarter of a second each.
    pub(crate) fn remaining(&self, chars_per_second: u32) -> Duration {
        let millis = self.queue.iter().map(|utterance| {
            let chars = utterance.text[utterance.heard..].chars().count() as u64;
            let keys: usize = utterance.keys.iter().map(|(_, keys)| keys.len()).sum();
            chars * 1000 / u64::from(chars_per_second.max(1)) + keys as u64 * 250
        });
        Duration::from_millis(millis.sum())
    }

    /// The carrier has played a stretch. Returns the turn it belongs to, if it is one of ours.
    pub(crate) fn played(&mut self, stretch: &str) -> Option<TurnId> {
        if self.played_keys(stretch.trim()) || letters(stretch).next().is_none() {
            return None;
        }
        if let Some(end) = find_prefix(&self.settled, stretch) {
            self.settled.drain(..end);
            return None;
        }
        let exact = self.queue.iter().position(|u| find_prefix(u.unheard(), stretch).is_some());
        // Without a match the carrier has spelled it differently: it is the first thing unheard.
        let first = || self.queue.iter().position(|u| letters(u.unheard()).next().is_some());
        let at = exact.or_else(first)?;
        for earlier in self.queue.iter_mut().take(at) {
            earlier.all_heard();
        }
        let utterance = self.queue.get_mut(at)?;
        let rest = utterance.unheard();
        let by_words = || words_in(rest, count_words(stretch));
        utterance.heard += find_prefix(rest, stretch).unwrap_or_else(by_words);
        utterance.turn
    }

    /// Whether the stretch is keys that were on their way. Whatever stood before them has been
    /// played, or they could not have been.
    fn played_keys(&mut self, stretch: &str) -> bool {
        let holds = |u: &Utterance| u.keys.iter().any(|(_, keys)| keys == stretch);
        let Some(at) = self.queue.iter().position(holds) else { return false };
        for earlier in self.queue.iter_mut().take(at) {
            earlier.all_heard();
        }
        if let Some(utterance) = self.queue.get_mut(at) {
            while let Some((behind, keys)) = utterance.keys.pop_front() {
                utterance.heard = utterance.heard.max(behind);
                if keys == stretch {
                    break;
                }
            }
        }
        true
    }

    /// The utterance that is being heard, as far as it has been.
    pub(crate) fn under_way(&self) -> Option<Spoken> {
        let front = self.queue.front().filter(|utterance| utterance.heard > 0)?;
        let text = front.text[..front.heard].trim().to_owned();
        Some(Spoken { source: front.source, turn: front.turn, text, whole: false })
    }

    /// Takes out what has been sent in full and heard in full.
    pub(crate) fn take_finished(&mut self) -> Vec<Spoken> {
        let mut finished = Vec::new();
        while let Some(front) = self.queue.pop_front_if(|u| u.is_finished()) {
            if self.queue.front().is_some_and(|next| next.joined) {
                self.lead.push_str(&front.text);
            } else {
                self.lead.clear();
            }
            finished.push(front.spoken(true));
        }
        finished
    }

    /// Takes out everything as heard to its end.
    pub(crate) fn take_all_as_heard(&mut self) -> Vec<Spoken> {
        self.drain(Utterance::all_heard)
    }

    /// Takes out everything as what will be heard to its end, though it has not been yet.
    pub(crate) fn take_all_as_sent(&mut self) -> Vec<Spoken> {
        self.settled = self.queue.iter().map(Utterance::unheard).collect();
        self.drain(Utterance::all_heard)
    }

    /// Takes out everything as cut off where it is known to have been heard to.
    pub(crate) fn take_all_as_cut(&mut self) -> Vec<Spoken> {
        let cut = self.queue.iter().find(|u| u.heard < u.text.len());
        self.settled = cut.map(|u| u.unheard().to_owned()).unwrap_or_default();
        self.drain(|_| ())
    }

    /// The caller spoke over us; `heard` is the carrier's word for what was heard of the utterance
    /// being played: from its beginning, or from the last stretch that was reported.
    pub(crate) fn take_interrupted(&mut self, heard: &str) -> Vec<Spoken> {
        self.settled.clear();
        let current = self.queue.iter().position(|u| u.heard < u.text.len() || !u.closed);
        if let Some(current) = current
            && letters(heard).next().is_some()
        {
            self.move_to(current, heard);
        }
        self.drain(|_| ())
    }

    /// Moves the mark within the talk cycle that holds the utterance at `current`.
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
        }
    }

    fn drain(&mut self, mut settle: impl FnMut(&mut Utterance)) -> Vec<Spoken> {
        let mut all = Vec::new();
        self.lead.clear();
        for mut utterance in std::mem::take(&mut self.queue) {
            settle(&mut utterance);
            let whole = letters(utterance.unheard()).next().is_none();
            all.push(utterance.spoken(whole));
        }
        all
    }
}

impl Utterance {
    fn unheard(&self) -> &str {
        &self.text[self.heard..]
    }

    fn all_heard(&mut self) {
        self.heard = self.text.len();
        self.keys.clear();
    }

    fn is_finished(&self) -> bool {
        self.closed && self.keys.is_empty() && letters(self.unheard()).next().is_none()
    }

    fn spoken(self, whole: bool) -> Spoken {
        let end = if whole { self.text.len() } else { self.heard };
        Spoken {
            source: self.source,
            turn: self.turn,
            text: self.text[..end].trim().to_owned(),
            whole: whole && self.closed,
        }
    }
}

/// Letters and digits, lower case, with the place just behind each.
fn letters(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    text.char_indices()
        .filter(|(_, c)| c.is_alphanumeric())
        .flat_map(|(at, c)| c.to_lowercase().map(move |lower| (at + c.len_utf8(), lower)))
}

/// How many bytes at the start of `text` spell the same as all of `start`, with the punctuation
/// that follows them.
fn find_prefix(text: &str, start: &str) -> Option<usize> {
    let mut ours = letters(text);
    let mut end = 0;
    for (_, theirs) in letters(start) {
        let (behind, c) = ours.next()?;
        if c != theirs {
            return None;
        }
        end = behind;
    }
    // A prefix must not stop within a word, unless it was the carrier that cut the word in two;
    // either way it ends where the carrier says. Closing punctuation belongs to what was heard.
    let tail = &text[end..];
    let punctuation =
        tail.find(|c: char| c.is_alphanumeric() || c.is_whitespace()).unwrap_or(tail.len());
    Some(end + punctuation)
}

fn count_words(text: &str) -> usize {
    text.split_whitespace().filter(|word| letters(word).next().is_some()).count()
}

/// How many bytes at the start of `text` the first `count` words take.
fn words_in(text: &str, count: usize) -> usize {
    let mut words = 0;
    let mut within = false;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() {
            if within && words == count {
                return at;
            }
            within = false;
        } else if !within && c.is_alphanumeric() {
            if words == count {
                return at;
            }
            within = true;
            words += 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaking(texts: &[&str]) -> Playback {
        let mut playback = Playback::default();
        for (at, text) in texts.iter().enumerate() {
            playback.sent(Source::Model, Some(TurnId(1)), text, at + 1 == texts.len());
        }
        playback
    }

    fn heard(spoken: &[Spoken]) -> Vec<(&str, bool)> {
        spoken.iter().map(|s| (s.text.as_str(), s.whole)).collect()
    }

    #[test]
    fn stretches_add_up_to_the_whole() {
        let mut playback = speaking(&["I am sorry ", "to hear that. ", "Which card?"]);
        playback.played("I am sorry to hear that.");
        assert!(playback.take_finished().is_empty());
        playback.played("which card");
        assert_eq!(
            heard(&playback.take_finished()),
            [("I am sorry to hear that. Which card?", true)]
        );
        assert!(playback.is_idle());
    }

    #[test]
    fn an_interruption_may_be_told_from_the_start_or_from_the_last_stretch() {
        for told in ["First one. Second th", "Second th"] {
            let mut playback = speaking(&["First one. Second thing."]);
            playback.played("First one.");
            assert_eq!(
                heard(&playback.take_interrupted(told)),
                [("First one. Second th", false)],
                "{told}"
            );
        }
    }

    #[test]
    fn a_different_spelling_is_found_by_its_words() {
        let mut playback = speaking(&["It costs $5 today. Fine?"]);
        playback.played("It costs 5 dollars today.");
        assert_eq!(heard(&playback.take_interrupted("")), [("It costs $5 today. Fine?", true)]);
        let mut playback = speaking(&["It costs $5 today. Is that fine?"]);
        assert_eq!(
            heard(&playback.take_interrupted("It costs five dollars")),
            [("It costs $5 today.", false)]
        );
    }

    #[test]
    fn nothing_heard_is_nothing_heard() {
        let mut playback = speaking(&["Hello there."]);
        assert_eq!(heard(&playback.take_interrupted("")), [("", false)]);
    }

    #[test]
    fn an_interruption_is_found_across_two_utterances_of_one_cycle() {
        let line = |told: &str, played: Option<&str>| {
            let mut playback = Playback::default();
            playback.sent(Source::Model, None, "Let me ask. ", false);
            playback.joined(Source::Hold, "One moment.");
            let mut all = Vec::new();
            if let Some(stretch) = played {
                playback.played(stretch);
                all = playback.take_finished();
            }
            all.extend(playback.take_interrupted(told));
            all.into_iter().map(|s| (s.text, s.whole)).collect::<Vec<_>>()
        };
        let expect =
            |a: &str, a_whole, b: &str| vec![(a.to_owned(), a_whole), (b.to_owned(), false)];
        assert_eq!(line("Let me", None), expect("Let me", false, ""));
        assert_eq!(line("Let me ask. One", None), expect("Let me ask.", true, "One"));
        let first = Some("Let me ask.");
        assert_eq!(line("Let me ask. One", first), expect("Let me ask.", true, "One"));
        assert_eq!(line("One", first), expect("Let me ask.", true, "One"));
    }

    #[test]
    fn keys_are_played_between_words() {
        let mut playback = Playback::default();
        playback.sent(Source::Model, None, "Pressing. ", false);
        playback.pressed("12#");
        playback.sent(Source::Model, None, "Done.", true);
        playback.played("Pressing.");
        playback.played("12#");
        assert!(playback.take_finished().is_empty());
        playback.played("Done.");
        assert_eq!(heard(&playback.take_finished()), [("Pressing. Done.", true)]);
        assert!(playback.is_idle());
    }

    #[test]
    fn the_last_stretch_of_what_was_cut_does_not_count_for_what_came_after() {
        let mut playback = speaking(&["One two three. Four five six."]);
        playback.played("One two three.");
        assert_eq!(heard(&playback.take_all_as_cut()), [("One two three.", false)]);
        playback.sent(Source::Supervisor, None, "Seven eight nine.", true);
        playback.played("Four");
        playback.played("five");
        assert_eq!(heard(&playback.take_interrupted("Seven")), [("Seven", false)]);
    }

    #[test]
    fn what_was_heard_is_a_beginning_of_what_was_sent() {
        use proptest::prelude::*;
        proptest!(|(sent in "[a-c .,]{0,40}", told in prop::collection::vec("[a-d .]{0,12}", 0..5),
                    last in "[a-d .]{0,20}")| {
            let mut playback = speaking(&[&sent]);
            for stretch in &told { playback.played(stretch); }
            for spoken in playback.take_interrupted(&last) {
                prop_assert!(sent.trim_start().starts_with(&spoken.text), "{:?}", spoken);
            }
        });
    }
}
