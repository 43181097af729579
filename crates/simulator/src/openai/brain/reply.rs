//! What a brain is given, and what it replies.

use super::prompt;
use crate::openai::{item::Item, pace::DeltaSize};

/// A call of one of the session's functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The function's name.
    pub name: String,
    /// Its arguments, as JSON text.
    pub arguments: String,
}

/// What a brain knows.
pub(in crate::openai) struct Context<'a> {
    /// The instructions of this one response, if it has its own.
    pub(in crate::openai) response_instructions: Option<&'a str>,
    /// The instructions in force: the response's own or the session's.
    pub(in crate::openai) instructions: &'a str,
    pub(in crate::openai) items: &'a [Item],
    /// The names of the functions that may be called.
    pub(in crate::openai) tools: Vec<&'a str>,
}

/// A brain's reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::openai) struct Reply {
    /// A single piece is split as the pace says; several are sent as they are.
    text: Vec<String>,
    pub(in crate::openai) calls: Vec<ToolCall>,
}

impl Reply {
    /// A reply sent in these pieces, then function calls.
    pub(super) fn chunked(text: Vec<String>, calls: Vec<ToolCall>) -> Self {
        Self { text, calls }
    }

    pub(in crate::openai) fn text(text: impl Into<String>) -> Self {
        Self { text: vec![text.into()], calls: Vec::new() }
    }

    pub(in crate::openai) fn call(call: ToolCall) -> Self {
        Self { text: Vec::new(), calls: vec![call] }
    }

    /// The pieces in which the text is sent.
    pub(in crate::openai) fn chunks(&self, size: DeltaSize) -> Vec<String> {
        match self.text.as_slice() {
            [whole] => size.split(whole),
            pieces => pieces.iter().filter(|piece| !piece.is_empty()).cloned().collect(),
        }
    }

    /// The rest of this reply after `said`, or all of it if it does not begin with that. A reply
    /// that the caller interrupted at its very end is followed by a question.
    pub(super) fn without_said(mut self, said: &str) -> Self {
        if said.trim().is_empty() {
            return self;
        }
        // Interrupted text ends in a dash that was not said.
        let words = said.strip_suffix('—').unwrap_or(said);
        let Some(mut skip) = prompt::prefix_length(&self.text.concat(), words) else { return self };
        for piece in &mut self.text {
            let cut = skip.min(piece.len());
            piece.drain(..cut);
            skip -= cut;
        }
        self.text.retain(|piece| !piece.is_empty());
        // Nothing is left to say, except after an interruption.
        if self.text.is_empty() && self.calls.is_empty() && said.ends_with('—') {
            return Self::text("Are you still there?");
        }
        self
    }
}
