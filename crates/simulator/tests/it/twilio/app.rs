//! A test application, which answers webhooks from a list and passes its sockets to the test.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use phony_simulator::callers::Caller;
use phony_simulator::twilio::{
    self, CallRecord, HostOverride, PhoneNumber, TwilioOptions, TwilioRunning,
};
use phony_wire::twilio::relay::{FromTwilio, Info, Setup, ToTwilio};
use phony_wire::twilio::signature;
use phony_wire::twilio::webhook::Form;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::twilio_spec::Checked;

pub(super) const HOST: &str = "phony.test";
pub(super) const NUMBER: &str = "+15005550006";
pub(super) const PERSON: &str = "+14155550123";
/// The timeout of every wait.
pub(super) const SOON: Duration = Duration::from_secs(20);

const TOKEN: &str = "an-auth-token-for-tests-only";

/// The application and the network that calls it.
pub(super) struct Sandbox {
    pub(super) twilio: TwilioRunning,
    /// The network's API, with every request and response checked against Twilio's description.
    pub(super) api: Checked,
    pub(super) app: App,
}

pub(super) struct App {
    answers: Arc<Answers>,
    sockets: mpsc::Receiver<WebSocket>,
    stop: CancellationToken,
}

/// The application's end of a relay socket.
pub(super) struct Relay {
    socket: WebSocket,
}

#[derive(Default)]
struct Answers {
    /// Answers by path; the last of a path stays.
    twiml: Mutex<HashMap<String, VecDeque<String>>>,
    refuses: Mutex<bool>,
    unsigned: Mutex<u32>,
}

type Shared = (Arc<Answers>, mpsc::Sender<WebSocket>);

impl Sandbox {
    pub(super) async fn start(speed: f64) -> Self {
        Self::start_with(TwilioOptions { speed, ..TwilioOptions::default() }).await
    }

    pub(super) async fn start_with(options: TwilioOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let to = format!("http://{}", listener.local_addr().expect("address"));
        let (tx, sockets) = mpsc::channel(16);
        let answers = Arc::new(Answers::default());
        let router = Router::new()
            .route("/relay/ws", get(upgrade))
            .route("/media", get(upgrade))
            .fallback(any(webhook))
            .with_state((Arc::clone(&answers), tx));
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move {
            tokio::select! {
                _ = axum::serve(listener, router) => {}
                () = stopped => {}
            }
        });
        let twilio = twilio::start(TwilioOptions {
            auth_token: TOKEN.to_owned(),
            numbers: vec![PhoneNumber {
                status_callback: format!("https://{HOST}/number_status"),
                ..PhoneNumber::new(NUMBER, format!("https://{HOST}/voice"))
            }],
            host_overrides: vec![HostOverride { public: HOST.to_owned(), to }],
            ..options
        })
        .await
        .expect("the network starts");
        let api = Checked::before(&twilio.base_url()).await;
        Self { twilio, api, app: App { answers, sockets, stop } }
    }

    /// Calls the application.
    pub(super) fn ring(&self, caller: Caller) -> String {
        self.twilio.dial_in(PERSON, NUMBER, caller).expect("the call starts")
    }

    pub(super) async fn end_of(&self, sid: &str) -> CallRecord {
        self.twilio.wait_for_end(sid, SOON).await.expect("the call ends")
    }

    pub(super) async fn stop(self) {
        assert_eq!(*self.app.answers.unsigned.lock().expect("lock"), 0, "unsigned requests");
        self.app.stop.cancel();
        tokio::time::timeout(SOON, self.twilio.stop()).await.expect("the network stops");
    }
}

impl App {
    /// Adds an answer for a path; answers are given in order, and the last one stays.
    pub(super) fn answer(&self, path: &str, twiml: &str) {
        let mut answers = self.answers.twiml.lock().expect("lock");
        answers.entry(path.to_owned()).or_default().push_back(twiml.to_owned());
    }

    /// Answers `/voice` with a relay that has these attributes, and its action with no verbs.
    pub(super) fn answer_with_relay(&self, attributes: &str) {
        self.answer("/voice", &relay_twiml(attributes));
        self.answer("/action", "<Response/>");
    }

    pub(super) fn refuse_sockets(&self) {
        *self.answers.refuses.lock().expect("lock") = true;
    }

    /// The next socket that was opened.
    pub(super) async fn socket(&mut self) -> WebSocket {
        let socket = tokio::time::timeout(SOON, self.sockets.recv()).await;
        socket.expect("in time").expect("a socket")
    }

