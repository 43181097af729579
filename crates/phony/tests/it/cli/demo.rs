//! `phony demo`, as its user sees it.

use std::time::Duration;

use crate::support::program::{Done, Run, free_port, timed};

fn demo(arguments: &[&str]) -> Done {
    let port = free_port().to_string();
    let all = [&["demo"], arguments].concat();
    Run::new(&all).with("PORT", &port).done()
}

#[test]
fn one_call_is_played_to_its_end_with_nothing_prepared() {
    let Done { code, out, err } = demo(&["--auto", "--speed", "4"]);
    assert_eq!(code, Some(0), "{out}{err}");
    for said in ["Hi, I lost my debit card.", "Could I get a discount on the fee?", "Goodbye."] {
        assert!(out.contains(said), "{said}: {out}");
    }
    assert!(out.contains("agent      heard «I am sorry to hear that."), "{out}");
    assert!(out.contains("May I have your name, please?» (interrupted)"), "{out}");
    assert!(out.contains("model's first token"), "{out}");
    assert!(out.contains("/login?code="), "{out}");
    assert!(out.contains("p50"), "{out}");
    assert!(out.contains("asks the supervisor: The caller asks"), "{out}");
    assert!(out.contains("the supervisor answers: Yes, ten percent"), "{out}");
    assert!(out.contains("the agent hung up after"), "{out}");
    assert!(!out.contains('\u{1b}'), "no colours without a terminal: {out}");
}

/// The demonstration at four times the speed of life: `make measure`.
#[test]
#[ignore = "measures"]
fn a_demonstration_takes_less_than_half_a_minute() {
    let (Done { code, err, .. }, took) = timed(|| demo(&["--auto", "--speed", "4"]));
    assert_eq!(code, Some(0), "{err}");
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn lines_are_told_in_the_order_in_which_people_spoke() {
    let Done { code, out, .. } = demo(&["--auto", "--speed", "8"]);
    assert_eq!(code, Some(0), "{out}");
    let is_time = |line: &&str| line.as_bytes().get(2) == Some(&b':') && line.contains("  ");
    // Other events are printed when they happen, which may be in the middle of a spoken line.
    let is_said = |line: &&str| line.split_whitespace().nth(1) != Some("·");
    let said: Vec<_> = out.lines().filter(is_time).filter(is_said).collect();
    let times: Vec<_> = said.iter().map(|line| &line[..9]).collect();
    assert!(times.len() >= 9, "{out}");
    assert!(times.is_sorted(), "{out}");
    let who: Vec<_> = said.iter().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(who[..4], ["agent", "caller", "agent", "caller"], "{out}");
}

#[test]
fn a_conversation_between_people_is_played_again() {
    let Done { code, out, err } = demo(&["--recorded", "0002f70f", "--speed", "16"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("i lost my debit card"), "{out}");
    assert!(out.contains("which card would you like to replace"), "{out}");
}

#[test]
fn a_recording_that_there_is_not_is_wrong_usage() {
    let Done { code, err, .. } = demo(&["--recorded", "nobody"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("0002f70f7386445b"), "{err}");
}

#[test]
fn a_port_that_is_taken_is_no_hindrance() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = Run::new(&["demo", "--auto", "--speed", "10"]).with("PORT", &port);
    let Done { code, out, err } = run.done();
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(!out.contains(&format!("127.0.0.1:{port}\n")), "{out}");
}

#[test]
fn a_model_that_cannot_be_reached_fails_the_demonstration() {
    let closed = free_port();
    let run = Run::new(&["demo", "--auto", "--speed", "10"])
        .with("PORT", "0")
        .with("OPENAI_API_KEY", "sk-none")
        .with("OPENAI_BASE_URL", &format!("http://127.0.0.1:{closed}/v1"));
    let Done { code, out, err } = run.done();
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(err.contains("did not go as it must"), "{err}");
    assert!(!out.contains("sk-none") && !err.contains("sk-none"), "{out}{err}");
}

/// The menu, with a pipe as its input.
fn chosen(lines: &str) -> Done {
    let run = Run::new(&["demo", "--speed", "6"]).with("PORT", "0");
    run.done_with(lines)
}

#[test]
fn an_ai_calls_a_human_who_agreed_and_says_what_it_is() {
    let Done { code, out, err } = chosen("1\ny\n(415) 555-0199\n3\ny\n");
    assert_eq!(code, Some(0), "{out}{err}");
    let place = |text: &str| out.find(text).unwrap_or_else(|| panic!("no «{text}» in {out}"));
    let order = [
        place("Before an AI calls a human"),
        place("calls      +14155550199"),
        place("scenario   Appointment Scheduling"),
        place("appointment calls +14155550199 from"),
        place("the call is ringing"),
        place("this is an automated assistant"),
        place("the call is over"),
    ];
    assert!(order.is_sorted(), "{out}");
}

#[test]
fn what_is_said_to_them_is_changed_from_the_same_pipe() {
    let lines = "1\ny\n(415) 555-0199\n2\nbusiness=Acme & Sons\ny\n/hangup\nq\n";
    let Done { code, out, err } = chosen(lines);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("business the Harbour Bakery"), "what it would be: {out}");
    assert!(out.contains("calling for Acme & Sons with a very short survey"), "{out}");
}

#[test]
fn who_is_called_can_be_played_from_the_same_pipe() {
    let Done { code, out, err } = chosen("1\ny\n\n2\ny\nYes, gladly.\nPlease do not call again.\n");
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("you     Yes, gladly."), "{out}");
    assert!(out.contains("On a scale from one to ten"), "{out}");
    assert!(out.contains("You will not be called again."), "{out}");
    assert!(out.contains("the agent does: do_not_call"), "{out}");
}

