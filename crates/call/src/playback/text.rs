//! Positions in a text, and how long a voice takes to reach them.

use std::time::Duration;

/// How many characters a digit counts as, for it is spoken as a word.
const DIGIT_CHARS: u64 = 5;

/// How long a voice takes for a text, at `pace` characters per second.
pub(super) fn time_of(text: &str, pace: u32) -> Duration {
    let chars = text.chars().map(|c| if c.is_ascii_digit() { DIGIT_CHARS } else { 1 });
    Duration::from_millis(chars.sum::<u64>() * 1000 / u64::from(pace.max(1)))
}

/// How many bytes at the start of `text` are whole words that are spoken in that time.
pub(super) fn words_spoken_in(text: &str, time: Duration, pace: u32) -> usize {
    let ends = text.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, _)| at);
    ends.take_while(|end| time_of(&text[..*end], pace) <= time).last().unwrap_or(0)
}

/// Where the sentence begins that contains byte `at`.
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

/// The letters and digits in lower case, each with the position after it.
pub(super) fn letters(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    text.char_indices()
        .filter(|(_, c)| c.is_alphanumeric())
        .flat_map(|(at, c)| c.to_lowercase().map(move |lower| (at + c.len_utf8(), lower)))
}

/// How many bytes at the start of `text` have the same letters and digits as all of `start`,
/// including the punctuation that follows them.
pub(super) fn find_prefix(text: &str, start: &str) -> Option<usize> {
    let end = if text.starts_with(start) {
        after_last_letter(start)
    } else {
        let mut ours = letters(text);
        letters(start).try_fold(0, |_, (_, theirs)| {
            ours.next().filter(|(_, c)| *c == theirs).map(|(behind, _)| behind)
        })?
    };
    // The prefix may end within a word, if the carrier has cut the word in two. Closing punctuation
    // belongs to what was heard.
    let tail = &text[end..];
    let punctuation =
        tail.find(|c: char| c.is_alphanumeric() || c.is_whitespace()).unwrap_or(tail.len());
    Some(end + punctuation)
}

fn after_last_letter(text: &str) -> usize {
    let last = text.char_indices().rfind(|(_, c)| c.is_alphanumeric());
    last.map_or(0, |(at, c)| at + c.len_utf8())
}

pub(super) fn count_words(text: &str) -> usize {
    text.split_whitespace().filter(|word| letters(word).next().is_some()).count()
}

/// How many bytes the first `count` words of `text` take.
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
