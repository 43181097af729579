//! Orders that became no call: refused by a rule, not accepted by the carrier, or of unknown
//! outcome.

use jiff::Timestamp;
use phony_call::{CallSid, Direction};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CallFilter, Cursor};

/// The most orders that a store keeps; the oldest are deleted first.
pub const MOST_ORDERS: usize = 10_000;

/// The prefix of an order's id, which no id of a call at Twilio has.
const ID: &str = "OR";

/// An order to call somebody that led to no call, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnplacedOrder {
    /// The order's id: `OR` and 16 hexadecimal digits.
    pub id: CallSid,
    /// When the order was last given.
    pub at: Timestamp,
    /// The outcome.
    pub outcome: Outcome,
    /// The number to call, or what was typed if it is not a number.
    pub to: String,
    /// The number to call from.
    #[serde(default)]
    pub from: Option<String>,
    /// The scenario.
    #[serde(default)]
    pub scenario: Option<String>,
    /// The agent.
    #[serde(default)]
    pub agent: Option<String>,
    /// Who gave the order, as in the ledger: the fingerprint of a token.
    #[serde(default)]
    pub by: String,
    /// The name of who gave the order, if known.
    #[serde(default)]
    pub who: Option<String>,
    /// The rule that forbade the call, or the kind of failure.
    #[serde(default)]
    pub rule: Option<String>,
    /// The reason in words.
    #[serde(default)]
    pub reason: String,
}

/// The outcome of an order that became no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A rule forbade it; the carrier was not asked.
    Refused,
    /// The carrier did not accept it.
    Failed,
    /// It is unknown whether the carrier accepted it.
    Unknown,
}

impl Outcome {
    /// The `status` in lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

impl UnplacedOrder {
    /// The id made of the first 16 of these hexadecimal digits.
    ///
    /// # Panics
    ///
    /// If they are not letters or digits.
    #[must_use]
    pub fn id_of(digits: &str) -> CallSid {
        let digits = &digits[..digits.len().min(16)];
        CallSid::parse(&format!("{ID}{digits}")).expect("letters and digits are an id")
    }

    /// The order as JSON, with the fields of a call in lists.
    #[must_use]
    pub fn document(&self) -> Value {
        json!({
            "callSid": null,
            "orderId": self.id,
            "from": self.from.as_deref().unwrap_or_default(),
            "to": self.to,
            "direction": Direction::Outbound,
            "agent": self.agent.as_deref().unwrap_or_default(),
            "scenario": self.scenario,
            "carrier": "twilio",
            "startedAt": self.at.to_string(),
            "endedAt": self.at.to_string(),
            "status": self.outcome.as_str(),
            "live": false,
            "rule": self.rule,
            "reason": self.reason,
            "by": self.by,
            "who": self.who,
        })
    }

    /// The order's position in the list of calls.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { started_ms: self.at.as_millisecond(), sid: self.id.clone() }
    }
}

impl CallFilter {
    /// Whether orders that became no call can pass the filter. Since they are not calls, they are
    /// listed only if one of their outcomes is asked for.
    #[must_use]
    pub fn wants_orders(&self) -> bool {
        let outcomes = [Outcome::Refused, Outcome::Failed, Outcome::Unknown];
        self.live != Some(true)
            && self.direction != Some(Direction::Inbound)
            && self
                .status
                .as_deref()
                .is_some_and(|wanted| outcomes.iter().any(|outcome| outcome.as_str() == wanted))
    }

    /// Whether calls can pass the filter. None is `refused` or `unknown`; `failed` is also the
    /// carrier's status of a call that it could not connect.
    #[must_use]
    pub fn wants_calls(&self) -> bool {
        let no_call = [Outcome::Refused.as_str(), Outcome::Unknown.as_str()];
        self.status.as_deref().is_none_or(|wanted| !no_call.contains(&wanted))
    }

    /// Whether an order that became no call passes the filter. `query` is searched for in its id,
    /// numbers, agent, scenario, rule and reason, and in the name of who gave it.
    #[must_use]
    pub fn admits_order(&self, order: &UnplacedOrder) -> bool {
        let from = order.from.as_deref().unwrap_or_default();
        let texts = || {
            let optional = [&order.from, &order.agent, &order.scenario, &order.rule, &order.who];
            let optional = optional.into_iter().flatten().map(String::as_str);
            [order.id.as_str(), &order.to, &order.by, &order.reason].into_iter().chain(optional)
        };
        self.wants_orders()
            && self.status.as_deref() == Some(order.outcome.as_str())
            && self.agent.as_deref().is_none_or(|agent| order.agent.as_deref() == Some(agent))
            && self.from.is_none_or(|since| order.at >= since)
            && self.until.is_none_or(|until| order.at < until)
            && self.number.as_deref().is_none_or(|n| order.to.contains(n) || from.contains(n))
            && self.query.as_ref().is_none_or(|query| query.is_part_of(texts()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Query;

    fn order() -> UnplacedOrder {
        UnplacedOrder {
            id: UnplacedOrder::id_of("0123456789abcdef0123"),
            at: "2026-01-15T12:00:00Z".parse().unwrap(),
            outcome: Outcome::Failed,
            to: "+12125550123".into(),
            from: Some("+15005550006".into()),
            scenario: Some("survey".into()),
            agent: None,
            by: "token:0011aabb".into(),
            who: Some("admin".into()),
            rule: Some("twilio_error".into()),
            reason: "Twilio refused it".into(),
        }
    }

    #[test]
    fn an_order_of_an_earlier_version_is_read() {
        let json = r#"{"id":"OR01","at":"2026-01-15T12:00:00Z","outcome":"refused","to":"911"}"#;
        let order: UnplacedOrder = serde_json::from_str(json).unwrap();
        assert_eq!((order.outcome, order.to.as_str()), (Outcome::Refused, "911"));
        assert_eq!(UnplacedOrder::id_of("0123456789abcdef0123").as_str(), "OR0123456789abcdef");
    }

    #[test]
    fn an_order_is_listed_only_if_its_outcome_is_asked_for() {
        let filter = |status: Option<&str>| CallFilter {
            status: status.map(str::to_owned),
            ..CallFilter::default()
        };
        assert!(filter(Some("failed")).admits_order(&order()));
        for status in [None, Some("ended"), Some("live"), Some("refused"), Some("completed")] {
            assert!(!filter(status).admits_order(&order()), "{status:?}");
        }
        let narrower = |change: fn(&mut CallFilter)| {
            let mut filter = filter(Some("failed"));
            change(&mut filter);
            filter.admits_order(&order())
        };
        assert!(!narrower(|filter| filter.live = Some(true)));
        assert!(narrower(|filter| filter.live = Some(false)));
        assert!(!narrower(|filter| filter.direction = Some(Direction::Inbound)));
        assert!(narrower(|filter| filter.number = Some("555012".into())));
        assert!(!narrower(|filter| filter.number = Some("777".into())));
        for (typed, found) in
            [("surv", true), ("Twilio REF", true), ("0123456", true), ("zz", false)]
        {
            let query = Query::parse(typed);
            assert_eq!(
                CallFilter { query, ..filter(Some("failed")) }.admits_order(&order()),
                found
            );
        }
    }
}
