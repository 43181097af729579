//! Utterances and keys on their way to the caller.

use std::collections::VecDeque;
use std::time::Duration;

use super::text::{letters, sentence_at, time_of, words_spoken_in};
use crate::event::{By, Source, ToolRef};
use crate::ids::TurnId;

/// How long one key sounds.
const KEY: Duration = Duration::from_millis(250);

#[derive(Debug, Clone)]
pub(super) struct Utterance {
    pub(super) source: Source,
    pub(super) turn: Option<TurnId>,
    pub(super) text: String,
    /// Bytes of `text` that have been heard.
    pub(super) heard: usize,
    /// No more text will be added.
    pub(super) closed: bool,
    /// The next utterance does not cut it off: it was not sent as preemptible.
    pub(super) firm: bool,
    /// It continues the talk cycle of the utterance before it: the line treats them as one.
    pub(super) joined: bool,
    /// The keys that are pressed within it, in order.
    pub(super) keys: VecDeque<Keys>,
}

/// Keys that were sent to the line, and not reported as pressed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    /// The keys, in order.
    pub(crate) row: String,
    /// Who ordered them.
    pub(crate) by: By,
    /// The tool call that ordered them, if one did.
    pub(crate) tool: Option<ToolRef>,
    /// Bytes of the utterance's text before them.
    pub(super) behind: usize,
}

/// An utterance that is over, or a snapshot of the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) source: Source,
    pub(crate) turn: Option<TurnId>,
    /// What was heard of it.
    pub(crate) text: String,
    /// Whether that is everything that was sent.
    pub(crate) whole: bool,
    /// What was not heard, from the start of the sentence that was cut off.
    pub(crate) unsaid: String,
    /// The keys within it that the line has dropped.
    pub(crate) dropped: Vec<Keys>,
}

impl Keys {
    pub(super) fn time(&self) -> Duration {
        KEY * u32::try_from(self.row.len()).unwrap_or(u32::MAX)
    }
}

impl Utterance {
    /// Keys without words.
    pub(super) fn of_keys(keys: Keys) -> Self {
        Self {
            source: Source::Model,
            turn: None,
            text: String::new(),
            heard: 0,
            closed: true,
            firm: true,
            joined: false,
            keys: VecDeque::from([Keys { behind: 0, ..keys }]),
        }
    }

    pub(super) fn unheard(&self) -> &str {
        &self.text[self.heard..]
    }

    pub(super) fn keys_time(&self) -> Duration {
        self.keys.iter().map(Keys::time).sum()
    }

    pub(super) fn all_heard(&mut self) {
        self.heard = self.text.len();
        self.keys.clear();
    }

    /// Counts as heard what fits into that time: whole words, and keys between them.
    pub(super) fn hear(&mut self, mut time: Duration, pace: u32) {
        loop {
            let until = self.keys.front().map_or(self.text.len(), |keys| keys.behind);
            let stretch = &self.text[self.heard.min(until)..until];
            let takes = time_of(stretch, pace);
            if takes > time {
                self.heard += words_spoken_in(stretch, time, pace);
                return;
            }
            self.heard = self.heard.max(until);
            time = time.saturating_sub(takes);
            match self.keys.pop_front_if(|keys| keys.time() <= time) {
                Some(keys) => time = time.saturating_sub(keys.time()),
                None => return,
            }
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.closed && self.keys.is_empty() && letters(self.unheard()).next().is_none()
    }

    pub(super) fn spoken(self, whole: bool, dropped: Vec<Keys>) -> Spoken {
        let end = if whole { self.text.len() } else { self.heard };
        let unsaid =
            if whole { String::new() } else { self.text[sentence_at(&self.text, end)..].into() };
        Spoken {
            source: self.source,
            turn: self.turn,
            text: self.text[..end].trim().to_owned(),
            whole: whole && self.closed,
            unsaid: unsaid.trim().to_owned(),
            dropped,
        }
    }
}
