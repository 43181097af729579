//! What the sockets of one stand-in share.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::extract::ws::Utf8Bytes;
use secrecy::SecretString;

use super::{
    brain::Brain,
    faults::Faults,
    options::{AudioOptions, OpenAiOptions, Watch},
    pace::Pace,
};
use crate::voice::Voice;

/// The state that all sockets of a stand-in share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) brain: Brain,
    pub(super) pace: Pace,
    pub(super) audio: AudioOptions,
    pub(super) voice: Voice,
    pub(super) faults: Faults,
    pub(super) api_key: Option<SecretString>,
    pub(super) session_max: Duration,
    pub(super) connections: AtomicU64,
    pub(super) open: AtomicU64,
    pub(super) responses: AtomicU64,
    pub(super) client_events: AtomicU64,
    pub(super) keep_events: usize,
    pub(super) watch: Option<Watch>,
    pub(super) log: Mutex<VecDeque<(u64, Utf8Bytes)>>,
}

impl Shared {
    pub(super) fn new(options: OpenAiOptions) -> Self {
        Self {
            brain: options.brain,
            pace: options.pace,
            voice: Voice::heard_by(options.audio.ears.clone()),
            audio: options.audio,
            faults: Faults::new(options.faults),
            api_key: options.api_key,
            session_max: options.session_max,
            connections: AtomicU64::new(0),
            open: AtomicU64::new(0),
            responses: AtomicU64::new(0),
            client_events: AtomicU64::new(0),
            keep_events: options.keep_events,
            watch: options.watch,
            log: Mutex::new(VecDeque::new()),
        }
    }

    /// Keeps a client's frame, and drops the oldest if there are too many.
    pub(super) fn record(&self, connection: u64, frame: &Utf8Bytes) {
        self.client_events.fetch_add(1, Ordering::Relaxed);
        if self.keep_events == 0 {
            return;
        }
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() >= self.keep_events {
            log.pop_front();
        }
        log.push_back((connection, frame.clone()));
    }
}
