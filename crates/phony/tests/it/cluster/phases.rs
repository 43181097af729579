//! A server is killed or stopped in every phase of a call: the caller is answered on another, no
//! turn is lost or doubled, and what waited for a supervisor still does.

use std::time::Duration;

use phony_simulator::openai::{Brain, OpenAiOptions, Pace, ScriptedReply};
use phony_simulator::twilio::{Answers, CallRecord, Callee};
use serde_json::{Value, json};

use super::one_server::{check, greetings, texts};
use crate::support::cluster::{ClusterOptions, TestCluster};
use crate::support::manual_call::ManualCall;

const COLLEAGUE: &str = "+15005550199";
const CLERK: &str = r#"
name = "Clerk"
instructions = "Help."
greeting = "Hello, this is the clerk of the town hall. What can I do for you today?"
commands = ["transfer", "end_call", "request_user"]
[approval]
words = ["refund"]
[transfers]
fallback = "+15005550199"
"#;

/// A way to end a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Killed,
    Stopped,
}

/// The phase in which a call is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Ringing,
    Greeting,
    Listening,
    Thinking,
    Speaking,
    /// In an answer that takes longer than a stopping server waits.
    LongAnswer,
    HeldApproval,
    OpenQuestion,
    HumanSpeaks,
    Transferring,
    Ending,
}

impl Phase {
    const ALL: [Self; 11] = [
        Self::Ringing,
        Self::Greeting,
        Self::Listening,
        Self::Thinking,
        Self::Speaking,
        Self::LongAnswer,
        Self::HeldApproval,
        Self::OpenQuestion,
        Self::HumanSpeaks,
        Self::Transferring,
        Self::Ending,
    ];

    /// What the caller says to reach the phase, and the expected answers, in order.
    fn words(self) -> (&'static str, Vec<String>) {
        let (says, answers): (_, &[&str]) = match self {
            Self::Ringing | Self::Greeting | Self::Listening | Self::Thinking => {
                ("Where is the town hall?", &["It is at the market place, next to the church."])
            }
            Self::Speaking => (
                "What about my passport?",
                &[
                    "First you need a photograph. Then you fill in the form. After that you come to \
                   us in the morning. You pay at the desk. And in two weeks it is there.",
                ],
            ),
            Self::LongAnswer => return ("Tell me everything", vec![everything()]),
            Self::HeldApproval => ("I want my money back", &["Yes, a refund is possible."]),
            Self::OpenQuestion => {
                ("Is there a discount?", &["Let me ask.", "My colleague says ten percent."])
            }
            Self::HumanSpeaks => ("", &[]),
            Self::Transferring => (
                "I want to speak with a person",
                &["I will connect you.", "I am sorry, there is nobody in the office."],
            ),
            Self::Ending => (
                "Goodbye then",
                &["Thank you for calling the town hall. Have a very nice day. And goodbye."],
            ),
        };
        (says, answers.iter().map(|answer| (*answer).to_owned()).collect())
    }
}

/// An answer of about a minute.
fn everything() -> String {
    let lines = (1..=32).map(|line| format!("This is line {line} of all there is to say. "));
    lines.collect::<String>().trim_end().to_owned()
}

