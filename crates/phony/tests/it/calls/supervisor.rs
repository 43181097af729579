//! Every action of a supervisor, by the API, on a call between the stand-ins: its effect is seen on
//! the caller's side.

use phony_simulator::callers::{Caller, LiveAction, LiveEvent, LiveHandle};
use phony_simulator::openai::{Brain, ScriptedReply};
use phony_simulator::twilio::{CallRecord, End};
use serde_json::{Value, json};

use crate::support::app::{TestApp, check, of};
use crate::support::http;
use crate::support::server::{CALLED, CALLER, TestServer};
use crate::support::wait::{eventually, in_time};

/// A live call with the test as its caller and its supervisor.
struct SupervisedCall {
    app: TestApp,
    caller: LiveHandle,
    sid: String,
    http: reqwest::Client,
}

impl SupervisedCall {
    /// Begins a call, up to the end of the greeting.
    async fn open(brain: Brain, variables: &[(&str, &str)]) -> Self {
        let token = TestServer::token();
        let mut all = vec![("PHONY_ADMIN_TOKEN", token.as_str())];
        all.extend(variables);
        let app = TestApp::start_with(brain, &all).await;
        let (line, caller) = Caller::live();
        let sid = app.twilio.dial_in(CALLER, CALLED, line).unwrap();
        let mut call = Self { app, caller, sid, http: http::client() };
        call.hears("automated assistant").await;
        call
    }

    /// The same with a model that gives these replies in turn.
    async fn with_replies(replies: &[&str], variables: &[(&str, &str)]) -> Self {
        let replies = replies.iter().map(|text| ScriptedReply::next(*text));
        Self::open(Brain::Script(replies.collect()), variables).await
    }

