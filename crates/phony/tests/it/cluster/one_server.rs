//! A webhook, a socket, an order and a viewer may each reach another node.

use std::time::Duration;

use phony_call::CallSid;
use phony_simulator::callers::{Action, Caller, OnTimeout, Step, When};
use phony_simulator::openai::Brain;
use serde_json::{Value, json};

use super::town::{Town, bounded, now, order, until};
use phony_wire::twilio::twiml::Twiml;

use crate::house::{AUTH_TOKEN, CALLED, CALLER, HOST, house_with};
use crate::redis_server::RedisServer;

/// How long a caller waits for an answer: long, for servers that start under load are slow.
const PATIENCE_MS: u64 = 150_000;

/// Says it when it has been quiet for long enough that nothing more can be on its way.
pub(super) fn says(text: &str) -> Step {
    let finished = When::AgentFinished { quiet_ms: 3500 };
    Step::new(finished, Action::say(text)).with_timeout(PATIENCE_MS, OnTimeout::HangUp)
}

pub(super) fn hangs_up() -> Step {
    let finished = When::AgentFinished { quiet_ms: 3500 };
    Step::new(finished, Action::HangUp).with_timeout(PATIENCE_MS, OnTimeout::HangUp)
}

/// The words of events of one type.
pub(super) fn texts(events: &[Value], kind: &str) -> Vec<String> {
    let of = events.iter().filter(|event| event["type"] == kind);
    of.map(|event| event["text"].as_str().unwrap().to_owned()).collect()
}

/// How many replies of the model were heard to their end. The stand-in says what it was told last:
/// the caller's words, or, where it was to go on, that the line was lost.
pub(super) fn answers(events: &[Value]) -> usize {
    let whole = |event: &&Value| {
        event["type"] == "assistant_response"
            && event["source"] == "model"
            && event["interrupted"] == false
    };
    events.iter().filter(whole).count()
}

/// How often the caller was greeted.
pub(super) fn greetings(events: &[Value]) -> usize {
    let greeting =
        |event: &&Value| event["type"] == "assistant_response" && event["source"] == "greeting";
    events.iter().filter(greeting).count()
}

