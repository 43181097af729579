//! Synthesised speech: a buzz and a hiss through two resonators, letter by letter.
//!
//! Each letter gets a sound by its kind: vowels have formants of their own, other voiced letters
//! are duller and softer, unvoiced ones are noise. The pitch falls along a sentence and rises at
//! the end of a question. Every change is gradual, so that nothing clicks.

use crate::sound as telephone;

/// Samples a second.
const RATE: f32 = 8_000.0;

/// The highest peak: 9 dB below full scale.
const PEAK: f32 = 0.355 * 32_767.0;

/// The pitch of a sentence at its beginning and at its end, in hertz.
const PITCH: (f32, f32) = (128.0, 96.0);

/// How much a question rises over its last third.
const QUESTION_RISE: f32 = 0.45;

/// The length of the ramps at both ends, in samples: 10 ms.
const RAMP: usize = 80;

/// How fast levels and formants approach their targets, per sample: about 6 ms.
const GLIDE: f32 = 0.02;

/// The sound of a letter or of a pause.
#[derive(Clone, Copy)]
struct Segment {
    samples: usize,
    /// Level of the voice, 0 to 1.
    voice: f32,
    /// Level of the noise, 0 to 1.
    noise: f32,
    /// The centres of the resonators, in hertz.
    formants: [f32; 2],
}

/// The sound of a sentence in µ-law; empty if there is nothing to say.
pub(super) fn speak(sentence: &str) -> Vec<u8> {
    let segments = segments(sentence);
    let rises = sentence.trim_end().ends_with('?');
    let mut sound = synthesise(&segments, rises);
    let peak = sound.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    if peak == 0.0 {
        return Vec::new();
    }
    ramp(&mut sound);
    sound.iter().map(|sample| telephone::encode(to_16_bits(sample / peak * PEAK))).collect()
}

/// The segments of a sentence, without pauses at its ends.
fn segments(sentence: &str) -> Vec<Segment> {
    let mut segments: Vec<Segment> = spelled(sentence).chars().filter_map(segment).collect();
    let sounds = |segment: &Segment| segment.voice + segment.noise > 0.0;
    let end = segments.iter().rposition(sounds).map_or(0, |last| last + 1);
    segments.truncate(end);
    let begin = segments.iter().position(sounds).unwrap_or(0);
    segments.split_off(begin)
}

/// The text in lower case, with digits as words.
fn spelled(text: &str) -> String {
    const DIGITS: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let mut spelled = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        match c.to_digit(10).and_then(|digit| DIGITS.get(usize::try_from(digit).ok()?)) {
            Some(word) => spelled.extend([" ", word, " "]),
            None => spelled.push(c),
        }
    }
    spelled
}

fn segment(c: char) -> Option<Segment> {
    let sound = |ms: usize, voice, noise, first, second| Segment {
        samples: ms * 8,
        voice,
        noise,
        formants: [first, second],
    };
    Some(match c {
        'a' => sound(80, 1.0, 0.0, 750.0, 1_250.0),
        'e' => sound(70, 1.0, 0.0, 520.0, 1_850.0),
        'i' | 'y' => sound(70, 0.9, 0.0, 320.0, 2_250.0),
        'o' => sound(80, 1.0, 0.0, 500.0, 900.0),
        'u' => sound(75, 0.9, 0.0, 350.0, 1_000.0),
        'm' | 'n' => sound(60, 0.45, 0.0, 270.0, 1_300.0),
        'l' | 'r' | 'w' => sound(60, 0.6, 0.0, 380.0, 1_150.0),
        'b' | 'd' | 'g' => sound(50, 0.35, 0.05, 300.0, 1_500.0),
        'v' | 'z' | 'j' => sound(60, 0.35, 0.25, 320.0, 1_900.0),
        's' | 'x' => sound(75, 0.0, 0.6, 2_400.0, 3_500.0),
        'f' | 'h' => sound(55, 0.0, 0.3, 1_200.0, 2_900.0),
        'c' | 'k' | 'p' | 'q' | 't' => sound(55, 0.0, 0.4, 1_600.0, 2_700.0),
        ',' | ';' | ':' | '—' | '.' | '!' | '?' => sound(160, 0.0, 0.0, 500.0, 1_500.0),
        c if c.is_alphabetic() => sound(70, 0.9, 0.0, 450.0, 1_600.0),
        c if c.is_whitespace() || c == '-' => sound(45, 0.0, 0.0, 500.0, 1_500.0),
        _ => return None,
    })
}

