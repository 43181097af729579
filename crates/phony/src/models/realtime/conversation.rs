//! The server's copy of the conversation, and how to make it what the call says it is.
//!
//! The call owns the conversation and hands all of it over with each request. The server keeps a
//! copy, item by item, of which it wrote some itself. [`Remote::reconcile`] compares the two and
//! says what to delete and what to create, so that a correction to what was really heard, a
//! supervisor's words, and the whole history after a new connection are one mechanism. In a plain
//! turn the difference is the caller's new words and nothing else.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use phony_call::{Item, ItemBody, TurnId};

/// The longest item id we send. Longer ones are widely assumed to be refused.
const LONGEST_ID: usize = 32;

/// What the server holds on one connection, in its order.
#[derive(Debug, Default)]
pub(crate) struct Remote {
    items: Vec<RemoteItem>,
    /// Every id that this connection has seen: one that was deleted is not used again.
    used: HashSet<Arc<str>>,
    spare: u32,
}

/// One change to the server's copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Remove an item.
    Delete {
        /// The server's name for it.
        id: Arc<str>,
    },
    /// Add an item.
    Create {
        /// What the server shall call it.
        id: Arc<str>,
        /// Where.
        place: Place,
        /// The content.
        body: ItemBody,
    },
}

/// Where an item is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the end.
    Last,
    /// Before all others.
    First,
    /// Behind this one.
    After(Arc<str>),
}

/// Whose item it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// We created it from the call's item of this id.
    Ours(Arc<str>),
    /// The model said it in this turn, to its end, and we passed all of it on.
    Said(TurnId),
    /// The model called a tool; this is the id of the call.
    Called(Arc<str>),
    /// Nothing that the call could want to keep.
    Stray,
}

#[derive(Debug, Clone)]
struct RemoteItem {
    id: Arc<str>,
    origin: Origin,
}

impl Remote {
    /// The server has a new last item. A second telling changes only the origin.
    pub(crate) fn appended(&mut self, id: &str, origin: Origin) {
        if let Some(known) = self.items.iter_mut().find(|item| &*item.id == id) {
            known.origin = origin;
            return;
        }
        if id.is_empty() {
            return;
        }
        let id: Arc<str> = id.into();
        self.used.insert(Arc::clone(&id));
        self.items.push(RemoteItem { id, origin });
    }

    /// The server spoke of an item. One that neither we nor the model are known to have made is in
    /// nobody's interest.
    pub(crate) fn met(&mut self, id: &str) {
        if !id.is_empty() && !self.used.contains(id) {
            self.appended(id, Origin::Stray);
        }
    }

    /// What the model said in this turn no longer counts as said: it was cut short.
    pub(crate) fn unsay(&mut self, turn: TurnId) {
        for item in &mut self.items {
            if item.origin == Origin::Said(turn) {
                item.origin = Origin::Stray;
            }
        }
    }

