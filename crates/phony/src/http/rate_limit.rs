//! Rate limits of the supervisors' API. An address is the client's, also behind trusted proxies; an
//! IPv6 network of one customer counts as one address.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::client::Network;
use crate::http::error::{ApiError, ErrorCode};

/// The most addresses that are remembered; beyond that, those that were idle for long are
/// forgotten.
const REMEMBERED: usize = 10_000;

/// The rate limits. Each is a token bucket with a minute's requests that refills steadily.
#[derive(Debug)]
pub(super) struct Limits {
    requests: Buckets<Network>,
    /// All requests with the one token.
    token: Buckets<()>,
    /// Requests without a token or session.
    strangers: Buckets<Network>,
    wrong_tokens: Buckets<Network>,
    failed_logins: Buckets<Network>,
    /// Invalid log-in links. Separate from tokens, so that opening an old link does not prevent a
    /// log-in.
    wrong_links: Buckets<Network>,
}

impl Limits {
    pub(super) fn new(a_minute: u32) -> Self {
        let part = |n: u32| if a_minute == 0 { 0 } else { (a_minute / n).max(5) };
        Self {
            requests: Buckets::new(a_minute),
            token: Buckets::new(a_minute),
            strangers: Buckets::new(a_minute),
            wrong_tokens: Buckets::new(part(10)),
            failed_logins: Buckets::new(part(60)),
            wrong_links: Buckets::new(part(60)),
        }
    }

    /// Counts a request with the right token.
    pub(super) fn request(&self, from: Network, now: Instant) -> Result<(), ApiError> {
        self.requests.take(from, now)?;
        self.token.take((), now)
    }

    /// Counts an anonymous request. Separate from authenticated ones, so that a client who shares
    /// an address with a supervisor cannot lock them out.
    pub(super) fn stranger(&self, from: Network, now: Instant) -> Result<(), ApiError> {
        self.strangers.take(from, now)
    }

    /// Refuses an address that has tried too many wrong tokens.
    pub(super) fn may_show_token(&self, from: Network, now: Instant) -> Result<(), ApiError> {
        self.wrong_tokens.peek(from, now)
    }

    /// Counts a wrong token.
    pub(super) fn wrong_token(&self, from: Network, now: Instant) {
        drop(self.wrong_tokens.take(from, now));
    }

    /// Refuses an address whose log-ins have failed too often.
    pub(super) fn may_log_in(&self, from: Network, now: Instant) -> Result<(), ApiError> {
        self.failed_logins.peek(from, now)
    }

    /// Counts a log-in that failed.
    pub(super) fn failed_login(&self, from: Network, now: Instant) {
        drop(self.failed_logins.take(from, now));
    }

    /// Refuses an address that has tried too many wrong links.
    pub(super) fn may_follow_link(&self, from: Network, now: Instant) -> Result<(), ApiError> {
        self.wrong_links.peek(from, now)
    }

    /// Counts an invalid log-in link.
    pub(super) fn wrong_link(&self, from: Network, now: Instant) {
        drop(self.wrong_links.take(from, now));
    }
}

/// For each key, the time when its bucket will be full again.
#[derive(Debug)]
struct Buckets<K> {
    /// What one request costs; `None` for no limit.
    cost: Option<Duration>,
    full_at: Mutex<HashMap<K, Instant>>,
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    const PERIOD: Duration = Duration::from_mins(1);

    fn new(a_minute: u32) -> Self {
        Self { cost: Self::PERIOD.checked_div(a_minute), full_at: Mutex::default() }
    }

    fn take(&self, key: K, now: Instant) -> Result<(), ApiError> {
        self.look(key, now, true)
    }

    fn peek(&self, key: K, now: Instant) -> Result<(), ApiError> {
        self.look(key, now, false)
    }

    fn look(&self, key: K, now: Instant, take: bool) -> Result<(), ApiError> {
        let Some(cost) = self.cost else { return Ok(()) };
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full = full_at.get(&key).copied().unwrap_or(now).max(now) + cost;
        let wait = (full - now).saturating_sub(Self::PERIOD);
        if wait > Duration::ZERO {
            let retry_after = Some(wait.as_secs() + 1);
            let error = ApiError::new(ErrorCode::RateLimited, "too many requests; wait a little");
            return Err(ApiError { retry_after, ..error });
        }
        if take {
            if full_at.len() >= REMEMBERED && !full_at.contains_key(&key) {
                full_at.retain(|_, full| *full > now);
                // The table is full: new keys are not limited rather than refused.
                if full_at.len() >= REMEMBERED {
                    return Ok(());
                }
            }
            full_at.insert(key, full);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn a_bucket_empties_and_refills() {
        let now = Instant::now();
        let buckets = Buckets::new(3);
        for _ in 0..3 {
            assert!(buckets.take("a", now).is_ok());
        }
        let refused = buckets.take("a", now).unwrap_err();
        assert_eq!(refused.code, ErrorCode::RateLimited);
        assert!(refused.retry_after.is_some_and(|seconds| (1..=21).contains(&seconds)));
        assert!(buckets.take("b", now).is_ok(), "others are not concerned");
        assert!(buckets.take("a", now + Duration::from_secs(20)).is_ok());
        assert!(buckets.take("a", now + Duration::from_secs(20)).is_err());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn zero_is_no_limit() {
        let now = Instant::now();
        let buckets = Buckets::new(0);
        assert!((0..10_000).all(|_| buckets.take((), now).is_ok()));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn the_number_of_remembered_keys_is_bounded() {
        let now = Instant::now();
        let buckets = Buckets::new(1);
        for key in 0..REMEMBERED + 10 {
            assert!(buckets.take(key, now).is_ok());
        }
        assert_eq!(buckets.full_at.lock().unwrap().len(), REMEMBERED);
        assert!(buckets.take(0, now).is_err(), "who was counted still is");
        let later = now + Duration::from_mins(1);
        assert!(buckets.take(2 * REMEMBERED, later).is_ok());
        assert_eq!(buckets.full_at.lock().unwrap().len(), 1);
    }
}
