//! How a call publishes its events.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use phony_call::Event;

use super::log::Log;
use super::{Hub, lock};

/// A call's place to tell what happens.
#[derive(Debug, Clone)]
pub struct Publisher {
    pub(super) hub: Arc<Hub>,
    pub(super) log: Arc<Mutex<Log>>,
}

impl Publisher {
    /// Tells the viewers, and keeps the event if it is one to be stored.
    pub fn publish(&self, event: &Event) {
        let mut log = lock(&self.log);
        if log.is_over() || (!event.is_stored() && log.viewers.is_empty()) {
            return;
        }
        let json = match serde_json::to_string(event) {
            Ok(json) => json,
            Err(error) => return tracing::error!(%error, "an event could not be written"),
        };
        // What is kept takes no more room than it must, and leaves no hole where it was made.
        let json = Utf8Bytes::from(if event.is_stored() { json.as_str().to_owned() } else { json });
        log.viewers.retain(|viewer| viewer.tell(&json));
        if !event.is_stored() {
            return;
        }
        log.push(event, json);
        self.hub.tell_writer(&mut log);
        if log.is_over() {
            log.viewers.clear();
            let call = log.call.clone();
            drop(log);
            self.hub.ended(call, &self.log);
        }
    }

    /// The call goes on elsewhere: its record goes as soon as all of it is written.
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

    /// What the carrier calls the state of the call, if it was told.
    #[must_use]
    pub fn status(&self) -> Option<String> {
        lock(&self.log).status().map(str::to_owned)
    }

    /// Has what is new in the store at once.
    pub(crate) fn hurry(&self) {
        self.hub.hurry.notify_one();
    }

    /// As [`Hub::keep`].
    pub(crate) async fn keep(&self, limit: Duration) -> bool {
        self.hub.keeps(&self.log, limit).await
    }

    /// How many events are stored, and whether the last of them was the call's end.
    #[must_use]
    pub fn state(&self) -> (u64, bool) {
        let log = lock(&self.log);
        (log.last_seq(), log.is_over())
    }
}
