//! A voice, and ears that recognise it.
//!
//! [`Voice`] turns text into G.711 µ-law at 8 kHz, the sound of a telephone line. Sentences in
//! `assets/lines.txt` were rendered beforehand with a neural voice and are in the program; all
//! others are synthesised, in sounds that have the rhythm and the spectrum of speech but cannot be
//! understood. The same text always gives the same sound.
//!
//! Nothing here recognises speech. [`Ears`] know a sound again that a voice made before.

mod ears;
mod lines;
mod synthesis;

pub use self::ears::Ears;
use crate::sound::{BYTES_PER_MS, SILENCE};

/// The pause between two sentences, in milliseconds.
const PAUSE_MS: usize = 180;

/// A voice. Its [`Ears`], if it has any, remember everything it says.
#[derive(Clone, Debug, Default)]
pub struct Voice {
    ears: Option<Ears>,
}

impl Voice {
    /// A voice that only those hear who know the rendered sentences.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A voice that `ears` recognise.
    #[must_use]
    pub fn heard_by(ears: Ears) -> Self {
        Self { ears: Some(ears) }
    }

    /// The sound of `text` in G.711 µ-law, 8,000 bytes a second, without silence around it. Text
    /// without letters or digits has no sound.
    #[must_use]
    pub fn speak(&self, text: &str) -> Vec<u8> {
        let mut sound = Vec::new();
        for sentence in sentences(text) {
            let spoken = match lines::rendered(sentence) {
                Some(rendered) => rendered.to_vec(),
                None => synthesis::speak(sentence),
            };
            if !sound.is_empty() && !spoken.is_empty() {
                sound.resize(sound.len() + PAUSE_MS * BYTES_PER_MS, SILENCE);
            }
            sound.extend(spoken);
        }
        if let Some(ears) = &self.ears {
            ears.remember(text.trim(), &sound);
        }
        sound
    }
}

/// The sentences of a text, each with its punctuation.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| matches!(c, '.' | '!' | '?');
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        if rest.is_empty() {
            return None;
        }
        let end = rest.char_indices().find_map(|(place, c)| {
            let after = &rest[place + c.len_utf8()..];
            let over = after.is_empty() || after.starts_with(char::is_whitespace);
            (ends(c) && over).then(|| place + c.len_utf8())
        });
        let (sentence, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        Some(sentence.trim_end())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNTHESISED: &str = "The ferry leaves at a quarter past eight, my dear.";
    const RENDERED: &str = "Hello, how can I help you?";

    fn linear(sound: &[u8]) -> Vec<i32> {
        sound.iter().map(|byte| crate::sound::decode(*byte).into()).collect()
    }

    #[test]
    fn a_text_is_cut_into_sentences() {
        let cut: Vec<&str> = sentences(" One. Two 2.5 and?  Three").collect();
        assert_eq!(cut, ["One.", "Two 2.5 and?", "Three"]);
    }

    #[test]
    fn the_same_text_has_the_same_sound() {
        for text in [SYNTHESISED, RENDERED] {
            assert_eq!(Voice::new().speak(text), Voice::new().speak(text));
        }
        assert_ne!(Voice::new().speak(SYNTHESISED), Voice::new().speak("Another text."));
    }

    #[test]
    fn a_second_of_speech_is_about_fifteen_characters() {
        for text in [SYNTHESISED, RENDERED] {
            let rate = text.len() * 8_000 / Voice::new().speak(text).len();
            assert!((10..25).contains(&rate), "{rate} characters a second in {text:?}");
        }
    }

    #[test]
    fn its_peak_is_nine_decibels_below_full_scale() {
        for text in [SYNTHESISED, RENDERED] {
            let peak = linear(&Voice::new().speak(text)).iter().map(|s| s.abs()).max().unwrap();
            assert!((10_500..=12_500).contains(&peak), "{peak} in {text:?}");
        }
    }

    #[test]
    fn nothing_clicks_at_an_edge() {
        for text in [SYNTHESISED, RENDERED, &format!("{RENDERED} {SYNTHESISED}"), "A", "s s, s."] {
            let mut sound = linear(&Voice::new().speak(text));
            sound.insert(0, 0);
            sound.push(0);
            // Within a millisecond of silence, no jump is above one percent of full scale.
            for edge in 1..sound.len() {
                let near = &sound[edge.saturating_sub(8)..(edge + 8).min(sound.len())];
                let quiet = near.iter().filter(|s| s.abs() <= 8).count() >= near.len() / 2;
                let jump = (sound[edge] - sound[edge - 1]).abs();
                assert!(!quiet || jump < 330, "a jump of {jump} at {edge} in {text:?}");
            }
        }
    }

    #[test]
    fn a_text_without_words_has_no_sound() {
        for text in ["", "  ", "…", "!?"] {
            assert!(Voice::new().speak(text).is_empty(), "{text:?}");
        }
    }
}