    /// Whether the server is known to hold an item of this id.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.items.iter().any(|item| &*item.id == id)
    }

    /// What must be changed so that the server holds `context`, in the order to send it. The copy
    /// is taken to be changed already: events on one connection are processed in order.
    pub(crate) fn reconcile(&mut self, context: &[Item]) -> Vec<Edit> {
        let kept = self.matched(context);
        let keeps: HashSet<usize> = kept.iter().flatten().copied().collect();
        let mut edits: Vec<Edit> = (self.items.iter().enumerate())
            .filter(|(index, _)| !keeps.contains(index))
            .map(|(_, item)| Edit::Delete { id: Arc::clone(&item.id) })
            .collect();

        let old = std::mem::take(&mut self.items);
        let last_kept = keeps.iter().max().copied();
        let mut kept_so_far: Option<usize> = None;
        for (item, indexes) in context.iter().zip(&kept) {
            if !indexes.is_empty() {
                self.items.extend(indexes.iter().map(|index| old[*index].clone()));
                kept_so_far = kept_so_far.max(indexes.iter().max().copied());
                continue;
            }
            if !worth_sending(item, context) {
                continue;
            }
            let id = self.fresh_id(&item.id);
            let place = if kept_so_far == last_kept {
                Place::Last
            } else {
                let before = self.items.last().map(|before| Arc::clone(&before.id));
                before.map_or(Place::First, Place::After)
            };
            edits.push(Edit::Create { id: Arc::clone(&id), place, body: item.body.clone() });
            self.items.push(RemoteItem { id, origin: Origin::Ours(Arc::clone(&item.id)) });
        }
        edits
    }

    /// For each item of the call, which of the server's items stand for it already. An item that
    /// would break the order counts as missing: it is deleted and created again in its place.
    fn matched(&self, context: &[Item]) -> Vec<Vec<usize>> {
        let mut places: HashMap<&Origin, Vec<usize>> = HashMap::with_capacity(self.items.len());
        for (index, item) in self.items.iter().enumerate() {
            places.entry(&item.origin).or_default().push(index);
        }
        let mut last: Option<usize> = None;
        let mut calls_kept: HashSet<&str> = HashSet::new();
        let mut matched = Vec::with_capacity(context.len());
        for item in context {
            let indexes = stand_ins(item, &places, &calls_kept);
            let in_order =
                indexes.first().is_some_and(|first| last.is_none_or(|last| *first > last));
            if !in_order {
                matched.push(Vec::new());
                continue;
            }
            if let ItemBody::ToolCall { call_id, .. } = &item.body {
                calls_kept.insert(call_id);
            }
            last = indexes.last().copied();
            matched.push(indexes);
        }
        matched
    }

    fn fresh_id(&mut self, wanted: &Arc<str>) -> Arc<str> {
        let mut id = plain(wanted);
        while id.is_empty() || id.len() > LONGEST_ID || self.used.contains(&id) {
            self.spare += 1;
            id = format!("again_{}", self.spare).into();
        }
        self.used.insert(Arc::clone(&id));
        id
    }
}

/// Which of the server's items, by what they come from, stand for an item of the call.
fn stand_ins(
    item: &Item,
    places: &HashMap<&Origin, Vec<usize>>,
    calls_kept: &HashSet<&str>,
) -> Vec<usize> {
    let found = |origin: &Origin| places.get(origin).cloned().unwrap_or_default();
    let ours = found(&Origin::Ours(Arc::clone(&item.id)));
    let mut theirs = match &item.body {
        // A result whose call is made anew is made anew too: the server checks that it has one.
        ItemBody::ToolResult { call_id, .. } if !calls_kept.contains(&**call_id) => {
            return Vec::new();
        }
        ItemBody::Assistant { verbatim: Some(turn), .. } => found(&Origin::Said(*turn)),
        ItemBody::ToolCall { call_id, .. } => found(&Origin::Called(Arc::clone(call_id))),
        ItemBody::ToolResult { .. }
        | ItemBody::Assistant { verbatim: None, .. }
        | ItemBody::User(_)
        | ItemBody::Note(_) => return ours,
    };
    theirs.extend(ours);
    theirs.sort_unstable();
    theirs
}

/// With letters, digits, `_` and `-` only: all that the ids of OpenAI's API are known to hold.
fn plain(id: &Arc<str>) -> Arc<str> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if id.chars().all(known) {
        return Arc::clone(id);
    }
    id.chars().map(|c| if known(c) { c } else { '_' }).collect::<String>().into()
}

/// Empty texts say nothing, and the server refuses the result of a call that it does not know.
fn worth_sending(item: &Item, context: &[Item]) -> bool {
    match &item.body {
        ItemBody::User(text) | ItemBody::Note(text) | ItemBody::Assistant { text, .. } => {
            !text.trim().is_empty()
        }
        ItemBody::ToolCall { .. } => true,
        ItemBody::ToolResult { call_id: answered, .. } => {
            let before = context.iter().take_while(|other| other.id != item.id);
            before.into_iter().any(|other| {
                matches!(&other.body, ItemBody::ToolCall { call_id, .. } if call_id == answered)
            })
        }
    }
}

#[cfg(test)]
mod tests;
