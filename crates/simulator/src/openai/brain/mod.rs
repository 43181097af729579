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
mod reply;
mod script;

use std::sync::Arc;

pub use recording::{RecordedTurn, Recording, Who};
pub use reply::ToolCall;
pub use script::{ScriptedReply, When};

use crate::latency_probe::LatencyProbe;
use prompt::{Prompt, Thread};

pub(super) use reply::{Context, Reply};

/// What decides the stand-in's replies.
///
/// Every brain obeys a response whose own instructions have `Say exactly:`, in upper or lower case:
/// it says all that follows, word for word.
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
    /// `[[transfer]]`, `[[end_call]]` and `[[request_user:…]]` in its text. On an outbound
    /// call, which it recognises by the tool `do_not_call`, it follows a scenario instead.
    Receptionist,
    /// Says what the agent of a recorded call said at the same point of the conversation.
    Transcript(Recording),
    /// Says numbered words, whatever it is told, for a load test.
    Numbers(Arc<LatencyProbe>),
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
            Self::Numbers(probe) => return Reply::chunked(probe.words(), Vec::new()),
        };
        reply.without_said(&thread.said)
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
