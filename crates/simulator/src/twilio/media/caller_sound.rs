//! The caller on a line that carries sound: what it utters, and what it hears.

use std::collections::VecDeque;
use std::sync::Arc;

use super::FRAME_MS;
use crate::sound::{self, BYTES_PER_MS, FRAME_BYTES, SILENCE};
use crate::speak::{Speak, sound_of};
use crate::twilio::speech::SpeechEvent;

/// How long the agent must be silent before it has finished speaking.
const FINISHED_MS: u64 = 600;
/// Characters that stand for a second of the agent's sound.
const CHARS_PER_SECOND: u64 = 15;

/// The caller's mouth and ears.
#[derive(Debug, Default)]
pub(crate) struct CallerSound {
    /// The caller's voice; `None` while the line carries text.
    voice: Option<Arc<dyn Speak>>,
    utterances: VecDeque<Utterance>,
    agent: Agent,
}

#[derive(Debug)]
struct Utterance {
    from_ms: u64,
    sound: Vec<u8>,
}

/// What the caller notices of the agent. A pause shorter than [`FINISHED_MS`] is not noticed.
#[derive(Debug, Default)]
struct Agent {
    sounding: bool,
    since_ms: u64,
    /// When the last frame that could be heard ended.
    quiet_since_ms: u64,
    /// How much has been heard in all, and is queued to be.
    heard_ms: u64,
    queued_ms: u64,
}

impl CallerSound {
    /// Carries sound from now on.
    pub(crate) fn open(&mut self, voice: Arc<dyn Speak>) {
        self.voice = Some(voice);
    }

    /// Carries no sound any more.
    pub(crate) fn close(&mut self, now_ms: u64) -> Option<SpeechEvent> {
        self.voice = None;
        self.utterances.clear();
        self.agent.queued_ms = 0;
        self.agent.stop(now_ms)
    }

    /// Speaks a text. Returns how long that takes, or `None` while the line carries text.
    pub(crate) fn say(&mut self, at_ms: u64, text: &str, for_ms: Option<u64>) -> Option<u64> {
        let sound = sound_of(self.voice.as_deref()?, text, for_ms);
        let takes_ms = sound::duration_ms(&sound);
        self.utterances.push_back(Utterance { from_ms: at_ms, sound });
        Some(takes_ms)
    }

    /// Makes a sound, unless the line carries text.
    pub(crate) fn play(&mut self, at_ms: u64, sound: &[u8]) {
        if self.voice.is_some() {
            self.utterances.push_back(Utterance { from_ms: at_ms, sound: sound.to_vec() });
        }
    }

    /// The sound of the frame that began at `from_ms`. Frames are asked for in order.
    pub(crate) fn frame(&mut self, from_ms: u64) -> [u8; FRAME_BYTES] {
        let mut frame = [SILENCE; FRAME_BYTES];
        for utterance in &self.utterances {
            utterance.copy_to(&mut frame, from_ms);
        }
        self.utterances.retain(|utterance| utterance.until_ms() > from_ms + FRAME_MS);
        frame
    }

    /// Hears a frame that begins at `at_ms`.
    pub(crate) fn hear(&mut self, at_ms: u64, frame: &[u8], queued_ms: u64) -> Option<SpeechEvent> {
        self.agent.queued_ms = queued_ms;
        if sound::is_audible(frame) {
            return self.agent.sound(at_ms, sound::duration_ms(frame));
        }
        let quiet_ms = at_ms.saturating_sub(self.agent.quiet_since_ms);
        if quiet_ms >= FINISHED_MS { self.agent.stop(at_ms) } else { None }
    }

    /// Whether the agent speaks, or has only just stopped.
    pub(crate) fn sounding(&self) -> bool {
        self.agent.sounding
    }

    pub(crate) fn sounding_since_ms(&self) -> u64 {
        self.agent.since_ms
    }

    pub(crate) fn quiet_since_ms(&self) -> u64 {
        self.agent.quiet_since_ms
    }

    /// The characters that stand for what has been heard of the agent in all.
    pub(crate) fn heard_chars(&self) -> usize {
        chars(self.agent.heard_ms)
    }

