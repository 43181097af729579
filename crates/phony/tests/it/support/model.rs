//! A model adapter, with the test at its port, and the stand-in that it talks to.

#![expect(clippy::wildcard_enum_match_arm, reason = "whatever else comes is a failure")]

use std::sync::Arc;
use std::time::Duration;

use phony::models::call_tools;
use phony::models::realtime::{self, RealtimeSettings, SessionSettings};
use phony::ports::ModelPort;
use phony_call::{FromModel, Item, ItemBody, ItemId, ItemKind, Outcome, ToModel, TurnId, Usage};
use phony_simulator::openai::{self, Brain, Fault, FaultKind, OpenAiOptions, OpenAiRunning, Pace};
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::wait::{poll, within};

/// How long the adapter may take for anything.
const LIMIT: Duration = Duration::from_secs(8);

/// An adapter and its stand-in.
pub(crate) struct Bench {
    pub(crate) sim: OpenAiRunning,
    pub(crate) port: ModelPort,
    pub(crate) stop: CancellationToken,
    pub(crate) tracker: TaskTracker,
}

/// The outcome of one turn.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Reply {
    pub(crate) text: String,
    /// Call id, name, arguments.
    pub(crate) tools: Vec<(String, String, String)>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) usage: Option<Usage>,
}

/// A stand-in that answers at once.
pub(crate) fn quick(brain: Brain, faults: Vec<Fault>) -> OpenAiOptions {
    OpenAiOptions { brain, faults, pace: Pace::INSTANT, ..OpenAiOptions::default() }
}

/// A stand-in that sends one word per interval.
pub(crate) fn slow(brain: Brain, between: Duration) -> OpenAiOptions {
    let pace = Pace { between_deltas: between, ..Pace::INSTANT };
    OpenAiOptions { pace, ..quick(brain, Vec::new()) }
}

/// Settings with short time-outs, for a server on this machine.
pub(crate) fn settings(base_url: &str) -> RealtimeSettings {
    let mut settings = RealtimeSettings::new(base_url, "sk-not-a-key".into(), "gpt-realtime-2.1")
        .expect("good settings");
    settings.timing.retries = [0, 20, 20, 100].map(Duration::from_millis).to_vec();
    settings.timing.created = Duration::from_millis(400);
    settings.timing.silence = Duration::from_millis(600);
    settings.timing.drain = Duration::from_millis(400);
    settings
}

impl Bench {
    pub(crate) async fn start(options: OpenAiOptions) -> Self {
        Self::with(options, |_| {}).await
    }

    pub(crate) async fn with(
        options: OpenAiOptions,
        change: impl FnOnce(&mut RealtimeSettings),
    ) -> Self {
        let sim = openai::start(options).await.expect("a stand-in");
        let mut settings = settings(&sim.base_url());
        change(&mut settings);
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let session = SessionSettings {
            instructions: "You answer the telephone.".into(),
            tools: call_tools(),
            safety_identifier: Some("5f2b".into()),
            ..SessionSettings::default()
        };
        let mut port = realtime::open(Arc::new(settings), session, &tracker, stop.clone());
        port.task.take().expect("a task").spawn_on(&tracker);
        tracker.close();
        Self { sim, port, stop, tracker }
    }

    /// The next fact.
    pub(crate) async fn next(&mut self) -> FromModel {
        let fact = within(LIMIT, self.port.rx.recv()).await;
        fact.expect("a model that lives")
    }

    pub(crate) async fn ready(&mut self) {
        assert_eq!(self.next().await, FromModel::Ready);
    }

    pub(crate) async fn order(&self, order: ToModel) {
        self.port.tx.send(order).await.expect("a model that lives");
    }

    pub(crate) async fn respond(&self, turn: u32, context: &[Item]) {
        self.order(ToModel::Respond { turn: TurnId(turn), context: context.to_vec() }).await;
    }

    pub(crate) async fn cancel(&self, turn: u32) {
        self.order(ToModel::Cancel { turn: TurnId(turn) }).await;
    }

    /// Everything of a turn, up to its end.
    pub(crate) async fn reply(&mut self, turn: u32) -> Reply {
        let mut reply = Reply::default();
        let wanted = TurnId(turn);
        loop {
            match self.next().await {
                FromModel::Text { turn, text } if turn == wanted => reply.text += &text,
                FromModel::Tool { turn, call_id, name, arguments } if turn == wanted => {
                    reply.tools.push((call_id, name, arguments));
                }
                FromModel::Done { turn, outcome, usage } if turn == wanted => {
                    return Reply { outcome: Some(outcome), usage, ..reply };
                }
                other => panic!("in {wanted}: {other:?}"),
            }
        }
    }

    pub(crate) async fn ask(&mut self, turn: u32, context: &[Item]) -> Reply {
        self.respond(turn, context).await;
        self.reply(turn).await
    }

    /// Facts up to the first words of this turn.
    pub(crate) async fn first_words(&mut self, turn: u32) -> String {
        loop {
            match self.next().await {
                FromModel::Text { turn: of, text } if of == TurnId(turn) => return text,
                FromModel::Text { .. } | FromModel::Done { .. } => {}
                other => panic!("before words: {other:?}"),
            }
        }
    }

    /// The client's events from the `from`th on, in short: `create user "Hello"`, `delete`, ….
    pub(crate) fn sent(&self, from: usize) -> Vec<String> {
        self.sim.received().iter().skip(from).map(|received| short(&received.event)).collect()
    }

    pub(crate) fn sent_so_far(&self) -> usize {
        self.sim.received().len()
    }

    /// Waits until `condition` holds.
    pub(crate) async fn eventually(&self, what: &str, condition: impl Fn(&OpenAiRunning) -> bool) {
        let holds = poll(async || condition(&self.sim).then_some(()));
        timeout(LIMIT, holds).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    /// Waits until the adapter's task has ended.
    pub(crate) async fn ended(&self) {
        within(LIMIT, self.tracker.wait()).await;
    }
}

fn short(event: &Value) -> String {
    let kind = event["type"].as_str().unwrap_or("?");
    let item = &event["item"];
    let text = item["content"][0]["text"].as_str().unwrap_or_default();
    let what = item["role"].as_str().or_else(|| item["type"].as_str()).unwrap_or_default();
    let place = event["previous_item_id"].as_str();
    let place = place.map(|id| if id == "root" { " first" } else { " in place" });
    match kind {
        "conversation.item.create" => format!("create {what} {text:?}{}", place.unwrap_or("")),
        "conversation.item.delete" => "delete".into(),
        other => other.into(),
    }
}

pub(crate) fn once(kind: FaultKind) -> Vec<Fault> {
    vec![Fault::once(kind)]
}

/// The item with this short name: a letter and a number.
pub(crate) fn item_id(short: &str) -> ItemId {
    let number = short[1..].parse().expect("a number");
    ItemId::new(ItemKind::Entry, number, u32::from(short.as_bytes()[0]))
}

pub(crate) fn user(id: &str, text: &str) -> Item {
    Item { id: item_id(id), body: ItemBody::User { text: text.into(), heard: None } }
}

pub(crate) fn note(id: &str, text: &str) -> Item {
    Item { id: item_id(id), body: ItemBody::Note(text.into()) }
}

pub(crate) fn assistant(id: &str, text: &str, verbatim: Option<u32>) -> Item {
    let body = ItemBody::Assistant { text: text.into(), verbatim: verbatim.map(TurnId) };
    Item { id: item_id(id), body }
}
