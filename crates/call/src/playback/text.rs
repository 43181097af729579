//! Places in a text, and how long a voice takes to get there.

use std::time::Duration;

/// A digit is spoken as a word.
const DIGIT_CHARS: u64 = 5;

/// How long a voice takes for a text.
pub(super) fn time_of(text: &str, pace: u32) -> Duration {
    let chars = text.chars().map(|c| if c.is_ascii_digit() { DIGIT_CHARS } else { 1 });
    Duration::from_millis(chars.sum::<u64>() * 1000 / u64::from(pace.max(1)))
}

/// How many bytes at the start of `text` are whole words that have been spoken in that time.
pub(super) fn words_spoken_in(text: &str, time: Duration, pace: u32) -> usize {
    let ends = text.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, _)| at);
    ends.take_while(|end| time_of(&text[..*end], pace) <= time).last().unwrap_or(0)
}

/// Where the sentence begins in which the byte `at` stands.
pub(super) fn sentence_at(text: &str, at: usize) -> usize {
    let (mut begins, mut ended) = (0, false);
    for (place, c) in text[..at].char_indices() {
        if !c.is_whitespace() {
            ended = matches!(c, '.' | '?' | '!' | '…');
        } else if ended {
            begins = place;
        }
    }
    if ended { at } else { begins }
}

/// Letters and digits, lower case, with the place just behind each.
pub(super) fn letters(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    text.char_indices()
        .filter(|(_, c)| c.is_alphanumeric())
        .flat_map(|(at, c)| c.to_lowercase().map(move |lower| (at + c.len_utf8(), lower)))
}

/// How many bytes at the start of `text` spell the same as all of `start`, with the punctuation
/// that follows them.
pub(super) fn find_prefix(text: &str, start: &str) -> Option<usize> {
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

pub(super) fn count_words(text: &str) -> usize {
    text.split_whitespace().filter(|word| letters(word).next().is_some()).count()
}

/// How many bytes at the start of `text` the first `count` words take.
pub(super) fn words_in(text: &str, count: usize) -> usize {
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
