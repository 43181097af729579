//! A front desk that follows rules, for demonstrations and tests of whole calls.

use serde_json::{Value, json};

use super::{
    prompt::{Prompt, Thread},
    reply::{Context, Reply, ToolCall},
};

const ANYTHING_ELSE: &str = "Is there anything else I can do for you?";
const WHICH_TIME: &str = "What day and time would suit you?";

pub(super) fn reply(context: &Context<'_>, thread: &Thread) -> Reply {
    match &thread.prompt {
        Prompt::Start => Reply::text("Hello, this is the front desk. How can I help you?"),
        Prompt::Caller { last, all } => answer(context, thread, last, all),
        Prompt::Tool { output } => after_tool(output),
        Prompt::Note { text } => after_note(text),
    }
}

/// What the receptionist can do besides speaking.
pub(super) enum Command<'a> {
    Press(&'a str),
    Transfer,
    EndCall,
    AskSupervisor(String),
    DoNotCall,
}

/// Phrases, any of which triggers the rule, and the reply.
type Rule = (&'static [&'static str], &'static str);

const RULES: &[Rule] = &[
    // Replies to the scenarios in `outbound`.
    (&["short survey", "two minutes"], "Yes, I have a moment. What would you like to know?"),
    (&["how satisfied", "scale from one to ten"], "I would say nine out of ten."),
    (&["i will wait"], "Thank you."),
    (&["like best"], "Everybody was very friendly."),
    (&["could be better", "improve"], "The waiting time could be shorter."),
    (&["how you are", "have you been"], "I am well, thank you. It is kind of you to ask."),
    (&["anything you need"], "I have everything that I need, but it is good to be asked."),
    (
        &["lost", "stolen", "debit card", "credit card", "new card"],
        "I am sorry to hear that. I can block the card right away and send you a new one. May I \
         have your name, please?",
    ),
    (
        &["opening hours", "open", "hours", "close", "closing"],
        "We are open from Monday to Friday, nine to five. Would you like to come by?",
    ),
    (
        &["address", "where are you", "location", "located", "directions", "find you"],
        "We are at 12 Harbour Street, right next to the station.",
    ),
    (
        &["appointment", "book", "schedule", "reschedule", "reservation", "table"],
        "I can arrange that for you. What day and time would suit you?",
    ),
    (
        &["my name is", "this is", "i am called"],
        "Thank you. I have noted your name. Is there anything else I can do for you?",
    ),
    (
        &["price", "cost", "how much", "charge"],
        "A visit costs forty dollars. Would you like to make an appointment?",
    ),
    (&["balance"], "For your balance I need your account number, please."),
    (&["thank you", "thanks"], "You are welcome. Is there anything else I can do for you?"),
    (&["still there", "are you there"], "Yes, I am here. How can I help you?"),
    (&["repeat", "say again", "pardon"], "Of course. How can I help you today?"),
    (&["how are you"], "I am very well, thank you. How can I help you?"),
    (&["hello", "hi", "hey", "good morning", "good afternoon"], "Hello. How can I help you today?"),
];

/// Several, so that a caller who is not understood does not hear the same reply twice in a row.
const FALLBACKS: &[&str] = &[
    "I understand. Could you tell me a little more?",
    "Let me make sure that I have this right. What do you need?",
    "I see. Shall I make an appointment for you?",
];

fn answer(context: &Context<'_>, thread: &Thread, last: &str, all: &str) -> Reply {
    let plain = plain(all);
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| has(&plain, phrase));
    if let Some(digit) = menu_digit(&plain, context.instructions) {
        return act(context, "", &Command::Press(&digit));
    }
    let done = says(&["bye", "goodbye", "that s all", "thats all", "that is all", "that was it"])
        || says(&["nothing else", "no thanks", "no thank you", "that was going to be it"])
        || (thread.before.contains(ANYTHING_ELSE) && says(&["no", "nope"]));
    if done {
        return act(context, "Thank you for calling. Goodbye.", &Command::EndCall);
    }
    if says(&["human", "real person", "operator", "representative", "agent", "somebody else"]) {
        return act(context, "Of course. I am putting you through now.", &Command::Transfer);
    }
    if says(&["refund", "discount", "money back", "cheaper"]) {
        let question = format!("The caller asks: {}", without_brackets(last));
        let text = "Let me ask a colleague about that. One moment, please.";
        return act(context, text, &Command::AskSupervisor(question));
    }
    if thread.before.contains(WHICH_TIME) && (has_time(&plain) || says(&["yes"])) {
        return Reply::text(format!("Very good, I have booked that for you. {ANYTHING_ELSE}"));
    }
    let rule = RULES.iter().find(|(phrases, _)| says(phrases));
    let text = rule.map_or(FALLBACKS[thread.callers.len() % FALLBACKS.len()], |(_, text)| text);
    if thread.notes.iter().any(|note| note.contains("differently")) {
        return Reply::text(format!("Let me put it this way. {text}"));
    }
    Reply::text(text)
}

