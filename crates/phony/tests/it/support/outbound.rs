//! A server that places calls, between the stand-in network and the test as the model.

use phony::safety::ledger;
use phony_simulator::callers::{Caller, Step};
use phony_simulator::twilio::{
    self, Callee, HostOverride, PhoneNumber, TwilioOptions, TwilioRunning,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::server::{AUTH_TOKEN, HOST, TestServer};
use crate::support::twilio_spec::Checked;
use crate::support::wait::outbound::LIMIT;
use crate::support::wait::poll;

/// The server's own number.
pub(crate) const OURS: &str = "+15005550006";
/// A number in New York.
pub(crate) const THEM: &str = "+12125550123";
/// Speed of the calls, as a multiple of real time.
const SPEED: f64 = 20.0;

/// A server that places calls into the stand-in network.
pub(crate) struct OutboundApp {
    pub(crate) server: TestServer,
    pub(crate) twilio: TwilioRunning,
    /// Checks every request of the server, and its answer, against Twilio's description.
    pub(crate) _checked: Checked,
}

impl OutboundApp {
    /// A server that may call the United States at any hour.
    pub(crate) async fn start() -> Self {
        Self::with(&[("PHONY_CALLING_HOURS", "off")]).await
    }

    /// A server with these variables set as well.
    pub(crate) async fn with(variables: &[(&str, &str)]) -> Self {
        let options = TwilioOptions {
            auth_token: AUTH_TOKEN.into(),
            numbers: vec![PhoneNumber::new(OURS, format!("https://{HOST}/receive_call"))],
            speed: SPEED,
            callee: Callee::person(Caller::Script(vec![Step::hang_up()])),
            ..TwilioOptions::default()
        };
        let account = options.account_sid.clone();
        let twilio = twilio::start(options).await.unwrap();
        let checked = Checked::before(&twilio.base_url()).await;
        let server = server_at(&account, &checked.base_url(), variables).await;
        let HostOverride { public, to } = HostOverride { public: HOST.into(), to: server.url("") };
        twilio.override_host(public, to);
        Self { server, twilio, _checked: checked }
    }

    /// Orders a call; status and body of the answer.
    pub(crate) async fn order(&self, body: &Value) -> (u16, Value) {
        self.server.post("/calls", body).await
    }

    /// Orders a call, which must be placed; its id.
    pub(crate) async fn placed(&self, body: &Value) -> String {
        let (status, answer) = self.order(body).await;
        assert_eq!(status, 201, "{answer}");
        answer["callSid"].as_str().unwrap().to_owned()
    }

    /// Waits until the call is as wanted; its snapshot.
    pub(crate) async fn until(&self, sid: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(&self.server, sid, wanted).await
    }

    /// Waits until the record of the call is closed; its snapshot.
    pub(crate) async fn over(&self, sid: &str) -> Value {
        self.until(sid, |call| !call["endReason"].is_null()).await
    }

    pub(crate) fn ledger(&self) -> Vec<Value> {
        ledger_of(&self.server)
    }
}

pub(crate) async fn until(
    server: &TestServer,
    sid: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    let mut last = Value::Null;
    let seen = poll(async || {
        let (status, call) = server.get(&format!("/calls/{sid}")).await;
        last.clone_from(&call);
        (status == 200 && wanted(&call)).then_some(call)
    });
    let seen = timeout(LIMIT, seen).await.ok();
    seen.unwrap_or_else(|| panic!("it did not become so: {last}"))
}

/// A server that uses the REST API at `base`.
pub(crate) async fn server_at(account: &str, base: &str, variables: &[(&str, &str)]) -> TestServer {
    let own = [
        ("HOST", HOST),
        ("TWILIO_AUTH_TOKEN", AUTH_TOKEN),
        ("TWILIO_ACCOUNT_SID", account),
        ("TWILIO_PHONE_NUMBER", OURS),
        ("TWILIO_API_BASE_URL", base),
        ("PHONY_API_RATE", "0"),
    ];
    TestServer::with(&[&own[..], variables].concat()).await
}

/// The lines of the ledger, which must be intact.
pub(crate) fn ledger_of(server: &TestServer) -> Vec<Value> {
    let path = server.data().join(ledger::FILE);
    let report = ledger::verify(&path, None).unwrap();
    assert_eq!(report.broken, []);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// An order of a call for a survey.
pub(crate) fn order() -> Value {
    json!({ "to": THEM, "scenario": "survey", "consent": true })
}

/// An order with some fields changed.
pub(crate) fn order_with(changes: &Value) -> Value {
    let mut order = order();
    for (name, value) in changes.as_object().unwrap() {
        order[name] = value.clone();
    }
    order
}
