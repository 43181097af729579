//! The people at the other end of the line.
//!
//! A caller follows a script, speaks one side of a recorded conversation, or is controlled from
//! outside. Times are in milliseconds of the call's own time, which the network's speed factor
//! makes shorter in real time.

mod driver;
mod live;
mod recorded;
mod script;

pub use self::live::{LiveAction, LiveCaller, LiveEvent, LiveHandle};
pub use self::recorded::{RecordedCall, RecordedTurn, Who, recorded_calls};
pub use self::script::{Action, OnTimeout, Step, When, spoken_words};

pub(crate) use self::driver::{Driver, Due, Observation};
pub(crate) use self::live::LiveChannels;

/// Who is on the line.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Follows a list of steps, then stays on the line in silence.
    Script(Vec<Step>),
    /// Speaks the caller's side of a conversation recorded between people, with its timing.
    Recorded(RecordedCall),
    /// Is controlled from outside: by a person at a terminal, another program or another call.
    Live(LiveCaller),
}

impl Caller {
    /// A live caller, and the handle that controls it.
    #[must_use]
    pub fn live() -> (Self, LiveHandle) {
        let (caller, handle) = LiveCaller::new();
        (Self::Live(caller), handle)
    }

    /// A caller who says nothing and stays on the line.
    #[must_use]
    pub fn silent() -> Self {
        Self::Script(Vec::new())
    }

    /// The steps of its script; a live caller has none.
    pub(crate) fn steps(&self) -> Vec<Step> {
        match self {
            Self::Script(steps) => steps.clone(),
            Self::Recorded(call) => call.steps(),
            Self::Live(_) => Vec::new(),
        }
    }
}