/// Says `text` and carries out `command`: by its tool if the session has it, else in the text.
pub(super) fn act(context: &Context<'_>, text: &str, command: &Command<'_>) -> Reply {
    let (name, arguments, marker) = match command {
        Command::Press(digits) => {
            ("press", json!({"digits": digits}), format!("[[press:{digits}]]"))
        }
        Command::Transfer => ("transfer", json!({}), "[[transfer]]".to_owned()),
        Command::DoNotCall => ("do_not_call", json!({}), "[[do_not_call]]".to_owned()),
        Command::EndCall => ("end_call", json!({}), "[[end_call]]".to_owned()),
        Command::AskSupervisor(question) => {
            let marker = format!("[[request_user:{question}]]");
            ("request_user", json!({"prompt": question}), marker)
        }
    };
    if context.tools.contains(&name) {
        let call = ToolCall { name: name.to_owned(), arguments: arguments.to_string() };
        let text = if text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
        return Reply::chunked(text, vec![call]);
    }
    Reply::text(format!("{text} {marker}").trim_start())
}

/// Tells the caller the answer in a function's output, if there is one.
pub(super) fn after_tool(output: &str) -> Reply {
    let output: Value = serde_json::from_str(output).unwrap_or(Value::Null);
    let answer = ["answer", "response", "text"].iter().find_map(|name| output.get(name)?.as_str());
    Reply::text(match answer {
        Some(answer) => relayed(answer),
        None if output.get("error").is_some() => "I am sorry, that did not work.".to_owned(),
        None => "One moment, please.".to_owned(),
    })
}

/// Tells the caller the supervisor's answer in a note, or reacts to what else the note says.
pub(super) fn after_note(note: &str) -> Reply {
    let words = plain(note);
    let rule =
        NOTE_RULES.iter().find(|(phrases, _)| phrases.iter().any(|phrase| has(&words, phrase)));
    if let Some((_, text)) = rule {
        return Reply::text(*text);
    }
    Reply::text(answer_in(note).map_or_else(|| ANYTHING_ELSE.to_owned(), relayed))
}

const NOTE_RULES: &[Rule] = &[
    (&["silent", "silence", "said nothing", "nudge", "still there"], "Are you still there?"),
    (
        &["nobody answered", "did not answer", "no answer", "not answered"],
        "I am sorry, I could not reach my colleague just now. Is there anything else I can do for \
         you?",
    ),
    (&["pressed the keys", "pressed"], "Thank you, I have noted that. What can I do for you?"),
    (&["speak with the caller again"], "Here I am again. Is there anything else I can do for you?"),
    (&["line was lost"], "I am sorry, we lost each other for a moment. How can I help you?"),
    (&["not carried out"], "I am sorry, that did not work. Can I help you in another way?"),
    (
        &["not to be read out", "guidance"],
        "There is one more thing that I can do for you. Shall I tell you about it?",
    ),
];

/// The answer in a note: what follows «answer:», is in quotation marks, or follows the supervisor's
/// name.
fn answer_in(note: &str) -> Option<&str> {
    let quoted = || Some(note.split_once('"')?.1.rsplit_once('"')?.0);
    let named = || Some(note.strip_prefix("Supervisor")?.split_once(": ")?.1);
    let answer = note.rsplit_once("answer: ").map(|(_, answer)| answer);
    let answer = answer.or_else(quoted).or_else(named)?.trim();
    Some(answer.trim_matches('"')).filter(|answer| !answer.is_empty())
}

