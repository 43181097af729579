//! Voices: what turns a caller's words into sound on a line that carries sound.

use std::fmt::Debug;

use crate::callers::spoken_words;
use crate::sound::{self, BYTES_PER_MS, SILENCE};
use crate::voice::Voice;

/// Samples of one period of the buzz: a low voice of 125 Hz.
const PERIOD: i16 = 64;
/// How much the buzz rises from sample to sample.
const SLOPE: i16 = 250;
/// The loudest sample of a noise.
const NOISE: i16 = 4_000;
/// The length of a noise whose length is not given, in milliseconds.
const NOISE_MS: u64 = 300;

/// A voice.
pub trait Speak: Debug + Send + Sync {
    /// The sound of a text: G.711 µ-law, 8 kHz. Called on the call's own task, so it must not take
    /// long.
    fn speak(&self, text: &str) -> Vec<u8>;
}

/// A voice without words: it buzzes for each letter and pauses between words, 15 characters a
/// second. A detector of energy hears it as speech; a person does not understand it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Buzz;

impl Buzz {
    const CHARS_PER_SECOND: usize = 15;
    const SAMPLES_PER_SECOND: usize = 1000 * BYTES_PER_MS;
}

impl Speak for Voice {
    fn speak(&self, text: &str) -> Vec<u8> {
        Self::speak(self, text)
    }
}

impl Speak for Buzz {
    fn speak(&self, text: &str) -> Vec<u8> {
        let chars: Vec<_> = text.chars().collect();
        let samples = chars.len() * Self::SAMPLES_PER_SECOND / Self::CHARS_PER_SECOND;
        let buzz = (0..PERIOD).cycle().map(|at| sound::encode((at - PERIOD / 2) * SLOPE));
        let sounds = buzz.take(samples).enumerate().map(|(at, buzz)| {
            let index = at * Self::CHARS_PER_SECOND / Self::SAMPLES_PER_SECOND;
            if chars.get(index).is_some_and(|c| c.is_alphanumeric()) { buzz } else { SILENCE }
        });
        sounds.collect()
    }
}

/// What a caller's text sounds like: its words in this voice, or a noise if it has none.
pub(crate) fn sound_of(voice: &dyn Speak, text: &str, for_ms: Option<u64>) -> Vec<u8> {
    let words = spoken_words(text);
    if words.is_empty() { noise(for_ms.unwrap_or(NOISE_MS)) } else { voice.speak(&words) }
}

/// A hiss, such as a cough or a door; always the same.
fn noise(for_ms: u64) -> Vec<u8> {
    let samples = usize::try_from(for_ms).unwrap_or(0).saturating_mul(BYTES_PER_MS);
    let mut state = 1_u32;
    let mut next = || {
        // The generator of "Numerical Recipes", chapter 7.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i16::try_from((state >> 16) & 0x7FFF).unwrap_or(0)
    };
    (0..samples).map(|_| sound::encode(next() % (2 * NOISE) - NOISE)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buzz_lasts_as_long_as_the_text_takes_and_pauses_between_words() {
        let sound = Buzz.speak("fifteen letters");
        assert_eq!(sound::duration_ms(&sound), 1000);
        // The eighth character is a space: 467 to 533 ms.
        assert!(sound::is_audible(&sound[..400 * BYTES_PER_MS]));
        assert!(!sound::is_audible(&sound[470 * BYTES_PER_MS..530 * BYTES_PER_MS]));
        assert!(sound::is_audible(&sound[540 * BYTES_PER_MS..]));
        assert!(Buzz.speak("").is_empty());
    }

    #[test]
    fn a_text_without_words_is_a_noise() {
        let cough = sound_of(&Buzz, "[noise]", Some(40));
        assert_eq!(sound::duration_ms(&cough), 40);
        assert!(sound::is_audible(&cough));
        assert_eq!(sound_of(&Buzz, "[noise] hi", None), Buzz.speak("hi"));
    }
}
