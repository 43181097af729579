//! Pings on a carrier's socket.
//!
//! Between utterances, on hold, and while a human thinks, nothing is written for minutes. Proxies
//! and load balancers cut connections that are idle for as little as 20 s, and a far side that
//! vanished without a word is noticed by nothing else.

use std::time::Duration;

/// The time from one ping to the next.
pub(super) const PERIOD: Duration = Duration::from_secs(10);

/// After so many periods without a frame, a far side that used to answer pings is gone.
const SILENT_PERIODS: u32 = 3;

/// What is known of the far side's life. Counts periods, so that no frame has to look at a clock.
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    /// Something came since the last ping.
    heard: bool,
    /// The far side has answered a ping once: RFC 6455 demands it, but not all do.
    answers: bool,
    /// Periods without a frame.
    silent: u32,
}

/// What is to be done at the end of a period.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Write a ping.
    Ping,
    /// The far side is gone.
    Dead,
}

impl Heartbeat {
    /// A frame came; `pong` if it answers a ping.
    pub(super) fn heard(&mut self, pong: bool) {
        self.heard = true;
        self.answers |= pong;
    }

    /// A period has passed.
    pub(super) fn beat(&mut self) -> Beat {
        self.silent = if std::mem::take(&mut self.heard) { 0 } else { self.silent + 1 };
        if self.answers && self.silent >= SILENT_PERIODS { Beat::Dead } else { Beat::Ping }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_far_side_that_used_to_answer_is_gone_after_three_silent_periods() {
        let mut heartbeat = Heartbeat::default();
        heartbeat.heard(true);
        assert_eq!(heartbeat.beat(), Beat::Ping);
        assert_eq!((heartbeat.beat(), heartbeat.beat()), (Beat::Ping, Beat::Ping));
        assert_eq!(heartbeat.beat(), Beat::Dead);
    }

    #[test]
    fn any_frame_is_a_sign_of_life() {
        let mut heartbeat = Heartbeat::default();
        heartbeat.heard(true);
        for _ in 0..10 {
            assert_eq!((heartbeat.beat(), heartbeat.beat()), (Beat::Ping, Beat::Ping));
            heartbeat.heard(false);
        }
    }

    #[test]
    fn nobody_is_gone_who_never_answered_pings() {
        let mut heartbeat = Heartbeat::default();
        heartbeat.heard(false);
        for _ in 0..10 {
            assert_eq!(heartbeat.beat(), Beat::Ping);
        }
    }
}
