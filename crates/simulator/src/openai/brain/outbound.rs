//! An agent that places calls: it asks the questions of its scenario one after another, then says
//! goodbye. The scenario is recognised by a word in the instructions.

use super::prompt::{Prompt, Thread};
use super::receptionist::{Command, act, after_note, after_tool, has, plain};
use super::reply::{Context, Reply};

/// The tool that marks an outbound call: no other session has it.
pub(super) const TOOL: &str = "do_not_call";

/// What is said, turn by turn, ending with a goodbye.
type Sentences = &'static [&'static str];

/// A phrase in the instructions, and the sentences of its scenario.
const SCENARIOS: &[(&str, Sentences)] = &[
    (
        "survey",
        &[
            "Thank you. On a scale from one to ten, how satisfied were you with us?",
            "What did you like best?",
            "And what could be better?",
            "Thank you very much for your time. Goodbye.",
        ],
    ),
    (
        "appointment",
        &[
            "I would like to make an appointment, please.",
            "Tomorrow at ten in the morning would be fine.",
            "Thank you, I have noted that. Goodbye.",
        ],
    ),
    (
        "how they are",
        &[
            "How have you been lately?",
            "I am glad that you told me. Is there anything you need?",
            "Thank you for talking with me. Take care, and goodbye.",
        ],
    ),
];
const INQUIRY: Sentences = &[
    "Where can I find you, please?",
    "And would there be a discount for a new customer?",
    "And what does a visit cost?",
    "That is good to know. Thank you, that is all. Goodbye.",
];

pub(super) fn reply(context: &Context<'_>, thread: &Thread) -> Reply {
    let said = match &thread.prompt {
        Prompt::Start => return Reply::text(sentences(context)[0]),
        Prompt::Tool { output } => return after_tool(output),
        Prompt::Note { text } => return after_note(text),
        Prompt::Caller { all, .. } => plain(all),
    };
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| has(&said, phrase));
    if says(&["call me again", "call again", "stop calling", "not call", "t call"]) {
        let text = "I am sorry for the trouble. You will not be called again. Goodbye.";
        return act(context, text, &Command::DoNotCall);
    }
    if says(&["robot", "machine", "real person", "are you human", "who are you"]) {
        return Reply::text("I am an automated assistant, not a person. May I go on?");
    }
    if says(&["bye", "goodbye", "wrong number", "no time", "not interested"]) {
        return act(context, "Thank you all the same. Goodbye.", &Command::EndCall);
    }
    if says(&["one moment", "let me ask", "let me check", "just a moment"]) {
        return Reply::text("Of course, I will wait.");
    }
    let sentences = sentences(context);
    // A caller who asks to wait has not answered yet.
    let waits = |said: &&String| ["one moment", "let me ask"].iter().any(|w| has(&plain(said), w));
    let turn = thread.callers.iter().filter(|said| !waits(said)).count();
    match sentences.get(turn.saturating_sub(1)) {
        Some(text) if turn < sentences.len() => Reply::text(*text),
        _ => act(context, sentences[sentences.len() - 1], &Command::EndCall),
    }
}

fn sentences(context: &Context<'_>) -> Sentences {
    let goal = plain(context.instructions);
    SCENARIOS.iter().find(|(word, _)| has(&goal, word)).map_or(INQUIRY, |(_, sentences)| sentences)
}
