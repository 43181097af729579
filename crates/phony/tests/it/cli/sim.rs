//! `phony sim`: the stand-ins as commands.

use crate::support::program::{Done, Run, free_port, value};

#[test]
fn a_number_is_rung_and_what_was_heard_is_printed() {
    let (_model, lines) = Run::new(&["sim", "openai", "--port", "0"]).serving("Ctrl-C");
    let port = free_port().to_string();
    let server = Run::new(&["serve"])
        .with("PORT", &port)
        .with("OPENAI_BASE_URL", &value(&lines, "OPENAI_BASE_URL"))
        .with("OPENAI_API_KEY", "any")
        .with("TWILIO_AUTH_TOKEN", "an-auth-token-for-tests-only");
    let (_server, _) = server.serving("Phony listens on");
    let url = format!("http://127.0.0.1:{port}/receive_call");
    let call = ["sim", "twilio", "--call", "+15005550101", "--voice-url", &url, "--speed", "8"];
    let script = "# somebody with a question\nWhere are you?\n/interrupt thank you, bye\n";
    let run = Run::new(&[&call[..], &["--caller", "lines.txt"]].concat());
    let Done { code, out, err } = run.file("lines.txt", script).done();
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("caller  Where are you?"), "{out}");
    assert!(out.contains("agent   How can I help you?"), "{out}");
    assert!(out.contains("TwimlEnded"), "{out}");

    let run = Run::new(&[&call[..], &["--caller", "recorded:0002f70f", "--json"]].concat());
    let Done { code, out, err } = run.done();
    assert_eq!(code, Some(0), "{out}{err}");
    let record: serde_json::Value = serde_json::from_str(&out).unwrap();
    // Both want to hang up after the goodbye; either may be first.
    assert!(record["end"] == "far_end_hung_up" || record["end"] == "twiml_ended", "{out}");
    assert!(record["said"].as_array().is_some_and(|said| said.len() > 5), "{out}");
}

#[test]
fn the_network_prints_what_a_server_needs_to_use_it() {
    let flags = ["sim", "twilio", "--port", "0", "--auth-token", "for-this-test-only"];
    let (_network, lines) = Run::new(&flags).serving("Ctrl-C");
    assert_eq!(value(&lines, "TWILIO_AUTH_TOKEN"), "for-this-test-only");
    assert!(value(&lines, "TWILIO_API_BASE_URL").starts_with("http://127.0.0.1:"));
    assert!(value(&lines, "TWILIO_ACCOUNT_SID").starts_with("AC"));
}

#[test]
fn a_token_of_the_configuration_is_not_printed() {
    let run =
        Run::new(&["sim", "twilio", "--port", "0"]).with("TWILIO_AUTH_TOKEN", "a-real-secret");
    let (_network, lines) = run.serving("Ctrl-C");
    assert!(!lines.iter().any(|line| line.contains("a-real-secret")), "{lines:?}");
}

#[test]
fn a_pipe_gets_the_log_in_link_as_an_event_and_nothing_but_json() {
    let run = Run::new(&["serve"]).with("PORT", "0").with("PHONY_DATA_DIR", "data");
    let log = run.folder.path().join("data/call.log");
    let (_server, lines) = run.serving("log-in link");
    let event: serde_json::Value = lines
        .iter()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .find(|event| event["event"] == "log-in link")
        .unwrap();
    let url = event["url"].as_str().unwrap();
    let code = url.split_once("code=").unwrap().1;
    assert!(event["timestamp"].is_string() && code.len() >= 32, "{event}");
    assert_eq!(lines.iter().filter(|line| line.contains(code)).count(), 1, "{lines:#?}");
    assert!(!std::fs::read_to_string(log).unwrap().contains(code));
}

#[test]
fn a_number_that_nobody_serves_fails() {
    let url = format!("http://127.0.0.1:{}/receive_call", free_port());
    let Done { code, err, .. } =
        Run::new(&["sim", "twilio", "--call", "+15005550101", "--voice-url", &url]).done();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("could not connect"), "{err}");
}

#[test]
fn wrong_flags_are_wrong_usage() {
    for wrong in [
        &["sim", "openai", "--fault", "explode"][..],
        &["sim", "openai", "--brain", "genius"],
        &["sim", "openai", "--first-token", "soon"],
        &["sim", "openai", "--port", "many"],
        &["sim", "twilio", "--speed", "0"],
        &["sim", "twilio", "--reach", "here"],
        &["sim", "twilio", "--caller", "recorded:nobody"],
    ] {
        let Done { code, out, err } = Run::new(wrong).done();
        assert_eq!(code, Some(2), "{wrong:?}: {out}{err}");
    }
}
