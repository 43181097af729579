//! G.711 A-law, and its conversion from and to µ-law (ITU-T Recommendation G.711, 11/88).

use super::{decode, encode};

/// Converts A-law to µ-law.
pub(crate) fn to_ulaw(byte: u8) -> u8 {
    let byte = byte ^ 0x55;
    let (exponent, mantissa) = ((byte >> 4) & 7, i32::from(byte & 0x0F));
    let magnitude = match exponent {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (exponent - 1),
    };
    encode(to_16_bits(if byte & 0x80 == 0 { -magnitude } else { magnitude }))
}

/// Converts µ-law to A-law.
pub(crate) fn of_ulaw(byte: u8) -> u8 {
    let sample = i32::from(decode(byte));
    let magnitude = (sample.abs() >> 3).min(0xFFF);
    let code = if magnitude < 32 {
        magnitude >> 1
    } else {
        let exponent = magnitude.ilog2() - 4;
        (exponent << 4).cast_signed() | ((magnitude >> exponent) & 0x0F)
    };
    (low_byte(code) | if sample < 0 { 0 } else { 0x80 }) ^ 0x55
}

fn low_byte(code: i32) -> u8 {
    u8::try_from(code & 0xFF).unwrap_or(0)
}

fn to_16_bits(sample: i32) -> i16 {
    i16::try_from(sample).unwrap_or(if sample < 0 { i16::MIN } else { i16::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::SILENCE;

    #[test]
    fn alaw_is_close_to_the_same_sound() {
        for byte in 0..=u8::MAX {
            let before = i32::from(decode(byte));
            let after = i32::from(decode(to_ulaw(of_ulaw(byte))));
            assert!((before - after).abs() <= before.abs() / 10 + 16, "{before} became {after}");
        }
        assert_eq!(of_ulaw(SILENCE), 0xD5);
    }
}
