//! Samples of sound: G.711 μ-law, and the tones of a telephone's keys.

/// Samples in a second; one byte each.
const RATE: f64 = 8000.0;
/// Samples in a millisecond.
pub(crate) const PER_MS: u64 = 8;
/// How long a key sounds, the silence after it, and a pause (`w`), in milliseconds.
const KEY_MS: u64 = 100;
const GAP_MS: u64 = 60;
const PAUSE_MS: u64 = 500;
/// How long a tone takes to rise and to fall, so that it does not click.
const EDGE_MS: u64 = 2;
/// The peak of each of a key's two tones, of 32,767: -9 dBm0. Full scale is +3.17 dBm0 (ITU-T
/// G.711, table 5).
const PEAK: f64 = 8_070.0;
/// μ-law of silence.
const SILENCE: u8 = 0xff;

/// The two frequencies of a key, in hertz (ITU-T Q.23); `None` if it is none of a telephone's.
fn frequencies(key: char) -> Option<(f64, f64)> {
    const ROWS: [(f64, &str); 4] =
        [(697.0, "123A"), (770.0, "456B"), (852.0, "789C"), (941.0, "*0#D")];
    const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
    ROWS.iter().find_map(|(low, keys)| Some((*low, COLUMNS[keys.find(key)?])))
}

/// The sound of keys, with `w` for a pause, as μ-law.
pub(crate) fn keys(row: &str) -> Vec<u8> {
    let mut sound = Vec::new();
    for key in row.chars() {
        match frequencies(key) {
            Some(tones) => {
                sound.extend(tone(tones));
                sound.extend(silence(GAP_MS));
            }
            None => sound.extend(silence(PAUSE_MS)),
        }
    }
    sound
}

fn silence(ms: u64) -> impl Iterator<Item = u8> {
    (0..ms * PER_MS).map(|_| SILENCE)
}

fn tone((low, high): (f64, f64)) -> impl Iterator<Item = u8> {
    let (count, edge) = (KEY_MS * PER_MS, EDGE_MS * PER_MS);
    (0..count).map(move |at| {
        let turn = |hertz: f64| (std::f64::consts::TAU * hertz * whole(at) / RATE).sin();
        let rise = whole(at.min(count - 1 - at).min(edge)) / whole(edge);
        encode((turn(low) + turn(high)) * PEAK * rise)
    })
}

/// A number of samples, far below the precision of an `f64`.
fn whole(samples: u64) -> f64 {
    u32::try_from(samples).map_or(f64::MAX, f64::from)
}

/// One sample as μ-law (ITU-T G.711). Larger ones are clipped.
fn encode(sample: f64) -> u8 {
    const BIAS: u32 = 0x84;
    const CLIP: f64 = 32_635.0;
    let sign = if sample < 0.0 { 0x80 } else { 0 };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 32,635"
    )]
    let size = sample.abs().min(CLIP).round() as u32 + BIAS;
    // The highest bit that is set, of bits 7 to 14, is the segment.
    let segment = (24 - size.leading_zeros().min(24)).min(7);
    let step = (size >> (segment + 3)) & 0x0f;
    !u8::try_from(sign | (segment << 4) | step).unwrap_or(SILENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The linear value of a μ-law sample (ITU-T G.711).
    fn decode(byte: u8) -> f64 {
        let byte = !byte;
        let (segment, step) = (u32::from((byte >> 4) & 7), i32::from(byte & 0x0f));
        let size = (((step << 3) + 0x84) << segment) - 0x84;
        f64::from(if byte & 0x80 == 0 { size } else { -size })
    }

    /// The amplitude of a frequency in samples, by correlation.
    fn amplitude(samples: &[f64], hertz: f64) -> f64 {
        let turn = |at: usize| std::f64::consts::TAU * hertz * whole(at as u64) / RATE;
        let part = |of: fn(f64) -> f64| {
            samples.iter().enumerate().map(|(at, sample)| sample * of(turn(at))).sum::<f64>()
        };
        part(f64::sin).hypot(part(f64::cos)) * 2.0 / whole(samples.len() as u64)
    }

    #[test]
    fn what_is_encoded_is_decoded_within_a_step() {
        for sample in (-32_000..=32_000).step_by(37) {
            let back = decode(encode(f64::from(sample)));
            let off = (back - f64::from(sample)).abs();
            assert!(off <= 8.0 + f64::from(sample).abs() / 32.0, "{sample}: {back}");
        }
        assert_eq!(encode(0.0), SILENCE);
        assert_eq!(encode(1e9), encode(32_635.0), "clipped");
    }

    #[test]
    fn every_key_has_its_two_tones_at_their_level_and_no_others() {
        let all = [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0];
        for key in "0123456789*#".chars() {
            let sound: Vec<f64> = keys(&key.to_string()).into_iter().map(decode).collect();
            assert_eq!(sound.len(), 1280, "100 ms, and 60 ms of silence");
            assert!(sound[800..].iter().all(|sample| *sample == 0.0));
            let (low, high) = frequencies(key).unwrap();
            for hertz in all {
                let level = amplitude(&sound[..800], hertz);
                if [low, high].iter().any(|tone| (tone - hertz).abs() < 1.0) {
                    let dbm0 = 20.0 * (level / 32_635.0).log10() + 3.17;
                    assert!((-9.5..-8.5).contains(&dbm0), "{key}: {hertz} Hz at {dbm0} dBm0");
                } else {
                    assert!(level < PEAK / 10.0, "{key}: {hertz} Hz at {level}");
                }
            }
        }
    }

    #[test]
    fn a_pause_is_half_a_second_and_no_tone_clicks() {
        assert_eq!(keys("w"), vec![SILENCE; 4000]);
        let sound: Vec<f64> = keys("1w#").into_iter().map(decode).collect();
        let jump = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f64::max);
        assert!(jump < PEAK * 2.0, "{jump}");
        assert!(sound[0].abs() < 100.0 && sound[799].abs() < 100.0);
    }
}
