//! How fast replies come, and in what pieces.

use std::time::Duration;

/// How fast the stand-in answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From the upgrade to `session.created`. Default: 80 ms.
    pub session_created: Duration,
    /// From `response.created` to the first item and its first delta. Default: 300 ms.
    pub first_token: Duration,
    /// Between two deltas. Default: 25 ms.
    pub between_deltas: Duration,
    /// How much text a delta holds. Default: a word.
    pub delta: DeltaSize,
}

/// How much text a delta holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeltaSize {
    /// This many characters.
    Chars(usize),
    /// This many words, each with the white space after it.
    Words(usize),
    /// The whole text.
    Whole,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            session_created: Duration::from_millis(80),
            first_token: Duration::from_millis(300),
            between_deltas: Duration::from_millis(25),
            delta: DeltaSize::Words(1),
        }
    }
}

impl Pace {
    /// No delays, and a word in each delta.
    pub const INSTANT: Self = Self {
        session_created: Duration::ZERO,
        first_token: Duration::ZERO,
        between_deltas: Duration::ZERO,
        delta: DeltaSize::Words(1),
    };
}

impl DeltaSize {
    /// Cuts a text into deltas, whose concatenation is the text.
    pub(super) fn split(self, text: &str) -> Vec<String> {
        let (mut pieces, mut piece, mut count) = (Vec::new(), String::new(), 0);
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            piece.push(c);
            let full = match self {
                Self::Whole => false,
                Self::Chars(size) => {
                    count += 1;
                    count >= size
                }
                Self::Words(size) => {
                    let word_ends = chars.peek().is_some_and(|next| !next.is_whitespace());
                    count += usize::from(c.is_whitespace() && word_ends);
                    count >= size.max(1)
                }
            };
            if full {
                pieces.push(std::mem::take(&mut piece));
                count = 0;
            }
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
        pieces
    }
}
