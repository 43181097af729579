//! Queries of the list of calls, and the pages that answer them.

use jiff::Timestamp;
use phony_call::{Direction, Event};
use serde::{Deserialize, Serialize};

use super::search::Query;
use super::summary::{CallSummary, Cursor, searchable_words};

/// Where the words of a call match the search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// The number of the event with the words.
    pub seq: u64,
    /// An excerpt around the words.
    pub text: String,
}

/// Which calls a list has; a field that is `None` does not restrict it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallFilter {
    /// Only live calls, or only ended ones.
    pub live: Option<bool>,
    /// Only inbound calls, or only outbound ones.
    pub direction: Option<Direction>,
    /// A part of the number of either party, digits alone or with a `+` in front.
    pub number: Option<String>,
    /// The agent's id.
    pub agent: Option<String>,
    /// The carrier's status, or `live` or `ended`.
    pub status: Option<String>,
    /// Started at this time or later.
    pub from: Option<Timestamp>,
    /// Started before this time.
    pub until: Option<Timestamp>,
    /// Words that were said, or a part of a party, of the agent's id or of the call's id.
    pub query: Option<Query>,
}

/// A request for a page of the list.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// The calls to list.
    pub filter: CallFilter,
    /// Only calls after this position in the list, which are older.
    pub after: Option<Cursor>,
    /// The most calls on the page.
    pub limit: usize,
}

/// A page of calls, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The calls, each with its first match if words were searched for and found.
    pub calls: Vec<(CallSummary, Option<Match>)>,
    /// Whether there are more.
    pub more: bool,
}

impl CallFilter {
    /// Whether a call passes the filter, apart from `query`.
    #[must_use]
    pub fn admits(&self, summary: &CallSummary) -> bool {
        let is_live = summary.end.is_none();
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        self.live.is_none_or(|live| live == is_live)
            && self.direction.is_none_or(|direction| direction == summary.direction)
            && same(&self.agent, &summary.agent)
            && self.from.is_none_or(|from| summary.started >= from)
            && self.until.is_none_or(|until| summary.started < until)
            && self
                .number
                .as_deref()
                .is_none_or(|n| summary.from.contains(n) || summary.to.contains(n))
            && match self.status.as_deref() {
                None => true,
                Some("live") => is_live,
                Some("ended") => !is_live,
                Some(status) => summary.status.as_deref() == Some(status),
            }
    }

    /// Whether a call with these stored events passes the filter: `None` if it does not, else the
    /// first match of words, if there is one.
    #[must_use]
    pub fn find<'a>(
        &self,
        summary: &CallSummary,
        events: impl IntoIterator<Item = (u64, &'a str)>,
    ) -> Option<Option<Match>> {
        if !self.admits(summary) {
            return None;
        }
        let Some(query) = &self.query else { return Some(None) };
        let found = events.into_iter().find_map(|(seq, json)| {
            let event: Event = serde_json::from_str(json).ok()?;
            let text = query.find(searchable_words(&event.body)?)?;
            Some(Match { seq, text })
        });
        (found.is_some() || query.matches_names(summary)).then_some(found)
    }
}
