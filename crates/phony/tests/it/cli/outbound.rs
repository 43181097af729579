//! `phony call`, `phony sim twilio`, `phony serve` and the ledger, each as a process.

use crate::support::program::{Done, Run, free_port, value};
use crate::support::twilio_spec::Checked;

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const OURS: &str = "+15005550006";

#[test]
fn a_call_is_placed_answered_talked_through_ended_and_in_the_ledger() {
    let port = free_port().to_string();
    let voice = format!("http://127.0.0.1:{port}/receive_call");
    let script = "# somebody who is in\nYes, go on\n/interrupt thank you, bye\n";
    let flags = [
        "sim",
        "twilio",
        "--port",
        "0",
        "--auth-token",
        "for-this-test-only",
        "--account-sid",
        ACCOUNT,
        "--number",
        OURS,
        "--voice-url",
        &voice,
        "--speed",
        "8",
        "--caller",
        "them.txt",
    ];
    let (_network, lines) = Run::new(&flags).file("them.txt", script).serving("Ctrl-C");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let checked = runtime.block_on(Checked::before(&value(&lines, "TWILIO_API_BASE_URL")));
    let (_model, lines) = Run::new(&["sim", "openai", "--port", "0"]).serving("Ctrl-C");
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().display().to_string();
    let server = Run::new(&["serve"])
        .with("PORT", &port)
        .with("PHONY_DATA_DIR", &folder)
        .with("PHONY_ADMIN_TOKEN", "a-token-of-this-test")
        .with("OPENAI_BASE_URL", &value(&lines, "OPENAI_BASE_URL"))
        .with("OPENAI_API_KEY", "any")
        .with("TWILIO_API_BASE_URL", &checked.base_url())
        .with("TWILIO_ACCOUNT_SID", ACCOUNT)
        .with("TWILIO_AUTH_TOKEN", "for-this-test-only")
        .with("TWILIO_PHONE_NUMBER", OURS)
        .with("PHONY_CALLING_HOURS", "off");
    let (_server, _) = server.serving("Phony listens on");
    let call = |arguments: &[&str]| {
        let all = [&["call"], arguments].concat();
        let run =
            Run::new(&all).with("PORT", &port).with("PHONY_ADMIN_TOKEN", "a-token-of-this-test");
        run.done()
    };
    // The server refuses every client.
    let Done { code, err, .. } = call(&["911", "--scenario", "survey", "--consent", "--yes"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("emergency"), "{err}");
    let Done { code, err, .. } = call(&["(212) 555-0123", "--scenario", "survey", "--yes"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("consent"), "{err}");
    assert_eq!(call(&["--scenario", "survey", "--consent"]).code, Some(2), "no number");
    // Ring, answer, talk, end.
    let Done { code, out, err } = call(&[
        "(212) 555-0123",
        "--scenario",
        "survey",
        "--consent",
        "--yes",
        "--var",
        "business=Acme",
    ]);
    assert_eq!(code, Some(0), "{out}{err}");
    for part in [
        "the call is ringing",
        "the call is in-progress",
        "calling for Acme",
        "Yes, go on",
        "the call is completed",
    ] {
        assert!(out.contains(part), "«{part}» in {out}");
    }
    // The ledger, intact and with a byte changed.
    let verify = || Run::new(&["ledger", "verify"]).with("PHONY_DATA_DIR", &folder).done();
    let Done { code, out, err } = verify();
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("4 lines"), "two refusals, dialling, placed: {out}");
    let path = data.path().join("ledger.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("+12125550123", "+12125550124", 3)).unwrap();
    let changed = text.lines().position(|line| line.contains("+12125550123")).unwrap() + 1;
    let Done { code, out, err } = verify();
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(err.contains(&format!("first in line {changed}")), "{changed}: {out}{err}");
    // And with its last line cut off.
    let cut = text.trim_end().rfind('\n').unwrap() + 1;
    std::fs::write(&path, &text[..cut]).unwrap();
    let Done { code, out, err } = verify();
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("4 lines were written"), "{out}{err}");
    std::fs::write(&path, &text).unwrap();
    assert_eq!(verify().code, Some(0));
}

#[test]
fn agents_check_lists_what_there_is_and_names_what_is_wrong() {
    let Done { code, out, .. } = Run::new(&["agents", "check"]).done();
    assert_eq!(code, Some(0), "{out}");
    for id in [
        "assistant",
        "support",
        "scheduler",
        "hotline",
        "surveyor",
        "inquiry",
        "survey",
        "appointment",
        "check-in",
    ] {
        assert!(out.contains(id), "{id}: {out}");
    }
    let data = tempfile::tempdir().unwrap();
    std::fs::create_dir(data.path().join("agents")).unwrap();
    std::fs::write(
        data.path().join("agents/a.toml"),
        "name = 'A'\ninstructions = 'x'\ncolour = 1\n",
    )
    .unwrap();
    std::fs::write(data.path().join("agents/b.toml"), "name = 'B'\n").unwrap();
    let media = "name = 'C'\ninstructions = 'x'\ntransport = 'pigeon'\n";
    std::fs::write(data.path().join("agents/c.toml"), media).unwrap();
    let folder = data.path().display().to_string();
    let Done { code, out, err } =
        Run::new(&["agents", "check"]).with("PHONY_DATA_DIR", &folder).done();
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("a.toml") && out.contains("colour") && out.contains("b.toml"), "{out}");
    let of_c = out.lines().find(|line| line.contains("c.toml")).unwrap();
    let told = ["line 3, `transport`", "no such transport", "allowed are `relay`, `media`"];
    assert!(told.iter().all(|part| of_c.contains(part)), "{of_c}");
    // A server does not start with what it cannot carry.
    for other in ["a.toml", "b.toml"] {
        std::fs::remove_file(data.path().join("agents").join(other)).unwrap();
    }
    let serve = Run::new(&["serve"]).with("PHONY_DATA_DIR", &folder).with("PORT", "0");
    let Done { code, err, .. } = serve.done();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("c.toml") && err.contains("allowed are `relay`, `media`"), "{err}");
}
