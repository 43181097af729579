//! The model's audio: cut into deltas, and encoded in the session's format.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::config::AudioFormat;
use crate::sound::{self as telephone, BYTES_PER_MS, alaw};

/// Cuts µ-law into pieces of this length.
pub(super) fn pieces(sound: &[u8], length: Duration) -> Vec<Vec<u8>> {
    let ms = usize::try_from(length.as_millis()).unwrap_or(usize::MAX);
    let size = ms.saturating_mul(BYTES_PER_MS).max(1);
    sound.chunks(size).map(<[u8]>::to_vec).collect()
}

/// The length of µ-law in whole milliseconds.
pub(super) fn ms(sound: &[u8]) -> u64 {
    (sound.len() / BYTES_PER_MS) as u64
}

/// The length of µ-law.
pub(super) fn length(sound: &[u8]) -> Duration {
    Duration::from_millis(ms(sound))
}

/// Encodes µ-law in `format`, in base64.
pub(super) fn encode(sound: &[u8], format: AudioFormat) -> String {
    match format {
        AudioFormat::Pcmu => STANDARD.encode(sound),
        AudioFormat::Pcma => {
            let alaw: Vec<u8> = sound.iter().copied().map(alaw::of_ulaw).collect();
            STANDARD.encode(alaw)
        }
        AudioFormat::Pcm => STANDARD.encode(to_24_khz(sound)),
    }
}

/// 16 bits at 24 kHz, by linear interpolation.
fn to_24_khz(sound: &[u8]) -> Vec<u8> {
    let sample = |byte: &u8| i32::from(telephone::decode(*byte));
    let mut linear = Vec::with_capacity(sound.len() * 6);
    for (n, byte) in sound.iter().enumerate() {
        let here = sample(byte);
        let next = sound.get(n + 1).map_or(here, sample);
        for third in 0..3 {
            let between = here + (next - here) * third / 3;
            linear.extend(i16::try_from(between).unwrap_or(0).to_le_bytes());
        }
    }
    linear
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_its_length() {
        let sound = [telephone::SILENCE, 0x80, 0x00, telephone::SILENCE];
        let length = |format| STANDARD.decode(encode(&sound, format)).unwrap().len();
        assert_eq!(length(AudioFormat::Pcmu), 4);
        assert_eq!(length(AudioFormat::Pcma), 4);
        assert_eq!(length(AudioFormat::Pcm), 4 * 6);
    }

    #[test]
    fn every_third_sample_is_the_original() {
        let sound = [telephone::SILENCE, 0x80, 0x00, 0x35];
        let linear = to_24_khz(&sound);
        let thirds = linear.chunks(6).map(|six| i16::from_le_bytes([six[0], six[1]]));
        assert_eq!(thirds.map(telephone::encode).collect::<Vec<_>>(), sound);
    }
}
