//! The REST API.

use phony_simulator::twilio::Fault;
use phony_wire::twilio::rest::{Call, CreateCall, IncomingPhoneNumber, Page, RestError};
use serde_json::Value;

use super::app::{HOST, NUMBER, PERSON, Sandbox};

/// A client with the account's credentials.
pub(super) struct Api {
    client: reqwest::Client,
    base: String,
    password: &'static str,
}

const ACCOUNT: &str = "AC00000000000000000000000000000001";

impl Api {
    pub(super) fn of(sandbox: &Sandbox) -> Self {
        Self {
            client: reqwest::Client::builder().no_proxy().build().expect("a client"),
            base: format!("{}/2010-04-01/Accounts/{ACCOUNT}", sandbox.api.base_url()),
            password: "an-auth-token-for-tests-only",
        }
    }

    /// A client that bypasses the checks, for requests that Twilio's description forbids.
    fn unchecked(sandbox: &Sandbox) -> Self {
        let base = format!("{}/2010-04-01/Accounts/{ACCOUNT}", sandbox.twilio.base_url());
        Self { base, ..Self::of(sandbox) }
    }

    pub(super) async fn create(&self, request: &CreateCall) -> String {
        let (status, body) = self.send_form("Calls.json", request.to_form().encode()).await;
        assert_eq!(status, 201, "{body}");
        Call::parse(&body).expect("a call").sid
    }