    /// The same, with what is queued.
    pub(crate) fn known_chars(&self) -> usize {
        chars(self.agent.heard_ms + self.agent.queued_ms)
    }
}

impl Utterance {
    fn until_ms(&self) -> u64 {
        self.from_ms + sound::duration_ms(&self.sound)
    }

    fn copy_to(&self, frame: &mut [u8; FRAME_BYTES], frame_ms: u64) {
        let bytes =
            |ms: u64| usize::try_from(ms).unwrap_or(usize::MAX).saturating_mul(BYTES_PER_MS);
        let skipped = bytes(frame_ms.saturating_sub(self.from_ms));
        let before = bytes(self.from_ms.saturating_sub(frame_ms));
        let sound = self.sound.iter().skip(skipped);
        for (place, code) in frame.iter_mut().skip(before).zip(sound) {
            *place = *code;
        }
    }
}

impl Agent {
    fn sound(&mut self, at_ms: u64, for_ms: u64) -> Option<SpeechEvent> {
        self.quiet_since_ms = at_ms + for_ms;
        self.heard_ms += for_ms;
        if self.sounding {
            return None;
        }
        self.sounding = true;
        self.since_ms = at_ms;
        Some(SpeechEvent::Started { at_ms })
    }

    fn stop(&mut self, now_ms: u64) -> Option<SpeechEvent> {
        if !self.sounding {
            return None;
        }
        self.sounding = false;
        self.quiet_since_ms = self.quiet_since_ms.min(now_ms);
        Some(SpeechEvent::Stopped { at_ms: self.quiet_since_ms })
    }
}

fn chars(ms: u64) -> usize {
    usize::try_from(ms * CHARS_PER_SECOND / 1000).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speak::Buzz;

    const LOUD: [u8; FRAME_BYTES] = [0x10; FRAME_BYTES];

    fn open() -> CallerSound {
        let mut sound = CallerSound::default();
        sound.open(Arc::new(Buzz));
        sound
    }

    #[test]
    fn an_utterance_begins_and_ends_within_frames_and_loses_nothing() {
        let mut caller = open();
        caller.play(110, &[1; 20 * BYTES_PER_MS]);
        caller.play(130, &[2; 4 * BYTES_PER_MS]);
        let frames: Vec<_> = [100, 120, 140].map(|at_ms| caller.frame(at_ms)).concat();
        assert_eq!(frames[..80], [SILENCE; 80]);
        assert_eq!(frames[80..240], [1; 160]);
        assert_eq!(frames[240..272], [2; 32]);
        assert_eq!(frames[272..], [SILENCE; 208]);
    }

    #[test]
    fn a_line_of_text_has_no_sound() {
        let mut caller = CallerSound::default();
        assert_eq!(caller.say(0, "hello", None), None);
        caller.play(0, &[1; 160]);
        assert_eq!(caller.frame(0), [SILENCE; FRAME_BYTES]);
    }

    #[test]
    fn the_agent_has_finished_after_six_tenths_of_a_second_without_sound() {
        let mut caller = open();
        assert_eq!(caller.hear(0, &LOUD, 100), Some(SpeechEvent::Started { at_ms: 0 }));
        // A short pause.
        assert_eq!(caller.hear(20, &[], 0), None);
        assert_eq!(caller.hear(600, &LOUD, 0), None);
        assert_eq!(caller.hear(1200, &[SILENCE; FRAME_BYTES], 0), None);
        assert!(caller.sounding());
        let stopped = Some(SpeechEvent::Stopped { at_ms: 620 });
        assert_eq!(caller.hear(1220, &[SILENCE; FRAME_BYTES], 0), stopped);
        assert!(!caller.sounding());
        assert_eq!((caller.sounding_since_ms(), caller.quiet_since_ms()), (0, 620));
    }

    #[test]
    fn sound_counts_as_characters_at_the_usual_pace() {
        let mut caller = open();
        for frame in 0..50 {
            caller.hear(frame * FRAME_MS, &LOUD, 2000);
        }
        assert_eq!((caller.heard_chars(), caller.known_chars()), (15, 45));
    }
}
