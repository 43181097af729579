//! The client of Twilio's REST API, against the stand-in and against servers that misbehave.

use std::time::Duration;

use jiff::Timestamp;
use phony::carriers::twilio::rest::{CarrierError, NumberKind, RestClient};
use phony::config::{Config, Sources, TwilioSettings};
use phony_call::CallSid;
use phony_simulator::twilio::{self, CallRecord, Fault, PhoneNumber, TwilioOptions, TwilioRunning};
use phony_wire::twilio::rest::{
    ConfigureNumber, CreateCall, ListCalls, ListNumbers, SearchNumbers, UpdateCall,
};
use tokio::net::TcpListener;

use crate::support::twilio_spec::Checked;

const NUMBER: &str = "+15005550006";
const PERSON: &str = "+14155550123";

fn settings(base: &str, token: &str) -> TwilioSettings {
    let account = TwilioOptions::default().account_sid;
    let pairs = [
        ("TWILIO_ACCOUNT_SID", account.as_str()),
        ("TWILIO_AUTH_TOKEN", token),
        ("TWILIO_API_BASE_URL", base),
    ];
    let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Config::from_sources(Sources { environment, ..Sources::default() }).unwrap().twilio
}

/// A client of the stand-in; requests and answers are checked against Twilio's description.
async fn client_of(network: &TwilioRunning) -> (RestClient, Checked) {
    let token = TwilioOptions::default().auth_token;
    let checked = Checked::before(&network.base_url()).await;
    (RestClient::new(&settings(&checked.base_url(), &token)).unwrap(), checked)
}

async fn network() -> TwilioRunning {
    let numbers = vec![PhoneNumber::new(NUMBER, "https://old.example/voice")];
    twilio::start(TwilioOptions { speed: 50.0, numbers, ..TwilioOptions::default() }).await.unwrap()
}

/// A request for a call with every parameter of an outbound one.
fn whole_call() -> CreateCall {
    let url = |path: &str| Some(format!("https://phony.example.com{path}"));
    CreateCall {
        to: PERSON.into(),
        from: NUMBER.into(),
        url: url("/start_call?ref=abc"),
        method: Some("POST".into()),
        fallback_url: url("/start_call?ref=abc"),
        status_callback: url("/call_status"),
        status_callback_event: ["initiated", "ringing", "answered", "completed"]
            .map(Into::into)
            .into(),
        status_callback_method: Some("POST".into()),
        send_digits: Some("ww1#".into()),
        timeout_s: Some(30),
        time_limit_s: Some(600),
        machine_detection: Some("DetectMessageEnd".into()),
        machine_detection_timeout_s: Some(20),
        async_amd: Some(true),
        async_amd_status_callback: url("/call_status"),
        async_amd_status_callback_method: Some("POST".into()),
        call_reason: Some("Your appointment".into()),
        ..CreateCall::default()
    }
}

/// A call that is answered and stays quiet.
fn call() -> CreateCall {
    CreateCall {
        to: PERSON.into(),
        from: NUMBER.into(),
        twiml: Some("<Response><Pause length=\"3000\"/></Response>".into()),
        ..CreateCall::default()
    }
}

#[tokio::test]
async fn a_call_is_placed_read_and_ended() {
    let network = network().await;
    let (client, _checked) = client_of(&network).await;
    let placed = client.create_call(&call()).await.unwrap();
    assert_eq!(placed.status.as_str(), "queued");
    let sid = CallSid::parse(&placed.sid).unwrap();
    assert_eq!(client.call(&sid).await.unwrap().to, PERSON);
    let answered = |call: &CallRecord| call.status == "in-progress";
    network.wait_for(&placed.sid, answered, Duration::from_secs(10)).await.unwrap();
    assert!(client.end_call(&sid).await.unwrap());
    assert_eq!(client.call(&sid).await.unwrap().status.as_str(), "completed");
    // A call that is over already is a success.
    assert!(!client.end_call(&sid).await.unwrap());
    network.stop().await;
}

#[tokio::test]
async fn all_that_can_be_asked_of_a_call_is_known_to_twilio() {
    let network = network().await;
    let (client, _checked) = client_of(&network).await;
    let placed = client.create_call(&whole_call()).await.unwrap();
    let sid = CallSid::parse(&placed.sid).unwrap();
    let since = "2026-01-02T03:04:05Z".to_owned();
    let filter = ListCalls {
        to: Some(PERSON.into()),
        from: Some(NUMBER.into()),
        status: Some("queued".into()),
        start_time_from: Some(since),
        page_size: Some(5),
    };
    client.calls(&filter).await.unwrap();
    let longer = UpdateCall { time_limit_s: Some(900), ..UpdateCall::default() };
    client.update_call(&sid, &longer).await.unwrap();
    let elsewhere = UpdateCall {
        url: Some("https://phony.example.com/start_call".into()),
        method: Some("POST".into()),
        status_callback: Some("https://phony.example.com/call_status".into()),
        status_callback_method: Some("POST".into()),
        ..UpdateCall::default()
    };
    // It still rings, so there is nothing to redirect; only the request matters.
    drop(client.update_call(&sid, &elsewhere).await);
    for kind in [NumberKind::Local, NumberKind::TollFree, NumberKind::Mobile] {
        let search = SearchNumbers {
            contains: Some("0100".into()),
            voice_enabled: Some(true),
            exclude_all_address_required: Some(true),
            page_size: Some(3),
            ..SearchNumbers::default()
        };
        client.available_numbers("US", kind, &search).await.unwrap();
    }
    network.stop().await;
}

