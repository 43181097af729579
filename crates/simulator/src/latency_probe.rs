//! When each word left the model: what latency is measured with.
//!
//! A load test's model says numbered words, `w0 w1 w2 …`, no number twice. The moment at which a
//! word is sent is kept under its number; whoever hears the word looks it up. Both ends are in one
//! process, so there is one clock.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

/// Moments that are remembered. At 100,000 words a second a word may be 2.6 s under way before its
/// moment is taken for another's.
const REMEMBERED: usize = 1 << 18;

/// The moments at which words were sent.
#[derive(Debug)]
pub struct LatencyProbe {
    start: Instant,
    /// Words of one reply.
    reply: u64,
    next: AtomicU64,
    /// Nanoseconds since `start`, at the number's place modulo the length.
    sent: Box<[AtomicU64]>,
}

/// A word that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeardWord {
    /// Its number.
    pub number: u64,
    /// How long it was under way, in nanoseconds.
    pub nanos: u64,
}

/// Whether one listener has heard every word once and in order.
#[derive(Debug)]
pub struct Sequence {
    reply: u64,
    expected: Option<u64>,
    /// Words that never came.
    pub lost: u64,
    /// Words that came twice or out of order.
    pub doubled: u64,
}

impl LatencyProbe {
    /// For a model whose replies have `reply` words each, at least one.
    #[must_use]
    pub fn new(reply: u32) -> Self {
        let sent = (0..REMEMBERED).map(|_| AtomicU64::new(0)).collect();
        Self { start: now(), reply: u64::from(reply.max(1)), next: AtomicU64::new(0), sent }
    }

    /// The words of a reply, each with its space.
    pub(crate) fn words(&self) -> Vec<String> {
        let first = self.next.fetch_add(self.reply, Ordering::Relaxed);
        (first..first + self.reply).map(|number| format!("w{number} ")).collect()
    }

    /// Notes the moment of the word in this event of the model, if there is one.
    pub fn sent(&self, event: &str) {
        const DELTA: &str = "\"delta\":\"w";
        let Some(at) = event.find(DELTA) else { return };
        if let Some(number) = leading_number(&event[at + DELTA.len()..]) {
            self.slot(number).store(self.nanos(), Ordering::Relaxed);
        }
    }

    /// The numbered words in a text that was heard just now.
    pub fn heard<'a>(&'a self, text: &'a str) -> impl Iterator<Item = HeardWord> + 'a {
        let now = self.nanos();
        let numbers = text.split(' ').filter_map(|word| leading_number(word.strip_prefix('w')?));
        numbers.map(move |number| {
            let sent = self.slot(number).load(Ordering::Relaxed);
            HeardWord { number, nanos: now.saturating_sub(sent) }
        })
    }

    /// What one listener has to hear.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
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
    /// A word was heard. Replies begin at multiples of their length.
    pub fn heard(&mut self, number: u64) {
        let begin = number - number % self.reply;
        let expected = self.expected.unwrap_or(begin);
        if number < expected {
            self.doubled += 1;
            return;
        }
        self.lost += number - expected;
        self.expected = Some(number + 1);
    }

    /// A reply is over.
    pub fn reply_over(&mut self) {
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
    async fn a_word_is_as_old_as_the_time_since_it_was_sent() {
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
