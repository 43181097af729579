//! One call of a cluster, played by the test as its caller and its supervisor.

use phony_simulator::callers::{Caller, LiveAction, LiveEvent, LiveHandle};
use phony_simulator::twilio::CallRecord;
use serde_json::Value;
use tokio::time::timeout;

use crate::support::cluster::{TOKEN, TestCluster, Viewer, action};
use crate::support::server::{CALLED, CALLER};
use crate::support::wait::cluster::{LIMIT, eventually, in_time};
use crate::support::wait::poll;

/// A live call, its caller, and a viewer of its events.
pub(crate) struct ManualCall<'a> {
    pub(crate) cluster: &'a mut TestCluster,
    pub(crate) sid: String,
    pub(crate) caller: LiveHandle,
    /// At a server that does not hold the call, if there is one.
    view: Viewer,
}

impl<'a> ManualCall<'a> {
    /// The caller dials in.
    pub(crate) async fn begin(cluster: &'a mut TestCluster) -> Self {
        let (line, caller) = Caller::live();
        let sid = cluster.twilio.dial_in(CALLER, CALLED, line).unwrap();
        let owner = owner_of(cluster, &sid).await;
        let viewer = (owner + 1) % cluster.nodes.len();
        let view = cluster.view(viewer, &format!("?callSid={sid}")).await;
        Self { cluster, sid, caller, view }
    }

    /// Index of the server that holds the call.
    pub(crate) async fn owner(&self) -> usize {
        owner_of(self.cluster, &self.sid).await
    }

    /// Hangs up.
    pub(crate) async fn hangs_up(&mut self) -> Box<CallRecord> {
        assert!(self.caller.act(LiveAction::HangUp).await, "the call is over");
        self.ends().await
    }

    pub(crate) async fn ends(&mut self) -> Box<CallRecord> {
        let ended = self.cluster.twilio.wait_for_end(&self.sid, LIMIT);
        Box::new(ended.await.unwrap())
    }

    pub(crate) async fn says(&self, words: &str) {
        assert!(self.caller.act(LiveAction::Say(words.into())).await, "the call is over");
    }

    /// Listens until these words have been heard since the last look.
    pub(crate) async fn hears(&mut self, words: &str) {
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let wanted = plain(words);
        let mut heard = String::new();
        let listening = async {
            while !plain(&heard).contains(&wanted) {
                match self.caller.hear().await {
                    Some(LiveEvent::Heard(text)) => {
                        heard.push(' ');
                        heard.push_str(&text);
                    }
                    Some(
                        LiveEvent::Answered | LiveEvent::AgentSpeaking(_) | LiveEvent::Digits(_),
                    ) => {}
                    Some(LiveEvent::Ended) | None => panic!("the call is over: {heard}"),
                }
            }
        };
        if timeout(LIMIT, listening).await.is_err() {
            let record = self.cluster.twilio.call(&self.sid);
            panic!("«{words}» was not heard, but «{heard}»: {record:#?}");
        }
    }

    /// Waits for an event of this type.
    pub(crate) async fn sees(&mut self, kind: &str) {
        let seen = async {
            loop {
                match self.view.next().await {
                    Some(event) if event["type"] == kind => return true,
                    Some(_) => {}
                    None => return false,
                }
            }
        };
        assert!(in_time(seen).await, "no {kind} is seen");
    }

    /// Waits until the call is in this phase, on any server.
    pub(crate) async fn is_in(&mut self, phase: &str) {
        let (cluster, call) = (&*self.cluster, &self.sid);
        let mut last = Value::Null;
        let waiting = poll(async || {
            for node in 0..cluster.nodes.len() {
                if let Some(snapshot) = live_at(cluster, node, call).await {
                    if snapshot["phase"] == phase {
                        return Some(());
                    }
                    last = snapshot;
                }
            }
            None
        });
        let is = timeout(LIMIT, waiting).await.is_ok();
        assert!(is, "the call is not in {phase}: {last:#} {:#?}", cluster.twilio.call(call));
    }

    pub(crate) async fn snapshot(&self) -> Value {
        let node = self.owner().await;
        self.cluster.get(node, &format!("/calls/{}", self.sid)).await.1
    }

    /// Sends an action, to a server that does not hold the call if there is one.
    pub(crate) async fn acts(&self, what: &str, body: &Value) {
        let owner = self.owner().await;
        let path = format!("/override/{what}");
        let done = eventually(async || {
            let answers = (0..self.cluster.nodes.len()).filter(|node| *node != owner);
            for node in answers.chain([owner]) {
                let url = self.cluster.nodes[node].url(&path);
                let action = action(&self.sid, body);
                let request = self.cluster.http.post(url).bearer_auth(TOKEN).json(&action);
                if let Ok(answer) = request.send().await {
                    return Some((answer.status().as_u16(), answer.text().await.unwrap()));
                }
            }
            None
        })
        .await;
        assert_eq!(done.0, 200, "{what}: {}", done.1);
    }
}

/// The snapshot of a live call; none if this server does not hold it.
async fn live_at(cluster: &TestCluster, node: usize, call: &str) -> Option<Value> {
    let health = cluster.http.get(cluster.nodes[node].url("/healthz")).send().await.ok()?;
    let health: Value = health.json().await.ok()?;
    if health["activeCalls"] == 0 {
        return None;
    }
    let url = cluster.nodes[node].url(&format!("/calls/{call}"));
    let answer = cluster.http.get(url).bearer_auth(TOKEN).send().await.ok()?;
    (answer.status() == 200).then_some(())?;
    answer.json().await.ok()
}

async fn owner_of(cluster: &TestCluster, call: &str) -> usize {
    eventually(async || {
        for node in 0..cluster.nodes.len() {
            if live_at(cluster, node, call).await.is_some() {
                return Some(node);
            }
        }
        None
    })
    .await
}
