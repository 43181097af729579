//! Orders that became no call: refused by a rule, not taken by the carrier, or of unknown outcome.

use jiff::Timestamp;
use phony_call::{CallSid, Direction};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CallFilter, Cursor};

/// The most orders that a store keeps; the oldest are forgotten first.
pub const MOST_ORDERS: usize = 10_000;

/// What the id of an order begins with, which no call's at Twilio does.
const ID: &str = "OR";

/// An order to call somebody of which no call came, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnplacedOrder {
    /// The order's id, where a call has the carrier's; `OR` and 16 hexadecimal digits.
    pub id: CallSid,
    /// When the order was given last.
    pub at: Timestamp,
    /// What came of it.
    pub outcome: Outcome,
    /// The number called; what was typed, if it is none.
    pub to: String,
    /// The number that would have called.
    #[serde(default)]
    pub from: Option<String>,
    /// The scenario.
    #[serde(default)]
    pub scenario: Option<String>,
    /// The agent.
    #[serde(default)]
    pub agent: Option<String>,
    /// Who ordered it, as in the ledger: a token's fingerprint.
    #[serde(default)]
    pub by: String,
    /// The name of who ordered it, if it is known.
    #[serde(default)]
    pub who: Option<String>,
    /// The rule that forbade it, or the kind of failure.
    #[serde(default)]
    pub rule: Option<String>,
    /// Why, in words.
    #[serde(default)]
    pub reason: String,
}

/// What came of an order that became no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The carrier was not asked.
    Refused,
    /// The carrier has not taken it.
    Failed,
    /// It is not known whether the carrier has taken it.
    Unknown,
}

impl Outcome {
    /// As `status` has it in lists.
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
    /// The id of the order that these hexadecimal digits tell from others.
    ///
    /// # Panics
    ///
    /// If they are no letters or digits.
    #[must_use]
    pub fn id_of(digits: &str) -> CallSid {
        let digits = &digits[..digits.len().min(16)];
        CallSid::parse(&format!("{ID}{digits}")).expect("letters and digits are an id")
    }

    /// The order as a document, in the form of a call's in lists.
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

    /// The order's place in the list, among the calls.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { started_ms: self.at.as_millisecond(), sid: self.id.clone() }
    }
}

impl CallFilter {
    /// Whether orders that became no call may be wanted. They are no calls: only who asks for one of
    /// their outcomes is shown them.
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

    /// Whether calls may be wanted. None is `refused` or `unknown`; `failed` is also the carrier's
    /// word for a call that it could not connect.
    #[must_use]
    pub fn wants_calls(&self) -> bool {
        let no_call = [Outcome::Refused.as_str(), Outcome::Unknown.as_str()];
        self.status.as_deref().is_none_or(|wanted| !no_call.contains(&wanted))
    }

    /// Whether an order that became no call is wanted. What is looked for with `query` is looked for
    /// in its id, numbers, agent, scenario, rule and reason, and in the name of who ordered it.
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
    fn an_order_is_shown_to_who_asks_for_its_outcome_and_to_nobody_else() {
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
