//! The parameters of a filter of calls, as query strings and the command line give them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use phony_call::Direction;
use serde::Deserialize;

use crate::store::{CallFilter, Query};

/// The longest query, in bytes.
const LONGEST: usize = 200;

/// Which calls to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
pub struct FilterParams {
    /// `true`: only live calls; `false`: only ended ones.
    pub live: Option<String>,
    /// Words that were said in the call, the last one perhaps only its beginning; or a part of a
    /// number, of an agent's id or of a call's id.
    pub q: Option<String>,
    /// `inbound` or `outbound`.
    pub direction: Option<String>,
    /// A part of the number of either party.
    pub number: Option<String>,
    /// An agent's id.
    pub agent: Option<String>,
    /// `live`, `ended`, or the carrier's status: `queued`, `ringing`, `in-progress`, `completed`,
    /// `busy`, `no-answer`, `failed`, `canceled`. `refused`, `failed` and `unknown` also list
    /// orders that became no call, which no other status does: refused by a rule, not accepted by
    /// the carrier, or of unknown outcome. Of those `q` finds a part of a number, of an agent's, a
    /// scenario's or an order's id, of the rule, the reason, or of who ordered it.
    pub status: Option<String>,
    /// Started at this time or later: RFC 3339, or a date, which means midnight UTC.
    pub since: Option<String>,
    /// Started before this time.
    pub until: Option<String>,
}

/// A parameter that is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct InvalidFilter {
    /// The name of the parameter.
    pub field: &'static str,
    /// What is wrong, to be read after the name.
    pub problem: String,
}

impl InvalidFilter {
    fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }
}

impl FilterParams {
    /// Parses the parameters.
    pub fn read(&self) -> Result<CallFilter, InvalidFilter> {
        Ok(CallFilter {
            live: match given(self.live.as_ref()) {
                None => None,
                Some("true" | "1") => Some(true),
                Some("false" | "0") => Some(false),
                Some(_) => return Err(InvalidFilter::new("live", "is neither true nor false")),
            },
            direction: match given(self.direction.as_ref()) {
                None => None,
                Some("inbound") => Some(Direction::Inbound),
                Some("outbound") => Some(Direction::Outbound),
                Some(_) => {
                    return Err(InvalidFilter::new("direction", "is neither inbound nor outbound"));
                }
            },
            number: given(self.number.as_ref()).map(number).transpose()?,
            agent: given(self.agent.as_ref()).map(str::to_owned),
            status: given(self.status.as_ref()).map(status).transpose()?,
            from: given(self.since.as_ref()).map(|text| time("since", text)).transpose()?,
            until: given(self.until.as_ref()).map(|text| time("until", text)).transpose()?,
            query: match given(self.q.as_ref()) {
                Some(text) if text.len() > LONGEST => {
                    return Err(InvalidFilter::new("q", "is longer than 200 bytes"));
                }
                text => text.and_then(Query::parse),
            },
        })
    }
}

/// Empty parameters count as missing.
fn given(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// A number as people write it. A `+` that was not encoded in a query string arrives as a space.
fn number(text: &str) -> Result<String, InvalidFilter> {
    if text.chars().any(char::is_alphabetic) {
        return Ok(text.to_owned());
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    match (digits.is_empty(), text.starts_with('+')) {
        (true, _) => Err(InvalidFilter::new("number", "has no digit in it")),
        (false, true) => Ok(format!("+{digits}")),
        (false, false) => Ok(digits),
    }
}

fn status(text: &str) -> Result<String, InvalidFilter> {
    const KNOWN: [&str; 12] = [
        "live",
        "ended",
        "queued",
        "ringing",
        "in-progress",
        "completed",
        "busy",
        "no-answer",
        "failed",
        "canceled",
        "refused",
        "unknown",
    ];
    if KNOWN.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(InvalidFilter::new("status", format!("is none of {}", KNOWN.join(", "))))
    }
}

fn time(name: &'static str, text: &str) -> Result<Timestamp, InvalidFilter> {
    let day = || {
        let day = Some(text).filter(|text| text.len() == 10)?.parse::<Date>();
        day.ok()?.to_zoned(TimeZone::UTC).ok()
    };
    // A `+` of an offset that was not encoded arrives as a space.
    let time = text.replace(' ', "+").parse();
    time.ok().or_else(|| day().map(|day| day.timestamp())).ok_or_else(|| {
        InvalidFilter::new(
            name,
            "is no time such as 2026-08-01T09:00:00Z and no day such as 2026-08-01",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_timestamps_or_dates() {
        let at = |text| time("since", text).map(|time| time.to_string()).ok();
        assert_eq!(at("2026-08-01").as_deref(), Some("2026-08-01T00:00:00Z"));
        assert_eq!(at("2026-08-01T10:00:00 02:00").as_deref(), Some("2026-08-01T08:00:00Z"));
        for wrong in ["yesterday", "2026-13-01", "1790000000", "2026-08-01T10:00"] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_are_taken_as_people_write_them() {
        assert_eq!(number("+1 (500) 555-0001").unwrap(), "+15005550001");
        assert_eq!(number("555 0001").unwrap(), "5550001");
        assert_eq!(number("client:ann").unwrap(), "client:ann");
        assert!(number("()").is_err());
    }
}
