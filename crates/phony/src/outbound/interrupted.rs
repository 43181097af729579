//! Orders that the last process was carrying out when it was killed: the carrier may have been
//! asked, and its answer was lost. Reads the ledger and owns no state; `server` calls it at its
//! start.

use std::collections::HashMap;

use jiff::Timestamp;
use phony_call::CallSid;
use serde::Deserialize;
use serde_json::Value;

use super::Outbound;
use super::idempotency::last_lines;
use super::order::order_id;
use crate::history::{Outcome, UnplacedOrder};
use crate::safety::ledger::{self, Entry, EntryKind};

/// The rule and the reason in the record of such an order.
const RULE: &str = "server_ended";
const REASON: &str = "the server ended while the call was being placed: it is not known whether \
                      Twilio has placed it; look in Twilio's console, or order it again under the \
                      same Idempotency-Key, before calling anew";

/// The fields of a ledger line that concern an order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LedgerLine {
    at: Timestamp,
    what: String,
    #[serde(default)]
    attempt: String,
    #[serde(default)]
    to: String,
    from: Option<String>,
    scenario: Option<String>,
    agent: Option<String>,
    #[serde(default)]
    by: String,
    key: Option<(String, String)>,
}

impl Outbound {
    /// Lists the orders that the last process left open as of unknown outcome, and writes so into
    /// the ledger; each is reported once. Orders that became calls later are taken off the list, in
    /// case the last process did not get to it.
    pub(crate) async fn report_interrupted(&self) {
        let Self { safety, history, config, clock, .. } = self;
        let lines = last_lines(&config.data_dir.join(ledger::FILE));
        for order in later_placed(&lines) {
            history.order_was_placed(&order);
        }
        for line in interrupted(&lines) {
            tracing::warn!(
                attempt = line.attempt,
                "an order was cut off by the end of the server: it is not known whether Twilio has \
                 placed the call"
            );
            let LedgerLine { at, attempt, to, from, scenario, agent, by, key, .. } = line;
            let named = key.as_ref().map(|(name, body)| (name.as_str(), body.as_str()));
            let entry = Entry {
                attempt: attempt.clone(),
                to: to.clone(),
                from: from.clone(),
                scenario: scenario.clone(),
                agent: agent.clone(),
                rule: Some(RULE.to_owned()),
                outcome: Some(Outcome::Unknown.as_str()),
                reason: Some(REASON.to_owned()),
                key: key.clone(),
                ..Entry::new((clock.wall)(), EntryKind::Failed, &by)
            };
            // Before the ledger: a process killed in between repeats it, and its id keeps it
            // unique.
            let order = UnplacedOrder {
                id: order_id(named, &attempt),
                at,
                outcome: Outcome::Unknown,
                to,
                from,
                scenario,
                agent,
                by,
                who: None,
                rule: Some(RULE.to_owned()),
                reason: REASON.to_owned(),
            };
            history.keep_order(order).await;
            // The ledger's thread has logged the error.
            let _ = safety.ledger.write(entry).await;
        }
    }
}

/// The attempts whose outcome is not in the ledger. Attempts under one key are one order.
fn interrupted(lines: &[Value]) -> Vec<LedgerLine> {
    let mut open: Vec<LedgerLine> = Vec::new();
    for line in lines.iter().filter_map(|line| LedgerLine::deserialize(line).ok()) {
        let is_same_order = |before: &LedgerLine| {
            before.attempt == line.attempt || (before.key.is_some() && before.key == line.key)
        };
        match line.what.as_str() {
            "placed" => open.retain(|before| !is_same_order(before)),
            "failed" | "refused" => open.retain(|before| before.attempt != line.attempt),
            "dialling" if is_name(&line.attempt) => {
                open.retain(|before| !is_same_order(before));
                open.push(line);
            }
            _ => {}
        }
    }
    open
}

/// The orders that failed at first and were placed later under the same key.
fn later_placed(lines: &[Value]) -> Vec<CallSid> {
    let mut orders = HashMap::new();
    for line in lines {
        let (Some(name), Some(body)) = (line["key"][0].as_str(), line["key"][1].as_str()) else {
            continue;
        };
        match line["what"].as_str() {
            Some("failed" | "refused") => drop(orders.insert((name, body), false)),
            Some("placed") => {
                if let Some(is_call) = orders.get_mut(&(name, body)) {
                    *is_call = true;
                }
            }
            _ => {}
        }
    }
    let calls = orders.into_iter().filter(|(_, is_call)| *is_call);
    calls.map(|(key, _)| order_id(Some(key), "")).collect()
}

/// Whether it can be part of an order's id, as every attempt can that this program wrote.
fn is_name(attempt: &str) -> bool {
    !attempt.is_empty() && attempt.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(what: &str, attempt: &str, key: Option<[&str; 2]>) -> Value {
        json!({
            "at": "2026-01-15T12:00:00Z", "what": what, "attempt": attempt, "to": "+12125550123",
            "by": "token:0011aabb", "key": key, "line": 1, "previous": "00", "hash": "11",
        })
    }

    #[test]
    fn an_order_without_an_outcome_was_interrupted() {
        let of = |lines: &[Value]| {
            interrupted(lines).into_iter().map(|line| line.attempt).collect::<Vec<_>>()
        };
        let [a, b] = ["a", "b"].map(|attempt| line("dialling", attempt, None));
        assert_eq!(of(&[a.clone(), b.clone()]), ["a", "b"], "orders without a key are their own");
        for what in ["placed", "failed", "refused"] {
            assert_eq!(of(&[a.clone(), b.clone(), line(what, "a", None)]), ["b"], "{what}");
        }
        assert_eq!(of(&[line("dialling", "../x", None), line("do_not_call", "", None)]), [""; 0]);
        // Attempts under one key are one order.
        let key = Some(["k", "order"]);
        let [a, b] = ["a", "b"].map(|attempt| line("dialling", attempt, key));
        let placed = line("placed", "b", key);
        assert_eq!(of(&[a.clone(), b.clone()]), ["b"]);
        assert_eq!(of(&[a.clone(), placed]), [""; 0], "a repeat has found the call");
        assert_eq!(of(&[a.clone(), b, line("failed", "b", key)]), [""; 0]);
        assert_eq!(of(&[a, line("refused", "b", key)]), ["a"], "a repeat that was only refused");
    }
    #[test]
    fn an_order_that_failed_first_may_be_placed_later() {
        let of = |what: &str, body| line(what, "a", Some(["k", body]));
        let id = order_id(Some(("k", "order")), "");
        let lines = [of("failed", "order"), of("dialling", "order"), of("placed", "order")];
        assert_eq!(later_placed(&lines), [id]);
        assert!(later_placed(&lines[1..]).is_empty(), "it was one from the first");
        assert!(later_placed(&[of("failed", "order"), of("placed", "other")]).is_empty());
        let again = [&lines[..], &[of("refused", "order")]].concat();
        assert!(later_placed(&again).is_empty(), "the key was used anew");
    }
}
