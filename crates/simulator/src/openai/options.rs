//! How a stand-in behaves.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;

use super::{brain::Brain, faults::Fault, pace::Pace};

/// How a stand-in behaves.
#[derive(Clone, Debug)]
pub struct OpenAiOptions {
    /// Where it listens; port 0 takes a free one. Default: `127.0.0.1:0`.
    pub bind: SocketAddr,
    /// Who decides what it says. Default: [`Brain::Echo`].
    pub brain: Brain,
    /// How fast it says it. Default: like a real model.
    pub pace: Pace,
    /// What goes wrong. Default: nothing.
    pub faults: Vec<Fault>,
    /// The only key that is let in. Default: any.
    pub api_key: Option<SecretString>,
    /// How long a session lasts. Default: 60 minutes, as the service's.
    pub session_max: Duration,
    /// How many of the clients' last events are kept for [`OpenAiRunning::received`].
    /// Default: 1,000.
    pub keep_events: usize,
    /// Sees every event just before it is sent. Default: nobody.
    pub watch: Option<Watch>,
}

/// Sees every event just before it is sent, on the socket's own task: it must be quick.
#[derive(Clone)]
pub struct Watch(Arc<dyn Fn(&str) + Send + Sync>);

impl Default for OpenAiOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            brain: Brain::default(),
            pace: Pace::default(),
            faults: Vec::new(),
            api_key: None,
            session_max: Duration::from_hours(1),
            keep_events: 1_000,
            watch: None,
        }
    }
}

impl Watch {
    /// A watch that is told the event as it stands in its frame.
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