    pub(super) async fn post(&self, path: &str, pairs: &[(&str, &str)]) -> (u16, Value) {
        let mut form = phony_wire::twilio::webhook::Form::default();
        for (name, value) in pairs {
            form.push(*name, *value);
        }
        let (status, body) = self.send_form(path, form.encode()).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    async fn send_form(&self, path: &str, body: String) -> (u16, String) {
        let request = self.client.post(format!("{}/{path}", self.base)).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        answer(request.basic_auth(ACCOUNT, Some(self.password))).await
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let request = self.client.get(format!("{}/{path}", self.base));
        answer(request.basic_auth(ACCOUNT, Some(self.password))).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, String) {
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.text().await.expect("a body"))
}

fn request() -> CreateCall {
    CreateCall {
        to: PERSON.to_owned(),
        from: NUMBER.to_owned(),
        url: Some(format!("https://{HOST}/start_call")),
        ..CreateCall::default()
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let sandbox = Sandbox::start(50.0).await;
    let api = Api { password: "wrong", ..Api::of(&sandbox) };
    let (status, body) = api.get("Calls.json").await;
    let error = RestError::parse(status, &body);
    assert_eq!((error.status, error.code), (401, Some(20003)));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_call_that_cannot_be_placed_is_refused_with_the_reason() {
    let sandbox = Sandbox::start(50.0).await;
    let api = Api::unchecked(&sandbox);
    let cases = [
        (CreateCall { to: String::new(), ..request() }, 21201),
        (CreateCall { to: "12".to_owned(), ..request() }, 21211),
        (CreateCall { from: String::new(), ..request() }, 21213),
        (CreateCall { from: PERSON.to_owned(), ..request() }, 21210),
        (CreateCall { url: None, ..request() }, 21205),
        (CreateCall { url: None, twiml: Some("x".repeat(4001)), ..request() }, 32018),
    ];
    for (wrong, code) in cases {
        let (status, body) = api.send_form("Calls.json", wrong.to_form().encode()).await;
        let error = RestError::parse(status, &body);
        assert_eq!((error.status, error.code), (400, Some(code)));
    }
    assert_eq!(sandbox.twilio.calls().len(), 0);
    sandbox.stop().await;
}

#[tokio::test]
async fn calls_are_listed_newest_first_filtered_and_in_pages() {
    let sandbox = Sandbox::start(50.0).await;
    let api = Api::of(&sandbox);
    let mut sids = Vec::new();
    for _ in 0..5 {
        sids.push(api.create(&request()).await);
    }
    sids.reverse();
    let (_, body) = api.get("Calls.json?PageSize=2").await;
    let first: Page<Call> = Page::parse(&body).expect("a page");
    let listed: Vec<_> = first.items.iter().map(|call| call.sid.clone()).collect();
    assert_eq!(listed, sids[..2]);
    let mut next = first.next_page_uri;
    let mut all = listed;
    while let Some(uri) = next {
        let (_, path) = uri.split_once(ACCOUNT).expect("a path");
        let (_, body) = api.get(path.trim_start_matches('/')).await;
        let page: Page<Call> = Page::parse(&body).expect("a page");
        all.extend(page.items.into_iter().map(|call| call.sid));
        next = page.next_page_uri;
    }
    assert_eq!(all, sids);
    let (_, none) = api.get("Calls.json?To=%2B14155559999").await;
    assert_eq!(Page::<Call>::parse(&none).expect("a page").items, []);
    let (_, future) = api.get("Calls.json?StartTime%3E=2999-01-01").await;
    assert_eq!(Page::<Call>::parse(&future).expect("a page").items, []);
    let (_, past) = api.get("Calls.json?StartTime%3E=2020-01-01T00:00:00Z").await;
    assert_eq!(Page::<Call>::parse(&past).expect("a page").items.len(), 5);
    sandbox.stop().await;
}

#[tokio::test]
async fn the_api_fails_as_planned() {
    let sandbox = Sandbox::start(50.0).await;
    let api = Api::of(&sandbox);
    sandbox.twilio.fail_next(Fault::TooManyRequests);
    let (status, body) = api.send_form("Calls.json", request().to_form().encode()).await;
    assert_eq!(RestError::parse(status, &body).code, Some(20429));
    assert_eq!(sandbox.twilio.calls().len(), 0);
    for (call_exists, calls) in [(false, 0), (true, 1)] {
        sandbox.twilio.fail_next(Fault::CreateFails { call_exists });
        let (status, _) = api.send_form("Calls.json", request().to_form().encode()).await;
        assert_eq!(status, 500);
        assert_eq!(sandbox.twilio.calls().len(), calls);
    }
    api.create(&request()).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn numbers_are_found_bought_and_configured() {
    let sandbox = Sandbox::start(50.0).await;
    let api = Api::of(&sandbox);
    let (_, body) = api.get("AvailablePhoneNumbers/US/Local.json?AreaCode=212").await;
    let found: Value = serde_json::from_str(&body).expect("JSON");
    let wanted = found["available_phone_numbers"][0]["phone_number"].as_str().expect("a number");
    assert!(wanted.starts_with("+1212555"), "{wanted}");
    let (status, bought) = api.post("IncomingPhoneNumbers.json", &[("PhoneNumber", wanted)]).await;
    assert_eq!(status, 201);
    let sid = bought["sid"].as_str().expect("a SID");
    let path = format!("IncomingPhoneNumbers/{sid}.json");
    let [trunk_sid, app_sid, nobodys] = ["TK", "AP", "PN"].map(|kind| format!("{kind}{:032}", 1));
    let (_, trunk) =
        api.post(&path, &[("TrunkSid", &trunk_sid), ("VoiceUrl", "https://a.test/")]).await;
    assert_eq!(trunk["trunk_sid"], trunk_sid);
    assert!(
        sandbox.twilio.dial_in(PERSON, wanted, phony_simulator::callers::Caller::silent()).is_err()
    );
    let (_, app) = api.post(&path, &[("VoiceApplicationSid", &app_sid)]).await;
    assert_eq!(
        (app["trunk_sid"].as_str(), app["voice_application_sid"].as_str()),
        (None, Some(app_sid.as_str()))
    );
    api.post(&path, &[("VoiceApplicationSid", "")]).await;
    let (_, body) = api.get("IncomingPhoneNumbers.json").await;
    let page: Page<IncomingPhoneNumber> = Page::parse(&body).expect("a page");
    assert_eq!(page.items.len(), 2);
    assert_eq!(page.items[1].voice_url, "https://a.test/");
    let (_, body) = api.get(&format!("IncomingPhoneNumbers/{nobodys}.json")).await;
    assert_eq!(RestError::parse(404, &body).code, Some(20404));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_client_that_never_finishes_its_request_does_not_keep_the_network_from_stopping() {
    use tokio::io::AsyncWriteExt as _;
    let sandbox = Sandbox::start(50.0).await;
    let mut socket = tokio::net::TcpStream::connect(sandbox.twilio.addr()).await.expect("connects");
    socket
        .write_all(b"POST /2010-04-01/Accounts/x/Calls.json HTTP/1.1\r\nHost: x\r\nContent-Le")
        .await
        .expect("writes");
    Api::of(&sandbox).get("Calls.json").await;
    sandbox.stop().await;
}
