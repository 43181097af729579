//! The server's copy of the conversation, and how to reconcile it with the call's.
//!
//! The call owns the conversation and passes all of it with each request. The server keeps a copy
//! as a list of items, some of which it created itself. [`Remote::reconcile`] compares the two and
//! returns what to delete and what to create. So a correction to what was really heard, a
//! supervisor's words, and the whole history on a new connection are one mechanism. In a plain turn
//! the only difference is the caller's new words.
//!
//! What the server has heard itself is kept wherever it is, also before the call knows what it was.

use std::collections::{HashMap, HashSet};
use std::fmt;

use phony_call::{Item, ItemBody, ItemId, TurnId, UtteranceId};

/// The prefix of names that are made up here.
const AGAIN: &str = "again_";

/// The items that the server holds on one connection, in its order.
#[derive(Debug, Default)]
pub(crate) struct Remote {
    items: Vec<RemoteItem>,
    /// Names of deleted items, which are not used again on this connection.
    deleted: HashSet<Name>,
    /// How many names were made up.
    made_up: u32,
}

/// An item's id on the server, as numbers where possible, since a long call has many items.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    /// The id that the item has in the call.
    Item(ItemId),
    /// A name made up because the item's id was already used on this connection.
    Again(u32),
    /// An id that the server chose.
    Server(Box<str>),
}

/// One change to the server's copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Remove an item.
    Delete {
        /// Its id on the server.
        id: Name,
    },
    /// Add an item.
    Create {
        /// Its id on the server.
        id: Name,
        /// Where.
        position: Position,
        /// The content.
        body: ItemBody,
    },
}

/// Where an item is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Position {
    /// At the end.
    Last,
    /// Before all others.
    First,
    /// Behind this one.
    After(Name),
}

/// Where an item of the server comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// Created here from the call's item of this id.
    Created(ItemId),
    /// A part of the model's reply of this turn that stands for what was said: written and passed
    /// on as a whole, or spoken and cut to what was heard.
    Said(TurnId),
    /// What the server has heard the caller say: this utterance, or one that has no number yet.
    Heard(Option<UtteranceId>),
    /// The model's tool call of this id.
    Called(Box<str>),
    /// Anything else; it is deleted.
    Stray,
}

#[derive(Debug, Clone)]
struct RemoteItem {
    name: Name,
    origin: Origin,
}

impl Name {
    /// Parses an id of the server.
    pub(crate) fn of(text: &str) -> Self {
        let again = || text.strip_prefix(AGAIN)?.parse().ok();
        if let Some(id) = ItemId::parse(text) {
            Self::Item(id)
        } else if let Some(again) = again().map(Self::Again)
            && again.to_string() == text
        {
            again
        } else {
            Self::Server(text.into())
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(id) => id.fmt(f),
            Self::Again(number) => write!(f, "{AGAIN}{number}"),
            Self::Server(text) => f.write_str(text),
        }
    }
}

impl Remote {
    /// The server has a new last item. For a known item, only the origin is changed.
    pub(crate) fn appended(&mut self, id: &str, origin: Origin) {
        let name = Name::of(id);
        if let Some(known) = self.index_of(&name) {
            self.items[known].origin = origin;
        } else if !id.is_empty() {
            self.items.push(RemoteItem { name, origin });
        }
    }

    /// The server has heard something, and added it behind another item, or at the end.
    pub(crate) fn heard(
        &mut self,
        id: &str,
        previous: Option<&str>,
        utterance: Option<UtteranceId>,
    ) {
        let (name, origin) = (Name::of(id), Origin::Heard(utterance));
        let previous = previous.and_then(|previous| self.index_of(&Name::of(previous)));
        if let (None, Some(previous)) = (self.index_of(&name), previous) {
            self.items.insert(previous + 1, RemoteItem { name, origin });
        } else {
            self.appended(id, origin);
        }
    }

    /// The server mentioned an item. One of unknown origin is taken for a stray.
    pub(crate) fn note(&mut self, id: &str) {
        let name = Name::of(id);
        if self.index_of(&name).is_none() && !self.deleted.contains(&name) {
            self.appended(id, Origin::Stray);
        }
    }

    /// The reply of this turn was cut short: its items, except those to keep, no longer stand for
    /// what the model said.
    pub(crate) fn discard_reply(&mut self, turn: TurnId, keep: impl Fn(&Name) -> bool) {
        for item in &mut self.items {
            if item.origin == Origin::Said(turn) && !keep(&item.name) {
                item.origin = Origin::Stray;
            }
        }
    }

    /// Takes an item out, to have it deleted now; false if the server does not hold it.
    pub(crate) fn remove(&mut self, name: &Name) -> bool {
        let Some(index) = self.index_of(name) else { return false };
        let item = self.items.remove(index);
        self.deleted.insert(item.name)
    }

    /// Whether the server is known to hold this item.
    pub(crate) fn holds(&self, name: &Name) -> bool {
        self.index_of(name).is_some()
    }

