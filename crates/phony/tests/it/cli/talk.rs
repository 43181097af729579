//! `phony talk`, against a server that runs already.

use crate::support::program::{Done, Run, Serving, free_port, value};

/// A server and its model, each as a process.
struct Setup {
    port: String,
    _model: Serving,
    _server: Serving,
}

fn setup(variables: &[(&str, &str)]) -> Setup {
    let (model, lines) = Run::new(&["sim", "openai", "--port", "0"]).serving("Ctrl-C");
    let port = free_port().to_string();
    let mut server = Run::new(&["serve"])
        .with("PORT", &port)
        .with("OPENAI_BASE_URL", &value(&lines, "OPENAI_BASE_URL"))
        .with("OPENAI_API_KEY", "any")
        .with("PHONY_ADMIN_TOKEN", "a-token-of-the-tests");
    for (name, value) in variables {
        server = server.with(name, value);
    }
    let (server, _) = server.serving("Phony listens on");
    Setup { port, _model: model, _server: server }
}

impl Setup {
    fn talk(&self, arguments: &[&str]) -> Run {
        let url = format!("http://127.0.0.1:{}", self.port);
        Run::new(&[&["talk", "--server", &url], arguments].concat())
    }
}

#[test]
fn lines_of_a_pipe_are_said_and_the_answers_are_printed() {
    let setup = setup(&[("TWILIO_AUTH_TOKEN", "the-same-on-both-sides")]);
    let run = setup.talk(&[]).with("TWILIO_AUTH_TOKEN", "the-same-on-both-sides");
    let Done { code, out, err } = run.done_with("What are your opening hours?\nthat is all, bye\n");
    assert_eq!(code, Some(0), "{out}{err}");
    let place = |text: &str| out.find(text).unwrap_or_else(|| panic!("no «{text}» in {out}"));
    let order = [
        place("automated assistant"),
        place("What are your opening hours?"),
        place("Monday to Friday"),
        place("that is all, bye"),
        place("Thank you for calling."),
    ];
    assert!(order.is_sorted(), "{out}");
    assert!(out.contains("the agent hung up"), "{out}");
}

#[test]
fn the_end_of_the_input_hangs_up_once_the_agent_has_finished() {
    let setup = setup(&[("PHONY_INSECURE_NO_SIGNATURES", "1")]);
    let Done { code, out, err } = setup.talk(&[]).done_with("");
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("How can I help you?"), "the greeting is heard to its end: {out}");
    assert!(out.contains("you hung up"), "{out}");
}

#[test]
fn another_agent_answers_where_one_is_wanted() {
    let setup = setup(&[("PHONY_INSECURE_NO_SIGNATURES", "1")]);
    let greeted = |agent| setup.talk(&["--agent", agent]).done_with("/hangup\n").out;
    let (support, assistant) = (greeted("support"), greeted("assistant"));
    assert!(support.contains("agent") && assistant.contains("agent"), "{support}{assistant}");
    let greeting =
        |out: &str| out.lines().find(|line| line.starts_with("agent")).map(str::to_owned);
    assert_ne!(greeting(&support), greeting(&assistant));
    let run = setup.talk(&["--agent", "nobody"]).with("PHONY_ADMIN_TOKEN", "a-token-of-the-tests");
    let Done { code, err, .. } = run.done();
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("surveyor"), "{err}");
}

#[test]
fn a_wrong_token_is_told_as_such() {
    let setup = setup(&[("TWILIO_AUTH_TOKEN", "the-server-has-this-one")]);
    let Done { code, err, .. } = setup.talk(&[]).with("TWILIO_AUTH_TOKEN", "another").done();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("403") && err.contains("TWILIO_AUTH_TOKEN"), "{err}");
}

#[test]
fn without_a_server_it_says_what_to_do() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let Done { code, err, .. } = Run::new(&["talk", "--server", &url]).done();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("phony serve") && err.contains("phony demo"), "{err}");
    assert_eq!(Run::new(&["talk", "--server", "nonsense"]).done().code, Some(2));
}
