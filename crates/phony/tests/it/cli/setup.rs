//! `phony setup` and `phony doctor`, with the stand-ins for Twilio and OpenAI.

use phony_wire::twilio::rest::IncomingPhoneNumber;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::support::http;
use crate::support::program::{Done, Run, Serving, free_port, value};
use crate::support::twilio_spec::Checked;

pub(crate) const NUMBER: &str = "+15005550006";
pub(crate) const OTHER: &str = "+15005550007";
pub(crate) const HOST: &str = "phony.example.com";

/// The account at Twilio, as a process.
pub(crate) struct Account {
    _network: Serving,
    lines: Vec<String>,
    /// Checks every request and answer against Twilio's description.
    checked: Checked,
    runtime: Runtime,
}

impl Account {
    pub(crate) fn start(numbers: &[&str]) -> Self {
        let mut arguments = vec!["sim", "twilio", "--port", "0", "--auth-token", "the-token"];
        arguments.extend(["--voice-url", "https://old.example/voice"]);
        arguments.extend(numbers.iter().flat_map(|number| ["--number", number]));
        let (network, lines) = Run::new(&arguments).serving("Ctrl-C");
        let runtime = Runtime::new().unwrap();
        let base = value(&lines, "TWILIO_API_BASE_URL");
        let checked = runtime.block_on(Checked::before(&base));
        Self { _network: network, lines, checked, runtime }
    }

    /// A command with the credentials of the account.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let mut run = Run::new(arguments);
        for name in ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"] {
            run = run.with(name, &value(&self.lines, name));
        }
        run.with("TWILIO_API_BASE_URL", &self.checked.base_url())
    }

    fn setup(&self, arguments: &[&str]) -> Done {
        self.run(&[&["setup"], arguments].concat()).with("HOST", HOST).done()
    }

    fn url(&self, path: &str) -> String {
        let (base, sid) = (self.checked.base_url(), value(&self.lines, "TWILIO_ACCOUNT_SID"));
        format!("{base}/2010-04-01/Accounts/{sid}/{path}")
    }

    fn ask(&self, request: reqwest::RequestBuilder) -> Value {
        let request =
            request.basic_auth(value(&self.lines, "TWILIO_ACCOUNT_SID"), Some("the-token"));
        self.runtime.block_on(async { request.send().await.unwrap().json().await.unwrap() })
    }

    pub(crate) fn number(&self, wanted: &str) -> IncomingPhoneNumber {
        let list = self.ask(http::client().get(self.url("IncomingPhoneNumbers.json")));
        let list = list["incoming_phone_numbers"].as_array().unwrap().clone();
        let number = list.into_iter().find(|number| number["phone_number"] == wanted);
        let number = number.unwrap_or_else(|| panic!("the account has no {wanted}"));
        IncomingPhoneNumber::parse(&number.to_string()).unwrap()
    }

    /// Changes a number behind the back of `phony setup`.
    fn change(&self, number: &str, form: &[(&str, &str)]) {
        let sid = self.number(number).sid;
        let url = self.url(&format!("IncomingPhoneNumbers/{sid}.json"));
        self.ask(http::client().post(url).form(form));
    }
}

#[test]
fn a_number_is_let_ring_here_and_what_overrides_that_is_cleared() {
    let account = Account::start(&[NUMBER, OTHER]);
    let trunk = format!("TK{}", "1".repeat(32));
    account.change(NUMBER, &[("TrunkSid", &trunk), ("VoiceMethod", "GET")]);
    let Done { code, out, err } = account.setup(&["--yes", "--number", NUMBER]);
    assert_eq!(code, Some(0), "{out}{err}");
    let number = account.number(NUMBER);
    assert_eq!(number.voice_url, format!("https://{HOST}/receive_call"));
    assert_eq!(number.voice_method, "POST");
    assert_eq!(number.voice_fallback_url, format!("https://{HOST}/receive_call"));
    assert_eq!(number.status_callback, format!("https://{HOST}/call_status"));
    assert_eq!((number.trunk_sid.as_str(), number.voice_application_sid.as_str()), ("", ""));
    assert_eq!(account.number(OTHER).voice_url, "https://old.example/voice", "not its business");
    // The old value is printed, with the way to restore it.
    for told in [
        format!("SIP trunk {trunk}"),
        "was https://old.example/voice".to_owned(),
        format!("--data-urlencode 'TrunkSid={trunk}'"),
        "--data-urlencode 'VoiceMethod=GET'".to_owned(),
        format!("TWILIO_PHONE_NUMBER={NUMBER}"),
    ] {
        assert!(out.contains(&told), "{told}: {out}");
    }
    assert!(!out.contains("the-token"), "{out}");
    let again = account.setup(&["--yes", "--number", NUMBER]);
    assert!(again.out.contains("rings here already; nothing was changed"), "{}", again.out);
}

