use proptest::prelude::*;

use super::*;

fn spoken(chunks: &[&str]) -> String {
    let mut speech = Speakable::default();
    let mut text: String = chunks.iter().map(|chunk| speech.push(chunk)).collect();
    text.push_str(&speech.flush());
    text
}

#[test]
fn what_is_for_a_page_or_a_machine_is_silent_in_every_split() {
    for (written, expected) in [
        // Markdown.
        ("That is **very** kind.", "That is very kind."),
        ("*Really*, __truly__ _so_.", "Really, truly so."),
        ("***both*** and ~~gone~~", "both and gone"),
        (
            "# Hours\n\n- Monday\n* Tuesday\n+ Wednesday\n> Sunday",
            "Hours  Monday Tuesday Wednesday Sunday",
        ),
        ("Say `yes`.", "Say yes."),
        ("```json\n{\"a\": 1}\n```\nDone.", "   Done."),
        ("See [our page](https://example.com/a_b) now.", "See our page now."),
        ("Monday | Tuesday", "Monday   Tuesday"),
        ("Fish &amp; chips&nbsp;here", "Fish & chips here"),
        // Tags.
        ("A <b>big</b> one.", "A big one."),
        ("One<br/>two<break time=\"1s\"/>three", "One two three"),
        ("<speak>Hello</speak>", "Hello"),
        ("Yes.</s", "Yes."),
        ("<think>They want [now] < money > here.</think>Sure.", "Sure."),
        ("Sure.<tool_call>{\"name\": \"end_call\"}</tool_call>", "Sure."),
        (
            "Sure.<invoke name=\"transfer\"><parameter name=\"number\">+1</parameter></invoke>",
            "Sure.",
        ),
        ("Sure.<function=transfer>{\"number\": \"+1\"}</function> Yes.", "Sure. Yes."),
        ("<|channel|>Sure.<|end|>", "Sure."),
        ("One<br />two <!-- a note --> <a href=\"x y\" id=z>three</a>", "One two  three"),
        // The address is the word.
        ("Write to <info@example.com>.", "Write to info@example.com."),
        ("See <https://example.com/a_b>.", "See https://example.com/a_b."),
        // Commands as functions.
        ("One moment. transfer({\"number\": \"+15005550177\"})", "One moment. "),
        ("One moment. transfer({\"number\": \"+1500", "One moment. "),
        ("functions.transfer({\"number\": \"+15005550177\"}) One moment.", " One moment."),
        ("Fine. press(1#) Done.", "Fine.  Done."),
        ("Fine. press {\"digits\": \"1\"}", "Fine. "),
        ("Fine. press(digits=\"1\")", "Fine. "),
        ("Goodbye. end_call()", "Goodbye. "),
        ("Goodbye. end_call", "Goodbye. "),
        ("Goodbye. [end_call]", "Goodbye. "),
        ("Fine. [press: 1] Done. [transfer]", "Fine.  Done. "),
        ("request_user(\"May (I)?\") I will ask.", " I will ask."),
        ("request_user: May I?\nI will ask.", " I will ask."),
        ("Fine. {\"digits\": \"1 } 2\"} Done.", "Fine.  Done."),
        ("Goodbye. {{end_call}}", "Goodbye. "),
        // Controls and what could not be read.
        ("a\u{0}b\u{7f}c\u{85}d\re", "abc d e"),
        ("\u{1b}[1mbold\u{1b}[0m \u{1b}x", "bold x"),
        ("Sure \u{fffd}\u{fffd}\u{fffd}.", "Sure ."),
        ("zero\u{200b}width\u{feff}", "zerowidth"),
    ] {
        assert_eq!(spoken(&[written]), expected, "{written:?}");
        let each: Vec<String> = written.chars().map(String::from).collect();
        let each: Vec<&str> = each.iter().map(String::as_str).collect();
        assert_eq!(spoken(&each), expected, "{written:?} by characters");
        for at in written.char_indices().map(|(at, _)| at) {
            let split = [&written[..at], &written[at..]];
            assert_eq!(spoken(&split), expected, "{written:?} split at {at}");
        }
    }
}

#[test]
fn words_signs_and_numbers_pass_as_they_are() {
    for text in [
        "Press * or #, then 5 * 3.",
        "Dial *67 or *#06#.",
        "I can transfer you, or press on. Transfer (free of charge) takes a minute.",
        "We do transfer(s). The press is here. Tools function.",
        "It is < 5 and > 3, a<b, I <3 you.",
        "If a<b and c>d, then x<y.",
        "Mail first_name@example.com.",
        "Press (*), \"*\" or '#': C# is 5*3*2, a 4* hotel.",
        "1. First 2) Second \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{915}\u{94d}\u{200d}\u{937}",
        "R&D & AT&T, 50% - that's $5 + tax.",
        "-5 degrees. +1 500 555 0006. #1",
        "[now] and [1], 7 (seven).",
        "~5 minutes",
        "na\u{ef}ve \u{4f60}\u{597d} \u{1f600} e\u{301}",
        " leading and trailing ",
    ] {
        assert_eq!(spoken(&[text]), text);
        let each: Vec<String> = text.chars().map(String::from).collect();
        let each: Vec<&str> = each.iter().map(String::as_str).collect();
        assert_eq!(spoken(&each), text);
    }
}

