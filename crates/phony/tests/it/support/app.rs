//! A server between the stand-ins for the telephone network and the model, over real sockets, with
//! nothing replaced.

use std::sync::Arc;

use phony::config::{Config, Sources};
use phony::server::{self, Running};
use phony_simulator::callers::{Caller, Step};
use phony_simulator::openai::{self, AudioOptions, Brain, OpenAiOptions, OpenAiRunning};
use phony_simulator::twilio::{
    self, CallRecord, HostOverride, PhoneNumber, TwilioOptions, TwilioRunning,
};
use phony_simulator::voice::{Ears, Voice};
use serde_json::Value;

use crate::support::server::{AUTH_TOKEN, CALLED, CALLER, HOST};
use crate::support::wait::whole_call::{LIMIT, eventually, in_time};

/// Speed of the callers and voices, as a multiple of real time.
const SPEED: f64 = 8.0;

pub(crate) struct TestApp {
    pub(crate) running: Running,
    pub(crate) openai: OpenAiRunning,
    pub(crate) twilio: TwilioRunning,
    _data: tempfile::TempDir,
}

impl TestApp {
    pub(crate) async fn start(brain: Brain) -> Self {
        Self::start_with(brain, &[]).await
    }

    /// The same with these variables set.
    pub(crate) async fn start_with(brain: Brain, variables: &[(&str, &str)]) -> Self {
        Self::configured(brain, variables, "").await
    }

    /// The same with this in `phony.toml`.
    pub(crate) async fn configured(brain: Brain, variables: &[(&str, &str)], file: &str) -> Self {
        let openai = OpenAiOptions { brain, ..OpenAiOptions::default() };
        let twilio = TwilioOptions { speed: SPEED, ..TwilioOptions::default() };
        Self::between(openai, twilio, variables, file).await
    }

    /// With calls as sound, at the speed of life, since the server counts what was heard by its own
    /// clock. The model understands what the callers say.
    pub(crate) async fn speaking(brain: Brain) -> Self {
        let ears = Ears::new();
        let audio = AudioOptions { ears: ears.clone(), ..AudioOptions::default() };
        let openai = OpenAiOptions { brain, audio, ..OpenAiOptions::default() };
        let voice = Arc::new(Voice::heard_by(ears));
        let twilio = TwilioOptions { voice, speed: 1.0, ..TwilioOptions::default() };
        Self::between(openai, twilio, &[("PHONY_TRANSPORT", "media")], "").await
    }

    async fn between(
        openai: OpenAiOptions,
        twilio: TwilioOptions,
        variables: &[(&str, &str)],
        file: &str,
    ) -> Self {
        let openai = openai::start(openai).await.unwrap();
        let data = tempfile::tempdir().unwrap();
        let environment = [
            ("PORT", "0"),
            ("PHONY_BIND", "127.0.0.1"),
            ("HOST", HOST),
            ("PHONY_DATA_DIR", data.path().to_str().unwrap()),
            ("TWILIO_AUTH_TOKEN", AUTH_TOKEN),
            ("OPENAI_API_KEY", "sk-test"),
            ("OPENAI_BASE_URL", &openai.base_url()),
            ("TRANSFER_NUMBER", "+15005550009"),
        ];
        let environment = environment.iter().chain(variables);
        let environment =
            environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let file = Some(("phony.toml".to_owned(), file.to_owned()));
        let sources = Sources { file, environment, ..Sources::default() };
        let running = server::start(Config::from_sources(sources).unwrap()).await.unwrap();
        let number = PhoneNumber {
            status_callback: format!("https://{HOST}/call_status"),
            ..PhoneNumber::new(CALLED, format!("https://{HOST}/receive_call"))
        };
        let to = format!("http://{}", running.addr);
        let options = TwilioOptions {
            auth_token: AUTH_TOKEN.into(),
            numbers: vec![number],
            host_overrides: vec![HostOverride { public: HOST.into(), to }],
            ..twilio
        };
        let twilio = twilio::start(options).await.unwrap();
        Self { running, openai, twilio, _data: data }
    }

    /// Plays a call from its first ring to its end.
    pub(crate) async fn call(&self, steps: Vec<Step>) -> (CallRecord, Vec<Value>) {
        let sid = self.twilio.dial_in(CALLER, CALLED, Caller::Script(steps)).unwrap();
        self.ended(&sid).await
    }

    /// Waits for the end of a call; the network's record and the server's events.
    pub(crate) async fn ended(&self, sid: &str) -> (CallRecord, Vec<Value>) {
        let record = self.twilio.wait_for_end(sid, LIMIT).await.unwrap();
        let call = phony_call::CallSid::parse(sid).unwrap();
        let hub = self.running.app.history.hub();
        eventually(async || hub.summary(&call).unwrap().end).await;
        let events = hub.events(&call, 0).unwrap();
        let events = events.iter().map(|event| serde_json::from_str(event).unwrap());
        (record, events.collect())
    }

    pub(crate) async fn stop(self) {
        self.running.stop();
        in_time(self.running.join()).await;
        in_time(self.twilio.stop()).await;
        in_time(self.openai.stop()).await;
    }
}

pub(crate) fn of<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

/// Asserts what holds for every call.
pub(crate) fn check(record: &CallRecord, events: &[Value]) {
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], at + 1, "numbered without gaps");
    }
    assert_eq!(events[0]["type"], "session_start");
    assert_eq!(events.last().unwrap()["type"], "session_end");
    for webhook in &record.webhooks {
        assert!(webhook.status.is_some_and(|status| status < 300), "{webhook:?}");
        assert_eq!(webhook.unknown, Vec::<String>::new(), "typos in {webhook:?}");
    }
    for frame in record.from_twilio() {
        assert!(!frame.contains("64107"), "a frame of ours was refused: {frame}");
    }
}

/// What the caller heard of the one utterance that was cut off.
pub(crate) fn cut_once(events: &[Value]) -> &str {
    let interrupts = of(events, "interrupt");
    assert_eq!(interrupts.len(), 1, "{events:#?}");
    let cut: Vec<_> = of(events, "assistant_response")
        .into_iter()
        .filter(|event| event["interrupted"] == true)
        .collect();
    assert_eq!(cut.len(), 1, "{events:#?}");
    assert_eq!(cut[0]["text"], interrupts[0]["heard"]);
    cut[0]["text"].as_str().unwrap()
}
