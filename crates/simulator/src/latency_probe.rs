//! Measures the latency of a load test, word by word.
//!
//! The model says numbered words, `w0 w1 w2 …`, and never repeats a number. The time at which a
//! word is sent is stored under its number, and looked up when a caller hears the word. Both ends
//! run in one process and so share a clock.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

/// How many send times are kept. At 100,000 words a second a word's slot is reused after 2.6 s, and
/// longer latencies are measured wrongly.
const REMEMBERED: usize = 1 << 18;

/// When each word was sent.
#[derive(Debug)]
pub struct LatencyProbe {
    start: Instant,
    /// Words in one reply.
    reply: u64,
    next: AtomicU64,
    /// Nanoseconds since `start`, indexed by the word's number modulo the length.
    sent: Box<[AtomicU64]>,
}

/// A word that a caller heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeardWord {
    /// Its number.
    pub(crate) number: u64,
    /// Time since it was sent, in nanoseconds.
    pub(crate) nanos: u64,
}

/// Checks that one caller hears every word once and in order.
#[derive(Debug)]
pub(crate) struct Sequence {
    reply: u64,
    expected: Option<u64>,
    /// Words that did not arrive.
    pub(crate) lost: u64,
    /// Words that arrived twice or out of order.
    pub(crate) doubled: u64,
}

impl LatencyProbe {
    /// A probe for a model whose replies have `reply` words each, at least one.
    #[must_use]
    pub fn new(reply: u32) -> Self {
        let sent = (0..REMEMBERED).map(|_| AtomicU64::new(0)).collect();
        Self { start: now(), reply: u64::from(reply.max(1)), next: AtomicU64::new(0), sent }
    }

    /// The words of the next reply, each followed by a space.
    pub(crate) fn words(&self) -> Vec<String> {
        let first = self.next.fetch_add(self.reply, Ordering::Relaxed);
        (first..first + self.reply).map(|number| format!("w{number} ")).collect()
    }

    /// Stores the send time of the word in this server event, if it holds one.
    pub fn sent(&self, event: &str) {
        const DELTA: &str = "\"delta\":\"w";
        let Some(at) = event.find(DELTA) else { return };
        if let Some(number) = leading_number(&event[at + DELTA.len()..]) {
            self.slot(number).store(self.nanos(), Ordering::Relaxed);
        }
    }

    /// The numbered words in a text that has just been heard, with their latencies.
    pub(crate) fn heard<'a>(&'a self, text: &'a str) -> impl Iterator<Item = HeardWord> + 'a {
        let now = self.nanos();
        let numbers = text.split(' ').filter_map(|word| leading_number(word.strip_prefix('w')?));
        numbers.map(move |number| {
            let sent = self.slot(number).load(Ordering::Relaxed);
            HeardWord { number, nanos: now.saturating_sub(sent) }
        })
    }

    /// A check of what one caller hears.
    pub(crate) fn sequence(&self) -> Sequence {
        Sequence { reply: self.reply, expected: None, lost: 0, doubled: 0 }
    }

    fn slot(&self, number: u64) -> &AtomicU64 {
        let place = usize::try_from(number).unwrap_or(usize::MAX) % REMEMBERED;
        &self.sent[place]
    }

    fn nanos(&self) -> u64 {
        u64::try_from(now().duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Sequence {
    /// Notes a word that was heard. Replies begin at multiples of their length.
    pub(crate) fn heard(&mut self, number: u64) {
        let begin = number - number % self.reply;
        let expected = self.expected.unwrap_or(begin);
        if number < expected {
            self.doubled += 1;
            return;
        }
        self.lost += number - expected;
        self.expected = Some(number + 1);
    }

    /// Notes the end of a reply.
    pub(crate) fn reply_over(&mut self) {
        if let Some(expected) = self.expected.take() {
            self.lost += (self.reply - expected % self.reply) % self.reply;
        }
    }
}

fn leading_number(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "a load test reads the clock of its machine")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn latency_is_the_time_since_a_word_was_sent() {
        let probe = LatencyProbe::new(2);
        assert_eq!(probe.words(), ["w0 ", "w1 "]);
        assert_eq!(probe.words(), ["w2 ", "w3 "]);
        probe.sent(r#"{"type":"response.output_text.delta","delta":"w3 "}"#);
        probe.sent(r#"{"type":"response.created"}"#);
        tokio::time::advance(std::time::Duration::from_micros(70)).await;
        let heard: Vec<_> = probe.heard("was ww w3 ").collect();
        assert_eq!(heard, [HeardWord { number: 3, nanos: 70_000 }]);
    }

    #[tokio::test(start_paused = true)]
    async fn lost_and_doubled_words_are_noticed() {
        let mut sequence = LatencyProbe::new(4).sequence();
        let mut hear = |numbers: &[u64]| {
            for number in numbers {
                sequence.heard(*number);
            }
            sequence.reply_over();
            (sequence.lost, sequence.doubled)
        };
        assert_eq!(hear(&[0, 1, 2, 3]), (0, 0));
        assert_eq!(hear(&[40, 41, 42, 43]), (0, 0), "replies to others lie between");
        assert_eq!(hear(&[9, 10]), (2, 0), "the first and the last are missing");
        assert_eq!(hear(&[12, 14, 14, 13, 15]), (3, 2));
        assert_eq!(hear(&[]), (3, 2));
    }
}
