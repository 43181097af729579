//! `phony demo`, as its user sees it.

use std::time::Duration;

use crate::command::{Done, Run, free_port, timed};

fn demo(arguments: &[&str]) -> Done {
    let port = free_port().to_string();
    let all = [&["demo"], arguments].concat();
    Run::new(&all).with("PORT", &port).done()
}

#[test]
fn one_call_is_played_to_its_end_with_nothing_prepared() {
    let (Done { code, out, err }, took) = timed(|| demo(&["--auto", "--speed", "4"]));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(took < Duration::from_secs(30), "{took:?}");
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

#[test]
fn lines_are_told_in_the_order_in_which_people_spoke() {
    let Done { code, out, .. } = demo(&["--auto", "--speed", "8"]);
    assert_eq!(code, Some(0), "{out}");
    let is_time = |line: &&str| line.as_bytes().get(2) == Some(&b':') && line.contains("  ");
    // What happens besides is told when it happens, which may be within somebody's line.
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