#[test]
fn an_underscore_within_a_word_is_said_behind_one_that_opens() {
    assert_eq!(
        spoken(&["_id and first_name, _so called_ a_b"]),
        "id and first_name, so called a_b"
    );
}

#[test]
fn a_comparison_is_not_held_back_to_its_end() {
    let mut speech = Speakable::default();
    assert_eq!(speech.push("if a<b then "), "if a<b then ");
}

#[test]
fn only_what_is_undecided_is_held_back() {
    let mut speech = Speakable::default();
    assert_eq!(speech.push("I can trans"), "I can ");
    assert_eq!(speech.push("late. One *"), "translate. One ");
    assert_eq!(speech.push(" two"), "* two");
    assert_eq!(speech.push(" plain words, as they come"), " plain words, as they come");
}

#[test]
fn an_endless_object_keeps_no_more_than_its_limit() {
    let mut speech = Speakable::default();
    assert_eq!(speech.push("{\""), "");
    for _ in 0..1000 {
        speech.push(&"x".repeat(100));
        assert!(speech.held.len() <= LONGEST_OBJECT + 100);
    }
}

#[test]
fn dots_and_pictures_are_silence() {
    for silent in ["", " \n", "\u{2026}", "...", "- ?!", "\u{1f600}", "\u{200b}\u{200d}", "**"] {
        assert!(!is_audible(silent), "{silent:?}");
    }
    assert!(is_audible("\u{2026} 5") && is_audible("\u{4f60}"));
}

#[test]
fn a_line_is_given_no_control_character() {
    assert_eq!(without_controls("one\r\ntwo\u{0}\u{1b}[1m"), "one  two[1m");
    assert!(matches!(without_controls("**as it is** {x}"), Cow::Borrowed(_)));
}

proptest! {
    #[test]
    fn the_split_changes_nothing_and_no_control_character_is_spoken(
        parts in prop::collection::vec(prop_oneof![
            3 => "[a-z ]{1,8}",
            3 => prop::sample::select(vec![
                "*", "**", "_", "`", "```", "#", "- ", "\n", "<", ">", "<b>", "</", "{", "}", "\"",
                "(", ")", "[", "]", "](http", "transfer", "press", "end_call", "functions.", "&amp;",
                "&", "<think>", "</think>", "\u{1b}[", "1m", "\u{0}", "\u{fffd}", "5", ".", ":", "é",
            ]).prop_map(str::to_owned),
        ], 0..24),
        cuts in prop::collection::vec(1usize..9, 0..60),
    ) {
        let whole = parts.concat();
        let chars: Vec<char> = whole.chars().collect();
        let (mut rest, mut chunks) = (&chars[..], Vec::new());
        for cut in cuts {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            chunks.push(head.iter().collect::<String>());
            rest = tail;
        }
        chunks.push(rest.iter().collect());
        let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
        let split = spoken(&chunks);
        prop_assert_eq!(&split, &spoken(&[&whole]), "{:?}", chunks);
        prop_assert!(!split.contains(|c: char| c.is_control() || c == '\u{fffd}'), "{split:?}");
    }

    #[test]
    fn machinery_is_silent_wherever_it_stands(
        parts in prop::collection::vec(prop_oneof![
            2 => "( [a-z]{1,8}[.,]?){1,3}".prop_map(|words| (words, true)),
            2 => prop::sample::select(vec![
                " transfer({\"number\": \"+1\"})", " press(1)", " end_call()", " end_call", "**",
                "<b>", "</b>", " {\"digits\":\"1\"}", " [press:1]", " request_user({\"prompt\":\"M\"})",
            ]).prop_map(|machinery| (machinery.to_owned(), false)),
        ], 0..12),
        cuts in prop::collection::vec(1usize..9, 0..60),
    ) {
        let whole: String = parts.iter().map(|(text, _)| text.as_str()).collect();
        let words: String = parts.iter().filter(|(_, w)| *w).map(|(text, _)| text.as_str()).collect();
        let (mut rest, mut chunks) = (whole.as_str(), Vec::new());
        for cut in cuts {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            chunks.push(head);
            rest = tail;
        }
        chunks.push(rest);
        let heard = spoken(&chunks);
        let bare = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        prop_assert_eq!(bare(&heard), bare(&words), "{:?}", chunks);
    }
}
