//! An order to call somebody, as the client sent it and as it is resolved: number, agent and
//! scenario looked up and checked. Owns no state; [`super::Outbound`] and its attempts call it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use phony_call::{CallSid, Country, PhoneNumber, Unreadable};
use serde::{Deserialize, Serialize};

use super::{Outbound, PlaceError};
use crate::agents::{Agent, BadVariables, calling};
use crate::history::UnplacedOrder;
use crate::safety::ledger::digest;

/// How long an agent of this server may take to greet, when one agent calls another.
const THEIR_GREETING: Duration = Duration::from_secs(10);

/// An order to call somebody.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The number to call, as it was typed.
    pub to: String,
    /// The number to call from, if not the configured one.
    pub from: Option<String>,
    /// The id of the scenario.
    pub scenario: Option<String>,
    /// The id of the agent; of the one that accompanies the scenario, if there is one.
    pub agent: Option<String>,
    /// The values of the scenario's variables.
    pub variables: BTreeMap<String, String>,
    /// Whether the client states that the callee agrees to be called.
    pub consent: bool,
    /// Whether the calling hours are ignored.
    pub ignore_calling_hours: bool,
    /// Whether to detect an answering machine; as the scenario says if absent.
    pub detect_machine: Option<bool>,
}

/// An order whose number, agent and scenario are resolved.
pub(super) struct ResolvedOrder {
    pub(super) number: PhoneNumber,
    pub(super) from: PhoneNumber,
    pub(super) agent: Arc<Agent>,
    pub(super) detect_machine: bool,
}

impl Order {
    /// The hash that tells this order from others under the same key.
    pub(super) fn digest(&self) -> String {
        let body = serde_json::to_vec(self).expect("texts and flags are JSON");
        digest(&body)
    }

    /// The order's id in the list of those that became no call: the same for all attempts under one
    /// key, whose hash is `key`.
    pub(super) fn id(&self, key: Option<&str>, attempt: &str) -> CallSid {
        let body = self.digest();
        order_id(key.map(|key| (key, body.as_str())), attempt)
    }

    /// Resolves the order.
    ///
    /// # Errors
    ///
    /// If a field is missing or wrong, or the number is one that is never dialled.
    pub(super) fn resolve(&self, outbound: &Outbound) -> Result<ResolvedOrder, PlaceError> {
        let Self { to, from, scenario, agent, variables, .. } = self;
        let (config, agents) = (&outbound.config, &outbound.agents);
        let home = config.twilio.phone_number.as_ref().and_then(Country::of);
        let home = home.or_else(|| config.dialing.countries().iter().next());
        let number = PhoneNumber::typed(to, home).map_err(|why| match why {
            Unreadable::Never(why) => why.into(),
            Unreadable::NoDigits
            | Unreadable::TooLong
            | Unreadable::Characters
            | Unreadable::Extension
            | Unreadable::NoCountry => PlaceError::Field { field: "to", problem: why.to_string() },
        })?;
        let from = match from {
            Some(text) => PhoneNumber::typed(text, home)
                .map_err(|why| PlaceError::Field { field: "from", problem: why.to_string() })?,
            None => config.twilio.phone_number.clone().ok_or_else(|| {
                let problem = "is missing, and TWILIO_PHONE_NUMBER is not set".to_owned();
                PlaceError::Field { field: "from", problem }
            })?,
        };
        let companion = match agent {
            None => None,
            Some(id) => Some(
                agents
                    .find(id)
                    .ok_or_else(|| no_such("agent", id, agents.iter().map(|(id, _)| id)))?,
            ),
        };
        let (agent, asked) = match scenario {
            Some(id) => {
                let scenario = agents.scenario(id).ok_or_else(|| {
                    no_such("scenario", id, agents.scenarios().map(|known| known.id.as_str()))
                })?;
                let mut filled = scenario.fill(variables, config).map_err(PlaceError::Variables)?;
                if let Some(companion) = &companion {
                    Arc::make_mut(&mut filled).accompany(companion);
                }
                (filled, scenario.detect_machine)
            }
            None if !variables.is_empty() => {
                let unknown = variables.keys().cloned().collect();
                let bad = BadVariables { unknown, ..BadVariables::default() };
                return Err(PlaceError::Variables(bad));
            }
            None => (calling(&companion.unwrap_or_else(|| agents.default())), false),
        };
        let agent = if agents.has_own_agent(&number) { lets_greet(agent) } else { agent };
        let detect_machine = self.detect_machine.unwrap_or(asked);
        Ok(ResolvedOrder { number, from, agent, detect_machine })
    }
}

/// The same, from the hashes of the key and of the order.
pub(super) fn order_id(key: Option<(&str, &str)>, attempt: &str) -> CallSid {
    match key {
        None => UnplacedOrder::id_of(attempt),
        Some((key, body)) => UnplacedOrder::id_of(&digest(format!("{key} {body}").as_bytes())),
    }
}

/// Lets the callee greet first, because it is an agent of this server.
fn lets_greet(mut agent: Arc<Agent>) -> Arc<Agent> {
    Arc::make_mut(&mut Arc::make_mut(&mut agent).call).opens_after = Some(THEIR_GREETING);
    agent
}

fn no_such<'a>(field: &'static str, id: &str, known: impl Iterator<Item = &'a str>) -> PlaceError {
    let id = id.chars().filter(|c| !c.is_control()).take(64).collect();
    PlaceError::NoSuch { field, id, known: known.map(str::to_owned).collect() }
}