#[tokio::test]
async fn too_many_requests_are_sent_again_since_none_was_carried_out() {
    let network = network().await;
    let (client, _checked) = client_of(&network).await;
    network.fail_next(Fault::TooManyRequests);
    client.create_call(&call()).await.unwrap();
    assert_eq!(network.calls().len(), 1);
    network.stop().await;
}

#[tokio::test]
async fn a_call_whose_fate_is_unknown_is_not_placed_again_but_can_be_looked_for() {
    let network = network().await;
    let (client, _checked) = client_of(&network).await;
    for call_exists in [false, true] {
        #[expect(clippy::disallowed_methods, reason = "the test is the one who asks")]
        let since = Timestamp::now();
        network.fail_next(Fault::CreateFails { call_exists });
        let failure = client.create_call(&call()).await.unwrap_err();
        assert!(matches!(failure, CarrierError::Unknown(_)), "{failure}");
        let found = client.placed_since(PERSON, NUMBER, since).await.unwrap();
        assert_eq!(found.len(), usize::from(call_exists));
        assert_eq!(network.calls().len(), usize::from(call_exists));
    }
    let later = "2100-01-01T00:00:00Z".parse().unwrap();
    assert!(client.placed_since(PERSON, NUMBER, later).await.unwrap().is_empty());
    network.stop().await;
}

#[tokio::test]
async fn a_call_that_is_refused_says_why_and_what_to_do() {
    let network = network().await;
    let (client, _checked) = client_of(&network).await;
    let failure = client.create_call(&CreateCall { to: "12".into(), ..call() }).await.unwrap_err();
    assert_eq!(failure.code(), Some(21211));
    assert!(failure.advice().unwrap().contains("country code"));
    let stranger = RestClient::new(&settings(&network.base_url(), "another-token")).unwrap();
    let failure = stranger.account().await.unwrap_err();
    assert_eq!(failure.code(), Some(20003));
    let told = format!("{failure} {failure:?} {stranger:?}");
    assert!(!told.contains("another-token"), "{told}");
    network.stop().await;
}

#[tokio::test]
async fn what_only_reads_is_tried_again_after_faults_of_the_server() {
    let network = network().await;
    let (client, _checked) = client_of(&network).await;
    network.fail_next(Fault::ServerError);
    network.fail_next(Fault::TooManyRequests);
    let (account, date) = client.account().await.unwrap();
    assert_eq!((account.status.as_str(), account.kind.as_str()), ("active", "Full"));
    assert!(date.is_some(), "a date");
    for _ in 0..4 {
        network.fail_next(Fault::ServerError);
    }
    let failure = client.balance().await.unwrap_err();
    assert_eq!(failure.to_string(), "Twilio answered 500: no reason given");
    assert_eq!(client.balance().await.unwrap().currency, "USD");
    network.stop().await;
}

#[tokio::test]
async fn numbers_are_found_bought_and_pointed_elsewhere() {
    let network = network().await;
    let (client, _checked) = client_of(&network).await;
    let search = SearchNumbers { area_code: Some("628".into()), ..SearchNumbers::default() };
    let found = client.available_numbers("US", NumberKind::Local, &search).await.unwrap();
    let phone_number = Some(found[0].phone_number.clone());
    let purchase = ConfigureNumber { phone_number, ..ConfigureNumber::default() };
    let bought = client.buy_number(&purchase).await.unwrap();
    assert!(bought.phone_number.starts_with("+1628"));
    let change = ConfigureNumber {
        voice_url: Some("https://new.example/receive_call".into()),
        trunk_sid: Some(String::new()),
        ..ConfigureNumber::default()
    };
    let changed = client.configure_number(&bought.sid, &change).await.unwrap();
    assert_eq!(changed.voice_url, "https://new.example/receive_call");
    assert_eq!(client.numbers(&ListNumbers::default()).await.unwrap().len(), 2);
    let exact = ListNumbers { phone_number: Some(NUMBER.into()), ..ListNumbers::default() };
    assert_eq!(client.numbers(&exact).await.unwrap()[0].phone_number, NUMBER);
    network.stop().await;
}

#[tokio::test]
async fn nobody_there_is_known_to_be_nothing_done() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = RestClient::new(&settings(&base, "token")).unwrap();
    let failure = client.create_call(&call()).await.unwrap_err();
    assert!(matches!(failure, CarrierError::Unreachable(_)), "{failure}");
}

#[tokio::test]
async fn silence_leaves_it_unknown_whether_a_call_was_placed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let short = Duration::from_millis(300);
    let client = RestClient::with_timeout(&settings(&base, "token"), short).unwrap();
    let failure = client.create_call(&call()).await.unwrap_err();
    let silent = CarrierError::Unknown("Twilio could not be reached: no answer in time".into());
    assert_eq!(failure, silent);
}