    /// The next relay socket and its setup.
    pub(super) async fn relay(&mut self) -> (Relay, Setup) {
        let mut relay = Relay { socket: self.socket().await };
        match relay.next().await {
            Some(FromTwilio::Setup(setup)) => (relay, *setup),
            other => panic!("not a setup: {other:?}"),
        }
    }
}

impl Relay {
    pub(super) async fn send(&mut self, frame: &ToTwilio<'_>) {
        self.send_text(&frame.to_json()).await;
    }

    pub(super) async fn say(&mut self, text: &str) {
        self.send(&ToTwilio::text(text, true)).await;
    }

    pub(super) async fn send_text(&mut self, text: &str) {
        // If the socket is closed, the next read shows it.
        drop(self.socket.send(Message::text(text)).await);
    }

    pub(super) async fn send_binary(&mut self, bytes: &'static [u8]) {
        drop(self.socket.send(Message::binary(bytes)).await);
    }

    /// The next frame; `None` when the socket is closed.
    pub(super) async fn next(&mut self) -> Option<FromTwilio> {
        self.next_or_close().await.ok()
    }

    /// The next frame, or the close code.
    pub(super) async fn next_or_close(&mut self) -> Result<FromTwilio, u16> {
        loop {
            let message = tokio::time::timeout(SOON, self.socket.recv()).await.expect("in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    return Ok(FromTwilio::parse(&text).expect("a frame of Twilio's"));
                }
                Some(Ok(Message::Close(close))) => {
                    // Reading on sends the answer to the close.
                    drop(self.socket.recv().await);
                    return Err(close.map_or(1005, |close| close.code));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// Reads until the socket closes, and returns the close code.
    pub(super) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next_or_close().await {
                return code;
            }
        }
    }

    /// The next final prompt; other frames are skipped.
    pub(super) async fn prompt(&mut self) -> String {
        loop {
            match self.next().await {
                Some(FromTwilio::Prompt { voice_prompt, last: true, .. }) => return voice_prompt,
                Some(_) => {}
                None => panic!("closed before a prompt"),
            }
        }
    }

    /// The clauses reported as played, until the agent is silent.
    pub(super) async fn played(&mut self) -> Vec<String> {
        let mut played = Vec::new();
        loop {
            match self.next().await {
                Some(FromTwilio::Info(Info::TokensPlayed { text })) => played.push(text),
                Some(FromTwilio::Info(Info::AgentSpeaking { on: false, .. })) => return played,
                Some(_) => {}
                None => panic!("closed while the agent spoke"),
            }
        }
    }

    pub(super) async fn close(mut self, code: u16) {
        use axum::extract::ws::CloseFrame;
        let frame = CloseFrame { code, reason: "".into() };
        drop(self.socket.send(Message::Close(Some(frame))).await);
    }
}

pub(super) fn relay_twiml(attributes: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><Response><Connect action="/action"><ConversationRelay url="wss://{HOST}/relay/ws" {attributes}><Parameter name="token" value="secret"/></ConversationRelay></Connect></Response>"#
    )
}

async fn webhook(
    State((answers, _)): State<Shared>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let signature = headers.get(signature::HEADER).and_then(|value| value.to_str().ok());
    let url = format!("https://{HOST}{uri}");
    let form = Form::parse(&body);
    let signed = signature::verify_form(TOKEN, signature.unwrap_or(""), &url, form.pairs());
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    if !signed || host != Some(HOST) {
        *answers.unsigned.lock().expect("lock") += 1;
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut twiml = answers.twiml.lock().expect("lock");
    let Some(queue) = twiml.get_mut(uri.path()) else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let answer = if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() };
    ([(header::CONTENT_TYPE, "text/xml")], answer.unwrap_or_default()).into_response()
}

async fn upgrade(
    State((answers, sockets)): State<Shared>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let signature = headers.get(signature::HEADER).and_then(|value| value.to_str().ok());
    let wanted = signature::sign::<&str, &str>(TOKEN, &format!("wss://{HOST}{uri}"), &[]);
    if signature != Some(wanted.as_str()) {
        *answers.unsigned.lock().expect("lock") += 1;
    }
    if signature != Some(wanted.as_str()) || *answers.refuses.lock().expect("lock") {
        return StatusCode::FORBIDDEN.into_response();
    }
    upgrade.on_upgrade(move |socket| async move {
        drop(sockets.send(socket).await);
    })
}
