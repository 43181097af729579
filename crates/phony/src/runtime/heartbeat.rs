//! Whether the far side of a socket is still there, and the server's clock for a supervisor's page.
//!
//! Every socket is pinged, so that proxies keep it open and a far side that is gone is noticed. A
//! web page sees no pings: it sends heartbeats as text, and is sent them.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How often a socket is pinged. nginx is often told to give up after 20 s.
const EVERY: Duration = Duration::from_secs(10);
/// A far side that has left so many pings in a row without an answer is gone at the next.
const UNANSWERED: u8 = 2;
/// Heartbeats that are due to more than the clock are at least so far apart.
const APART: Duration = Duration::from_secs(1);
/// What a heartbeat is called.
const KIND: &str = "heartbeat";

/// The heartbeat of one socket.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    ticks: Interval,
    /// Pings since something was heard. Counted, and not timed: whoever was busy writing for a while
    /// has not had the time to read the answers.
    unanswered: u8,
    /// The far side is known to answer pings (RFC 6455 section 5.5.2 demands it, but not all do).
    answers: bool,
    /// When the last heartbeat was written, if the far side wants them.
    told: Option<Instant>,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// A ping, and the text of a heartbeat where they are wanted.
    Due(Option<String>),
    /// Nothing: the far side is gone.
    Silent,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: &'a str,
}

impl Heartbeat {
    /// From now on, with a far side that has to answer pings.
    pub(crate) fn start() -> Self {
        Self { answers: true, ..Self::of_carrier() }
    }

    /// From now on, with a far side that is believed to be gone only if it has answered a ping
    /// before: a call is not cut off because its carrier answers none.
    pub(crate) fn of_carrier() -> Self {
        let mut ticks = interval_at(now() + EVERY, EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, unanswered: 0, answers: false, told: None }
    }

    /// Waits until something is due. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Beat {
        self.ticks.tick().await;
        if self.answers && self.unanswered >= UNANSWERED {
            return Beat::Silent;
        }
        self.unanswered = self.unanswered.saturating_add(1);
        let wanted = self.told.is_some();
        Beat::Due(wanted.then(|| self.text()))
    }

    /// Something has come from the far side.
    pub(crate) fn heard(&mut self) {
        self.unanswered = 0;
    }

    /// A ping has been answered.
    pub(crate) fn answered(&mut self) {
        self.answers = true;
        self.heard();
    }

    /// A text has come from the far side; what it is answered with, if it is a heartbeat.
    pub(crate) fn heard_text(&mut self, text: &str) -> Option<String> {
        self.heard();
        let is_one = is_heartbeat(text);
        let again = self.told.is_some_and(|told| now().duration_since(told) < APART);
        (is_one && !again).then(|| self.text())
    }

    /// What goes before events, so that the far side knows the server's time when they happened.
    pub(crate) fn before_events(&mut self) -> Option<String> {
        let due = self.told.is_some_and(|told| now().duration_since(told) >= APART);
        due.then(|| self.text())
    }

    fn text(&mut self) -> String {
        self.told = Some(now());
        format!(
            r#"{{"type":"{KIND}","timestamp":"{}"}}"#,
            wall().strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        )
    }
}

/// Whether this is a heartbeat, and so neither an event nor a frame of a call.
pub(crate) fn is_heartbeat(text: &str) -> bool {
    serde_json::from_str::<Kind<'_>>(text).is_ok_and(|frame| frame.kind == KIND)
}

#[expect(clippy::disallowed_methods, reason = "whether a socket is alive concerns no call")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "what a heartbeat tells is the wall's time")]
fn wall() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: &str = r#"{"type":"heartbeat"}"#;

    #[tokio::test(start_paused = true)]
    async fn only_who_sends_heartbeats_is_sent_them() {
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
    async fn events_bring_the_time_at_most_once_a_second() {
        let mut page = Heartbeat::start();
        assert!(page.heard_text(ASKED).is_some());
        assert_eq!(page.before_events(), None);
        assert_eq!(page.heard_text(ASKED), None, "who asks all the time is not answered each time");
        tokio::time::advance(APART).await;
        assert!(page.before_events().is_some());
        assert_eq!(page.before_events(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_even_answer_a_ping_is_gone() {
        let mut viewer = Heartbeat::start();
        assert_eq!(viewer.next().await, Beat::Due(None));
        assert_eq!(viewer.next().await, Beat::Due(None));
        viewer.heard();
        assert_eq!(viewer.next().await, Beat::Due(None));
        assert_eq!(viewer.next().await, Beat::Due(None));
        assert_eq!(viewer.next().await, Beat::Silent);
    }

    #[tokio::test(start_paused = true)]
    async fn a_carrier_is_gone_only_if_it_used_to_answer() {
        let mut carrier = Heartbeat::of_carrier();
        for _ in 0..300 {
            assert_eq!(carrier.next().await, Beat::Due(None));
        }
        carrier.answered();
        assert_eq!(carrier.next().await, Beat::Due(None));
        assert_eq!(carrier.next().await, Beat::Due(None));
        assert_eq!(carrier.next().await, Beat::Silent);
    }
}