/// What holds for every call, however often it moved.
pub(super) fn check(events: &[Value]) {
    let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    let all: Vec<_> = (1..=events.len() as u64).collect();
    assert_eq!(seqs, all, "numbered without gaps");
    assert_eq!(events[0]["type"], "session_start");
    assert_eq!(events.last().unwrap()["type"], "session_end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_part_of_a_call_may_reach_another_server() {
    let town = Town::start(2, 8.0, Brain::Echo).await;
    let mut everywhere = [town.view(0, "").await, town.view(1, "").await];
    let steps = vec![says("I lost my debit card"), says("Thank you"), hangs_up()];
    let call = town.twilio.dial_in(CALLER, CALLED, Caller::Script(steps)).unwrap();
    let owner = town.owner().await;
    let other = 1 - owner;
    let mut views = [
        town.view(0, &format!("?callSid={call}")).await,
        town.view(1, &format!("?callSid={call}")).await,
    ];

    // Orders from the other node: done, refused, or for nobody, as if the call were here.
    let whisper = order(&call, &json!({ "text": "be brief" }));
    let mut times = Vec::new();
    for _ in 0..40 {
        let began = now();
        let (status, body) = town.post(other, "/override/whisper", &whisper).await;
        times.push(began.elapsed());
        assert_eq!((status, &body), (200, &json!({ "status": "ok" })));
    }
    times.sort_unstable();
    let middle = times[times.len() / 2];
    assert!(middle < Duration::from_millis(20), "it takes {middle:?}");
    let (status, body) = town.post(other, "/override/release", &order(&call, &json!({}))).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("CONFLICT")));
    let unknown = order("CA404", &json!({ "text": "hello" }));
    let (status, _) = town.post(other, "/override/text", &unknown).await;
    assert_eq!(status, 404);
    let (status, page) = town.get(other, "/calls?live=true").await;
    assert_eq!((status, &page["calls"][0]["callSid"]), (200, &json!(call)));

    bounded(60, town.twilio.wait_for_end(&call, Duration::from_mins(1))).await.unwrap();
    let (mut seen, mut shown) = (Vec::new(), 0);
    for view in &mut views {
        let mut events = Vec::new();
        while let Some(event) = bounded(10, view.next()).await {
            if event["seq"].is_u64() {
                events.push(event);
            } else {
                shown += 1;
            }
        }
        check(&events);
        seen.push(events);
    }
    assert_eq!(seen[0], seen[1], "both nodes tell the same");
    assert!(shown > 0, "and show what is not stored");
    for view in &mut everywhere {
        let mut events = Vec::new();
        while events.last().is_none_or(|event: &Value| event["type"] != "session_end") {
            let event = bounded(10, view.next()).await.unwrap();
            if event["seq"].is_u64() {
                events.push(event);
            }
        }
        assert_eq!(events, seen[0]);
    }
    assert_eq!(texts(&seen[0], "transcript"), ["I lost my debit card", "Thank you"]);

    // Over, everywhere.
    for node in 0..2 {
        let (status, _) = town.post(node, "/override/whisper", &whisper).await;
        assert_eq!(status, 409);
        let (_, page) = town.get(node, "/calls").await;
        assert_eq!(page["calls"][0]["endReason"], "caller_hung_up");
        let (status, _) = town.get(node, &format!("/calls/{call}/transcript")).await;
        assert_eq!(status, 200);
    }
    // The log-in of one is good on the other.
    let log_in = town.http.post(town.nodes[0].url("/login"));
    let answer = log_in.json(&json!({ "token": super::town::TOKEN })).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap();
    let with_cookie = town.http.get(town.nodes[1].url("/calls")).header("cookie", cookie);
    assert_eq!(with_cookie.send().await.unwrap().status(), 200);
}

