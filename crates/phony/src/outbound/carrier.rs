//! What the carrier is asked: to place a call, and whether it has.

use std::time::Duration;

use jiff::Timestamp;
use phony_wire::twilio::rest::{Call, CreateCall};

use super::PlaceError;
use super::attempt::Attempt;
use super::number_locks::NumberLock;
use super::order::ResolvedOrder;
use crate::carriers::twilio::rest::CarrierError;

/// How much longer than the call itself the carrier lets it last, so that the goodbye is ours.
const GRACE: Duration = Duration::from_mins(1);
/// How often, and how long apart, a call whose fate is unknown is looked for.
const LOOKS: u32 = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(700);
/// The carrier's clock may differ from ours by so much.
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
            // Asked when any answer to this call fails.
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

    /// Looks whether a call whose fate is unknown was placed after all. One that may be another
    /// attempt's is nobody's: it stays unknown, and so does one of which the carrier says nothing
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
