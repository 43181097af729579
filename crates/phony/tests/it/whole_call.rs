//! Whole calls: the server between the stand-in for the telephone network and the one for the
//! model, over real sockets, every part the real one.

use std::time::Duration;

use phony::config::{Config, Sources};
use phony::server::{self, Running};
use phony_simulator::callers::{Caller, Step};
use phony_simulator::openai::{self, Brain, OpenAiOptions, OpenAiRunning, ScriptedReply};
use phony_simulator::twilio::{
    self, CallRecord, HostOverride, PhoneNumber, TwilioOptions, TwilioRunning,
};
use serde_json::Value;

use crate::house::{AUTH_TOKEN, CALLED, CALLER, HOST, soon};

const PATIENCE: Duration = Duration::from_secs(30);
/// How much faster than the clock people and voices are.
const SPEED: f64 = 8.0;

pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) openai: OpenAiRunning,
    pub(crate) twilio: TwilioRunning,
    _data: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start(brain: Brain) -> Self {
        Self::start_with(brain, &[]).await
    }

    /// The same with these variables set.
    pub(crate) async fn start_with(brain: Brain, variables: &[(&str, &str)]) -> Self {
        Self::configured(brain, variables, "").await
    }

    /// The same with this in `phony.toml`.
    async fn configured(brain: Brain, variables: &[(&str, &str)], file: &str) -> Self {
        let openai = OpenAiOptions { brain, ..OpenAiOptions::default() };
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
            speed: SPEED,
            ..TwilioOptions::default()
        };
        let twilio = twilio::start(options).await.unwrap();
        Self { running, openai, twilio, _data: data }
    }

    /// A call from its first ring to its end.
    async fn call(&self, steps: Vec<Step>) -> (CallRecord, Vec<Value>) {
        let sid = self.twilio.dial_in(CALLER, CALLED, Caller::Script(steps)).unwrap();
        self.ended(&sid).await
    }

    /// What the network and the server know of a call, once it is over.
    pub(crate) async fn ended(&self, sid: &str) -> (CallRecord, Vec<Value>) {
        let record = self.twilio.wait_for_end(sid, PATIENCE).await.unwrap();
        let call = phony_call::CallSid::parse(sid).unwrap();
        let hub = self.running.app.history.hub();
        let ended = async {
            while hub.summary(&call).unwrap().end.is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(ended).await;
        let events = hub.events(&call, 0).unwrap();
        let events = events.iter().map(|event| serde_json::from_str(event).unwrap());
        (record, events.collect())
    }

    pub(crate) async fn stop(self) {
        self.running.stop();
        soon(self.running.join()).await;
        soon(self.twilio.stop()).await;
        soon(self.openai.stop()).await;
    }
}

pub(crate) fn of<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

/// What holds for every call.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_call_is_held_from_the_greeting_to_the_goodbye() {
    let world = World::start(Brain::Echo).await;
    let steps = vec![
        Step::reply("I lost my debit card"),
        Step::reply("Just send me a new one"),
        Step::hang_up(),
    ];
    let (record, events) = world.call(steps).await;
    check(&record, &events);
    let heard = record.heard_text();
    for words in ["Hello", "You said: I lost my debit card", "You said: Just send me a new one"] {
        assert!(heard.contains(words), "{words:?} in {heard:?}");
    }
    let said: Vec<_> = of(&events, "transcript").iter().map(|event| &event["text"]).collect();
    assert_eq!(said, ["I lost my debit card", "Just send me a new one"]);
    assert_eq!(events.last().unwrap()["reason"], "caller_hung_up");
    assert!(!of(&events, "usage").is_empty() && !of(&events, "latency").is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_talks_over_the_agent_is_heard() {
    let world = World::start(Brain::Echo).await;
    let long = "tell me everything that you know about cards and about banks and about money";
    let steps =
        vec![Step::reply(long), Step::interrupt(20, "no wait, stop please"), Step::hang_up()];
    let (record, events) = world.call(steps).await;
    check(&record, &events);
    let interrupts = of(&events, "interrupt");
    assert_eq!(interrupts.len(), 1, "{events:#?}");
    let cut: Vec<_> = of(&events, "assistant_response")
        .into_iter()
        .filter(|e| e["interrupted"] == true)
        .collect();
    assert_eq!(cut.len(), 1);
    assert_eq!(cut[0]["text"], interrupts[0]["heard"]);
    assert!(record.heard_text().contains("You said: no wait, stop please"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_words_that_cut_a_reply_off_are_heard_to_their_end() {
    // The old voice stops when the last words come; that silence must not count as their end.
    let file = "[policy]\nmax_call = \"4s\"\nplayback_slack = \"600ms\"\n";
    let long = "This is a long reply, that goes on and on, until the time is up. ".repeat(20);
    let replies = vec![ScriptedReply::next(long.as_str())];
    let world = World::configured(Brain::Script(replies), &[], file).await;
    let (record, events) = world.call(vec![Step::reply("tell me everything")]).await;
    check(&record, &events);
    assert_eq!(events.last().unwrap()["reason"], "max_duration");
    let heard = record.heard_text();
    assert!(heard.contains("until the time is up"), "a reply sounded: {heard:?}");
    let goodbye = "I am sorry, our time is up. Thank you for the call. Goodbye.";
    assert!(heard.ends_with(goodbye), "{heard:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_wants_a_person_is_put_through() {
    let world = World::start(Brain::Receptionist).await;
    let steps = vec![Step::reply("I want to speak to a human please")];
    let (record, events) = world.call(steps).await;
    check(&record, &events);
    assert_eq!(of(&events, "session_transfer")[0]["target"], "+15005550009");
    assert_eq!(record.dialled[0].to, "+15005550009");
    assert_eq!(record.dialled[0].caller_id.as_deref(), Some(CALLED));
    assert_eq!(events.last().unwrap()["reason"], "transferred");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once_do_not_mix() {
    let world = World::start(Brain::Echo).await;
    let one = |n: usize| {
        let world = &world;
        async move {
            let words = format!("my number is {n} hundred");
            let (record, events) = world.call(vec![Step::reply(&words), Step::hang_up()]).await;
            check(&record, &events);
            assert!(record.heard_text().contains(&format!("You said: {words}")), "{n}");
        }
    };
    futures_util::future::join_all((1..=20).map(one)).await;
    world.stop().await;
}
