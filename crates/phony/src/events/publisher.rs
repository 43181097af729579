//! How a call publishes its events.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use phony_call::Event;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::call_log::CallLog;
use super::{Hub, lock};

/// The handle with which a call publishes its events.
#[derive(Debug, Clone)]
pub struct Publisher {
    pub(super) hub: Arc<Hub>,
    pub(super) log: Arc<Mutex<CallLog>>,
}

impl Publisher {
    /// Sends an event to the viewers, and appends it to the log if it is one to be stored.
    pub fn publish(&self, event: &Event) {
        let mut log = lock(&self.log);
        if log.is_over() || (!event.is_stored() && log.viewers.is_empty()) {
            return;
        }
        let json = match serde_json::to_string(event) {
            Ok(json) => json,
            Err(error) => return tracing::error!(%error, "an event could not be written"),
        };
        // A copy without spare capacity, since the log keeps it for long.
        let json = Utf8Bytes::from(if event.is_stored() { json.as_str().to_owned() } else { json });
        log.viewers.retain(|viewer| viewer.send(&json));
        if !event.is_stored() {
            return;
        }
        log.push(event, json);
        self.hub.notify_writer(&mut log);
        if log.is_over() {
            log.viewers.clear();
            let call = log.call.clone();
            drop(log);
            self.hub.ended(call, &self.log);
        }
    }

    /// Marks the call as moved to another node: its log is dropped once all of it is written.
    pub fn depart(&self) {
        let (call, is_behind) = {
            let mut log = lock(&self.log);
            log.departed = true;
            (log.call.clone(), self.hub.news.is_some() && log.is_behind())
        };
        if !is_behind {
            self.hub.forget(&call);
        }
    }

    /// The carrier's status of the call, if known.
    #[must_use]
    pub fn status(&self) -> Option<String> {
        lock(&self.log).status().map(str::to_owned)
    }

    /// Has the writer write at once.
    pub(crate) fn hurry(&self) {
        self.hub.hurry.notify_one();
    }

    /// As [`Hub::flush`].
    pub(crate) async fn flush(&self, limit: Duration) -> bool {
        self.hub.flush_log(&self.log, limit).await
    }

    /// The number of the last stored event, and whether it was the call's end.
    #[must_use]
    pub fn state(&self) -> (u64, bool) {
        let log = lock(&self.log);
        (log.last_seq(), log.is_over())
    }
}
