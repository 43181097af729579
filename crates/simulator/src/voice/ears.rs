//! Recognises sounds that a voice made before.
//!
//! A sound is remembered by the hashes of some of its windows. The windows are chosen by their
//! content (every window whose hash ends in eight zero bits), so the same windows are found again
//! wherever the sound begins and in whatever pieces it comes. A text is recognised if several of
//! its windows occur at the same distances as in the remembered sound. This needs the exact bytes:
//! a sound that was mixed, resampled or amplified on its way is not recognised.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use super::lines;
use crate::sound::BYTES_PER_MS;

/// The length of a window: 8 ms.
const WINDOW: usize = 64;

/// One of so many windows is remembered, on average: one every 32 ms.
const SAMPLING: u64 = 256;

/// The fewest windows by which a text is recognised.
const LEAST_WINDOWS: usize = 2;

/// So much may be missing at either end of a text that counts as heard in full: 250 ms.
const SLACK: usize = 250 * BYTES_PER_MS;

/// The most places that are kept of one window.
const MOST_PLACES: usize = 32;

/// How many texts are kept before half of them are forgotten.
const MOST_TEXTS: usize = 512;

/// The rendered sentences, which everybody knows.
static RENDERED: LazyLock<Memory> = LazyLock::new(|| {
    let mut memory = Memory::default();
    for (text, sound) in lines::all() {
        memory.add(text, sound);
    }
    memory
});

/// What a voice has said lately, to be recognised by its sound. Clones share their memory: give one
/// to the [`Voice`](super::Voice) that speaks and one to whoever listens. The rendered sentences
/// are known to all ears. The latest 256 to 512 texts are kept.
#[derive(Clone, Default)]
pub struct Ears {
    memory: Arc<Mutex<[Memory; 2]>>,
}

impl Ears {
    /// Ears that know the rendered sentences only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Remembers that `sound`, in G.711 µ-law, is `text`.
    pub fn remember(&self, text: &str, sound: &[u8]) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let [recent, older] = &mut *memory;
        if recent.knows(text) || sound.is_empty() {
            return;
        }
        if recent.texts.len() >= MOST_TEXTS / 2 {
            *older = std::mem::take(recent);
        }
        recent.add(text, sound);
    }

    /// The texts in `sound`, in G.711 µ-law, in order. Of a text that was cut short, the words that
    /// were heard. `None` if nothing is recognised.
    #[must_use]
    pub fn recognise(&self, sound: &[u8]) -> Option<String> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let [recent, older] = &*memory;
        let matches = best_matches(sound, &[recent, older, &RENDERED]);
        let words: Vec<String> = matches.iter().map(Match::words).collect();
        Some(words.join(" ")).filter(|text| !text.is_empty())
    }

    /// The texts in `sound`, or `(sound of 1.2 s)` if nothing is recognised.
    #[must_use]
    pub fn describe(&self, sound: &[u8]) -> String {
        self.recognise(sound).unwrap_or_else(|| {
            let tenths = (sound.len() / BYTES_PER_MS + 50) / 100;
            format!("(sound of {}.{} s)", tenths / 10, tenths % 10)
        })
    }
}

impl fmt::Debug for Ears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ears")
    }
}

/// Texts and the windows of their sounds.
#[derive(Default)]
struct Memory {
    texts: Vec<Known>,
    /// For each window the texts that have it, and where.
    places: HashMap<u64, Vec<(usize, usize)>>,
}

/// A text that is known.
struct Known {
    text: String,
    /// Bytes of its sound.
    length: usize,
    /// Places of the first and the last of its windows.
    ends: (usize, usize),
    windows: usize,
}

impl Memory {
    fn knows(&self, text: &str) -> bool {
        self.texts.iter().any(|known| known.text == text)
    }

    fn add(&mut self, text: &str, sound: &[u8]) {
        let windows = windows(sound);
        let (Some(first), Some(last)) = (windows.first(), windows.last()) else { return };
        let known = Known {
            text: text.to_owned(),
            length: sound.len(),
            ends: (first.0, last.0),
            windows: windows.len(),
        };
        for (place, hash) in windows {
            let places = self.places.entry(hash).or_default();
            if places.len() < MOST_PLACES {
                places.push((self.texts.len(), place));
            }
        }
        self.texts.push(known);
    }
}

/// A text that occurs in a sound.
struct Match<'a> {
    known: &'a Known,
    /// Where the text begins in the sound; negative if its beginning is missing.
    start: i64,
    /// The places in the sound of the windows that fit.
    found: Vec<usize>,
}

impl Match<'_> {
    /// The words that were heard.
    fn words(&self) -> String {
        let within = |place: &usize| usize::try_from(signed(*place) - self.start).unwrap_or(0);
        let first = self.found.first().map_or(0, within);
        let last = self.found.last().map_or(0, within);
        let from = if first <= self.known.ends.0 + SLACK { 0 } else { first };
        let to = if last + SLACK >= self.known.ends.1 { self.known.length } else { last };
        let text = &self.known.text;
        let spoken = text.split_whitespace().filter(|word| {
            let middle = word.as_ptr().addr() - text.as_ptr().addr() + word.len() / 2;
            let place = middle * self.known.length / text.len();
            (from..=to).contains(&place)
        });
        spoken.collect::<Vec<_>>().join(" ")
    }
}

