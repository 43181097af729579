//! The record of a Media Stream.
//!
//! Times are in milliseconds of the stream: of the call's time, since the stream's start.

use std::sync::Arc;

use serde::Serialize;

use super::Lateness;
use crate::sound;

/// One Media Stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MediaStream {
    /// `MZ…`.
    pub stream_sid: String,
    /// The socket's URL as the TwiML had it.
    pub url: String,
    /// When it began, in milliseconds of the call.
    pub at_ms: u64,
    /// When it ended, in milliseconds of the call.
    pub ended_ms: Option<u64>,
    /// The close code of the side that closed the socket first; 1006 for a lost socket.
    pub close_code: Option<u16>,
    /// The codes of errors and warnings, each once: 31920 if the socket was not opened, 31950 if
    /// the application sent what cannot be understood.
    pub errors: Vec<u32>,
    /// When the agent could be heard; pauses below 600 ms are part of a stretch.
    pub agent_spoke: Vec<Stretch>,
    /// The marks that were returned, in order.
    pub marks: Vec<ApplicationMark>,
    /// When the application emptied the queue.
    pub clears_ms: Vec<u64>,
    /// How many frames of the application cannot be understood.
    pub bad_frame_count: u64,
    /// The first hundred of them.
    pub bad_frames: Vec<BadFrame>,
    /// How punctual the caller's frames were; complete once the stream has ended.
    pub lateness: Lateness,
    /// The sound of both sides; empty until the stream has ended.
    #[serde(skip)]
    pub sound: Arc<StreamSound>,
}

/// The sound of both sides, from the stream's start: 8 bytes of G.711 µ-law are a millisecond.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamSound {
    /// What the caller said.
    pub caller: Vec<u8>,
    /// What was played to the caller.
    pub agent: Vec<u8>,
}

/// A stretch of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stretch {
    /// When it began.
    pub from_ms: u64,
    /// When it ended, if it has.
    pub until_ms: Option<u64>,
}

/// A mark of the application that was returned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApplicationMark {
    /// When it was returned.
    pub at_ms: u64,
    /// Its name.
    pub name: String,
    /// Whether `clear` returned it, rather than the end of the sound before it.
    pub cleared: bool,
}

/// A frame that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadFrame {
    /// When it came.
    pub at_ms: u64,
    /// Why it cannot be understood.
    pub problem: String,
    /// How it begins.
    pub text: String,
}

impl MediaStream {
    /// A WAV file of both sides: the caller on the left, the agent on the right.
    #[must_use]
    pub fn to_wav(&self) -> Vec<u8> {
        sound::stereo_wav(&self.sound.caller, &self.sound.agent)
    }

    pub(crate) fn note_error(&mut self, code: u32) {
        if !self.errors.contains(&code) {
            self.errors.push(code);
        }
    }
}
