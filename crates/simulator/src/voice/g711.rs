//! G.711: µ-law and A-law (ITU-T G.711, 11/88).

/// The µ-law byte of silence.
pub(crate) const SILENCE: u8 = 0xFF;

/// The largest magnitude that µ-law encodes.
const ULAW_MAX: i32 = 32_635;

/// What is added to a magnitude before its segment is found.
const ULAW_BIAS: i32 = 132;

/// Decodes µ-law to 16 bits.
pub(crate) fn ulaw_to_linear(byte: u8) -> i16 {
    let byte = !byte;
    let (exponent, mantissa) = ((byte >> 4) & 7, i32::from(byte & 0x0F));
    let magnitude = (((mantissa << 3) + ULAW_BIAS) << exponent) - ULAW_BIAS;
    to_16_bits(if byte & 0x80 == 0 { magnitude } else { -magnitude })
}

/// Encodes 16 bits as µ-law.
pub(crate) fn linear_to_ulaw(sample: i16) -> u8 {
    let magnitude = i32::from(sample).abs().min(ULAW_MAX) + ULAW_BIAS;
    let exponent = magnitude.ilog2() - 7;
    let code = low_byte((exponent << 4).cast_signed() | ((magnitude >> (exponent + 3)) & 0x0F));
    !(code | sign(sample))
}

/// Converts A-law to µ-law.
pub(crate) fn alaw_to_ulaw(byte: u8) -> u8 {
    let byte = byte ^ 0x55;
    let (exponent, mantissa) = ((byte >> 4) & 7, i32::from(byte & 0x0F));
    let magnitude = match exponent {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (exponent - 1),
    };
    linear_to_ulaw(to_16_bits(if byte & 0x80 == 0 { -magnitude } else { magnitude }))
}

/// Converts µ-law to A-law.
pub(crate) fn ulaw_to_alaw(byte: u8) -> u8 {
    let sample = i32::from(ulaw_to_linear(byte));
    let magnitude = (sample.abs() >> 3).min(0xFFF);
    let code = if magnitude < 32 {
        magnitude >> 1
    } else {
        let exponent = magnitude.ilog2() - 4;
        (exponent << 4).cast_signed() | ((magnitude >> exponent) & 0x0F)
    };
    (low_byte(code) | if sample < 0 { 0 } else { 0x80 }) ^ 0x55
}

fn sign(sample: i16) -> u8 {
    if sample < 0 { 0x80 } else { 0 }
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

    #[test]
    fn every_ulaw_byte_survives_a_round_trip() {
        for byte in 0..=u8::MAX {
            let again = linear_to_ulaw(ulaw_to_linear(byte));
            // Zero has two codes.
            assert!(again == byte || byte == 0x7F, "{byte:#x} became {again:#x}");
        }
        assert_eq!(ulaw_to_linear(SILENCE), 0);
        assert_eq!((ulaw_to_linear(0x00), ulaw_to_linear(0x80)), (-32_124, 32_124));
    }

    #[test]
    fn alaw_is_close_to_the_same_sound() {
        for byte in 0..=u8::MAX {
            let before = i32::from(ulaw_to_linear(byte));
            let after = i32::from(ulaw_to_linear(alaw_to_ulaw(ulaw_to_alaw(byte))));
            assert!((before - after).abs() <= before.abs() / 10 + 16, "{before} became {after}");
        }
        assert_eq!(ulaw_to_alaw(SILENCE), 0xD5);
    }
}
