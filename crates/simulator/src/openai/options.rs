//! The options of a stand-in.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;

use super::{brain::Brain, faults::Fault, pace::Pace};
use crate::voice::Ears;

/// The options of a stand-in.
#[derive(Clone, Debug)]
pub struct OpenAiOptions {
    /// Where it listens; port 0 picks a free port. Default: `127.0.0.1:0`.
    pub bind: SocketAddr,
    /// What decides its replies. Default: [`Brain::Echo`].
    pub brain: Brain,
    /// How fast it replies. Default: like a real model.
    pub pace: Pace,
    /// How it hears and speaks.
    pub audio: AudioOptions,
    /// What goes wrong. Default: nothing.
    pub faults: Vec<Fault>,
    /// The only API key that is accepted. Default: any.
    pub api_key: Option<SecretString>,
    /// How long a session may last. Default: 60 minutes, as at the service.
    pub session_max: Duration,
    /// How many of the clients' latest events are kept, for `OpenAiRunning::received`. Default:
    /// 1,000.
    pub keep_events: usize,
    /// Is called with every event just before it is sent. Default: none.
    pub watch: Option<Watch>,
}

/// How the stand-in hears and speaks.
#[derive(Clone, Debug)]
pub struct AudioOptions {
    /// What it recognises of the audio that it hears, and what remembers the audio that it speaks.
    /// Default: ears that know the rendered sentences only.
    pub ears: Ears,
    /// How many times as fast as it is played audio is generated; 0 generates all at once.
    /// Default: 5.
    pub speed: u32,
    /// How much audio a delta holds. Default: 200 ms.
    pub delta: Duration,
    /// From a commit to its transcription. Default: 400 ms.
    pub transcription: Duration,
}

/// A function called with every event just before it is sent, on the socket's own task: it must not
/// block.
#[derive(Clone)]
pub struct Watch(Arc<dyn Fn(&str) + Send + Sync>);

impl Default for OpenAiOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            brain: Brain::default(),
            pace: Pace::default(),
            audio: AudioOptions::default(),
            faults: Vec::new(),
            api_key: None,
            session_max: Duration::from_hours(1),
            keep_events: 1_000,
            watch: None,
        }
    }
}

impl Default for AudioOptions {
    fn default() -> Self {
        Self {
            ears: Ears::new(),
            speed: 5,
            delta: Duration::from_millis(200),
            transcription: Duration::from_millis(400),
        }
    }
}

impl Watch {
    /// Wraps a function that takes the event's JSON text.
    pub fn new(see: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(see))
    }

    pub(super) fn see(&self, event: &str) {
        (self.0)(event);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}
