//! Which calls a list is asked for, and the page that answers.

use jiff::Timestamp;
use phony_call::{Direction, Event};
use serde::{Deserialize, Serialize};

use super::search::Query;
use super::summary::{CallSummary, Cursor, said};

/// Where a call's words match what was looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// The number of the event that has the words.
    pub seq: u64,
    /// The words around the place.
    pub text: String,
}

/// Which calls are wanted; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallFilter {
    /// Live ones or ended ones.
    pub live: Option<bool>,
    /// Who called whom.
    pub direction: Option<Direction>,
    /// A part of the number of either party, digits alone or with a `+` in front.
    pub number: Option<String>,
    /// The agent's id.
    pub agent: Option<String>,
    /// The carrier's word for the state; `live` and `ended` are understood as well.
    pub status: Option<String>,
    /// Begun at this time or later.
    pub from: Option<Timestamp>,
    /// Begun before this time.
    pub until: Option<Timestamp>,
    /// Words that were said, or a part of a party, of the agent's id or of the call's.
    pub query: Option<Query>,
}

/// A page that is asked for.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Which calls.
    pub filter: CallFilter,
    /// Only calls that come after this one in the list, which are older.
    pub after: Option<Cursor>,
    /// How many at most.
    pub limit: usize,
}

/// A page of calls, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The calls; where words were looked for and found, also the place of the first.
    pub calls: Vec<(CallSummary, Option<Match>)>,
    /// Whether there are more.
    pub more: bool,
}

impl CallFilter {
    /// Whether a call is wanted, the words aside.
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

    /// Whether a call is wanted, given its stored events; if it was looked for by words that were
    /// said, where they are.
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
            let text = query.find(said(&event.body)?)?;
            Some(Match { seq, text })
        });
        (found.is_some() || query.names(summary)).then_some(found)
    }
}
