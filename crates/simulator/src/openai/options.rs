//! The options of a stand-in.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;

use super::{brain::Brain, faults::Fault, pace::Pace};

/// The options of a stand-in.
#[derive(Clone, Debug)]
pub struct OpenAiOptions {
    /// Where it listens; port 0 picks a free port. Default: `127.0.0.1:0`.
    pub bind: SocketAddr,
    /// What decides its replies. Default: [`Brain::Echo`].
    pub brain: Brain,
    /// How fast it replies. Default: like a real model.
    pub pace: Pace,
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
            faults: Vec::new(),
            api_key: None,
            session_max: Duration::from_hours(1),
            keep_events: 1_000,
            watch: None,
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