fn synthesise(segments: &[Segment], rises: bool) -> Vec<f32> {
    let total: usize = segments.iter().map(|segment| segment.samples).sum();
    let mut sound = Vec::with_capacity(total);
    let mut noise = Noise(0x2545_F491);
    let mut resonators = [Resonator::default(); 2];
    let (mut voice_level, mut noise_level) = (0.0, 0.0);
    let mut formants = segments.first().map_or([500.0, 1_500.0], |segment| segment.formants);
    let mut phase = 0.0_f32;
    for segment in segments {
        for _ in 0..segment.samples {
            voice_level += GLIDE * (segment.voice - voice_level);
            noise_level += GLIDE * (segment.noise - noise_level);
            for (formant, target) in formants.iter_mut().zip(segment.formants) {
                *formant += GLIDE * (target - *formant);
            }
            phase = (phase + pitch(part(sound.len(), total), rises) / RATE).fract();
            let source = voice_level * buzz(phase) + 0.5 * noise_level * noise.next();
            let [first, second] = &mut resonators;
            let vowel = first.filter(source, formants[0], 90.0);
            sound.push(vowel + 0.6 * second.filter(source, formants[1], 140.0));
        }
    }
    sound
}

/// The pitch after this part of a sentence, in hertz.
fn pitch(part: f32, rises: bool) -> f32 {
    let falling = PITCH.0 + (PITCH.1 - PITCH.0) * part;
    let last_third = (part * 3.0 - 2.0).max(0.0);
    if rises { falling * (1.0 + QUESTION_RISE * last_third) } else { falling }
}

/// The glottis: opens slowly and closes fast, without a step.
fn buzz(phase: f32) -> f32 {
    const OPEN: f32 = 0.8;
    let wave = if phase < OPEN { phase / OPEN } else { (1.0 - phase) / (1.0 - OPEN) };
    2.0 * wave - 1.0
}

/// Fades the ends in and out.
fn ramp(sound: &mut [f32]) {
    let length = RAMP.min(sound.len() / 2);
    for n in 0..length {
        let level = part(n, length);
        sound[n] *= level;
        let last = sound.len() - 1 - n;
        sound[last] *= level;
    }
}

/// A resonator with two poles, whose gain at its centre does not depend on the frequency.
#[derive(Clone, Copy, Default)]
struct Resonator {
    before: [f32; 2],
}

impl Resonator {
    fn filter(&mut self, input: f32, centre: f32, width: f32) -> f32 {
        let radius = 1.0 - std::f32::consts::PI * width / RATE;
        let angle = 2.0 * std::f32::consts::PI * centre / RATE;
        let gain = (1.0 - radius) * 2.0;
        let output = gain * input + 2.0 * radius * angle.cos() * self.before[0]
            - radius * radius * self.before[1];
        self.before = [output, self.before[0]];
        output
    }
}

/// Pseudo-random numbers (xorshift).
struct Noise(u32);

impl Noise {
    /// The next, from -1 to 1.
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        part((self.0 >> 16) as usize, 0x7FFF) - 1.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "samples of a sentence are far fewer than 2^24")]
fn part(n: usize, of: usize) -> f32 {
    n as f32 / of.max(1) as f32
}

#[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn to_16_bits(sample: f32) -> i16 {
    sample as i16
}
