//! Telephone sound: G.711 µ-law, 8 kHz, one channel.
//!
//! Source: ITU-T Recommendation G.711 (11/88), table 2a.

pub(crate) mod alaw;
mod wav;

pub use phony_wire::twilio::media::BYTES_PER_MS;

pub use self::wav::{BadWav, Wav, stereo_wav};

/// The byte that is silence.
pub const SILENCE: u8 = 0xFF;
/// The byte count of the 20 ms that one `media` frame of Twilio holds.
pub const FRAME_BYTES: usize = 160;

/// From this root mean square on, sound is audible: about 42 dB below full scale.
const AUDIBLE_RMS: i64 = 256;
/// G.711 adds this before it looks for the segment, on a scale of 16 bits.
const BIAS: u32 = 0x84;
/// The largest value that a code stands for before the bias is added.
const LARGEST: u32 = 32_635;

/// The code of a 16-bit sample.
#[must_use]
pub fn encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let value = u32::from(sample.unsigned_abs()).min(LARGEST) + BIAS;
    let segment = (24 - value.leading_zeros()).min(7);
    let [step, ..] = ((value >> (segment + 3)) & 0x0F).to_le_bytes();
    let [segment, ..] = segment.to_le_bytes();
    !(sign | (segment << 4) | step)
}

/// The 16-bit sample that a code stands for.
#[must_use]
pub fn decode(code: u8) -> i16 {
    let code = !code;
    let segment = (code >> 4) & 0x07;
    let value = (((u32::from(code & 0x0F) << 3) + BIAS) << segment) - BIAS;
    // At most 32,124.
    let value = i16::try_from(value).unwrap_or(i16::MAX);
    if code & 0x80 == 0 { value } else { -value }
}

/// Whether a stretch of sound can be heard, judged by its energy.
#[must_use]
pub fn is_audible(sound: &[u8]) -> bool {
    let energy: i64 = sound.iter().map(|code| i64::from(decode(*code)).pow(2)).sum();
    let count = i64::try_from(sound.len()).unwrap_or(i64::MAX);
    count > 0 && energy >= AUDIBLE_RMS.pow(2).saturating_mul(count)
}

/// How long a stretch of sound lasts, in milliseconds, rounded up.
#[must_use]
pub fn duration_ms(sound: &[u8]) -> u64 {
    sound.len().div_ceil(BYTES_PER_MS) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_the_code_of_its_sample() {
        for code in 0..=u8::MAX {
            // Both codes of zero stand for the same sample.
            let expected = if code == 0x7F { 0xFF } else { code };
            assert_eq!(encode(decode(code)), expected, "{code:#04x}");
        }
    }

    #[test]
    fn the_ends_of_the_scale_are_those_of_the_recommendation() {
        assert_eq!((decode(0x00), decode(0x80)), (-32_124, 32_124));
        assert_eq!((decode(0x7F), decode(SILENCE)), (0, 0));
        assert_eq!((encode(i16::MIN), encode(i16::MAX)), (0x00, 0x80));
    }

    #[test]
    fn silence_and_a_whisper_of_noise_are_not_audible_and_speech_is() {
        assert!(!is_audible(&[]));
        assert!(!is_audible(&[SILENCE; FRAME_BYTES]));
        assert!(!is_audible(&[encode(100); FRAME_BYTES]));
        assert!(is_audible(&[encode(1000); FRAME_BYTES]));
    }
}
