//! What a Media Stream needs: the queue of sound to be played, the sound that the caller makes and
//! hears, and what is recorded of both.
//!
//! Values that take time as an argument; `leg::media` joins them to the socket.

mod caller_sound;
mod lateness;
mod playback;
mod record;

pub use self::lateness::Lateness;
pub use self::record::{ApplicationMark, BadFrame, MediaStream, StreamSound, Stretch};

pub(crate) use self::caller_sound::CallerSound;
pub(crate) use self::playback::Playback;

/// The length of a frame, in milliseconds.
pub(crate) const FRAME_MS: u64 = 20;
