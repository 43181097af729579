//! The sound that the application has sent and the caller has not heard yet.
//!
//! Source: Twilio, "Media Streams: WebSocket messages", "Send messages to Twilio".

use std::collections::VecDeque;

use crate::sound::{BYTES_PER_MS, FRAME_BYTES};

/// The queue of sound, with the marks between.
#[derive(Debug, Default)]
pub(crate) struct Playback {
    /// Sound that has not begun to be played.
    queue: VecDeque<u8>,
    /// Bytes that have begun to be played in all.
    begun: u64,
    /// Names that have not been returned, each with the bytes that were queued before it in all.
    marks: VecDeque<(u64, String)>,
}

/// What one frame's time brings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// Marks whose sound has been played to its end.
    pub(crate) marks: Vec<String>,
    /// The sound that begins to be played; shorter than a frame when the queue runs out.
    pub(crate) sound: Vec<u8>,
}

impl Playback {
    /// Queues sound.
    pub(crate) fn push(&mut self, sound: &[u8]) {
        self.queue.extend(sound);
    }

    /// Queues a mark, to be returned once everything before it has been played.
    pub(crate) fn mark(&mut self, name: String) {
        self.marks.push_back((self.begun + self.queue.len() as u64, name));
    }

    /// Drops the queue. Returns all of its marks.
    pub(crate) fn clear(&mut self) -> Vec<String> {
        self.queue.clear();
        self.marks.drain(..).map(|(_, name)| name).collect()
    }

    /// Goes on by one frame: the one before has been played, and the next one begins.
    pub(crate) fn step(&mut self) -> Step {
        let played = self.begun;
        let mut marks = Vec::new();
        while let Some((_, name)) = self.marks.pop_front_if(|(after, _)| *after <= played) {
            marks.push(name);
        }
        let sound: Vec<u8> = self.queue.drain(..FRAME_BYTES.min(self.queue.len())).collect();
        self.begun += sound.len() as u64;
        Step { marks, sound }
    }

    /// How much is queued, in milliseconds.
    pub(crate) fn queued_ms(&self) -> u64 {
        (self.queue.len() / BYTES_PER_MS) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_back_once_the_frame_that_holds_its_sound_is_over() {
        let mut playback = Playback::default();
        playback.push(&[1; 200]);
        playback.mark("a".to_owned());
        playback.push(&[2; 100]);
        playback.mark("b".to_owned());
        assert_eq!(playback.step(), Step { marks: vec![], sound: vec![1; 160] });
        let mut second = vec![1; 40];
        second.extend([2; 100]);
        assert_eq!(playback.step(), Step { marks: vec![], sound: second });
        let marks = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(playback.step(), Step { marks, sound: vec![] });
        assert_eq!(playback.step(), Step::default());
    }

    #[test]
    fn a_mark_of_a_silent_line_comes_back_with_the_next_frame() {
        let mut playback = Playback::default();
        playback.mark("a".to_owned());
        assert_eq!(playback.step().marks, ["a"]);
    }

    #[test]
    fn clearing_returns_every_mark_and_leaves_nothing_to_play() {
        let mut playback = Playback::default();
        playback.push(&[1; 1000]);
        playback.mark("a".to_owned());
        playback.mark("b".to_owned());
        playback.step();
        assert_eq!(playback.queued_ms(), 105);
        assert_eq!(playback.clear(), ["a", "b"]);
        assert_eq!((playback.queued_ms(), playback.step()), (0, Step::default()));
        playback.push(&[2; 8]);
        playback.mark("c".to_owned());
        assert_eq!(playback.step(), Step { marks: vec![], sound: vec![2; 8] });
        assert_eq!(playback.step().marks, ["c"]);
    }
}
