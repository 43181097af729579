//! An order to call somebody, as it was given and as it was understood.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use phony_call::{CallSid, Country, PhoneNumber, Unreadable};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::refusal;
use crate::agents::{Agent, BadVariables, calling};
use crate::error::{ApiError, ErrorCode};
use crate::history::UnplacedOrder;
use crate::safety::Forbidden;
use crate::safety::ledger::digest;
use crate::switchboard::Switchboard;

/// How long an agent of ours may take to greet, and to pause.
const THEIR_GREETING: Duration = Duration::from_secs(10);

/// An order to call somebody.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The number as it was typed.
    pub to: String,
    /// Our number, if not the configured one.
    pub from: Option<String>,
    /// The errand.
    pub scenario: Option<String>,
    /// Who goes, if there is no errand.
    pub agent: Option<String>,
    /// What the errand's slots are filled with.
    pub variables: BTreeMap<String, String>,
    /// Whether the callee is said to agree.
    pub consent: bool,
    /// Whether the hour is no matter.
    pub ignore_calling_hours: bool,
    /// Whether to find out if a machine answers; as the errand says if absent.
    pub detect_machine: Option<bool>,
}

/// An order that was understood.
pub(super) struct Understood {
    pub(super) number: PhoneNumber,
    pub(super) from: PhoneNumber,
    pub(super) agent: Arc<Agent>,
    pub(super) detect_machine: bool,
}

impl Order {
    /// What tells this order from others under the same key.
    pub(super) fn digest(&self) -> String {
        let body = serde_json::to_vec(self).expect("texts and flags are JSON");
        digest(&body)
    }

    /// By what this order goes among those that became no call: the same for all its attempts under
    /// one key, whose hash is `key`.
    pub(super) fn id(&self, key: Option<&str>, attempt: &str) -> CallSid {
        let body = self.digest();
        order_id(key.map(|key| (key, body.as_str())), attempt)
    }

    /// Reads the order; what cannot be read, or is never dialled, is refused.
    pub(super) fn understand(&self, switchboard: &Switchboard) -> Result<Understood, ApiError> {
        let Self { to, from, scenario, agent, variables, .. } = self;
        let (config, agents) = (&switchboard.config, &switchboard.agents);
        let home = config.twilio.phone_number.as_ref().and_then(Country::of);
        let home = home.or_else(|| config.dialing.countries().iter().next());
        let number = PhoneNumber::typed(to, home).map_err(|why| match why {
            Unreadable::Never(why) => refusal(&Forbidden::Number(why)),
            Unreadable::NoDigits
            | Unreadable::TooLong
            | Unreadable::Characters
            | Unreadable::Extension
            | Unreadable::NoCountry => ApiError::field("to", &why.to_string()),
        })?;
        let from = match from {
            Some(text) => PhoneNumber::typed(text, home)
                .map_err(|why| ApiError::field("from", &why.to_string()))?,
            None => config.twilio.phone_number.clone().ok_or_else(|| {
                ApiError::field("from", "is missing, and TWILIO_PHONE_NUMBER is not set")
            })?,
        };
        let companion = match agent {
            None => None,
            Some(id) => Some(
                agents
                    .find(id)
                    .ok_or_else(|| unknown("agent", id, agents.iter().map(|(id, _)| id)))?,
            ),
        };
        let (agent, asked) = match scenario {
            Some(id) => {
                let scenario = agents.scenario(id).ok_or_else(|| {
                    unknown("scenario", id, agents.scenarios().map(|known| known.id.as_str()))
                })?;
                let mut filled = scenario.fill(variables, config).map_err(|bad| misfit(&bad))?;
                if let Some(companion) = &companion {
                    Arc::make_mut(&mut filled).accompany(companion);
                }
                (filled, scenario.detect_machine)
            }
            None if !variables.is_empty() => {
                let unknown = variables.keys().cloned().collect();
                return Err(misfit(&BadVariables { unknown, ..BadVariables::default() }));
            }
            None => (calling(&companion.unwrap_or_else(|| agents.default())), false),
        };
        let agent = if agents.answer(&number) { lets_greet(agent) } else { agent };
        let detect_machine = self.detect_machine.unwrap_or(asked);
        Ok(Understood { number, from, agent, detect_machine })
    }
}

/// The same, where of the order itself there is only the digest, beside the key's hash.
pub(super) fn order_id(key: Option<(&str, &str)>, attempt: &str) -> CallSid {
    match key {
        None => UnplacedOrder::id_of(attempt),
        Some((key, body)) => UnplacedOrder::id_of(&digest(format!("{key} {body}").as_bytes())),
    }
}

/// An agent who calls one of ours does as people do: whoever is called greets first.
fn lets_greet(mut agent: Arc<Agent>) -> Arc<Agent> {
    Arc::make_mut(&mut Arc::make_mut(&mut agent).call).opens_after = Some(THEIR_GREETING);
    agent
}

fn unknown<'a>(field: &str, id: &str, known: impl Iterator<Item = &'a str>) -> ApiError {
    let known: Vec<_> = known.collect();
    let problem = format!("is none of {}", known.join(", "));
    let details = json!({ "field": field, "problem": problem, "allowed": known });
    let id: String = id.chars().filter(|c| !c.is_control()).take(64).collect();
    let message = format!("`{field}` {problem}: `{id}`");
    ApiError { details: Some(details), ..ApiError::new(ErrorCode::InvalidRequest, message) }
}

fn misfit(bad: &BadVariables) -> ApiError {
    let BadVariables { missing, unknown, unfit } = bad;
    let parts = [("missing", missing), ("unknown", unknown), ("not fit to be spoken", unfit)];
    let parts = parts.iter().filter(|(_, names)| !names.is_empty());
    let parts: Vec<_> =
        parts.map(|(what, names)| format!("{what}: {}", names.join(", "))).collect();
    let details = json!({
        "field": "variables", "problem": "do not fit the scenario", "missing": missing,
        "unknown": unknown, "unfit": unfit,
    });
    let message = format!("`variables` do not fit the scenario; {}", parts.join("; "));
    ApiError { details: Some(details), ..ApiError::new(ErrorCode::InvalidRequest, message) }
}
