//! `phony setup` at a terminal.

use crate::cli::setup::{Account, HOST, NUMBER, OTHER};
use crate::support::program::Run;
use crate::support::terminal::Terminal;

const OLD: &str = "https://old.example/voice";

fn setup(account: &Account, arguments: &[&str]) -> Terminal {
    account.run(&[&["setup"], arguments].concat()).with("HOST", HOST).at_terminal()
}

fn here() -> String {
    format!("https://{HOST}/receive_call")
}

#[test]
fn a_number_is_chosen_and_a_wrong_answer_is_asked_for_again() {
    let account = Account::start(&[NUMBER, OTHER]);
    let mut somebody = setup(&account, &[]);
    somebody.sees("2  +15005550007");
    somebody.sees(OLD);
    for (wrong, told) in [("3", "Type 1 to 2, b or q."), ("two", "Type 1 to 2, b or q.")] {
        somebody.answers("q to leave [b] ", wrong);
        somebody.sees(told);
    }
    somebody.answers("q to leave [b] ", "2");
    somebody.sees("+15005550007 would change:");
    somebody.answers("Change it? [y/N] ", "perhaps");
    somebody.sees("Type y or n.");
    assert_eq!(account.number(OTHER).voice_url, OLD, "nothing is done before a yes");
    somebody.answers("Change it? [y/N] ", "y");
    somebody.sees("+15005550007 rings here now.");
    somebody.sees("To undo it:");
    let (code, all) = somebody.over();
    assert_eq!(code, Some(0), "{all}");
    assert!(!all.contains("the-token"), "{all}");
    assert_eq!(account.number(OTHER).voice_url, here());
    assert_eq!(account.number(NUMBER).voice_url, OLD);
}

#[test]
fn every_question_can_be_left_and_nothing_is_changed() {
    let account = Account::start(&[NUMBER, OTHER]);
    for leave in ["q", "", "n"] {
        let mut somebody = setup(&account, &[]);
        match leave {
            "q" => somebody.answers("q to leave [b] ", "q"),
            answer => {
                somebody.answers("q to leave [b] ", "1");
                somebody.answers("Change it? [y/N] ", answer);
            }
        }
        somebody.sees("Nothing was changed.");
        assert_eq!(somebody.over().0, Some(0));
    }
    // The end of the input, at the first question and at the last.
    for answered in 0..2 {
        let mut somebody = setup(&account, &[]);
        if answered == 1 {
            somebody.answers("q to leave [b] ", "1");
        }
        somebody.sees(["q to leave [b] ", "Change it? [y/N] "][answered]);
        somebody.ends_the_input();
        somebody.sees("Nothing was changed.");
        assert_eq!(somebody.over().0, Some(0));
    }
    let mut somebody = setup(&account, &[]);
    somebody.sees("q to leave [b] ");
    somebody.interrupts();
    somebody.sees("stopped");
    assert_eq!(somebody.over().0, Some(1));
    for number in [NUMBER, OTHER] {
        assert_eq!(account.number(number).voice_url, OLD);
    }
}

#[test]
fn a_number_is_bought_after_a_clear_question_only() {
    let account = Account::start(&[NUMBER]);
    let mut somebody = setup(&account, &["--area-code", "628"]);
    somebody.answers("q to leave [1] ", "b");
    somebody.sees("For sale in US:");
    somebody.answers("Which one? q to leave [1] ", "77");
    somebody.sees("or q.");
    somebody.answers("Which one? q to leave [1] ", "2");
    somebody.sees("would be bought, which costs money each month");
    somebody.answers("It costs money each month. [y/N] ", "");
    somebody.sees("Nothing was bought.");
    assert_eq!(somebody.over().0, Some(0));
    let mut somebody = setup(&account, &["--buy", "--area-code", "628"]);
    somebody.answers("Which one? q to leave [1] ", "");
    somebody.answers("Buy +16285550100? It costs money each month. [y/N] ", "YES");
    somebody.sees("+16285550100 was bought and rings here.");
    somebody.sees("-X DELETE");
    assert_eq!(somebody.over().0, Some(0));
    assert_eq!(account.number("+16285550100").voice_url, here());
}

#[test]
fn by_a_pipe_nothing_is_asked_and_nothing_is_done_without_a_flag() {
    let account = Account::start(&[NUMBER]);
    let run: Run = account.run(&["setup"]).with("HOST", HOST);
    let done = run.done_with("1\ny\n");
    assert_eq!(done.code, Some(2), "{}{}", done.out, done.err);
    assert!(done.err.contains("--yes") && done.err.contains("--dry-run"), "{}", done.err);
    assert_eq!(account.number(NUMBER).voice_url, OLD);
}
