//! Calls to take away: as JSON Lines, as a table, as plain text.

use std::fmt::Write as _;

use serde_json::Value;

use super::{History, StoreError, Wanted, record, transcript};
use crate::store::line::word;
use crate::store::{CallLine, Filter};

/// Calls that are read at a time.
const PAGE: usize = 100;

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON object a line, a call each: all there is about it, and its events.
    JsonLines,
    /// One line a call, separated by commas (RFC 4180), the names of the columns first.
    Csv,
    /// What was said, for people.
    Text,
}

/// An export under way: page by page, newest first.
#[derive(Debug)]
pub struct Export {
    history: History,
    form: Form,
    wanted: Wanted,
    begun: bool,
    over: bool,
}

impl Export {
    /// An export of the calls that are wanted.
    #[must_use]
    pub fn new(history: History, form: Form, filter: Filter) -> Self {
        let wanted = Wanted { filter, after: None, limit: PAGE };
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
        }
        for (line, _) in &listing.calls {
            match self.form {
                Form::Csv => row(&mut text, line),
                Form::JsonLines | Form::Text => self.whole(&mut text, line).await?,
            }
        }
        self.over = listing.next.is_none();
        self.wanted.after = listing.next;
        Ok(text)
    }

    async fn whole(&self, text: &mut String, line: &CallLine) -> Result<(), StoreError> {
        let Some(events) = self.history.events(&line.sid, 0).await? else { return Ok(()) };
        let Some(mut record) = record(line, None, &events) else { return Ok(()) };
        if self.form == Form::JsonLines {
            let parsed = events.iter().filter_map(|json| serde_json::from_str::<Value>(json).ok());
            record["events"] = parsed.collect();
            writeln!(text, "{record}").expect("a string takes it");
        } else {
            let began = line.started.strftime("%Y-%m-%d %H:%M:%S UTC");
            let (sid, from, to) = (&line.sid, &line.from, &line.to);
            let words = transcript(&record);
            write!(text, "{sid}  {began}  {from} → {to}  {}\n{words}\n", line.agent)
                .expect("a string takes it");
        }
        Ok(())
    }
}

const COLUMNS: &str = "callSid,startedAt,endedAt,durationMs,direction,from,to,agent,carrier,\
                       status,endReason,turns,costUsd\r\n";

fn row(text: &mut String, line: &CallLine) {
    let end = line.end.as_ref();
    let state = if end.is_none() { "live" } else { "ended" };
    let cells = [
        line.sid.to_string(),
        line.started.to_string(),
        end.map_or_else(String::new, |end| end.at.to_string()),
        end.map_or_else(String::new, |end| end.duration_ms.to_string()),
        word(&line.direction),
        line.from.clone(),
        line.to.clone(),
        line.agent.clone(),
        line.carrier.clone(),
        line.status.clone().unwrap_or_else(|| state.to_owned()),
        end.map_or_else(String::new, |end| word(&end.reason)),
        line.turns.to_string(),
        format!("{:.6}", line.cost_usd),
    ];
    for (n, cell) in cells.iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        write!(text, "{comma}{}", quoted(cell)).expect("a string takes it");
    }
    text.push_str("\r\n");
}

/// A cell as RFC 4180 wants it. Callers choose some of these texts: none may begin as a formula
/// does, which programs for tables would carry out; numbers are let be.
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
    fn a_cell_is_a_cell_and_no_formula() {
        assert_eq!(quoted("+15005550001"), "+15005550001");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("=cmd()"), "'=cmd()");
        assert_eq!(quoted("+1+cmd()"), "'+1+cmd()");
    }
}
