//! `phony demo` at a terminal.

use crate::support::program::Run;
use crate::support::terminal::Terminal;

fn demo() -> Terminal {
    Run::new(&["demo", "--speed", "6"]).with("PORT", "0").at_terminal()
}

#[test]
fn somebody_is_called_answers_and_hangs_up() {
    let mut somebody = demo();
    for (question, answer, told) in [
        ("> ", "5", "Type 1, 2, 3 or q, then Enter."),
        ("> ", "1", "Before an AI calls a human:"),
        ("to be called by an AI? [y/N] ", "maybe", "Type y or n."),
        ("to be called by an AI? [y/N] ", "y", ""),
        (
            "Number to call [a stand-in's]: ",
            "my mum",
            "has characters in it that a telephone number has not",
        ),
        ("Number to call [a stand-in's]: ", "911", "cannot be dialled"),
        ("Number to call [a stand-in's]: ", "(415) 555-0199", "1  Customer Service Inquiry"),
        ("[1] ", "9", "Type a number from 1 to 4, or q."),
        ("[1] ", "2", "calls      +14155550199"),
        ("Call now? [y/N] ", "business=", "business must be something"),
        ("Call now? [y/N] ", "business=Acme", "business Acme"),
        ("Call now? [y/N] ", "y", "You are the one who is called, at +14155550199."),
    ] {
        somebody.answers(question, answer);
        somebody.sees(told);
    }
    somebody.sees("this is an automated assistant calling for Acme");
    somebody.sees("two minutes?");
    somebody.types("Yes, gladly.");
    somebody.sees("On a scale from one to ten");
    somebody.interrupts();
    somebody.sees("the call is over");
    somebody.answers("> ", "q");
    let (code, all) = somebody.over();
    assert_eq!(code, Some(0), "{all}");
}

#[test]
fn somebody_calls_a_personality_and_hangs_up() {
    let mut somebody = demo();
    for (question, answer, told) in [
        ("> ", "2", "5  Survey Conductor"),
        ("[1] ", "6", "Type a number from 1 to 5, or q."),
        ("[1] ", "4", "hotline answers."),
    ] {
        somebody.answers(question, answer);
        somebody.sees(told);
    }
    // The page is called as in the dashboard.
    somebody.sees("open «Softphone» there");
    // What is typed before the call is answered is said all the same.
    somebody.types("When are you open?");
    somebody.sees("the line is open");
    somebody.sees("from Monday to Friday");
    somebody.interrupts();
    somebody.sees("the call is over");
    somebody.answers("> ", "q");
    assert_eq!(somebody.over().0, Some(0));
}

#[test]
fn two_ais_are_watched_until_somebody_hangs_up() {
    let mut somebody = demo();
    somebody.answers("> ", "3");
    somebody.answers("[1] ", "survey");
    somebody.answers("[1] ", "hotline");
    somebody.sees("survey calls");
    somebody.sees("this is an automated assistant calling for the Harbour Bakery");
    somebody.interrupts();
    somebody.sees("hanging up");
    somebody.sees("the call is over");
    somebody.answers("> ", "q");
    assert_eq!(somebody.over().0, Some(0));
}

#[test]
fn every_way_out_is_a_polite_one() {
    // At the menu there is nothing to apologise for.
    let mut somebody = demo();
    somebody.sees("> ");
    somebody.ends_the_input();
    assert_eq!(somebody.over().0, Some(0));
    let mut somebody = demo();
    somebody.sees("> ");
    somebody.interrupts();
    assert_eq!(somebody.over().0, Some(0));
    // In the middle of a choice it is said that nothing was done.
    let mut somebody = demo();
    somebody.answers("> ", "1");
    somebody.answers("by an AI? [y/N] ", "y");
    somebody.sees("Number to call");
    somebody.ends_the_input();
    let (code, all) = somebody.over();
    assert_eq!(code, Some(1), "{all}");
    assert!(all.contains("nothing was dialled"), "{all}");
    let mut somebody = demo();
    somebody.answers("> ", "1");
    somebody.sees("by an AI? [y/N] ");
    somebody.interrupts();
    let (code, all) = somebody.over();
    assert_eq!(code, Some(0), "{all}");
    assert!(!all.contains("is ringing"), "{all}");
}
