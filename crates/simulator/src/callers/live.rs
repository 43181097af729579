//! A caller whose words come from outside, and the handle that speaks for it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

/// Events that a live caller may leave unread before further ones are dropped.
const LIVE_QUEUE: usize = 256;

/// The network's end of a live caller. It serves one call: the first that uses it.
#[derive(Debug, Clone)]
pub struct LiveCaller {
    channels: Arc<Mutex<Option<LiveChannels>>>,
}

/// What somebody live does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveAction {
    /// Says something; the time by the number of characters.
    Say(String),
    /// Says what was spoken elsewhere already, in a quarter of the time.
    Relay(String),
    /// Presses keys.
    Press(String),
    /// Hangs up.
    HangUp,
}

/// What somebody live hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveEvent {
    /// The line is open.
    Answered,
    /// The agent began or stopped speaking.
    AgentSpeaking(bool),
    /// A clause has been heard to its end, or as far as it was spoken.
    Heard(String),
    /// Tones have been heard.
    Digits(String),
    /// The call is over.
    Ended,
}

/// The outer end of a live caller.
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
    /// Does something on the line. `false` once the call is over.
    pub async fn act(&self, act: LiveAction) -> bool {
        self.actions.send(act).await.is_ok()
    }

    /// What is heard next; `None` once the call is over.
    pub async fn hear(&mut self) -> Option<LiveEvent> {
        self.events.recv().await
    }

    /// Both halves, for tasks that speak and listen at the same time.
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
