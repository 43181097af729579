//! Brains: what decides the stand-in's replies.
//!
//! A brain has no state. As with a real model, each reply follows from the context alone
//! (instructions, items and tools), so a conversation that is rebuilt on another socket continues
//! as before, and a reply that broke off is continued instead of begun again.
//!
//! To add a brain, add a variant to [`Brain`] and a function from a [`Prompt`] to its reply.

mod outbound;
mod prompt;
mod receptionist;
mod recording;
mod script;

use std::sync::Arc;

pub use recording::{RecordedTurn, Recording, Who};
pub use script::{ScriptedReply, When};

use super::{item::Item, pace::DeltaSize};
use crate::latency_probe::LatencyProbe;
use prompt::{Prompt, Thread};

/// What decides the stand-in's replies.
#[derive(Clone, Debug, Default)]
pub enum Brain {
    /// Repeats what was said: `You said: …`.
    #[default]
    Echo,
    /// Says what its script has for each message.
    Script(Vec<ScriptedReply>),
    /// A front desk that follows a few rules: opening hours, address, appointments, lost cards. It
    /// asks the supervisor about refunds and discounts, transfers to a human, presses the digits of
    /// a phone menu, and hangs up after a goodbye. It does so by the tools `press`, `transfer`,
    /// `end_call` and `request_user` where the session has them, else by `[[press:1]]`,
    /// `[[transfer]]`, `[[end_call]]` and `[[request_user:…]]` in its text. Where it places the
    /// call (the session has the tool `do_not_call`), it follows a scenario instead.
    Receptionist,
    /// Says what the agent of a recorded call said at the same point of the conversation.
    Transcript(Recording),
    /// Says numbered words, whatever it is told, for a load test.
    Numbers(Arc<LatencyProbe>),
}

/// A call of one of the session's functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The function's name.
    pub name: String,
    /// Its arguments, as JSON text.
    pub arguments: String,
}

/// What a brain knows.
pub(super) struct Context<'a> {
    /// The instructions of this one response, if it has its own.
    pub(super) response_instructions: Option<&'a str>,
    /// The instructions in force: the response's own or the session's.
    pub(super) instructions: &'a str,
    pub(super) items: &'a [Item],
    /// The names of the functions that may be called.
    pub(super) tools: Vec<&'a str>,
}

/// A brain's reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    /// A single piece is split as the pace says; several are sent as they are.
    text: Vec<String>,
    pub(super) calls: Vec<ToolCall>,
}

impl Brain {
    /// The reply to this context, or the rest of a reply that has begun.
    pub(super) fn reply(&self, context: &Context<'_>) -> Reply {
        if let Some(text) = context.response_instructions.and_then(said_exactly) {
            return Reply::text(text);
        }
        let thread = Thread::read(context.items);
        let reply = match self {
            Self::Echo => echo(&thread.prompt),
            Self::Script(replies) => script::reply(replies, &thread),
            Self::Receptionist if context.tools.contains(&outbound::TOOL) => {
                outbound::reply(context, &thread)
            }
            Self::Receptionist => receptionist::reply(context, &thread),
            Self::Transcript(recording) => recording.reply(&thread),
            Self::Numbers(probe) => return Reply { text: probe.words(), calls: Vec::new() },
        };
        reply.without_said(&thread.said)
    }
}

impl Reply {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { text: vec![text.into()], calls: Vec::new() }
    }

    pub(super) fn call(call: ToolCall) -> Self {
        Self { text: Vec::new(), calls: vec![call] }
    }

    /// The pieces in which the text is sent.
    pub(super) fn chunks(&self, size: DeltaSize) -> Vec<String> {
        match self.text.as_slice() {
            [whole] => size.split(whole),
            pieces => pieces.iter().filter(|piece| !piece.is_empty()).cloned().collect(),
        }
    }

    /// The rest of this reply after `said`, or all of it if it does not begin with that. A reply
    /// that the caller interrupted at its very end is followed by a question.
    fn without_said(mut self, said: &str) -> Self {
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

/// The text after `Say exactly:` in instructions (OpenAI Realtime guide, conversations).
fn said_exactly(instructions: &str) -> Option<&str> {
    const DEMAND: &str = "say exactly:";
    let place = instructions.to_ascii_lowercase().find(DEMAND)?;
    Some(instructions[place + DEMAND.len()..].trim()).filter(|text| !text.is_empty())
}

fn echo(prompt: &Prompt) -> Reply {
    Reply::text(match prompt {
        Prompt::Start => "Hello.".to_owned(),
        Prompt::Caller { last, .. } => format!("You said: {last}"),
        Prompt::Tool { output } => format!("The tool said: {output}"),
        Prompt::Note { text } => format!("I was told: {text}"),
    })
}
