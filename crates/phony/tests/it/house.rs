//! A server for tests, on a port of its own, with the test in the place of the model and of Twilio.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use phony::calls::Models;
use phony::config::{Config, Sources};
use phony::ports::ModelPort;
use phony::runtime::channel::{Receiver, Sender, channel};
use phony::server::{self, Running};
use phony::store::Store;
use phony_call::{CallSid, FromModel, Item, ItemBody, ToModel, TurnId, Usage};
use phony_wire::twilio::signature;
use phony_wire::twilio::twiml::{ConnectTo, Twiml, Verb};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub(crate) const AUTH_TOKEN: &str = "12345";
pub(crate) const ADMIN_TOKEN: &str = "let me see the calls";
pub(crate) const HOST: &str = "phony.example.com";
/// The variable of this name is the configuration file.
pub(crate) const FILE: &str = "phony.toml";
pub(crate) const CALLER: &str = "+15005550001";
pub(crate) const CALLED: &str = "+15005550002";

/// How long anything may take before the test has failed.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct House {
    pub(crate) running: Running,
    pub(crate) http: reqwest::Client,
    models: mpsc::Receiver<FakeModel>,
    variables: Vec<(String, String)>,
    data: tempfile::TempDir,
}

/// The test in the place of a call's model.
pub(crate) struct FakeModel {
    pub(crate) orders: Receiver<ToModel>,
    pub(crate) facts: Sender<FromModel>,
}

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A server as an operator would set it up.
pub(crate) async fn house() -> House {
    house_with(&[("HOST", HOST), ("TWILIO_AUTH_TOKEN", AUTH_TOKEN)]).await
}

/// A server with these variables set.
pub(crate) async fn house_with(variables: &[(&str, &str)]) -> House {
    let own = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    build(own.collect(), tempfile::tempdir().unwrap(), None).await
}

/// A server as an operator would set it up, which keeps its calls in this store.
pub(crate) async fn house_on(store: Arc<dyn Store>) -> House {
    let own = [("HOST", HOST), ("TWILIO_AUTH_TOKEN", AUTH_TOKEN)];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    build(own.into(), tempfile::tempdir().unwrap(), Some(store)).await
}

async fn build(
    variables: Vec<(String, String)>,
    data: tempfile::TempDir,
    store: Option<Arc<dyn Store>>,
) -> House {
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
    drop(rustls::crypto::ring::default_provider().install_default());
    let no_redirects = reqwest::redirect::Policy::none();
    let http = reqwest::Client::builder().redirect(no_redirects).build().unwrap();
    House { running, http, models, variables, data }
}

impl House {
    /// Ends the server at once, and starts another in the same folder.
    pub(crate) async fn restart(self) -> Self {
        self.running.kill();
        soon(self.running.join()).await;
        build(self.variables, self.data, None).await
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
        let kept = async {
            while store.summary(&call).await.unwrap().is_none_or(|summary| summary.end.is_none()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(kept).await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.addr)
    }

    pub(crate) fn token() -> String {
        ADMIN_TOKEN.replace(' ', "-")
    }

    /// A webhook, signed as Twilio signs it.
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

    /// The phone rings: the TwiML that we answer with.
    pub(crate) async fn ring(&self, call: &str) -> Twiml {
        let form = [("CallSid", call), ("From", CALLER), ("To", CALLED), ("CallStatus", "ringing")];
        let (status, body) = self.webhook("/receive_call", &form).await;
        assert_eq!(status, 200, "{body}");
        Twiml::parse(&body).unwrap().twiml
    }

    /// The model of the call that was taken last.
    pub(crate) async fn model(&mut self) -> FakeModel {
        soon(self.models.recv()).await.unwrap()
    }

    /// Opening a model panics from now on.
    pub(crate) fn no_more_models(&mut self) {
        self.models.close();
    }

    /// Opens a WebSocket; the status of the refusal if it is refused.
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
        match soon(tokio_tungstenite::connect_async(request)).await {
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
    pub(crate) async fn connect(&self, call: &str, twiml: &Twiml) -> Line {
        let mut line = Line(self.relay_socket().await);
        line.send(&setup(call, &token_of(twiml))).await;
        line
    }

    pub(crate) async fn events(&self, query: &str) -> Line {
        let bearer = format!("Bearer {}", Self::token());
        let path = format!("/events/ws{query}");
        Line(self.socket(&path, &[("authorization", &bearer)]).await.unwrap())
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

    /// Waits until so many calls are live.
    pub(crate) async fn until_live(&self, count: usize) {
        let live = async {
            while self.running.app.calls.count() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(live).await;
    }
}

/// A socket of which every message is JSON.
pub(crate) struct Line(pub(crate) Socket);

impl Line {
    pub(crate) async fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        soon(self.0.send(Message::text(text))).await.unwrap();
    }

    /// The caller has said this.
    pub(crate) async fn prompt(&mut self, words: &str) {
        let frame =
            json!({ "type": "prompt", "voicePrompt": words, "lang": "en-US", "last": true });
        self.send(&frame).await;
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match soon(self.0.next()).await.unwrap().unwrap() {
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

    /// Words up to the end of one utterance.
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

    /// The code with which the far side closes the socket; what comes before is passed over.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            match soon(self.0.next()).await {
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
    /// Comes up.
    pub(crate) async fn ready(&self) {
        self.facts.send(FromModel::Ready).await.unwrap();
    }

    /// The next request for a reply: its turn and the caller's last words.
    pub(crate) async fn asked(&mut self) -> (TurnId, String) {
        let (turn, context) = self.asked_with().await;
        let words = context.iter().rev().find_map(|item| {
            let ItemBody::User(words) = &item.body else { return None };
            Some(words.to_string())
        });
        (turn, words.unwrap_or_default())
    }

    /// The next request for a reply: its turn and all that the model is to know.
    pub(crate) async fn asked_with(&mut self) -> (TurnId, Vec<Item>) {
        loop {
            if let ToModel::Respond { turn, context } = soon(self.orders.recv()).await.unwrap() {
                return (turn, context);
            }
        }
    }

    /// A whole reply.
    pub(crate) async fn reply(&self, turn: TurnId, words: &str) {
        self.finish(turn, words, None).await;
    }

    /// A whole reply that took so many tokens to write.
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

/// The token that the TwiML hands out.
pub(crate) fn token_of(twiml: &Twiml) -> String {
    let [Verb::Connect(connect)] = twiml.verbs.as_slice() else { panic!("{twiml:?}") };
    let ConnectTo::Relay(relay) = &connect.to else { panic!("{connect:?}") };
    let token = relay.parameters.iter().find(|(name, _)| name == "token");
    token.unwrap().1.clone()
}

/// Waits, but not for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it did not happen in time")
}