/// The texts in a sound, in order. Where several fit, the one with the most windows is taken, and
/// of equals the shortest.
fn best_matches<'a>(sound: &[u8], memories: &[&'a Memory]) -> Vec<Match<'a>> {
    let mut fitting: BTreeMap<(usize, usize, i64), Vec<usize>> = BTreeMap::new();
    for (at, hash) in windows(sound) {
        for (m, memory) in memories.iter().enumerate() {
            for (text, place) in memory.places.get(&hash).into_iter().flatten() {
                let start = signed(at) - signed(*place);
                fitting.entry((m, *text, start)).or_default().push(at);
            }
        }
    }
    let mut candidates: Vec<Match<'a>> = fitting
        .into_iter()
        .map(|((m, text, start), found)| Match { known: &memories[m].texts[text], start, found })
        .collect();
    candidates.sort_by_key(|found| (Reverse(found.found.len()), found.known.windows));
    let mut accepted: Vec<Match<'a>> = Vec::new();
    for mut candidate in candidates {
        let before = candidate.found.len();
        candidate.found.retain(|at| !accepted.iter().any(|taken| covers(taken, *at)));
        let left = candidate.found.len();
        if left >= LEAST_WINDOWS && left * 2 >= before {
            accepted.push(candidate);
        }
    }
    accepted.sort_by_key(|found| found.start);
    accepted
}

fn covers(found: &Match<'_>, at: usize) -> bool {
    (found.start..found.start + signed(found.known.length)).contains(&signed(at))
}

/// The places and hashes of the windows by which a sound is remembered. A window of one value only
/// is silence, and is not one of them.
fn windows(sound: &[u8]) -> Vec<(usize, u64)> {
    const FACTOR: u64 = 0x0100_0000_01B3;
    // What a byte is multiplied with when it leaves the window.
    let leaving = (0..WINDOW).fold(1_u64, |power, _| power.wrapping_mul(FACTOR));
    let mut windows = Vec::new();
    let (mut hash, mut same) = (0_u64, 0);
    for (place, byte) in sound.iter().enumerate() {
        hash = hash.wrapping_mul(FACTOR).wrapping_add(value(*byte));
        if let Some(gone) = place.checked_sub(WINDOW) {
            hash = hash.wrapping_sub(value(sound[gone]).wrapping_mul(leaving));
        }
        same = if place > 0 && value(sound[place - 1]) == value(*byte) { same + 1 } else { 1 };
        let mixed = mix(hash);
        if place + 1 >= WINDOW && same < WINDOW && mixed.is_multiple_of(SAMPLING) {
            windows.push((place, mixed));
        }
    }
    windows
}

/// What a byte adds to a hash: 0x7F is a zero like 0xFF.
fn value(byte: u8) -> u64 {
    1 + u64::from(if byte == 0x7F { 0xFF } else { byte })
}

/// Spreads the bits of a hash (the finaliser of `SplitMix64`).
fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    hash ^ (hash >> 31)
}

fn signed(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::Voice;
    use super::*;
    use crate::sound::SILENCE;

    fn voice() -> (Ears, Voice) {
        let ears = Ears::new();
        (ears.clone(), Voice::heard_by(ears))
    }

    fn silence(ms: usize) -> Vec<u8> {
        vec![SILENCE; ms * BYTES_PER_MS]
    }

    #[test]
    fn what_a_voice_said_is_recognised_wherever_it_begins() {
        let (ears, voice) = voice();
        let texts = ["The ferry leaves at eight.", "I would like two tickets, please.", "Yes."];
        let mut sound = silence(333);
        for text in texts {
            sound.extend(voice.speak(text));
            sound.extend(silence(101));
        }
        assert_eq!(ears.recognise(&sound), Some(texts.join(" ")));
        assert_eq!(Ears::new().recognise(&sound), None);
    }

    #[test]
    fn of_a_text_that_breaks_off_the_words_that_were_heard_are_recognised() {
        let (ears, voice) = voice();
        let text = "The ferry leaves at a quarter past eight in the morning.";
        let mut sound = voice.speak(text);
        sound.truncate(sound.len() / 2);
        sound.extend(silence(2_000));
        let heard = ears.recognise(&sound).unwrap();
        assert!(text.starts_with(&heard) && (15..40).contains(&heard.len()), "{heard:?}");
    }

    #[test]
    fn a_text_is_told_from_a_longer_one_that_begins_alike() {
        let (ears, voice) = voice();
        let long = voice.speak("Thank you. The ferry is late today.");
        let short = voice.speak("Thank you.");
        assert_eq!(ears.recognise(&short).as_deref(), Some("Thank you."));
        assert_eq!(ears.recognise(&long).as_deref(), Some("Thank you. The ferry is late today."));
    }

    #[test]
    fn rendered_sentences_are_known_to_all_ears() {
        let sound = Voice::new().speak("Good morning, when are you open?");
        let heard = Ears::new().recognise(&sound);
        assert_eq!(heard.as_deref(), Some("Good morning, when are you open?"));
    }

    #[test]
    fn other_sound_is_described_by_its_length() {
        assert_eq!(Ears::new().describe(&silence(1_230)), "(sound of 1.2 s)");
        assert_eq!(Ears::new().describe(&[]), "(sound of 0.0 s)");
    }

    #[test]
    fn old_texts_are_forgotten() {
        let (ears, voice) = voice();
        let first = voice.speak("The very first.");
        for n in 0..MOST_TEXTS {
            ears.remember(&n.to_string(), &first);
        }
        assert_ne!(ears.recognise(&first).as_deref(), Some("The very first."));
    }
}
