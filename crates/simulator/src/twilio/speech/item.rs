//! The items in the voice's queue: text, digits and recordings.

use super::types::{Heard, Input};

/// A clause without punctuation is reported after this many characters.
const LONGEST_CLAUSE: usize = 100;
/// One key: the tone and the gap after it.
const KEY_MS: u64 = 250;
/// The pause of a `w`.
const KEY_PAUSE_MS: u64 = 500;

#[derive(Debug)]
pub(super) enum Content {
    Text(Vec<char>),
    Digits(String),
    Recording { source: String, lasts_ms: u64 },
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) content: Content,
    /// The talk cycle it belongs to.
    pub(super) cycle: u64,
    pub(super) closed: bool,
    pub(super) interruptible: Input,
    pub(super) preemptible: bool,
    pub(super) last_token_ms: u64,
    pub(super) began_ms: Option<u64>,
    /// Position of the voice: in characters of text, in milliseconds of anything else.
    pub(super) position: usize,
    /// How far it has been reported, and when that point was reached.
    pub(super) told: usize,
    pub(super) told_ms: u64,
    /// How far the voice may speak for now. Never decreases.
    pub(super) allowed: usize,
}

impl Item {
    pub(super) fn is_text(&self) -> bool {
        matches!(self.content, Content::Text(_))
    }

    pub(super) fn len(&self) -> usize {
        match &self.content {
            Content::Text(chars) => chars.len(),
            Content::Digits(digits) => whole(digits.chars().map(key_ms).sum()),
            Content::Recording { lasts_ms, .. } => whole(*lasts_ms),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.closed && self.position >= self.len()
    }

    /// Where the voice stops next: at the end of the clause, or of what it may speak for now.
    pub(super) fn stop(&self) -> usize {
        let limit = self.allowed.max(self.position);
        self.clause_end(self.told.max(self.position), limit, false).unwrap_or(limit)
    }

    /// The end of the first clause after `from`, within `limit`. Punctuation ends a clause if white
    /// space follows it, or if it ends a text that is `over`.
    pub(super) fn clause_end(&self, from: usize, limit: usize, over: bool) -> Option<usize> {
        let Content::Text(chars) = &self.content else { return None };
        (from + 1..=limit).find(|&end| {
            let space = chars.get(end).map_or(over, |c| c.is_whitespace());
            let stop = matches!(chars[end - 1], ',' | '.' | ';' | ':' | '!' | '?' | '…' | '\n');
            space && (stop || end - self.told >= LONGEST_CLAUSE)
        })
    }

    /// The end of the last whole word before this position.
    pub(super) fn word_end(&self, position: usize) -> usize {
        let Content::Text(chars) = &self.content else { return position };
        if chars.get(position).is_none_or(|c| c.is_whitespace()) {
            return position;
        }
        chars[..position].iter().rposition(|c| c.is_whitespace()).unwrap_or(0)
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> (Heard, String) {
        match &self.content {
            Content::Text(chars) => {
                let text: String = chars[from.min(to)..to].iter().collect();
                (Heard::Speech, text.trim().to_owned())
            }
            Content::Digits(digits) => {
                let mut at = 0;
                let pressed = digits.chars().filter(|digit| {
                    let began = at;
                    at += whole(key_ms(*digit));
                    (from..to).contains(&began)
                });
                (Heard::Digits, pressed.collect())
            }
            Content::Recording { source, .. } if to > from => (Heard::Recording, source.clone()),
            Content::Recording { .. } => (Heard::Recording, String::new()),
        }
    }
}

fn key_ms(digit: char) -> u64 {
    if digit == 'w' { KEY_PAUSE_MS } else { KEY_MS }
}

/// Milliseconds as a position in an item.
pub(super) fn whole(ms: u64) -> usize {
    usize::try_from(ms).unwrap_or(usize::MAX)
}
