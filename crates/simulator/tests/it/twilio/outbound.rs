//! Calls that the application places over the API.

use phony_simulator::callers::{Caller, Step};
use phony_simulator::twilio::{Answers, CallRecord, Callee, End};
use phony_wire::twilio::rest::CreateCall;

use super::api::Api;
use super::app::{HOST, NUMBER, PERSON, SOON, Sandbox, relay_twiml};

fn create() -> CreateCall {
    CreateCall {
        to: PERSON.to_owned(),
        from: NUMBER.to_owned(),
        url: Some(format!("https://{HOST}/start_call?ref=1")),
        status_callback: Some(format!("https://{HOST}/call_status")),
        status_callback_event: ["initiated", "ringing", "answered", "completed"]
            .map(str::to_owned)
            .to_vec(),
        ..CreateCall::default()
    }
}

fn statuses(record: &CallRecord) -> Vec<&str> {
    let mut hooks: Vec<_> = record.webhooks_for("status").collect();
    hooks.sort_by_key(|hook| hook.param("SequenceNumber").map(str::to_owned));
    hooks.into_iter().filter_map(|hook| hook.param("CallStatus")).collect()
}

#[tokio::test]
async fn an_answered_call_requests_twiml_and_reports_its_progress() {
    let mut sandbox = Sandbox::start(50.0).await;
    sandbox.app.answer("/start_call", &relay_twiml(r#"welcomeGreeting="Hello, this is Phony.""#));
    sandbox.app.answer("/action", "<Response/>");
    let person = Caller::Script(vec![Step::reply("Who is it?"), Step::hang_up()]);
    sandbox.twilio.set_callee(PERSON, Callee::person(person));
    let sid = Api::of(&sandbox).create(&create()).await;
    let (mut relay, setup) = sandbox.app.relay().await;
    assert_eq!(setup.call_sid, sid);
    assert!(setup.is_outbound());
    assert_eq!(setup.call_status, "IN_PROGRESS");
    assert_eq!(relay.prompt().await, "Who is it?");
    relay.say("Phony.").await;
    assert_eq!(relay.closed().await, 1000);
    let record = sandbox.end_of(&sid).await;
    assert_eq!(statuses(&record), ["initiated", "ringing", "in-progress", "completed"]);
    assert_eq!(record.end, Some(End::FarEndHungUp));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_call_that_is_not_answered_says_why() {
    let sandbox = Sandbox::start(50.0).await;
    for (answers, status, end) in [
        (Answers::Busy, "busy", End::Busy),
        (Answers::Nobody, "no-answer", End::NoAnswer),
        (Answers::Fails { sip_code: 404 }, "failed", End::CouldNotConnect),
    ] {
        sandbox.twilio.set_callee(PERSON, Callee::absent(answers));
        let request = CreateCall { timeout_s: Some(5), ..create() };
        let sid = Api::of(&sandbox).create(&request).await;
        let record = sandbox.end_of(&sid).await;
        assert_eq!((record.status.as_str(), record.end), (status, Some(end)));
        assert_eq!(statuses(&record).last(), Some(&status));
        assert_eq!(record.webhooks_for("voice").count(), 0);
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn detection_delays_the_twiml_or_calls_back() {
    let sandbox = Sandbox::start(50.0).await;
    sandbox.app.answer("/start_call", "<Response><Say>After the tone.</Say></Response>");
    let machine =
        Answers::Machine { after_ms: 500, kind: "machine_end_beep".to_owned(), detected_ms: 3_000 };
    let callee = Callee { answers: machine, ..Callee::person(Caller::silent()) };
    sandbox.twilio.set_callee(PERSON, callee);
    let sync = CreateCall { machine_detection: Some("DetectMessageEnd".to_owned()), ..create() };
    let asynchronous = CreateCall {
        async_amd: Some(true),
        async_amd_status_callback: Some(format!("https://{HOST}/amd")),
        ..sync.clone()
    };
    let sid = Api::of(&sandbox).create(&sync).await;
    let record = sandbox.end_of(&sid).await;
    let voice = record.webhooks_for("voice").next().expect("a request");
    assert_eq!(voice.param("AnsweredBy"), Some("machine_end_beep"));
    let sid = Api::of(&sandbox).create(&asynchronous).await;
    let told = |record: &CallRecord| record.webhooks_for("amd").count() == 1;
    let record = sandbox.twilio.wait_for(&sid, told, SOON).await.expect("a result");
    let amd = record.webhooks_for("amd").next().expect("a result");
    assert_eq!(amd.param("AnsweredBy"), Some("machine_end_beep"));
    assert_eq!(amd.param("MachineDetectionDuration"), Some("3000"));
    sandbox.end_of(&sid).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn the_api_hangs_up_as_a_caller_does() {
    let mut sandbox = Sandbox::start(50.0).await;
    sandbox.app.answer("/start_call", &relay_twiml(""));
    sandbox.app.answer("/action", "<Response/>");
    let sid = Api::of(&sandbox).create(&create()).await;
    let (mut relay, _) = sandbox.app.relay().await;
    let (status, body) =
        Api::of(&sandbox).post(&format!("Calls/{sid}.json"), &[("Status", "completed")]).await;
    assert_eq!((status, body["status"].as_str()), (200, Some("completed")));
    assert_eq!(relay.closed().await, 1000);
    let record = sandbox.end_of(&sid).await;
    let action = record.webhooks_for("action").next().expect("an action");
    assert_eq!(action.param("SessionStatus"), Some("completed"));
    assert_eq!(record.end, Some(End::ApiEnded));
    let again =
        Api::of(&sandbox).post(&format!("Calls/{sid}.json"), &[("Status", "completed")]).await;
    assert_eq!((again.0, again.1["code"].as_u64()), (404, Some(20404)));
    sandbox.stop().await;
}

#[tokio::test]
async fn new_twiml_replaces_the_session() {
    let mut sandbox = Sandbox::start(50.0).await;
    sandbox.app.answer("/start_call", &relay_twiml(""));
    let sid = Api::of(&sandbox).create(&create()).await;
    let (mut relay, _) = sandbox.app.relay().await;
    let twiml = "<Response><Say>Please hold.</Say></Response>";
    Api::of(&sandbox).post(&format!("Calls/{sid}.json"), &[("Twiml", twiml)]).await;
    assert_eq!(relay.closed().await, 1000);
    let record = sandbox.end_of(&sid).await;
    assert_eq!(record.heard_text(), "Please hold.");
    assert_eq!(record.webhooks_for("action").count(), 0);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_call_to_a_number_of_the_account_joins_two_sessions() {
    let mut sandbox = Sandbox::start(20.0).await;
    sandbox.app.answer("/start_call", &relay_twiml(""));
    sandbox.app.answer("/voice", &relay_twiml(""));
    sandbox.app.answer("/action", "<Response/>");
    let request = CreateCall { to: NUMBER.to_owned(), ..create() };
    let sid = Api::of(&sandbox).create(&request).await;
    let (mut near, setup) = sandbox.app.relay().await;
    assert_eq!(setup.call_sid, sid);
    let (mut far, setup) = sandbox.app.relay().await;
    assert_ne!(setup.call_sid, sid);
    far.say("Front desk.").await;
    assert_eq!(near.prompt().await, "Front desk.");
    near.say("I have a question.").await;
    assert_eq!(far.prompt().await, "I have a question.");
    near.send(&phony_wire::twilio::relay::ToTwilio::End { handoff_data: None }).await;
    assert_eq!(far.closed().await, 1000);
    sandbox.end_of(&sid).await;
    sandbox.end_of(&setup.call_sid).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn digits_are_pressed_before_the_twiml_and_the_time_limit_ends_the_call() {
    let mut sandbox = Sandbox::start(50.0).await;
    sandbox.app.answer("/start_call", &relay_twiml(""));
    sandbox.app.answer("/action", "<Response/>");
    let request =
        CreateCall { send_digits: Some("ww12#".to_owned()), time_limit_s: Some(20), ..create() };
    let sid = Api::of(&sandbox).create(&request).await;
    let (mut relay, _) = sandbox.app.relay().await;
    assert_eq!(sandbox.twilio.call(&sid).expect("a call").digits, "ww12#");
    assert_eq!(relay.closed().await, 1000);
    let record = sandbox.end_of(&sid).await;
    assert_eq!(record.end, Some(End::TimeLimit));
    let action = record.webhooks_for("action").next().expect("an action");
    assert_eq!(action.param("ErrorCode"), Some("64104"));
    sandbox.stop().await;
}