    /// Whether the server is known to hold this item, or to have held it.
    pub(crate) fn has_had(&self, id: &str) -> bool {
        let name = Name::of(id);
        self.holds(&name) || self.deleted.contains(&name)
    }

    fn index_of(&self, name: &Name) -> Option<usize> {
        // The server mostly mentions recent items.
        self.items.iter().rposition(|item| item.name == *name)
    }

    /// The edits that make the server hold `context`, in the order to send them. They count as done
    /// at once, since the server processes events in order.
    pub(crate) fn reconcile(&mut self, context: &[Item]) -> Vec<Edit> {
        let matched = self.matched(context);
        let old = std::mem::replace(&mut self.items, Vec::with_capacity(context.len() + 1));
        let wanted: HashSet<usize> = matched.iter().flatten().copied().collect();
        let is_heard = |item: &RemoteItem| matches!(item.origin, Origin::Heard(_));
        let (mut kept, mut edits) = (Vec::with_capacity(old.len()), Vec::new());
        for (index, item) in old.iter().enumerate() {
            if wanted.contains(&index) || is_heard(item) {
                kept.push(index);
            } else {
                self.deleted.insert(item.name.clone());
                edits.push(Edit::Delete { id: item.name.clone() });
            }
        }
        let mut kept = kept.into_iter().peekable();
        for (item, indexes) in context.iter().zip(&matched) {
            if let Some(last) = indexes.iter().max() {
                // What was heard out of order must not hurry on what comes later.
                let is_anchor = !is_heard(&old[*last]);
                let is_due = |index: &usize| index <= last && (is_anchor || is_heard(&old[*index]));
                while let Some(index) = kept.next_if(is_due) {
                    self.items.push(old[index].clone());
                }
                continue;
            }
            if !worth_sending(item, context) {
                continue;
            }
            let name = self.fresh_name(item.id, &old);
            let position = if kept.peek().is_none() {
                Position::Last
            } else {
                let before = self.items.last().map(|before| before.name.clone());
                before.map_or(Position::First, Position::After)
            };
            edits.push(Edit::Create { id: name.clone(), position, body: item.body.clone() });
            self.items.push(RemoteItem { name, origin: Origin::Created(item.id) });
        }
        self.items.extend(kept.map(|index| old[index].clone()));
        edits
    }

    /// For each item of the call, the indexes of the server's items that stand for it. An item out
    /// of order counts as missing: it is deleted, and created again in its place. What the server
    /// has heard cannot be created again, and may be anywhere.
    fn matched(&self, context: &[Item]) -> Vec<Vec<usize>> {
        let mut by_origin: HashMap<&Origin, Vec<usize>> = HashMap::with_capacity(self.items.len());
        for (index, item) in self.items.iter().enumerate() {
            by_origin.entry(&item.origin).or_default().push(index);
        }
        let mut last: Option<usize> = None;
        let mut calls_kept: HashSet<&str> = HashSet::new();
        let mut matched = Vec::with_capacity(context.len());
        for item in context {
            if let ItemBody::User { heard: heard @ Some(_), .. } = item.body
                && let Some(indexes) = by_origin.get(&Origin::Heard(heard))
            {
                matched.push(indexes.clone());
                continue;
            }
            let indexes = stand_ins(item, &by_origin, &calls_kept);
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

    /// A name for a new item that none of the server's items has or had.
    fn fresh_name(&mut self, wanted: ItemId, old: &[RemoteItem]) -> Name {
        let mut name = Name::Item(wanted);
        while self.deleted.contains(&name) || old.iter().any(|item| item.name == name) {
            self.made_up += 1;
            name = Name::Again(self.made_up);
        }
        name
    }
}

/// The indexes of the server's items that stand for an item of the call, found by origin.
fn stand_ins(
    item: &Item,
    by_origin: &HashMap<&Origin, Vec<usize>>,
    calls_kept: &HashSet<&str>,
) -> Vec<usize> {
    let found = |origin: &Origin| by_origin.get(origin).cloned().unwrap_or_default();
    let created = found(&Origin::Created(item.id));
    let mut indexes = match &item.body {
        // The result of a recreated tool call is recreated too: the server requires the call first.
        ItemBody::ToolResult { call_id, .. } if !calls_kept.contains(&**call_id) => {
            return Vec::new();
        }
        ItemBody::Assistant { verbatim: Some(turn), .. } => found(&Origin::Said(*turn)),
        ItemBody::ToolCall(tool) => found(&Origin::Called(tool.call_id.as_str().into())),
        ItemBody::ToolResult { .. }
        | ItemBody::Assistant { verbatim: None, .. }
        | ItemBody::User { .. }
        | ItemBody::Note(_) => return created,
    };
    indexes.extend(created);
    indexes.sort_unstable();
    indexes
}

/// Whether the server takes the item: it refuses the result of an unknown tool call, and an empty
/// text is pointless.
fn worth_sending(item: &Item, context: &[Item]) -> bool {
    match &item.body {
        ItemBody::User { text, .. } | ItemBody::Note(text) | ItemBody::Assistant { text, .. } => {
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
