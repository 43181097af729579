//! The carrier requests of an attempt: the body that creates a call, and the search for a call
//! whose creation was not answered. Owns no state; [`Attempt`] calls it.

use std::time::Duration;

use jiff::Timestamp;
use phony_wire::twilio::rest::{Call, CreateCall};

use super::PlaceError;
use super::attempt::Attempt;
use super::number_locks::NumberLock;
use super::order::ResolvedOrder;
use crate::carriers::twilio::rest::CarrierError;

/// How much longer than the call's own limit the carrier lets it last, so that the agent can say
/// goodbye.
const GRACE: Duration = Duration::from_mins(1);
/// How often, and how long apart, a call of unknown outcome is looked for.
const LOOKS: u32 = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(700);
/// How much the carrier's clock may differ from this machine's.
const SKEW: Duration = Duration::from_secs(5);

impl Attempt<'_> {
    pub(super) fn create(&self, resolved: &ResolvedOrder) -> CreateCall {
        let outbound = self.outbound;
        let authority = &outbound.authority;
        let url = |path: &str| format!("https://{authority}{path}");
        let config = &outbound.config;
        let longest = resolved.agent.limits.within(&config.policy).max_call + GRACE;
        let detect = resolved.detect_machine.then(|| {
            let waits = resolved.agent.call.voicemail.is_some();
            if waits { "DetectMessageEnd" } else { "Enable" }.to_owned()
        });
        CreateCall {
            to: resolved.number.to_string(),
            from: resolved.from.to_string(),
            url: Some(url("/start_call")),
            method: Some("POST".into()),
            // Requested when any other webhook of this call fails.
            fallback_url: Some(url("/start_call")),
            status_callback: Some(url("/call_status")),
            status_callback_event: ["initiated", "ringing", "answered", "completed"]
                .map(str::to_owned)
                .to_vec(),
            status_callback_method: Some("POST".into()),
            timeout_s: Some(config.dialing.ring.as_secs()),
            time_limit_s: Some(longest.as_secs()),
            async_amd: detect.is_some().then_some(true),
            async_amd_status_callback: detect.is_some().then(|| url("/call_status")),
            async_amd_status_callback_method: detect.is_some().then(|| "POST".into()),
            machine_detection: detect,
            ..CreateCall::default()
        }
    }

    /// Looks for a call of unknown outcome at the carrier. An error says that the outcome stays
    /// unknown: a call that was found may be another attempt's, or the carrier did not answer
    /// `within` this time.
    pub(super) async fn look(
        &self,
        within: Duration,
        resolved: &ResolvedOrder,
        since: Timestamp,
        lock: &NumberLock,
    ) -> Result<Option<Call>, PlaceError> {
        let looked = tokio::time::timeout(within, self.look_again(resolved, since, lock)).await;
        looked.unwrap_or_else(|_| {
            let why = "Twilio has not said in time whether there is a call";
            Err(CarrierError::Unknown(why.to_owned()).into())
        })
    }

    async fn look_again(
        &self,
        resolved: &ResolvedOrder,
        since: Timestamp,
        lock: &NumberLock,
    ) -> Result<Option<Call>, PlaceError> {
        let Ok(rest) = self.outbound.account.rest() else { return Ok(None) };
        let since = since.checked_sub(SKEW).unwrap_or(since);
        let (to, from) = (resolved.number.as_str(), resolved.from.as_str());
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            let placed = rest.placed_since(to, from, since).await?;
            for call in placed {
                if self.is_of_another(&call).await? {
                    continue;
                }
                if lock.is_ambiguous(since) {
                    let why = "a call was placed, and it is not known by which of two orders";
                    return Err(CarrierError::Unknown(why.to_owned()).into());
                }
                tracing::info!(callSid = call.sid, "a call whose placing failed was found");
                return Ok(Some(call));
            }
        }
        Ok(None)
    }
}