#[test]
fn a_dry_run_changes_nothing() {
    let account = Account::start(&[NUMBER]);
    let Done { code, out, err } = account.setup(&["--dry-run"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("VoiceUrl") && out.contains("Nothing was changed"), "{out}");
    assert_eq!(account.number(NUMBER).voice_url, "https://old.example/voice");
    let Done { code, out, .. } = account.setup(&["--dry-run", "--buy"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("would be bought") && out.contains("Nothing was bought"), "{out}");
}

#[test]
fn a_number_is_bought_when_a_flag_says_so_and_no_other_way() {
    let account = Account::start(&[NUMBER]);
    let buy = ["--buy", "--country", "us", "--area-code", "628"];
    let Done { code, err, .. } = account.setup(&buy);
    assert_eq!(code, Some(2), "without a terminal and without --yes: {err}");
    let Done { code, out, err } = account.setup(&[&buy[..], &["--yes"]].concat());
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("+16285550100 was bought and rings here"), "{out}");
    assert!(out.contains("-X DELETE"), "{out}");
    let number = account.number("+16285550100");
    assert_eq!(number.voice_url, format!("https://{HOST}/receive_call"));
}

#[test]
fn without_a_terminal_it_is_refused_and_never_waits() {
    let account = Account::start(&[NUMBER, OTHER]);
    let Done { code, err, .. } = account.setup(&[]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("--yes") && err.contains("--dry-run"), "{err}");
    let Done { code, err, .. } = account.setup(&["--yes"]);
    assert_eq!(code, Some(2), "two numbers: {err}");
    assert!(err.contains("--number"), "{err}");
    let Done { code, err, .. } = account.setup(&["--yes", "--number", "+15005550099"]);
    assert_eq!(code, Some(1), "{err}");
    let Done { code, err, .. } = account.run(&["setup", "--yes"]).done();
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("HOST"), "{err}");
    let Done { code, err, .. } = Run::new(&["setup", "--yes"]).with("HOST", HOST).done();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("TWILIO_ACCOUNT_SID"), "{err}");
}

#[test]
fn twilios_refusal_comes_with_advice() {
    let account = Account::start(&[NUMBER]);
    let run = account.run(&["setup", "--yes"]).with("HOST", HOST);
    let Done { code, err, .. } = run.with("TWILIO_AUTH_TOKEN", "not-the-token").done();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("20003") && err.contains("check TWILIO_ACCOUNT_SID"), "{err}");
    assert!(!err.contains("not-the-token"), "{err}");
}

/// Everything that calls need: account, model, server.
struct Installation {
    account: Account,
    _model: Serving,
    model: String,
    _server: Serving,
    port: String,
    data: tempfile::TempDir,
}

impl Installation {
    fn start() -> Self {
        let account = Account::start(&[NUMBER]);
        let (model, lines) = Run::new(&["sim", "openai", "--port", "0"]).serving("Ctrl-C");
        let url = value(&lines, "OPENAI_BASE_URL");
        let port = free_port().to_string();
        let server = account.run(&["serve"]).with("HOST", HOST).with("PHONY_BIND", "127.0.0.1");
        let server = server.with("PORT", &port).with("OPENAI_BASE_URL", &url);
        let data = tempfile::tempdir().unwrap();
        let server = server.with("PHONY_DATA_DIR", data.path().to_str().unwrap());
        let server = server.with("PHONY_DEBUG", "1");
        let (server, _) = server.with("OPENAI_API_KEY", "any").serving("Phony listens on");
        Self { account, _model: model, model: url, _server: server, port, data }
    }

    fn doctor(&self) -> Run {
        let at = format!("http://127.0.0.1:{}", self.port);
        let run = self.account.run(&["doctor", "--json", "--public-at", &at]);
        let run = run.with("HOST", HOST).with("TWILIO_PHONE_NUMBER", NUMBER);
        run.with("OPENAI_BASE_URL", &self.model).with("OPENAI_API_KEY", "any")
    }
}