fn clerk() -> OpenAiOptions {
    let mut replies = vec![ScriptedReply::on("thank you", "You are welcome.")];
    for phase in Phase::ALL {
        let (says, answers) = phase.words();
        if let Some(first) = answers.first() {
            let reply = ScriptedReply::on(says, first.as_str());
            replies.push(match phase {
                Phase::OpenQuestion => {
                    reply.with_call("request_user", r#"{"prompt":"May I give a discount?"}"#)
                }
                Phase::Transferring => reply.in_chunks([first.as_str(), " [[transfer]]"]),
                Phase::Ending => reply.with_call("end_call", "{}"),
                Phase::Ringing
                | Phase::Greeting
                | Phase::Listening
                | Phase::Thinking
                | Phase::Speaking
                | Phase::LongAnswer
                | Phase::HeldApproval
                | Phase::HumanSpeaks => reply,
            });
        }
    }
    replies.push(ScriptedReply::on("ten percent", "My colleague says ten percent."));
    let nobody = "I am sorry, there is nobody in the office.";
    replies.push(ScriptedReply::on("nobody took the call", nobody));
    // Thinks for long enough to be killed before it answers.
    let pace = Pace { first_token: Duration::from_millis(500), ..Pace::default() };
    OpenAiOptions { brain: Brain::Script(replies), pace, ..OpenAiOptions::default() }
}

async fn cluster(servers: usize) -> TestCluster {
    let files = vec![
        ("phony.toml", "[agents]\nfolder = 'agents'\n".to_owned()),
        ("agents/clerk.toml", CLERK.to_owned()),
    ];
    let variables = vec![("PHONY_AGENT", "clerk".to_owned())];
    let cluster = TestCluster::of(ClusterOptions {
        servers,
        model: clerk(),
        files,
        variables,
        ..ClusterOptions::default()
    })
    .await;
    cluster.twilio.set_callee(COLLEAGUE, Callee::absent(Answers::Nobody));
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_two_is_killed_in_every_phase() {
    in_every_phase(2, End::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_three_is_killed_in_every_phase() {
    in_every_phase(3, End::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_three_is_stopped_in_every_phase() {
    in_every_phase(3, End::Stopped).await;
}

/// Clusters in which calls are made at the same time.
const CLUSTERS: usize = 3;

async fn in_every_phase(servers: usize, end: End) {
    let clusters = (0..CLUSTERS).map(|first| async move {
        let mut cluster = cluster(servers).await;
        for phase in Phase::ALL.into_iter().skip(first).step_by(CLUSTERS) {
            disturb(&mut cluster, phase, end).await;
        }
    });
    futures_util::future::join_all(clusters).await;
}

async fn disturb(cluster: &mut TestCluster, phase: Phase, end: End) {
    cluster.balancer.hold(phase == Phase::Ringing);
    let mut call = ManualCall::begin(cluster).await;
    call.reach(phase).await;
    let gone = call.owner().await;
    match end {
        End::Killed => call.cluster.nodes[gone].kill(),
        End::Stopped => call.cluster.nodes[gone].signal("-TERM"),
    }
    call.cluster.balancer.hold(false);
    if how_it_goes_on(phase, end).1 > 0 {
        call.hears("Sorry, I lost you for a second.").await;
    }
    let record = call.go_on(phase).await;
    let ManualCall { cluster, sid, .. } = call;
    if end == End::Stopped {
        assert_eq!(cluster.nodes[gone].ended().await, Some(0), "{phase:?}");
    }
    let node = cluster.new_node(&[]).await;
    cluster.nodes[gone] = node;
    cluster.open_to_all();
    let events = cluster.history(gone, &sid).await;
    judge(phase, end, &events, &record);
}

impl ManualCall<'_> {
    /// Brings the call into the phase.
    async fn reach(&mut self, phase: Phase) {
        match phase {
            Phase::Ringing => return self.sees("session_start").await,
            Phase::Greeting => return self.is_in("greeting").await,
            Phase::Listening
            | Phase::Thinking
            | Phase::Speaking
            | Phase::LongAnswer
            | Phase::HeldApproval
            | Phase::OpenQuestion
            | Phase::HumanSpeaks
            | Phase::Transferring
            | Phase::Ending => {}
        }
        self.sees("assistant_response").await;
        self.is_in("listening").await;
        let (says, answers) = phase.words();
        if phase == Phase::HumanSpeaks {
            self.acts("takeover", &json!({})).await;
            self.acts("text", &json!({ "text": "This is Anna. I take over." })).await;
            return self.hears("I take over.").await;
        }
        self.says(says).await;
        match phase {
            Phase::Thinking => self.is_in("thinking").await,
            Phase::Listening => {
                self.hears(&answers[0]).await;
                self.is_in("listening").await;
            }
            Phase::Speaking | Phase::LongAnswer => self.sees("assistant_heard").await,
            Phase::HeldApproval => self.sees("pending_response").await,
            Phase::OpenQuestion => {
                self.sees("query").await;
                // The words before the question are on record.
                self.sees("assistant_response").await;
            }
            Phase::Transferring => self.sees("session_transfer").await,
            Phase::Ending => self.is_in("ending").await,
            Phase::Ringing | Phase::Greeting | Phase::HumanSpeaks => {}
        }
    }

    /// Plays the call to its end after the loss of its server.
    async fn go_on(&mut self, phase: Phase) -> Box<CallRecord> {
        let (says, answers) = phase.words();
        match phase {
            Phase::Ringing | Phase::Greeting => {
                self.is_in("listening").await;
                self.says(says).await;
                self.hears(&answers[0]).await;
            }
            Phase::Listening => {}
            Phase::Thinking | Phase::Speaking | Phase::LongAnswer | Phase::Transferring => {
                let all = answers.last().unwrap();
                let last = all.rsplit(". ").next().unwrap();
                self.hears(last).await;
            }
            Phase::HeldApproval => {
                self.is_in("on_hold").await;
                let call = self.snapshot().await;
                assert_eq!(call["heldReply"], answers[0], "{call:#}");
                self.acts("text", &json!({ "text": answers[0] })).await;
                self.hears(&answers[0]).await;
            }
            Phase::OpenQuestion => {
                self.is_in("on_hold").await;
                let call = self.snapshot().await;
                assert_eq!(call["question"], "May I give a discount?", "{call:#}");
                self.acts("clarification", &json!({ "response": "Ten percent." })).await;
                self.hears(&answers[1]).await;
            }
            Phase::HumanSpeaks => {
                self.is_in("human_speaks").await;
                self.acts("text", &json!({ "text": "Anna is still here." })).await;
                self.hears("Anna is still here.").await;
                self.acts("release", &json!({})).await;
            }
            Phase::Ending => return self.ends().await,
        }
        self.is_in("listening").await;
        self.says("Thank you").await;
        self.hears("You are welcome.").await;
        self.is_in("listening").await;
        self.hangs_up().await
    }
}

/// How often the line comes back, and how often the AI apologises for its loss.
fn how_it_goes_on(phase: Phase, end: End) -> (usize, usize) {
    match (phase, end) {
        // There was no line yet, or the call ends by itself.
        (Phase::Ringing, _) | (Phase::Ending, End::Stopped) => (0, 0),
        // The line was transferred, or handed over in a pause.
        (Phase::Transferring, _) | (_, End::Stopped) => (1, 0),
        (_, End::Killed) => (1, 1),
    }
}

/// Asserts what must be true of the whole call.
#[expect(clippy::print_stdout, reason = "how long callers wait is worth knowing")]
fn judge(phase: Phase, end: End, events: &[Value], record: &CallRecord) {
    let why = |what: &str| format!("{phase:?} {end:?}: {what}: {events:#?}\n{record:#?}");
    check(events);
    let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    let (says, mut answers) = phase.words();
    let mut said: Vec<_> =
        [says, "Thank you"].into_iter().filter(|said| !said.is_empty()).collect();
    if phase == Phase::Ending {
        said.pop();
    } else {
        answers.push("You are welcome.".into());
    }
    assert_eq!(texts(events, "transcript"), said, "{}", why("a turn is lost or doubled"));
    let models =
        |event: &&Value| event["type"] == "assistant_response" && event["source"] == "model";
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let heard: Vec<_> = events.iter().filter(models).map(|event| event["text"].as_str()).collect();
    let heard: Vec<_> = heard.into_iter().flatten().flat_map(words).collect();
    let due: Vec<_> = answers.iter().flat_map(|answer| words(answer)).collect();
    assert_eq!(heard, due, "{}", why("an answer is lost or doubled"));
    assert!(greetings(events) <= 1, "{}", why("greeted twice"));
    let apologies = events
        .iter()
        .filter(|event| event["source"] == "apology" && event["type"] == "assistant_response");
    let apologies = apologies.count();
    let (resumed, apologised) = how_it_goes_on(phase, end);
    assert_eq!(count("resumed"), resumed, "{}", why("how often it came back"));
    assert_eq!(apologies, apologised, "{}", why("how often we were sorry"));
    let reason = if phase == Phase::Ending { "agent_ended" } else { "caller_hung_up" };
    assert_eq!(events.last().unwrap()["reason"], reason, "{}", why("the end"));
    match phase {
        Phase::HeldApproval => assert_eq!(count("response_approved"), 1, "{}", why("approvals")),
        Phase::OpenQuestion => assert_eq!(count("query_response"), 1, "{}", why("answers")),
        Phase::Ringing
        | Phase::Greeting
        | Phase::Listening
        | Phase::Thinking
        | Phase::Speaking
        | Phase::LongAnswer
        | Phase::HumanSpeaks
        | Phase::Transferring
        | Phase::Ending => {}
    }
    let sessions: Vec<_> = record.sessions.windows(2).collect();
    let gaps = sessions.iter().map(|two| two[1].at_ms - two[0].ended_ms.unwrap());
    println!("{phase:?} {end:?}: without a line for {:?} ms of the call", gaps.collect::<Vec<_>>());
}
