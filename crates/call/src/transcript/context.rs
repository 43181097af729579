//! The context of a request to the model: the conversation as a list of items.

use std::sync::Arc;

use super::{EntryBody, Transcript};
use crate::event::Source;
use crate::ids::{ItemId, ItemKind};
use crate::model::{Item, ItemBody};

impl Transcript {
    /// The conversation as the model is told it.
    pub(crate) fn context(&self) -> Vec<Item> {
        let mut items = Vec::with_capacity(self.entries.len());
        for (place, entry) in (0..).zip(&self.entries) {
            // One event may make several entries, and a later event may replace an entry.
            let id = |kind| ItemId::new(kind, entry.seq, place);
            match &entry.body {
                EntryBody::Caller(text) => {
                    let heard = self.heard_as.get(&entry.seq).copied();
                    let body = ItemBody::User { text: text.clone(), heard };
                    items.push(Item { id: id(ItemKind::Entry), body });
                }
                EntryBody::Keys(keys) => items.push(Item {
                    id: ItemId::new(ItemKind::Keys, entry.seq, part(keys.len())),
                    body: ItemBody::Note(
                        format!("The caller pressed the keys {}.", spaced(keys)).into(),
                    ),
                }),
                EntryBody::Utterance { source: Source::Filler, .. } => {}
                EntryBody::Utterance { text, .. } if text.is_empty() => {}
                EntryBody::Utterance { text, interrupted: true, turn, verbatim, .. } => {
                    items.push(Item {
                        id: id(ItemKind::Entry),
                        body: ItemBody::Assistant {
                            text: broken_off(text),
                            verbatim: turn.filter(|_| *verbatim),
                        },
                    });
                }
                EntryBody::Utterance { text, turn, generated, verbatim, .. } => items.push(Item {
                    id: id(ItemKind::Entry),
                    body: ItemBody::Assistant {
                        text: generated.as_ref().unwrap_or(text).clone(),
                        verbatim: turn.filter(|_| *verbatim),
                    },
                }),
                EntryBody::Note(text) => {
                    items
                        .push(Item { id: id(ItemKind::Entry), body: ItemBody::Note(text.clone()) });
                }
                EntryBody::ToolCall(tool) => items.push(Item {
                    id: id(ItemKind::ToolCall),
                    body: ItemBody::ToolCall(Arc::clone(tool)),
                }),
                EntryBody::ToolResult { call_id, output } => items.push(Item {
                    id: id(ItemKind::ToolResult),
                    body: ItemBody::ToolResult { call_id: call_id.clone(), output: output.clone() },
                }),
            }
        }
        for (place, question) in (0..).zip(&self.questions) {
            let body = if let Some(tool) = &question.tool {
                // A model refuses a conversation with a tool call that has no result.
                ItemBody::ToolResult {
                    call_id: tool.call_id.as_str().into(),
                    output: r#"{"status":"pending"}"#.into(),
                }
            } else {
                let prompt = &question.prompt;
                ItemBody::Note(format!("You asked your supervisor: {prompt} No answer yet.").into())
            };
            items.push(Item { id: ItemId::new(ItemKind::Pending, self.seq, place), body });
        }
        items
    }
}

fn part(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Words that stopped where the caller interrupted them.
fn broken_off(text: &str) -> Arc<str> {
    let space = if text.ends_with(char::is_alphanumeric) { "" } else { " " };
    format!("{text}{space}—").into()
}

fn spaced(keys: &str) -> String {
    let mut text = String::with_capacity(keys.len() * 2);
    for key in keys.chars() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push(key);
    }
    text
}
