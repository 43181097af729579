//! A server in the process of the test, with the test as the model and as Twilio.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use phony::calls::Models;
use phony::config::{Config, Sources};
use phony::ports::ModelPort;
use phony::runtime::channel::{Receiver, Sender, channel};
use phony::server::{self, Running};
use phony::store::{Sqlite, Store, sqlite};
use phony_call::{CallSid, FromModel, Item, ItemBody, ToModel, TurnId, Usage};
use phony_wire::twilio::signature;
use phony_wire::twilio::twiml::{ConnectTo, Twiml, Verb};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::http;
use crate::support::wait::{eventually, in_time};

pub(crate) const AUTH_TOKEN: &str = "12345";
pub(crate) const ADMIN_TOKEN: &str = "let me see the calls";
pub(crate) const HOST: &str = "phony.example.com";
/// A variable of this name gives the text of the configuration file.
pub(crate) const FILE: &str = "phony.toml";
pub(crate) const CALLER: &str = "+15005550001";
pub(crate) const CALLED: &str = "+15005550002";

pub(crate) struct TestServer {
    pub(crate) running: Running,
    pub(crate) http: reqwest::Client,
    models: mpsc::Receiver<FakeModel>,
    variables: Vec<(String, String)>,
    data: tempfile::TempDir,
}

