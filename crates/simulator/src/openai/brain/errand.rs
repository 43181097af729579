//! Somebody who has been sent to call: asks what the errand is about, one thing after another, and
//! says goodbye. Which errand it is, the instructions say.

use super::prompt::{Prompt, Thread};
use super::receptionist::{Command, act, after_note, after_tool, has, plain};
use super::{Context, Reply};

/// The function that only calls of ours have.
pub(super) const SIGN: &str = "do_not_call";

/// What is said, turn by turn; the last one is a goodbye.
type Moves = &'static [&'static str];

/// A word of the instructions, and what is said then.
const ERRANDS: &[(&str, Moves)] = &[
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
const INQUIRY: Moves = &[
    "Where can I find you, please?",
    "And would there be a discount for a new customer?",
    "And what does a visit cost?",
    "That is good to know. Thank you, that is all. Goodbye.",
];

pub(super) fn reply(context: &Context<'_>, thread: &Thread) -> Reply {
    let said = match &thread.prompt {
        Prompt::Start => return Reply::text(moves(context)[0]),
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
    let moves = moves(context);
    // Those who ask us to wait have not answered yet.
    let waits = |said: &&String| ["one moment", "let me ask"].iter().any(|w| has(&plain(said), w));
    let turn = thread.callers.iter().filter(|said| !waits(said)).count();
    match moves.get(turn.saturating_sub(1)) {
        Some(text) if turn < moves.len() => Reply::text(*text),
        _ => act(context, moves[moves.len() - 1], &Command::EndCall),
    }
}

fn moves(context: &Context<'_>) -> Moves {
    let goal = plain(context.instructions);
    ERRANDS.iter().find(|(word, _)| has(&goal, word)).map_or(INQUIRY, |(_, moves)| moves)
}