fn relayed(answer: &str) -> String {
    let answer = without_brackets(answer);
    let end = if answer.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("Thank you for waiting. My colleague says: {answer}{end} {ANYTHING_ELSE}")
}

/// The digit to press in a phone menu: of an option that the instructions mention, else of a human,
/// else of the first option.
fn menu_digit(menu: &str, instructions: &str) -> Option<String> {
    let options = options(menu);
    let goal = plain(instructions);
    let wanted = |label: &str| label.split(' ').any(|word| word.len() > 4 && has(&goal, word));
    let humans = ["operator", "representative", "agent", "speak", "reception"];
    let human = |label: &str| humans.iter().any(|word| has(label, word));
    let chosen = options
        .iter()
        .find(|(_, label)| wanted(label))
        .or_else(|| options.iter().find(|(_, label)| human(label)))
        .or_else(|| options.first());
    chosen.map(|(digit, _)| digit.clone())
}

/// The digits of a phone menu with their labels: «press 1 for sales» or «for sales press 1».
fn options(menu: &str) -> Vec<(String, &str)> {
    let mut pieces = menu.split("press ");
    let mut before = pieces.next().unwrap_or_default();
    let label_first = has(before, "for") || has(before, "to");
    let mut options = Vec::new();
    for piece in pieces {
        let (word, after) = piece.split_once(' ').unwrap_or((piece, ""));
        let label = if label_first && !before.trim().is_empty() { before } else { after };
        if let Some(digit) = digit(word) {
            options.push((digit, label));
        }
        before = after;
    }
    options
}

fn digit(word: &str) -> Option<String> {
    let spoken = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    if let Some(number) = spoken.iter().position(|name| *name == word) {
        return Some(number.to_string());
    }
    match word {
        "star" => Some("*".to_owned()),
        "pound" | "hash" => Some("#".to_owned()),
        _ => Some(word.to_owned())
            .filter(|word| word.len() == 1 && word.chars().all(|c| c.is_ascii_digit())),
    }
}

fn has_time(plain: &str) -> bool {
    let times = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "today",
        "tomorrow",
        "morning",
        "afternoon",
        "evening",
        "noon",
        "o clock",
        "am",
        "pm",
        "next week",
        "week",
    ];
    times.iter().any(|time| has(plain, time)) || plain.chars().any(|c| c.is_ascii_digit())
}

/// Lower case, single spaces, letters and digits only.
pub(super) fn plain(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Whether `phrase` is in `plain` as whole words.
pub(super) fn has(plain: &str, phrase: &str) -> bool {
    plain.match_indices(phrase).any(|(place, _)| {
        let before = plain[..place].chars().next_back();
        let after = plain[place + phrase.len()..].chars().next();
        before.is_none_or(|c| c == ' ') && after.is_none_or(|c| c == ' ')
    })
}

/// Quoted text without brackets, so that it cannot contain commands.
fn without_brackets(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c == '[' || c == ']');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_menu_is_answered_with_the_digit_to_press() {
        let menu = plain("For sales, press 1. For billing, press two. Press 0 for an operator.");
        assert_eq!(menu_digit(&menu, "Ask about billing."), Some("2".to_owned()));
        assert_eq!(menu_digit(&menu, ""), Some("0".to_owned()));
        assert_eq!(menu_digit(&plain("Press star to repeat"), ""), Some("*".to_owned()));
        assert_eq!(menu_digit(&plain("I read it in the press today"), ""), None);
    }

    #[test]
    fn a_supervisors_answer_is_found_in_a_note() {
        let note = "You asked your supervisor: May I? The answer: ten percent";
        assert_eq!(answer_in(note), Some("ten percent"));
        assert_eq!(answer_in("The supervisor answers: \"ten percent\"."), Some("ten percent"));
        assert_eq!(answer_in("Supervisor's reply: ten percent"), Some("ten percent"));
        assert_eq!(answer_in("The caller is Ann."), None);
    }

    #[test]
    fn phrases_are_whole_words() {
        assert!(has("i said hi there", "hi"));
        assert!(!has("this is it", "hi"));
    }
}
