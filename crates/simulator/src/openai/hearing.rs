//! The input audio buffer of a session, and the turns that are found in it.
//!
//! All audio is kept as µ-law at 8 kHz, whatever its format. Time is counted by the audio received.

use super::{
    config::AudioFormat,
    turn_detection::{Detector, Edge, FRAME, LEAST_LOUD_FRAMES, TurnDetection},
};
use crate::sound::{self as telephone, BYTES_PER_MS, alaw};

/// Audio that has been received and not committed.
#[derive(Default)]
pub(super) struct Hearing {
    buffer: Vec<u8>,
    /// Bytes received before the buffer's first, since the session began.
    start: usize,
    /// Bytes that have been judged by turn detection, since the session began.
    judged: usize,
    detector: Detector,
    /// Bytes of 24 kHz audio that do not yet make a sample at 8 kHz.
    rest: Vec<u8>,
}

/// What turn detection found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Speech began; `ms` includes the padding.
    Began { ms: usize },
    /// The turn is over: this was said.
    Ended { ms: usize, sound: Vec<u8> },
}

impl Hearing {
    /// Appends audio.
    pub(super) fn append(&mut self, sound: &[u8], format: AudioFormat) {
        match format {
            AudioFormat::Pcmu => self.buffer.extend_from_slice(sound),
            AudioFormat::Pcma => self.buffer.extend(sound.iter().copied().map(alaw::to_ulaw)),
            AudioFormat::Pcm => self.append_pcm(sound),
        }
    }

    /// The next turn's edge in the audio received; without `settings` there are none.
    pub(super) fn next(&mut self, settings: Option<&TurnDetection>) -> Option<Heard> {
        let Some(settings) = settings else {
            self.judged = self.end();
            self.detector = Detector::default();
            return None;
        };
        while self.judged + FRAME <= self.end() {
            let from = self.judged - self.start;
            let loud = settings.is_loud(&self.buffer[from..from + FRAME]);
            self.judged += FRAME;
            match self.detector.hear(loud, settings) {
                Some(Edge::Began) => return Some(self.begin(settings)),
                Some(Edge::Ended) => return Some(self.finish()),
                None => {}
            }
        }
        if !self.detector.is_speaking() {
            self.drop_before(self.earliest_start(settings));
        }
        None
    }

    /// Takes all audio.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let end = self.end();
        self.detector = Detector::default();
        (self.start, self.judged) = (end, end);
        std::mem::take(&mut self.buffer)
    }

    /// The length of the audio in milliseconds.
    pub(super) fn ms(&self) -> usize {
        self.buffer.len() / BYTES_PER_MS
    }

    fn begin(&mut self, settings: &TurnDetection) -> Heard {
        self.drop_before(self.earliest_start(settings));
        Heard::Began { ms: self.start / BYTES_PER_MS }
    }

    fn finish(&mut self) -> Heard {
        let later = self.buffer.split_off(self.judged - self.start);
        self.start = self.judged;
        let sound = std::mem::replace(&mut self.buffer, later);
        Heard::Ended { ms: self.judged / BYTES_PER_MS, sound }
    }

    /// Where speech that is detected now began, padding included.
    fn earliest_start(&self, settings: &TurnDetection) -> usize {
        let padding = settings.padding_ms.saturating_mul(BYTES_PER_MS);
        self.judged.saturating_sub(padding.saturating_add(LEAST_LOUD_FRAMES * FRAME))
    }

    fn drop_before(&mut self, place: usize) {
        if let Some(length) = place.checked_sub(self.start) {
            self.buffer.drain(..length.min(self.buffer.len()));
            self.start = place;
        }
    }

    fn end(&self) -> usize {
        self.start + self.buffer.len()
    }

    /// Keeps one of three samples, which is enough to tell speech from silence.
    fn append_pcm(&mut self, sound: &[u8]) {
        self.rest.extend_from_slice(sound);
        let triples = self.rest.chunks_exact(6);
        let left = triples.remainder().to_vec();
        self.buffer.extend(
            triples.map(|triple| telephone::encode(i16::from_le_bytes([triple[0], triple[1]]))),
        );
        self.rest = left;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LOUD: u8 = 0x90;

    fn hear(pieces: &[(u8, usize)]) -> (Hearing, Vec<Heard>) {
        let settings = TurnDetection::read(&json!({
            "type": "server_vad", "prefix_padding_ms": 100, "silence_duration_ms": 200,
        }));
        let (mut hearing, mut heard) = (Hearing::default(), Vec::new());
        for (byte, ms) in pieces {
            hearing.append(&vec![*byte; ms * BYTES_PER_MS], AudioFormat::Pcmu);
            heard.extend(std::iter::from_fn(|| hearing.next(settings.as_ref())));
        }
        (hearing, heard)
    }

    #[test]
    fn times_are_those_of_the_audio_received() {
        let whole = hear(&[(telephone::SILENCE, 1_000), (LOUD, 500), (telephone::SILENCE, 300)]).1;
        let [Heard::Began { ms: 900 }, Heard::Ended { ms: 1_700, sound }] = &whole[..] else {
            panic!("{whole:?}")
        };
        assert_eq!(sound.len(), 800 * BYTES_PER_MS);
        // In other pieces it is the same.
        let mut pieces = vec![(telephone::SILENCE, 10); 100];
        pieces.extend([(LOUD, 10); 50]);
        pieces.extend([(telephone::SILENCE, 10); 30]);
        assert_eq!(hear(&pieces).1, whole);
    }

    #[test]
    fn two_turns_in_one_piece_are_found() {
        let mut hearing = Hearing::default();
        let settings =
            TurnDetection::read(&json!({"type": "server_vad", "silence_duration_ms": 200}));
        for (byte, ms) in [(LOUD, 200), (telephone::SILENCE, 400)].repeat(2) {
            hearing.append(&vec![byte; ms * BYTES_PER_MS], AudioFormat::Pcmu);
        }
        let heard: Vec<Heard> = std::iter::from_fn(|| hearing.next(settings.as_ref())).collect();
        assert_eq!(heard.len(), 4);
    }

    #[test]
    fn silence_is_not_kept() {
        let (hearing, heard) = hear(&[(telephone::SILENCE, 60_000)]);
        assert_eq!(heard, []);
        assert_eq!(hearing.ms(), 160);
    }

    #[test]
    fn linear_audio_is_heard_at_its_length_in_any_pieces() {
        let mut hearing = Hearing::default();
        for piece in [0_u8; 4_800].chunks(7) {
            hearing.append(piece, AudioFormat::Pcm);
        }
        assert_eq!(hearing.ms(), 100);
        assert_eq!(hearing.take(), vec![telephone::SILENCE; 800]);
    }
}
