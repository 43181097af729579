//! A stream that runs, and how it ended.

use phony_wire::twilio::media::{FromTwilio, Start};

use crate::sound::BYTES_PER_MS;
use crate::twilio::leg::Abort;
use crate::twilio::media::{Lateness, Playback, StreamSound};

/// How a stream ended.
#[derive(Debug)]
pub(super) enum StreamOutcome {
    /// The application closed the socket with this code.
    Closed(u16),
    /// The socket was lost.
    Lost,
    /// The call ended, or was directed elsewhere.
    Aborted(Abort),
}

/// A stream that runs.
pub(super) struct StreamSession {
    pub(super) start: Start,
    /// Frames sent, but for `connected`, and frames of sound sent.
    pub(super) sequence: u64,
    pub(super) chunks: u64,
    pub(super) began_ms: u64,
    /// The time of the next frame, in the call's time.
    pub(super) next_ms: u64,
    pub(super) playback: Playback,
    pub(super) sound: StreamSound,
    pub(super) lateness: Lateness,
}

impl StreamOutcome {
    pub(super) fn of(abort: Abort) -> Self {
        if abort == Abort::SocketLost { Self::Lost } else { Self::Aborted(abort) }
    }

    pub(super) fn close_code(&self) -> u16 {
        match self {
            Self::Closed(code) => *code,
            Self::Lost => 1006,
            Self::Aborted(_) => 1000,
        }
    }

    pub(super) fn ends_call(&self) -> bool {
        matches!(self, Self::Aborted(Abort::HungUp | Abort::ApiEnded | Abort::TimeLimit))
    }

    pub(super) fn abort(self) -> Option<Abort> {
        match self {
            Self::Closed(_) | Self::Lost => None,
            Self::Aborted(abort) => Some(abort),
        }
    }
}

impl StreamSession {
    pub(super) fn new(start: Start, now_ms: u64) -> Self {
        Self {
            start,
            sequence: 0,
            chunks: 0,
            began_ms: now_ms,
            next_ms: now_ms,
            playback: Playback::default(),
            sound: StreamSound::default(),
            lateness: Lateness::default(),
        }
    }

    pub(super) fn begin(&mut self, now_ms: u64) {
        self.began_ms = now_ms;
        self.next_ms = now_ms;
    }

    pub(super) fn since_start(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.began_ms)
    }

    pub(super) fn write(&mut self, frame: &FromTwilio<'_>) -> String {
        self.sequence += u64::from(!matches!(frame, FromTwilio::Connected { .. }));
        let mut json = String::new();
        frame.write(&self.start, self.sequence, &mut json);
        json
    }

    /// The sound of both sides, without what had only begun to be played.
    pub(super) fn take_sound(&mut self, now_ms: u64) -> StreamSound {
        let mut sound = std::mem::take(&mut self.sound);
        let elapsed_ms = usize::try_from(self.since_start(now_ms)).unwrap_or(usize::MAX);
        sound.agent.truncate(elapsed_ms.saturating_mul(BYTES_PER_MS));
        sound
    }
}
