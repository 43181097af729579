//! Detects a lost peer of a WebSocket, and tells web pages the server's time.
//!
//! Every socket is pinged, so that proxies keep it open and the loss of the peer is noticed. A web
//! page sees no pings, so it sends heartbeats as text messages, and gets them in return.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How often a socket is pinged. nginx is often sent to give up after 20 s.
const INTERVAL: Duration = Duration::from_secs(10);
/// The peer counts as lost after this many unanswered pings in a row, when the next is due.
const MAX_UNANSWERED: u8 = 2;
/// The shortest time between two heartbeats, other than those of the interval.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// The `type` of a heartbeat.
const KIND: &str = "heartbeat";

/// The heartbeat of one socket.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    ticks: Interval,
    /// Pings since the last message. They are counted rather than timed, since a task that was busy
    /// writing has not read the answers yet.
    unanswered: u8,
    /// The peer is known to answer pings (RFC 6455 §5.5.2 demands it, but not every peer does).
    answers: bool,
    /// When the last heartbeat was sent, if the peer wants them.
    sent: Option<Instant>,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// A ping, and the text of a heartbeat if the peer wants them.
    Due(Option<String>),
    /// Nothing: the peer is lost.
    Lost,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: &'a str,
}

impl Heartbeat {
    /// For a peer that must answer pings.
    pub(crate) fn start() -> Self {
        Self { answers: true, ..Self::of_carrier() }
    }

    /// For a carrier, which counts as lost only if it has answered a ping before: a call is not cut
    /// off because its carrier never answers pings.
    pub(crate) fn of_carrier() -> Self {
        let mut ticks = interval_at(now() + INTERVAL, INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, unanswered: 0, answers: false, sent: None }
    }

    /// Waits until a ping is due. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Beat {
        self.ticks.tick().await;
        if self.answers && self.unanswered >= MAX_UNANSWERED {
            return Beat::Lost;
        }
        self.unanswered = self.unanswered.saturating_add(1);
        let wanted = self.sent.is_some();
        Beat::Due(wanted.then(|| self.text()))
    }

    /// A message has come.
    pub(crate) fn heard(&mut self) {
        self.unanswered = 0;
    }

    /// A pong has come.
    pub(crate) fn answered(&mut self) {
        self.answers = true;
        self.heard();
    }

    /// A text message has come. Returns the answer if it is a heartbeat.
    pub(crate) fn heard_text(&mut self, text: &str) -> Option<String> {
        self.heard();
        let is_one = is_heartbeat(text);
        let too_soon = self.sent.is_some_and(|sent| now().duration_since(sent) < MIN_INTERVAL);
        (is_one && !too_soon).then(|| self.text())
    }

    /// The heartbeat to send before events, so that the page knows the server's time.
    pub(crate) fn before_events(&mut self) -> Option<String> {
        let due = self.sent.is_some_and(|sent| now().duration_since(sent) >= MIN_INTERVAL);
        due.then(|| self.text())
    }

    fn text(&mut self) -> String {
        self.sent = Some(now());
        format!(
            r#"{{"type":"{KIND}","timestamp":"{}"}}"#,
            wall().strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        )
    }
}

/// Whether this text is a heartbeat.
pub(crate) fn is_heartbeat(text: &str) -> bool {
    serde_json::from_str::<Kind<'_>>(text).is_ok_and(|frame| frame.kind == KIND)
}

#[expect(clippy::disallowed_methods, reason = "pings concern no call")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a heartbeat carries the time of day")]
fn wall() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: &str = r#"{"type":"heartbeat"}"#;

    #[tokio::test(start_paused = true)]
    async fn only_a_peer_that_sends_heartbeats_gets_them() {
        let mut quiet = Heartbeat::start();
        assert_eq!(quiet.next().await, Beat::Due(None));
        assert_eq!(quiet.heard_text(r#"{"type":"hello"}"#), None);
        assert_eq!(quiet.heard_text("heartbeat"), None);
        assert_eq!(quiet.before_events(), None);
        let mut page = Heartbeat::start();
        assert!(page.heard_text(ASKED).is_some_and(|text| is_heartbeat(&text)));
        assert!(matches!(page.next().await, Beat::Due(Some(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn events_are_preceded_by_the_time_at_most_once_a_second() {
        let mut page = Heartbeat::start();
        assert!(page.heard_text(ASKED).is_some());
        assert_eq!(page.before_events(), None);
        assert_eq!(page.heard_text(ASKED), None, "not every heartbeat is answered");
        tokio::time::advance(MIN_INTERVAL).await;
        assert!(page.before_events().is_some());
        assert_eq!(page.before_events(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_answers_no_pings_is_lost() {
        let mut viewer = Heartbeat::start();
        assert_eq!(viewer.next().await, Beat::Due(None));
        assert_eq!(viewer.next().await, Beat::Due(None));
        viewer.heard();
        assert_eq!(viewer.next().await, Beat::Due(None));
        assert_eq!(viewer.next().await, Beat::Due(None));
        assert_eq!(viewer.next().await, Beat::Lost);
    }

    #[tokio::test(start_paused = true)]
    async fn a_carrier_is_lost_only_if_it_used_to_answer() {
        let mut carrier = Heartbeat::of_carrier();
        for _ in 0..300 {
            assert_eq!(carrier.next().await, Beat::Due(None));
        }
        carrier.answered();
        assert_eq!(carrier.next().await, Beat::Due(None));
        assert_eq!(carrier.next().await, Beat::Due(None));
        assert_eq!(carrier.next().await, Beat::Lost);
    }
}
