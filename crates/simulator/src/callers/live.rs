//! A caller whose words come from outside, and the handle that speaks for it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

/// How many events a live caller may leave unread before further ones are dropped.
const LIVE_QUEUE: usize = 256;

/// The network's end of a live caller. It serves only the first call that uses it.
#[derive(Debug, Clone)]
pub struct LiveCaller {
    channels: Arc<Mutex<Option<LiveChannels>>>,
}

/// What a live caller does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveAction {
    /// Says something, at 15 characters a second.
    Say(String),
    /// Says what has already been spoken on another call, four times as fast where the line carries
    /// text.
    Relay(String),
    /// Says something in a sound of its own.
    Sound {
        /// The words in it, for the record and for lines that carry text.
        text: String,
        /// The sound: G.711 µ-law, 8 kHz.
        sound: Arc<[u8]>,
    },
    /// Presses keys.
    Press(String),
    /// Hangs up.
    HangUp,
}

/// What a live caller notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveEvent {
    /// The call was answered.
    Answered,
    /// The agent began (`true`) or stopped speaking.
    AgentSpeaking(bool),
    /// A clause was heard, to its end or to where it was cut off. A line that carries sound has no
    /// words to report.
    Heard(String),
    /// Tones of the keypad were heard.
    Digits(String),
    /// The call is over.
    Ended,
}

/// Controls a live caller from outside.
#[derive(Debug)]
pub struct LiveHandle {
    actions: mpsc::Sender<LiveAction>,
    events: mpsc::Receiver<LiveEvent>,
}

#[derive(Debug)]
pub(crate) struct LiveChannels {
    pub(crate) actions: mpsc::Receiver<LiveAction>,
    pub(crate) events: mpsc::Sender<LiveEvent>,
}

impl LiveCaller {
    pub(super) fn new() -> (Self, LiveHandle) {
        let (action_tx, action_rx) = mpsc::channel(LIVE_QUEUE);
        let (event_tx, event_rx) = mpsc::channel(LIVE_QUEUE);
        let channels = LiveChannels { actions: action_rx, events: event_tx };
        let caller = Self { channels: Arc::new(Mutex::new(Some(channels))) };
        (caller, LiveHandle { actions: action_tx, events: event_rx })
    }

    pub(crate) fn take(&self) -> Option<LiveChannels> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl LiveHandle {
    /// Does something on the call; `false` once the call is over.
    pub async fn act(&self, act: LiveAction) -> bool {
        self.actions.send(act).await.is_ok()
    }

    /// The next event; `None` once the call is over.
    pub async fn hear(&mut self) -> Option<LiveEvent> {
        self.events.recv().await
    }

    /// Both halves, for tasks that speak and listen at once.
    #[must_use]
    pub fn split(self) -> (mpsc::Sender<LiveAction>, mpsc::Receiver<LiveEvent>) {
        (self.actions, self.events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_caller_serves_one_call() {
        let (caller, _handle) = LiveCaller::new();
        assert!(caller.take().is_some());
        assert!(caller.take().is_none());
    }
}