    /// Sends an action for this call; the status and the answer.
    async fn act(&self, what: &str, mut body: Value) -> (u16, Value) {
        body["callSid"] = self.sid.as_str().into();
        let url = format!("http://{}/override/{what}", self.app.running.addr);
        let request = self.http.post(url).bearer_auth(TestServer::token()).json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Sends an action that must succeed.
    async fn acts(&self, what: &str, body: Value) {
        let (status, answer) = self.act(what, body).await;
        assert_eq!((status, answer), (200, json!({ "status": "ok" })), "{what}");
    }

    async fn says(&self, words: &str) {
        assert!(self.caller.act(LiveAction::Say(words.into())).await, "the line is open");
    }

    /// Waits until the caller has heard these words within one clause.
    async fn hears(&mut self, words: &str) {
        let has =
            |event: &LiveEvent| matches!(event, LiveEvent::Heard(clause) if clause.contains(words));
        assert!(self.comes(has).await.is_some(), "the call ended before {words:?} was heard");
    }

    /// Waits for the next keypad tones, which must be these.
    async fn hears_keys(&mut self, keys: &str) {
        let sounded = self.comes(|event| matches!(event, LiveEvent::Digits(_))).await;
        assert_eq!(sounded, Some(LiveEvent::Digits(keys.into())));
    }

    /// The next event that is `wanted`; none if the call ends first.
    async fn comes(&mut self, wanted: impl Fn(&LiveEvent) -> bool) -> Option<LiveEvent> {
        let came = async {
            loop {
                let event = self.caller.hear().await?;
                if wanted(&event) {
                    return Some(event);
                }
            }
        };
        in_time(came).await
    }

    /// Waits until a field of `GET /calls/{callSid}` fulfils a condition; the whole answer.
    async fn until(&self, field: &str, so: impl Fn(&Value) -> bool) -> Value {
        let url = format!("http://{}/calls/{}", self.app.running.addr, self.sid);
        eventually(async || {
            let request = self.http.get(&url).bearer_auth(TestServer::token());
            let call: Value = request.send().await.unwrap().json().await.unwrap();
            so(&call[field]).then_some(call)
        })
        .await
    }

    /// All events that the model was sent after its session was set up, in order.
    fn told(&self) -> String {
        let received = self.app.openai.received();
        let after = received.iter().filter(|told| told.event["type"] != "session.update");
        after.map(|told| told.event.to_string()).collect::<Vec<_>>().join("\n")
    }

    /// Waits until the model was sent these words.
    async fn until_told(&self, words: &str) {
        eventually(async || self.told().contains(words).then_some(())).await;
    }

    /// Waits for the end of the call; the network's record and the server's events.
    async fn closes(self) -> (CallRecord, Vec<Value>) {
        let (record, events) = self.app.ended(&self.sid).await;
        check(&record, &events);
        self.app.stop().await;
        (record, events)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_and_keys_reach_the_caller_and_the_end_is_the_end() {
    let long = "This is a long reply, that goes on and on, and on, until somebody stops it.";
    let mut call = SupervisedCall::with_replies(&[long, "Goodbye then"], &[]).await;
    call.says("tell me everything").await;
    call.hears("This is a long reply").await;
    call.acts("text", json!({ "text": "A person is here now." })).await;
    call.hears("A person is here now").await;
    call.acts("dtmf", json!({ "digits": "1w2#" })).await;
    call.acts("dtmf", json!({ "digit": "5" })).await;
    // The tones must end first: a caller who speaks would cut them off.
    call.hears_keys("1w2#").await;
    call.hears_keys("5").await;
    call.says("oh good").await;
    call.hears("Goodbye then").await;
    call.until_told("A person is here now.").await;
    call.acts("end", json!({})).await;
    assert_eq!(call.act("end", json!({})).await.0, 409);
    let (record, events) = call.closes().await;
    assert_eq!(record.end, Some(End::TwimlEnded));
    assert_eq!(record.digits, "1w2#5");
    assert!(!record.heard_text().contains("until somebody stops it"), "{}", record.heard_text());
    assert_eq!(of(&events, "assistant_override")[0]["by"], "supervisor");
    let pressed: Vec<_> = of(&events, "command_executed").iter().map(|e| &e["value"]).collect();
    assert_eq!(pressed, ["1w2#", "5", ""]);
    assert_eq!(events.last().unwrap()["reason"], "supervisor_ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whisper_guides_the_model_and_is_never_heard() {
    let mut call = SupervisedCall::open(Brain::Echo, &[]).await;
    call.acts("whisper", json!({ "text": "Offer ten percent." })).await;
    call.says("can I have a discount").await;
    call.hears("You said").await;
    let told = call.told();
    let guidance = told.find("Offer ten percent.").expect("the model was told");
    assert!(guidance < told.find("response.create").unwrap(), "before its next words");
    call.acts("end", json!({})).await;
    let (record, events) = call.closes().await;
    assert!(!record.heard_text().contains("percent"), "{}", record.heard_text());
    assert_eq!(of(&events, "whisper")[0]["text"], "Offer ten percent.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_human_speaks_until_the_call_is_given_back() {
    let mut call = SupervisedCall::open(Brain::Echo, &[]).await;
    call.acts("takeover", json!({})).await;
    assert_eq!(call.act("takeover", json!({})).await.0, 409);
    call.says("who is there").await;
    call.until("turns", |turns| turns.to_string().contains("who is there")).await;
    call.acts("text", json!({ "text": "I am Ann." })).await;
    call.hears("I am Ann").await;
    call.says("hello Ann").await;
    call.until("turns", |turns| turns.to_string().contains("hello Ann")).await;
    assert!(!call.told().contains("response.create"), "the model is not asked");
    call.acts("release", json!({})).await;
    assert_eq!(call.act("release", json!({})).await.0, 409);
    call.hears("You said").await;
    for words in ["who is there", "I am Ann.", "hello Ann"] {
        assert!(call.told().contains(words), "it knows that {words:?} was said");
    }
    call.acts("end", json!({})).await;
    let (record, events) = call.closes().await;
    let heard = record.heard_text();
    assert!(heard.find("I am Ann").unwrap() < heard.find("You said").unwrap(), "{heard}");
    assert_eq!((of(&events, "takeover").len(), of(&events, "release").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_is_dialled_with_our_number_under_either_name() {
    for field in ["target", "number"] {
        let call = SupervisedCall::open(Brain::Echo, &[]).await;
        let (status, answer) = call.act("transfer", json!({ field: "+19005550123" })).await;
        assert_eq!((status, &answer["error"]["code"]), (422, &json!("REFUSED")), "{answer}");
        call.acts("transfer", json!({ field: "+15005550123" })).await;
        let (record, events) = call.closes().await;
        assert_eq!(record.dialled[0].to, "+15005550123");
        assert_eq!(record.dialled[0].caller_id.as_deref(), Some(CALLED));
        assert_eq!(of(&events, "session_transfer")[0]["target"], "+15005550123");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_the_models_question_is_passed_on() {
    let mut call = SupervisedCall::open(Brain::Receptionist, &[]).await;
    call.says("can I have a refund").await;
    call.hears("Let me check that for you").await;
    let snapshot = call.until("question", Value::is_string).await;
    let query = &snapshot["questionSeq"];
    call.acts("clarification", json!({ "response": "Until Friday.", "query": query })).await;
    let again = json!({ "response": "Until Monday.", "query": query });
    assert_eq!(call.act("clarification", again).await.0, 409);
    call.hears("Friday").await;
    call.acts("end", json!({})).await;
    let (record, events) = call.closes().await;
    assert!(!record.heard_text().contains("Monday"));
    assert_eq!(of(&events, "query_response")[0]["text"], "Until Friday.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_word_is_heard_that_was_not_let_go() {
    let approval = [("REQUIRE_SUPERVISOR_FEEDBACK", "true")];
    let mut call = SupervisedCall::open(Brain::Receptionist, &approval).await;
    call.says("are you open").await;
    let held = call.until("heldReply", Value::is_string).await;
    let first = held["heldTurn"].clone();
    call.acts("reject", json!({ "reason": "be exact", "reply": first })).await;
    call.until_told("be exact").await;
    let held = call.until("heldTurn", |turn| turn.is_u64() && *turn != first).await;
    let second = held["heldReply"].as_str().unwrap();
    assert!(second.starts_with("Let me put it this way"), "{second}");
    let as_it_is = json!({ "text": second, "reply": held["heldTurn"] });
    call.acts("text", as_it_is.clone()).await;
    assert_eq!(call.act("text", as_it_is).await.0, 409, "it is sent once");
    call.hears("Monday to Friday").await;
    call.hears("come by").await;
    call.says("thank you").await;
    let held = call.until("heldReply", Value::is_string).await;
    let edited = json!({ "text": "Come before noon", "reply": held["heldTurn"] });
    call.acts("text", edited).await;
    call.hears("Come before noon").await;
    call.says("bye").await;
    call.until_told("Come before noon").await;
    call.acts("end", json!({})).await;
    let (record, events) = call.closes().await;
    let heard = record.heard_text();
    assert_eq!(heard.matches("Monday to Friday").count(), 1, "{heard}");
    assert!(!heard.contains("welcome"), "{heard}");
    let edited: Vec<_> = of(&events, "response_approved").iter().map(|e| &e["edited"]).collect();
    assert_eq!(edited, [&json!(false), &json!(true)]);
    assert_eq!(of(&events, "response_rejected")[0]["text"], "be exact");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_the_caller_reach_the_model_as_one_note() {
    let mut call = SupervisedCall::open(Brain::Echo, &[]).await;
    assert!(call.caller.act(LiveAction::Press("12#".into())).await);
    call.until_told("The caller pressed the keys 1 2 #.").await;
    call.hears("I was told").await;
    assert!(call.caller.act(LiveAction::Press("34".into())).await);
    call.until_told("The caller pressed the keys 3 4.").await;
    call.acts("end", json!({})).await;
    let (_, events) = call.closes().await;
    let digits: Vec<_> = of(&events, "dtmf").iter().map(|e| &e["digit"]).collect();
    assert_eq!(digits, ["1", "2", "#", "3", "4"]);
}
