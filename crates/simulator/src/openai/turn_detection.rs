//! Turn detection: when the caller begins and stops speaking (OpenAI Realtime guide, voice activity
//! detection).
//!
//! It is decided by the sound's level alone, in frames of 20 ms. `threshold` 0, 0.5 and 1 are taken
//! as -60, -40 and -20 dB of full scale. Semantic detection does not consider what was said: its
//! eagerness is a length of silence, a quarter of the longest that the service waits.

use serde_json::Value;

use crate::sound::{self as telephone, BYTES_PER_MS};

/// The length of a frame in milliseconds.
const FRAME_MS: usize = 20;

/// The length of a frame in bytes of µ-law.
pub(super) const FRAME: usize = FRAME_MS * BYTES_PER_MS;

/// So many loud frames in a row are speech; fewer are a click.
pub(super) const LEAST_LOUD_FRAMES: usize = 3;

/// The padding of semantic detection, which cannot be set.
const SEMANTIC_PADDING_MS: usize = 300;

/// The settings of turn detection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TurnDetection {
    /// The level above which a frame is loud: root mean square of 16-bit samples.
    level: f64,
    /// Audio kept from before speech began.
    pub(super) padding_ms: usize,
    /// Silence that ends a turn.
    silence_ms: usize,
    pub(super) creates_response: bool,
    pub(super) interrupts_response: bool,
}

/// Tells speech from silence, frame by frame.
#[derive(Debug, Default)]
pub(super) struct Detector {
    speaking: bool,
    /// Consecutive frames that contradict the present state.
    run: usize,
}

/// A change that a detector found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// Speech began, [`LEAST_LOUD_FRAMES`] ago.
    Began,
    /// Speech ended, and the silence after it is long enough.
    Ended,
}

impl TurnDetection {
    /// Reads a session's `turn_detection`; `None` if the client decides.
    pub(super) fn read(settings: &Value) -> Option<Self> {
        let number = |name, default| {
            settings[name].as_u64().and_then(|ms| usize::try_from(ms).ok()).unwrap_or(default)
        };
        let (threshold, padding_ms, silence_ms) = match settings["type"].as_str()? {
            "semantic_vad" => {
                (0.5, SEMANTIC_PADDING_MS, semantic_silence_ms(settings["eagerness"].as_str()))
            }
            _ => (
                settings["threshold"].as_f64().unwrap_or(0.5),
                number("prefix_padding_ms", 300),
                number("silence_duration_ms", 200),
            ),
        };
        Some(Self {
            level: level(threshold),
            padding_ms,
            silence_ms,
            creates_response: settings["create_response"].as_bool().unwrap_or(true),
            interrupts_response: settings["interrupt_response"].as_bool().unwrap_or(true),
        })
    }

    /// Whether a frame of µ-law is loud.
    pub(super) fn is_loud(&self, frame: &[u8]) -> bool {
        let square = |byte: &u8| f64::from(telephone::decode(*byte)).powi(2);
        #[expect(clippy::cast_precision_loss, reason = "a frame is short")]
        let mean = frame.iter().map(square).sum::<f64>() / frame.len().max(1) as f64;
        mean.sqrt() > self.level
    }

    fn silent_frames(&self) -> usize {
        self.silence_ms.div_ceil(FRAME_MS).max(1)
    }
}

impl Detector {
    pub(super) fn is_speaking(&self) -> bool {
        self.speaking
    }

    /// Takes the next frame.
    pub(super) fn hear(&mut self, loud: bool, settings: &TurnDetection) -> Option<Edge> {
        if loud == self.speaking {
            self.run = 0;
            return None;
        }
        self.run += 1;
        let (needed, edge) = if self.speaking {
            (settings.silent_frames(), Edge::Ended)
        } else {
            (LEAST_LOUD_FRAMES, Edge::Began)
        };
        if self.run < needed {
            return None;
        }
        *self = Self { speaking: !self.speaking, run: 0 };
        Some(edge)
    }
}

fn semantic_silence_ms(eagerness: Option<&str>) -> usize {
    match eagerness {
        Some("low") => 2_000,
        Some("high") => 500,
        // `auto` is `medium`.
        _ => 1_000,
    }
}

fn level(threshold: f64) -> f64 {
    32_768.0 * 10_f64.powf((40.0 * threshold - 60.0) / 20.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::voice::Voice;

    fn vad(settings: &Value) -> TurnDetection {
        TurnDetection::read(settings).unwrap()
    }

    /// The edges in a pattern of loud (`#`) and quiet (`.`) frames, each with the frame's number.
    fn edges(pattern: &str, settings: &TurnDetection) -> Vec<(usize, Edge)> {
        let mut detector = Detector::default();
        let frames = pattern.chars().enumerate();
        frames.filter_map(|(n, c)| Some((n, detector.hear(c == '#', settings)?))).collect()
    }

    #[test]
    fn a_click_is_not_speech_and_a_short_pause_no_end() {
        let settings = vad(&json!({"type": "server_vad", "silence_duration_ms": 60}));
        let found = edges("..#..##...####..##...##", &settings);
        assert_eq!(found, [(12, Edge::Began), (20, Edge::Ended)]);
    }

    #[test]
    fn the_threshold_decides_what_is_loud() {
        let at = |threshold| vad(&json!({"type": "server_vad", "threshold": threshold}));
        let frame = |sample| vec![telephone::encode(sample); FRAME];
        assert!(at(0.5).is_loud(&frame(400)) && !at(0.5).is_loud(&frame(250)));
        assert!(at(0.0).is_loud(&frame(50)) && !at(1.0).is_loud(&frame(2_500)));
        assert!(!at(0.0).is_loud(&[telephone::SILENCE; FRAME]));
    }

    #[test]
    fn an_eager_model_waits_less() {
        let silence = |eagerness| {
            vad(&json!({"type": "semantic_vad", "eagerness": eagerness})).silent_frames() * FRAME_MS
        };
        assert_eq!([silence("high"), silence("auto"), silence("low")], [500, 1_000, 2_000]);
    }

    #[test]
    fn a_spoken_sentence_is_one_turn() {
        let settings = vad(&json!({"type": "server_vad", "silence_duration_ms": 300}));
        for text in ["Hello, how can I help you?", "The ferry leaves at a quarter past eight."] {
            let mut sound = Voice::new().speak(text);
            sound.resize(sound.len() + 400 * BYTES_PER_MS, telephone::SILENCE);
            let mut detector = Detector::default();
            let frames = sound.chunks_exact(FRAME);
            let edges = frames.filter_map(|f| detector.hear(settings.is_loud(f), &settings));
            assert_eq!(edges.collect::<Vec<_>>(), [Edge::Began, Edge::Ended], "{text}");
        }
    }
}
