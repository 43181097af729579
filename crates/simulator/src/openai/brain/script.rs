//! Scripted replies.

use super::{
    prompt::{Prompt, Thread},
    reply::{Reply, ToolCall},
};

/// One reply, and what it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptedReply {
    /// What it answers.
    pub when: When,
    /// Its text. A single chunk is split into deltas as the pace says; several are sent as they
    /// are.
    pub chunks: Vec<String>,
    /// The functions it calls after its text.
    pub calls: Vec<ToolCall>,
}

/// What a scripted reply answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// The next message in order. The first such reply answers the first message of the caller (or
    /// function result) that no phrase matches, the second reply the second, and so on.
    Next,
    /// A message, function result or system note that contains this, in upper or lower case.
    /// Phrases take precedence over order.
    Says(String),
    /// A response requested before the caller has said anything: a greeting.
    Start,
}

impl ScriptedReply {
    /// Answers the next message.
    pub fn next(text: impl Into<String>) -> Self {
        Self { when: When::Next, chunks: vec![text.into()], calls: Vec::new() }
    }

    /// Answers a message that contains `phrase`.
    pub fn on(phrase: impl Into<String>, text: impl Into<String>) -> Self {
        Self { when: When::Says(phrase.into()), ..Self::next(text) }
    }

    /// Speaks first.
    pub fn start(text: impl Into<String>) -> Self {
        Self { when: When::Start, ..Self::next(text) }
    }

    /// Sends exactly these deltas.
    #[must_use]
    pub fn in_chunks(mut self, chunks: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.chunks = chunks.into_iter().map(Into::into).collect();
        self
    }

    /// Calls a function after the text; `arguments` is JSON text.
    #[must_use]
    pub fn with_call(mut self, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        self.calls.push(ToolCall { name: name.into(), arguments: arguments.into() });
        self
    }
}

pub(super) fn reply(replies: &[ScriptedReply], thread: &Thread) -> Reply {
    let found = match &thread.prompt {
        Prompt::Start => replies.iter().find(|reply| reply.when == When::Start),
        Prompt::Caller { last, .. } => on_phrase(replies, last).or_else(|| next(replies, thread)),
        Prompt::Tool { output } => on_phrase(replies, output).or_else(|| next(replies, thread)),
        Prompt::Note { text } => on_phrase(replies, text),
    };
    let Some(found) = found else {
        return Reply::text(match thread.prompt {
            Prompt::Start => "Hello, how can I help you?",
            Prompt::Caller { .. } | Prompt::Tool { .. } => "My script has no more replies.",
            Prompt::Note { .. } => "I see. Thank you for waiting.",
        });
    };
    let text = found.chunks.iter().filter(|chunk| !chunk.is_empty()).cloned().collect();
    Reply::chunked(text, found.calls.clone())
}

/// The next reply in order: its index is the number of earlier messages that no phrase matched.
fn next<'a>(replies: &'a [ScriptedReply], thread: &Thread) -> Option<&'a ScriptedReply> {
    let unclaimed = thread.asked.iter().filter(|text| on_phrase(replies, text).is_none());
    let place = unclaimed.count().checked_sub(1)?;
    replies.iter().filter(|reply| reply.when == When::Next).nth(place)
}

fn on_phrase<'a>(replies: &'a [ScriptedReply], text: &str) -> Option<&'a ScriptedReply> {
    let text = text.to_lowercase();
    replies.iter().find(|reply| match &reply.when {
        When::Says(phrase) => text.contains(&phrase.to_lowercase()),
        When::Next | When::Start => false,
    })
}