/// Some hundred orders, on a machine of their own: `make measure`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn an_order_through_another_server_is_answered_within_20_ms() {
    let town = Town::start(2, 1.0, Brain::Echo).await;
    let call = town.twilio.dial_in(CALLER, CALLED, Caller::silent()).unwrap();
    let whisper = order(&call, &json!({ "text": "be brief" }));
    // One that comes before the call has found its place; then it stays where its line is.
    let (status, _) = town.post(town.owner().await, "/override/whisper", &whisper).await;
    assert_eq!(status, 200);
    let mut view = town.view(0, &format!("?callSid={call}")).await;
    while bounded(20, view.next()).await.unwrap()["type"] != "connected" {}
    let owner = town.owner().await;
    let mut middle = [Duration::ZERO; 2];
    for (which, node) in [("its own", owner), ("another", 1 - owner)] {
        let mut times = Vec::new();
        for _ in 0..600 {
            let began = now();
            let (status, _) = town.post(node, "/override/whisper", &whisper).await;
            times.push(began.elapsed());
            assert_eq!(status, 200);
        }
        times.sort_unstable();
        let part = |part: usize| times[(times.len() - 1) * part / 100];
        let longest = times.last().unwrap();
        println!("on {which} server: p50 {:?}, p99 {:?}, longest {longest:?}", part(50), part(99));
        assert!(part(99) < Duration::from_millis(20), "on {which}: {:?}", part(99));
        middle[usize::from(node != owner)] = part(50);
    }
    println!("through another server: {:?} longer", middle[1].saturating_sub(middle[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_finds_a_call_that_moves_before_it_is_written() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let own = [("HOST", HOST), ("TWILIO_AUTH_TOKEN", AUTH_TOKEN), ("REDIS_URL", url.as_str())];
    let (one, mut two) = (house_with(&own).await, house_with(&own).await);
    let call = CallSid::parse("CA1").unwrap();
    let mut connection = redis.connection();
    let mut client = async |what: &[&str]| {
        redis::cmd("CLIENT").arg(what).exec_async(&mut connection).await.unwrap();
    };
    // Redis can be read, but what is written waits.
    client(&["PAUSE", "900", "WRITE"]).await;
    let app = &one.running.app;
    let leave_and_order = async {
        until(5, async || app.history.hub().summary(&call)).await;
        app.calls.lose(&call);
        one.until_live(0).await;
        let whisper = order("CA1", &json!({ "text": "be brief" }));
        let order = one.post("/override/whisper", &whisper);
        let connect = async {
            // The order has been given meanwhile, and finds nothing written.
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(!redis_knows(&redis, "CA1").await);
            client(&["UNPAUSE"]).await;
        };
        tokio::join!(order, connect).0
    };
    let ring_and_connect = async {
        let twiml = one.ring("CA1").await;
        let line = two.connect("CA1", &twiml).await;
        two.model().await.ready().await;
        line
    };
    let ((status, body), mut line) = tokio::join!(leave_and_order, ring_and_connect);
    assert_eq!((status, body), (200, json!({ "status": "ok" })));
    assert!(!line.utterance().await.is_empty());
}

async fn redis_knows(redis: &RedisServer, call: &str) -> bool {
    let mut exists = redis::cmd("EXISTS");
    exists.arg(format!("phony:call:{call}")).query_async(&mut redis.connection()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_was_lost_is_asked_for_on_another_server() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let own = [("HOST", HOST), ("TWILIO_AUTH_TOKEN", AUTH_TOKEN), ("REDIS_URL", url.as_str())];
    let (mut one, mut two) = (house_with(&own).await, house_with(&own).await);
    let twiml = one.ring("CA1").await;
    let mut line = one.connect("CA1", &twiml).await;
    one.model().await.ready().await;
    line.utterance().await;
    drop(line);
    // Whoever was asked how the call goes on died over it: the fallback of the number is asked.
    let form = [
        ("CallSid", "CA1"),
        ("From", CALLER),
        ("To", CALLED),
        ("CallStatus", "in-progress"),
        ("ErrorCode", "11200"),
        ("ErrorUrl", "https://phony.example.com/call_ended"),
    ];
    let (status, body) = two.webhook("/receive_call", &form).await;
    assert_eq!(status, 200);
    let again = Twiml::parse(&body).unwrap().twiml;
    let mut line = two.connect("CA1", &again).await;
    two.model().await.ready().await;
    assert_eq!(line.utterance().await, "Sorry, I lost you for a second.");
    one.until_live(0).await;
    // Of an ended one there is nothing more to say.
    let end = json!({ "callSid": "CA1" });
    assert_eq!(one.post("/override/end", &end).await.0, 200);
    two.until_live(0).await;
    let (_, body) = one.webhook("/receive_call", &form).await;
    assert!(body.contains("<Hangup"), "{body}");
    assert_eq!(one.running.app.calls.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_on_another_server_takes_its_call_along() {
    let town = Town::start(2, 8.0, Brain::Echo).await;
    // Webhooks go to the one, sockets to the other.
    let mut moved = 0;
    for _ in 0..4 {
        let steps = vec![says("I lost my debit card"), hangs_up()];
        let call = town.twilio.dial_in(CALLER, CALLED, Caller::Script(steps)).unwrap();
        let ended = town.twilio.wait_for_end(&call, Duration::from_mins(1));
        let record = bounded(60, ended).await.unwrap();
        let events = town.history(0, &call).await;
        check(&events);
        let said = texts(&events, "transcript");
        assert_eq!(said, ["I lost my debit card"], "{events:#?} {record:#?}");
        assert_eq!(greetings(&events), 1, "greeted once");
        let term = until(5, async || {
            let mut connection = town.redis().connection();
            let key = format!("phony:call:{call}");
            redis::cmd("HGET").arg(key).arg("term").query_async::<u64>(&mut connection).await.ok()
        })
        .await;
        moved += u32::from(term > 1);
    }
    assert!(moved > 0, "no socket reached another server than its webhook");
}