/// The test's end of a call's model port.
pub(crate) struct FakeModel {
    pub(crate) orders: Receiver<ToModel>,
    pub(crate) facts: Sender<FromModel>,
}

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl TestServer {
    /// A server as an operator would set it up.
    pub(crate) async fn start() -> Self {
        Self::with(&[("HOST", HOST), ("TWILIO_AUTH_TOKEN", AUTH_TOKEN)]).await
    }

    /// A server with these variables set.
    pub(crate) async fn with(variables: &[(&str, &str)]) -> Self {
        build(owned(variables), tempfile::tempdir().unwrap(), None).await
    }

    /// The same with this store.
    pub(crate) async fn on_store(store: Arc<dyn Store>) -> Self {
        let own = owned(&[("HOST", HOST), ("TWILIO_AUTH_TOKEN", AUTH_TOKEN)]);
        build(own, tempfile::tempdir().unwrap(), Some(store)).await
    }

    /// Kills the server, and starts another in the same folder.
    pub(crate) async fn restart(self) -> Self {
        self.running.kill();
        in_time(self.running.join()).await;
        build(self.variables, self.data, None).await
    }

    /// The server that is started after this one was killed at this moment; without `record`, before
    /// it had written anything.
    pub(crate) async fn after_crash(self, record: bool) -> Self {
        let data = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(self.data.path()).unwrap().map(|file| file.unwrap()) {
            let is_of_store = file.file_name().to_str().unwrap().starts_with(sqlite::FILE);
            if record && is_of_store {
                std::fs::copy(file.path(), data.path().join(file.file_name())).unwrap();
            }
        }
        self.running.kill();
        in_time(self.running.join()).await;
        build(self.variables, data, None).await
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// Every byte of the embedded store's files.
    pub(crate) fn files(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.data.path()).unwrap().map(|file| file.unwrap().path());
        let ours =
            |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("phony.db");
        files.filter(ours).flat_map(|path| std::fs::read(path).unwrap()).collect()
    }

    /// Waits until the end of a call is in the store.
    pub(crate) async fn until_kept(&self, call: &str) {
        let store = self.running.app.history.store().unwrap();
        let call = CallSid::parse(call).unwrap();
        eventually(async || store.summary(&call).await.unwrap()?.end).await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.addr)
    }

    pub(crate) fn token() -> String {
        ADMIN_TOKEN.replace(' ', "-")
    }

    /// Sends a webhook, signed as Twilio signs it.
    pub(crate) async fn webhook(&self, path: &str, form: &[(&str, &str)]) -> (u16, String) {
        let signature = signature::sign(AUTH_TOKEN, &format!("https://{HOST}{path}"), form);
        self.post_form(path, form, Some(&signature)).await
    }

    pub(crate) async fn post_form(
        &self,
        path: &str,
        form: &[(&str, &str)],
        signature: Option<&str>,
    ) -> (u16, String) {
        let mut request = self.http.post(self.url(path)).form(form);
        if let Some(signature) = signature {
            request = request.header(signature::HEADER, signature);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Rings with a new call; the TwiML of the answer.
    pub(crate) async fn ring(&self, call: &str) -> Twiml {
        let form = [("CallSid", call), ("From", CALLER), ("To", CALLED), ("CallStatus", "ringing")];
        let (status, body) = self.webhook("/receive_call", &form).await;
        assert_eq!(status, 200, "{body}");
        Twiml::parse(&body).unwrap().twiml
    }

    /// The model of the next call that opens one.
    pub(crate) async fn model(&mut self) -> FakeModel {
        in_time(self.models.recv()).await.unwrap()
    }

    /// Lets the opening of a model panic from now on.
    pub(crate) fn no_more_models(&mut self) {
        self.models.close();
    }

    /// Opens a WebSocket; status and body if it is refused.
    pub(crate) async fn socket(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket, (u16, String)> {
        let url = format!("ws://{}{path}", self.running.addr);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match in_time(tokio_tungstenite::connect_async(request)).await {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                Err((response.status().as_u16(), String::from_utf8(body).unwrap()))
            }
            Err(error) => panic!("no socket: {error}"),
        }
    }

    pub(crate) async fn relay_socket(&self) -> Socket {
        let signature = signature::sign::<&str, &str>(AUTH_TOKEN, &relay_url(), &[]);
        self.socket("/relay/ws", &[(signature::HEADER, &signature)]).await.unwrap()
    }

    /// Connects the relay socket of a call that rings, and reads the greeting.
    pub(crate) async fn connect(&self, call: &str, twiml: &Twiml) -> JsonSocket {
        let mut line = JsonSocket(self.relay_socket().await);
        line.send(&setup(call, &token_of(twiml))).await;
        line
    }

    pub(crate) async fn events(&self, query: &str) -> JsonSocket {
        let bearer = format!("Bearer {}", Self::token());
        let path = format!("/events/ws{query}");
        JsonSocket(self.socket(&path, &[("authorization", &bearer)]).await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.http.get(self.url(path)).bearer_auth(Self::token());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.post(self.url(path)).bearer_auth(Self::token()).json(body);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
    }

    /// Waits until `count` calls are live.
    pub(crate) async fn until_live(&self, count: usize) {
        eventually(async || (self.running.app.calls.count() == count).then_some(())).await;
    }
}

fn owned(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn build(
    variables: Vec<(String, String)>,
    data: tempfile::TempDir,
    store: Option<Arc<dyn Store>>,
) -> TestServer {
    let folder = data.path().display().to_string();
    let base = [
        ("PORT", "0"),
        ("PHONY_BIND", "127.0.0.1"),
        ("PHONY_DATA_DIR", folder.as_str()),
        ("PHONY_ADMIN_TOKEN", &ADMIN_TOKEN.replace(' ', "-")),
        ("OPENAI_API_KEY", "sk-test"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut environment: Vec<_> = base.into_iter().collect();
    environment.extend(variables.iter().filter(|(name, _)| name != FILE).cloned());
    let file = variables.iter().find(|(name, _)| name == FILE).cloned();
    let sources = Sources { environment, file, ..Sources::default() };
    let config = Config::from_sources(sources).unwrap();
    let (opened, models) = mpsc::channel(64);
    let open = move |_: &phony::agents::Agent, _: &CallSid| {
        let (order_tx, orders) = channel(64);
        let (facts, fact_rx) = channel(256);
        opened.try_send(FakeModel { orders, facts }).unwrap();
        ModelPort { tx: order_tx, rx: fact_rx, task: None }
    };
    let running = match store {
        None => server::start_with(config, Models::new(open)).await.unwrap(),
        Some(store) => server::start_on(config, Models::new(open), store).await.unwrap(),
    };
    let no_redirects = reqwest::redirect::Policy::none();
    let http = http::client_builder().redirect(no_redirects).build().unwrap();
    TestServer { running, http, models, variables, data }
}

/// A WebSocket whose messages are JSON.
pub(crate) struct JsonSocket(pub(crate) Socket);

impl JsonSocket {
    pub(crate) async fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        in_time(self.0.send(Message::text(text))).await.unwrap();
    }

    /// Says this as the caller.
    pub(crate) async fn prompt(&mut self, words: &str) {
        let frame =
            json!({ "type": "prompt", "voicePrompt": words, "lang": "en-US", "last": true });
        self.send(&frame).await;
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match in_time(self.0.next()).await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                    panic!("not a frame: {other:?}")
                }
            }
        }
    }

    /// The next frame of this type; others are passed over.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The words of one utterance, up to its end.
    pub(crate) async fn utterance(&mut self) -> String {
        let mut words = String::new();
        loop {
            let frame = self.next_of("text").await;
            words.push_str(frame["token"].as_str().unwrap());
            if frame["last"] == true {
                return words;
            }
        }
    }

    /// The code with which the server closes the socket; messages before it are passed over.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            match in_time(self.0.next()).await {
                Some(Ok(Message::Close(Some(CloseFrame { code, .. })))) => {
                    return Some(code.into());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}

impl FakeModel {
    /// Reports the model as ready.
    pub(crate) async fn ready(&self) {
        self.facts.send(FromModel::Ready).await.unwrap();
    }

    /// The next request for a reply: its turn and the caller's last words.
    pub(crate) async fn asked(&mut self) -> (TurnId, String) {
        let (turn, context) = self.asked_with().await;
        let words = context.iter().rev().find_map(|item| {
            let ItemBody::User { text: words, .. } = &item.body else { return None };
            Some(words.to_string())
        });
        (turn, words.unwrap_or_default())
    }

    /// The next request for a reply: its turn and its whole context.
    pub(crate) async fn asked_with(&mut self) -> (TurnId, Vec<Item>) {
        loop {
            if let ToModel::Respond { turn, context } = in_time(self.orders.recv()).await.unwrap() {
                return (turn, context);
            }
        }
    }

    /// Sends a whole reply.
    pub(crate) async fn reply(&self, turn: TurnId, words: &str) {
        self.finish(turn, words, None).await;
    }

    /// Sends a whole reply that used `tokens` output tokens.
    pub(crate) async fn reply_for(&self, turn: TurnId, words: &str, tokens: u64) {
        let usage = Usage { output_text_tokens: tokens, ..Usage::default() };
        self.finish(turn, words, Some(usage)).await;
    }

    async fn finish(&self, turn: TurnId, words: &str, usage: Option<Usage>) {
        let outcome = phony_call::Outcome::Complete;
        let text = FromModel::Text { turn, text: words.into() };
        self.facts.send(text).await.unwrap();
        let done = FromModel::Done { turn, outcome, usage };
        self.facts.send(done).await.unwrap();
    }
}

pub(crate) fn relay_url() -> String {
    format!("wss://{HOST}/relay/ws")
}

pub(crate) fn setup(call: &str, token: &str) -> Value {
    json!({
        "type": "setup", "sessionId": "VX00000000000000000000000000000000", "callSid": call,
        "from": CALLER, "to": CALLED, "direction": "inbound", "callStatus": "RINGING",
        "customParameters": { "token": token },
    })
}

/// The socket token in this TwiML.
pub(crate) fn token_of(twiml: &Twiml) -> String {
    let [Verb::Connect(connect)] = twiml.verbs.as_slice() else { panic!("{twiml:?}") };
    let ConnectTo::Relay(relay) = &connect.to else { panic!("{connect:?}") };
    let token = relay.parameters.iter().find(|(name, _)| name == "token");
    token.unwrap().1.clone()
}

/// The events of a call in the store of a data folder, whatever its server has in memory.
pub(crate) async fn stored(data: &Path, call: &str) -> Vec<Value> {
    let Ok(store) = Sqlite::open(&data.join(sqlite::FILE)) else {
        return vec![];
    };
    let events = store.events(&CallSid::parse(call).unwrap(), 0).await.unwrap_or_default();
    let events = events.unwrap_or_default();
    events.iter().map(|event| serde_json::from_str(event).unwrap()).collect()
}