/// The finding of this name.
fn finding<'a>(found: &'a Value, id: &str) -> &'a Value {
    let findings = found["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("{id}: {found}"))
}

fn levels(found: &Value, level: &str) -> Vec<String> {
    let findings = found["findings"].as_array().unwrap().iter();
    let of_level = findings.filter(|finding| finding["level"] == level);
    of_level.map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_doctor_finds_what_keeps_calls_from_working_until_it_is_mended() {
    let installation = Installation::start();
    let Done { code, out, err } = installation.doctor().done();
    assert_eq!(code, Some(1), "{out}{err}");
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(levels(&found, "fail"), ["twilio_number"], "{out}");
    let number = finding(&found, "twilio_number");
    assert!(number["detail"].as_str().unwrap().contains("https://old.example/voice"), "{out}");
    assert!(number["mend"].as_str().unwrap().contains("phony setup"), "{out}");

    let Done { code, out, err } = installation.account.setup(&["--yes"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let Done { code, out, err } = installation.doctor().done();
    assert_eq!(code, Some(0), "{out}{err}");
    let found: Value = serde_json::from_str(&out).unwrap();
    let fine = levels(&found, "ok");
    for id in ["twilio_account", "clock", "twilio_number", "public_url", "signed_request"] {
        assert!(fine.iter().any(|fine| fine == id), "{id}: {out}");
    }
    for id in ["relay_socket", "openai", "model", "redis", "disk", "configuration"] {
        assert!(fine.iter().any(|fine| fine == id), "{id}: {out}");
    }
}

#[test]
fn what_the_doctor_tries_alarms_nobody() {
    let installation = Installation::start();
    assert_eq!(installation.account.setup(&["--yes"]).code, Some(0));
    let Done { code, out, err } = installation.doctor().done();
    assert_eq!(code, Some(0), "{out}{err}");
    let log = || std::fs::read_to_string(installation.data.path().join("call.log")).unwrap();
    // The socket that it opened and closed is the last that the server sees of it.
    let seen = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        log().contains("named no call")
    });
    assert!(seen, "{}", log());
    let loud: Vec<_> = log()
        .lines()
        .filter(|line| ["WARN", "ERROR"].iter().any(|level| line.contains(level)))
        .map(str::to_owned)
        .collect();
    assert_eq!(loud, Vec::<String>::new());
}

#[test]
fn the_doctor_tells_each_fault_apart() {
    let installation = Installation::start();
    let run = installation.doctor().with("TWILIO_AUTH_TOKEN", "another-token");
    let Done { code, out, err } = run.with("REDIS_URL", "redis://:secret@127.0.0.1:1/").done();
    assert_eq!(code, Some(1), "{out}{err}");
    let found: Value = serde_json::from_str(&out).unwrap();
    let failed = levels(&found, "fail");
    for id in ["twilio_account", "signed_request", "relay_socket", "redis"] {
        assert!(failed.iter().any(|failed| failed == id), "{id}: {out}");
    }
    assert!(!out.contains("another-token") && !out.contains("secret"), "{out}");
    let mend = finding(&found, "signed_request")["mend"].as_str().unwrap();
    assert!(mend.contains("another TWILIO_AUTH_TOKEN"), "{mend}");

    let closed = format!("http://127.0.0.1:{}/v1", free_port());
    let run =
        installation.doctor().with("OPENAI_BASE_URL", &closed).with("OPENAI_MODEL", "gpt-realtime");
    let Done { code, out, .. } = run.done();
    assert_eq!(code, Some(1), "{out}");
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(finding(&found, "openai")["level"], "fail", "{out}");
    let mend = finding(&found, "model")["mend"].as_str().unwrap();
    assert_eq!(mend, "Set OPENAI_MODEL=gpt-realtime-2.1.");
}

#[test]
fn with_nothing_set_the_doctor_says_where_to_begin() {
    let Done { code, out, err } = Run::new(&["doctor"]).done();
    assert_eq!(code, Some(1), "{out}{err}");
    for name in ["TWILIO_ACCOUNT_SID", "HOST is not set", "OPENAI_API_KEY", "→ Set"] {
        assert!(out.contains(name), "{name}: {out}");
    }
    assert!(err.contains("3 things must be mended"), "{err}");
    let Done { code, out, .. } = Run::new(&["doctor"]).with("PORT", "many").done();
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("FAIL Configuration") && out.contains("PORT"), "{out}");
}