#[test]
fn the_agents_question_is_answered_by_whoever_is_on_the_line() {
    let lines = "2\n1\nCould I get a discount?\n/answer Seven percent\nThat is all, bye.\nq\n";
    let Done { code, out, err } = chosen(lines);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("? You are the supervisor"), "{out}");
    assert!(out.contains("My colleague says: Seven percent."), "{out}");
}

#[test]
fn two_ais_talk_and_their_supervisor_answers_from_the_same_pipe() {
    let Done { code, out, err } = chosen("3\ninquiry\nsupport\n/answer Nine percent\nq\n");
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("inquiry    Hello, this is an automated assistant"), "{out}");
    assert!(out.contains("\nWho answers?"), "{out}");
    assert!(out.lines().filter(|line| line.contains(" support    ")).count() >= 3, "{out}");
    assert!(out.contains("the supervisor answers: Nine percent"), "{out}");
    assert!(out.contains("the call is over: the agent hung up"), "{out}");
}

#[test]
fn a_server_that_refuses_to_dial_is_told_and_no_success() {
    let Done { code, out, err } = chosen("1\ny\n+1 900 555 0123\n1\ny\n");
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(err.contains("422"), "{err}");
    assert!(!out.contains("is ringing"), "{out}");
}

#[test]
fn the_end_of_the_input_in_the_middle_of_a_choice_dials_nothing() {
    for lines in ["1\n", "1\ny\n", "1\ny\n4155550199\n", "1\ny\n4155550199\n1\n", "2\n", "3\n1\n"] {
        let Done { code, out, err } = chosen(lines);
        assert_eq!(code, Some(1), "{lines:?}: {out}{err}");
        assert!(err.contains("nothing was dialled"), "{lines:?}: {err}");
        assert!(!out.contains("is ringing"), "{out}");
    }
    let Done { code, out, err } = chosen("1\nn\n");
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("Without consent nobody is called."), "{out}");
}

#[test]
fn what_is_no_choice_plays_one_call_as_without_a_terminal() {
    let run = Run::new(&["demo", "--speed", "8"]).with("PORT", "0");
    let Done { code, out, err } = run.done_with("echo something meant for a shell\n");
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("Hi, I lost my debit card."), "{out}");
}
