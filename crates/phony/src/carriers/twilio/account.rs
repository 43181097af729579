//! The account at Twilio, which may not be configured, and how to end a call there.

use std::time::Duration;

use phony_call::{CallSid, NotHungUp};
use tokio::time::{sleep, timeout};

use super::rest::{CarrierError, NoClient, RestClient};
use crate::config::TwilioSettings;
use crate::timeouts;

/// How often ending a call is attempted.
const HANG_UP_TRIES: u32 = 20;
/// The pause between two attempts.
const BETWEEN_HANG_UPS: Duration = Duration::from_secs(3);

/// The account at Twilio.
#[derive(Debug)]
pub struct Account {
    rest: Result<RestClient, NoClient>,
}

impl Account {
    /// The configured account.
    #[must_use]
    pub fn new(settings: &TwilioSettings) -> Self {
        Self { rest: RestClient::new(settings) }
    }

    /// The REST API, or why there is none.
    pub(crate) fn rest(&self) -> Result<&RestClient, &NoClient> {
        self.rest.as_ref()
    }

    /// Asks Twilio once to end a call that has no line here. A call that is already over counts as
    /// ended.
    pub async fn hang_up(&self, call: &CallSid) -> Result<(), NotHungUp> {
        let rest = self.rest.as_ref().map_err(|error| NotHungUp {
            code: None,
            message: error.to_string(),
            unknown: false,
        })?;
        let failed = match timeout(timeouts::HANG_UP, rest.end_call(call)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(failure)) => NotHungUp {
                code: failure.code(),
                message: failure.to_string(),
                unknown: matches!(failure, CarrierError::Unknown(_)),
            },
            Err(_) => {
                let message = "Twilio has not answered in time".to_owned();
                NotHungUp { code: None, message, unknown: true }
            }
        };
        tracing::warn!(callSid = %call, why = failed.message, "the carrier has not ended a call");
        metrics::counter!("phony_hang_ups_failed_total").increment(1);
        Err(failed)
    }

    /// As [`Self::hang_up`], repeated until it succeeds, for a call that is over here and would go
    /// on at the carrier.
    pub async fn hang_up_until_done(&self, call: &CallSid) {
        if self.rest.is_err() {
            return;
        }
        for _ in 0..HANG_UP_TRIES {
            if self.hang_up(call).await.is_ok() {
                return;
            }
            sleep(BETWEEN_HANG_UPS).await;
        }
        tracing::error!(callSid = %call, "a call that is over here may go on at the carrier");
    }
}
