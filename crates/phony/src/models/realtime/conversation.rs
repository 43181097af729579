//! The server's copy of the conversation, and how to make it what the call says it is.
//!
//! The call owns the conversation and hands all of it over with each request. The server keeps a
//! copy, item by item, of which it wrote some itself. [`Remote::reconcile`] compares the two and
//! says what to delete and what to create, so that a correction to what was really heard, a
//! supervisor's words, and the whole history after a new connection are one mechanism. In a plain
//! turn the difference is the caller's new words and nothing else.

use std::collections::{HashMap, HashSet};
use std::fmt;

use phony_call::{Item, ItemBody, ItemId, TurnId};

/// How names begin that are made here.
const AGAIN: &str = "again_";

/// What the server holds on one connection, in its order.
#[derive(Debug, Default)]
pub(crate) struct Remote {
    items: Vec<RemoteItem>,
    /// What was deleted on this connection: its name is not used again.
    gone: HashSet<Name>,
    spare: u32,
}

/// What the server calls an item. Numbers where it can be: a call of an hour has many items.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    /// As the call calls it.
    Item(ItemId),
    /// As we had to call it: its own name had been used up on this connection.
    Again(u32),
    /// As the server wanted.
    Theirs(Box<str>),
}

/// One change to the server's copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Remove an item.
    Delete {
        /// The server's name for it.
        id: Name,
    },
    /// Add an item.
    Create {
        /// What the server shall call it.
        id: Name,
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
    After(Name),
}

/// Whose item it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// We created it from the call's item of this id.
    Ours(ItemId),
    /// The model said it in this turn, to its end, and we passed all of it on.
    Said(TurnId),
    /// The model called a tool; this is the id of the call.
    Called(Box<str>),
    /// Nothing that the call could want to keep.
    Stray,
}

#[derive(Debug, Clone)]
struct RemoteItem {
    name: Name,
    origin: Origin,
}

impl Name {
    /// What the server calls so.
    fn of(text: &str) -> Self {
        let again = || text.strip_prefix(AGAIN)?.parse().ok();
        if let Some(id) = ItemId::parse(text) {
            Self::Item(id)
        } else if let Some(again) = again().map(Self::Again)
            && again.to_string() == text
        {
            again
        } else {
            Self::Theirs(text.into())
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(id) => id.fmt(f),
            Self::Again(number) => write!(f, "{AGAIN}{number}"),
            Self::Theirs(text) => f.write_str(text),
        }
    }
}

impl Remote {
    /// The server has a new last item. A second telling changes only the origin.
    pub(crate) fn appended(&mut self, id: &str, origin: Origin) {
        let name = Name::of(id);
        if let Some(known) = self.place_of(&name) {
            self.items[known].origin = origin;
        } else if !id.is_empty() {
            self.items.push(RemoteItem { name, origin });
        }
    }

    /// The server spoke of an item. One that neither we nor the model are known to have made is in
    /// nobody's interest.
    pub(crate) fn met(&mut self, id: &str) {
        let name = Name::of(id);
        if self.place_of(&name).is_none() && !self.gone.contains(&name) {
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
        self.place_of(&Name::of(id)).is_some()
    }

    fn place_of(&self, name: &Name) -> Option<usize> {
        // It is mostly of the last ones that the server speaks.
        self.items.iter().rposition(|item| item.name == *name)
    }

    /// What must be changed so that the server holds `context`, in the order to send it. The copy
    /// is taken to be changed already: events on one connection are processed in order.
    pub(crate) fn reconcile(&mut self, context: &[Item]) -> Vec<Edit> {
        let kept = self.matched(context);
        let keeps: HashSet<usize> = kept.iter().flatten().copied().collect();
        let old = std::mem::replace(&mut self.items, Vec::with_capacity(context.len() + 1));
        let gone = (old.iter().enumerate()).filter(|(index, _)| !keeps.contains(index));
        let gone: Vec<_> = gone.map(|(_, item)| item.name.clone()).collect();
        self.gone.extend(gone.iter().cloned());
        let mut edits: Vec<_> = gone.into_iter().map(|id| Edit::Delete { id }).collect();

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
            let name = self.fresh_name(item.id, &old);
            let place = if kept_so_far == last_kept {
                Place::Last
            } else {
                let before = self.items.last().map(|before| before.name.clone());
                before.map_or(Place::First, Place::After)
            };
            edits.push(Edit::Create { id: name.clone(), place, body: item.body.clone() });
            self.items.push(RemoteItem { name, origin: Origin::Ours(item.id) });
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
            if let ItemBody::ToolCall(tool) = &item.body {
                calls_kept.insert(&tool.call_id);
            }
            last = indexes.last().copied();
            matched.push(indexes);
        }
        matched
    }

    /// A name for an item that comes to those that the server had.
    fn fresh_name(&mut self, wanted: ItemId, old: &[RemoteItem]) -> Name {
        let mut name = Name::Item(wanted);
        while self.gone.contains(&name) || old.iter().any(|item| item.name == name) {
            self.spare += 1;
            name = Name::Again(self.spare);
        }
        name
    }
}

/// Which of the server's items, by what they come from, stand for an item of the call.
fn stand_ins(
    item: &Item,
    places: &HashMap<&Origin, Vec<usize>>,
    calls_kept: &HashSet<&str>,
) -> Vec<usize> {
    let found = |origin: &Origin| places.get(origin).cloned().unwrap_or_default();
    let ours = found(&Origin::Ours(item.id));
    let mut theirs = match &item.body {
        // A result whose call is made anew is made anew too: the server checks that it has one.
        ItemBody::ToolResult { call_id, .. } if !calls_kept.contains(&**call_id) => {
            return Vec::new();
        }
        ItemBody::Assistant { verbatim: Some(turn), .. } => found(&Origin::Said(*turn)),
        ItemBody::ToolCall(tool) => found(&Origin::Called(tool.call_id.as_str().into())),
        ItemBody::ToolResult { .. }
        | ItemBody::Assistant { verbatim: None, .. }
        | ItemBody::User(_)
        | ItemBody::Note(_) => return ours,
    };
    theirs.extend(ours);
    theirs.sort_unstable();
    theirs
}

/// Empty texts say nothing, and the server refuses the result of a call that it does not know.
fn worth_sending(item: &Item, context: &[Item]) -> bool {
    match &item.body {
        ItemBody::User(text) | ItemBody::Note(text) | ItemBody::Assistant { text, .. } => {
            !text.trim().is_empty()
        }
        ItemBody::ToolCall(_) => true,
        ItemBody::ToolResult { call_id: answered, .. } => {
            let before = context.iter().take_while(|other| other.id != item.id);
            before.into_iter().any(|other| {
                matches!(&other.body, ItemBody::ToolCall(tool) if tool.call_id == **answered)
            })
        }
    }
}

#[cfg(test)]
mod tests;
