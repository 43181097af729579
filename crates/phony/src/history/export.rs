//! Export of calls as JSON Lines, CSV or plain text.

use std::fmt::Write as _;

use phony_call::Owner;
use serde_json::Value;

use super::{History, ListQuery, StoreError, UnplacedOrder, details, transcript};
use crate::store::summary::wire_name;
use crate::store::{CallFilter, CallSummary};

/// Calls read at a time.
const PAGE: usize = 100;

/// The format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON object per line and call: its details and its events.
    JsonLines,
    /// One line per call, comma-separated (RFC 4180), the names of the columns first.
    Csv,
    /// What was said, for reading.
    Text,
}

/// An export in progress: page by page, newest call first.
#[derive(Debug)]
pub struct Export {
    history: History,
    form: Form,
    wanted: ListQuery,
    begun: bool,
    over: bool,
}

impl Export {
    /// An export of the calls that pass the filter.
    #[must_use]
    pub fn new(history: History, form: Form, filter: CallFilter) -> Self {
        let wanted = ListQuery { filter, after: None, limit: PAGE };
        Self { history, form, wanted, begun: false, over: false }
    }

    /// The next part of the text; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<String, StoreError>> {
        if self.over {
            return None;
        }
        let part = self.part().await;
        self.over |= part.is_err();
        Some(part)
    }

    async fn part(&mut self) -> Result<String, StoreError> {
        let listing = self.history.list(&self.wanted).await;
        if listing.incomplete {
            return Err(StoreError::failed("the store cannot be read", "it does not answer"));
        }
        let mut text = String::new();
        if !std::mem::replace(&mut self.begun, true) && self.form == Form::Csv {
            text.push_str(COLUMNS);
            text.push_str(if self.wanted.filter.wants_orders() { ORDER_COLUMNS } else { "" });
            text.push_str("\r\n");
        }
        let mut orders = listing.orders.iter().peekable();
        for (summary, _) in &listing.calls {
            while let Some(order) = orders.next_if(|order| order.cursor() > summary.cursor()) {
                self.order(&mut text, order);
            }
            match self.form {
                Form::Csv => self.row(&mut text, summary),
                Form::JsonLines | Form::Text => self.whole(&mut text, summary).await?,
            }
        }
        for order in orders {
            self.order(&mut text, order);
        }
        self.over = listing.next.is_none();
        self.wanted.after = listing.next;
        Ok(text)
    }

    /// Writes a call's row, as wide as an order's if there may be orders.
    fn row(&self, text: &mut String, summary: &CallSummary) {
        let mut cells = cells_of(summary).to_vec();
        if self.wanted.filter.wants_orders() {
            cells.resize(
                cells_of(summary).len() + ORDER_COLUMNS.matches(',').count(),
                String::new(),
            );
        }
        write_row(text, &cells);
    }

    /// Writes an order that became no call.
    fn order(&self, text: &mut String, order: &UnplacedOrder) {
        match self.form {
            Form::Csv => write_row(text, &cells_of_order(order)),
            Form::JsonLines => writeln!(text, "{}", order.document()).expect("a string takes it"),
            Form::Text => {
                let at = order.at.strftime("%Y-%m-%d %H:%M:%S UTC");
                let UnplacedOrder { id, from, to, agent, reason, .. } = order;
                let from = from.as_deref().unwrap_or_default();
                let (agent, what) = (agent.as_deref().unwrap_or_default(), order.outcome.as_str());
                let who = order.who.as_deref().unwrap_or(&order.by);
                write!(
                    text,
                    "{id}  {at}  {from} → {to}  {agent}\n{what}: {reason} (ordered by {who})\n\n"
                )
                .expect("a string takes it");
            }
        }
    }

    async fn whole(&self, text: &mut String, summary: &CallSummary) -> Result<(), StoreError> {
        let Some(events) = self.history.events(&summary.sid, 0).await? else { return Ok(()) };
        let Some(mut details) = details(summary, None, &events, Owner::Nobody) else {
            return Ok(());
        };
        if self.form == Form::JsonLines {
            let parsed = events.iter().filter_map(|json| serde_json::from_str::<Value>(json).ok());
            details["events"] = parsed.collect();
            writeln!(text, "{details}").expect("a string takes it");
        } else {
            let began = summary.started.strftime("%Y-%m-%d %H:%M:%S UTC");
            let (sid, from, to) = (&summary.sid, &summary.from, &summary.to);
            let words = transcript(&details);
            write!(text, "{sid}  {began}  {from} → {to}  {}\n{words}\n", summary.agent)
                .expect("a string takes it");
        }
        Ok(())
    }
}

const COLUMNS: &str = "callSid,startedAt,endedAt,durationMs,direction,from,to,agent,carrier,\
                       status,endReason,turns,costUsd";

/// Additional columns if orders that became no call are exported.
const ORDER_COLUMNS: &str = ",orderId,scenario,rule,reason,by,who";

fn cells_of(summary: &CallSummary) -> [String; 13] {
    let end = summary.end.as_ref();
    let state = if end.is_none() { "live" } else { "ended" };
    [
        summary.sid.to_string(),
        summary.started.to_string(),
        end.map_or_else(String::new, |end| end.at.to_string()),
        end.map_or_else(String::new, |end| end.duration_ms.to_string()),
        wire_name(&summary.direction),
        summary.from.clone(),
        summary.to.clone(),
        summary.agent.clone(),
        summary.carrier.clone(),
        summary.status.clone().unwrap_or_else(|| state.to_owned()),
        end.map_or_else(String::new, |end| wire_name(&end.reason)),
        summary.turns.to_string(),
        format!("{:.6}", summary.cost_usd),
    ]
}

/// The cells of an order that became no call, including the additional ones.
fn cells_of_order(order: &UnplacedOrder) -> [String; 19] {
    let at = order.at.to_string();
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        String::new(),
        at.clone(),
        at,
        String::new(),
        "outbound".to_owned(),
        optional(&order.from),
        order.to.clone(),
        optional(&order.agent),
        "twilio".to_owned(),
        order.outcome.as_str().to_owned(),
        String::new(),
        "0".to_owned(),
        "0.000000".to_owned(),
        order.id.to_string(),
        optional(&order.scenario),
        optional(&order.rule),
        order.reason.clone(),
        order.by.clone(),
        optional(&order.who),
    ]
}

fn write_row(text: &mut String, cells: &[String]) {
    for (n, cell) in cells.iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        write!(text, "{comma}{}", quoted(cell)).expect("a string takes it");
    }
    text.push_str("\r\n");
}

/// Quotes a cell as in RFC 4180. Callers control some of these texts, so none may start like a
/// formula, which a spreadsheet would execute; numbers are left as they are.
fn quoted(cell: &str) -> String {
    let is_number = cell.strip_prefix('+').unwrap_or(cell).bytes().all(|b| b.is_ascii_digit());
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number;
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_and_never_a_formula() {
        assert_eq!(quoted("+15005550001"), "+15005550001");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("=cmd()"), "'=cmd()");
        assert_eq!(quoted("+1+cmd()"), "'+1+cmd()");
    }
}
