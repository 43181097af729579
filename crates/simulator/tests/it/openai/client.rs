//! A client that checks every event it receives against OpenAI's schemas.

use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use jsonschema::Validator;
use phony_simulator::openai::{AudioOptions, Brain, OpenAiOptions, OpenAiRunning, Pace, start};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest as _, http::Request},
};

const TIMEOUT: Duration = Duration::from_secs(5);

/// The schema of all server events.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../wire/tests/schemas/realtime_server_event.schema.json"
    );
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
});

/// The validators built so far, by event type: building all of them takes seconds.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Options of a stand-in without delays.
pub(super) fn instant(brain: Brain) -> OpenAiOptions {
    let audio = AudioOptions { speed: 0, transcription: Duration::ZERO, ..AudioOptions::default() };
    OpenAiOptions { brain, pace: Pace::INSTANT, audio, ..OpenAiOptions::default() }
}

pub(super) async fn echo() -> OpenAiRunning {
    start(instant(Brain::Echo)).await.unwrap()
}

/// A handshake request for `model`, with an API key.
pub(super) fn request(addr: SocketAddr, model: &str) -> Request<()> {
    let url = format!("ws://{addr}/v1/realtime?model={model}");
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("authorization", "Bearer test-key".parse().unwrap());
    request
}

/// How a socket ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With a close frame of this code; 1005 if it had none.
    Closed(u16),
    /// Without a close frame.
    Broken,
}

pub(super) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Everything received, in order.
    pub(super) events: Vec<Value>,
}

impl Client {
    /// Connects and waits for `session.created`.
    pub(super) async fn connect(server: &OpenAiRunning) -> Self {
        let mut client = Self::open(server).await;
        assert_eq!(client.event().await["type"], "session.created");
        client
    }

    /// Connects and switches to text, as a client for a relay call does.
    pub(super) async fn text_mode(server: &OpenAiRunning) -> Self {
        let mut client = Self::connect(server).await;
        client
            .send(json!({"type": "session.update", "session": {
                "type": "realtime",
                "output_modalities": ["text"],
                "instructions": "Be kind.",
                "audio": {"input": {"turn_detection": null}},
            }}))
            .await;
        assert_eq!(client.event().await["type"], "session.updated");
        client
    }

    /// Connects without waiting for an event.
    pub(super) async fn open(server: &OpenAiRunning) -> Self {
        Self::with(request(server.addr(), "gpt-realtime-2.1")).await
    }

    pub(super) async fn with(request: Request<()>) -> Self {
        let (socket, _) = timeout(TIMEOUT, connect_async(request)).await.unwrap().unwrap();
        Self { socket, events: Vec::new() }
    }

    pub(super) async fn send(&mut self, event: Value) {
        self.send_frame(Message::Text(event.to_string().into())).await;
    }

    pub(super) async fn send_frame(&mut self, frame: Message) {
        timeout(TIMEOUT, self.socket.send(frame)).await.unwrap().unwrap();
    }

    /// The next event, which must come in time and be valid.
    pub(super) async fn event(&mut self) -> Value {
        match self.next().await {
            Ok(event) => event,
            Err(end) => panic!("an event was due, but the socket ended: {end:?}"),
        }
    }

    /// The next event, or how the socket ended.
    pub(super) async fn next(&mut self) -> Result<Value, End> {
        let message = timeout(TIMEOUT, self.socket.next()).await.expect("no event in time");
        match message {
            Some(Ok(Message::Text(text))) => {
                let event: Value = serde_json::from_str(&text).unwrap();
                check_schema(&event);
                self.events.push(event.clone());
                Ok(event)
            }
            Some(Ok(Message::Close(frame))) => {
                Err(End::Closed(frame.map_or(1005, |frame| frame.code.into())))
            }
            Some(Ok(other)) => panic!("unexpected frame {other:?}"),
            Some(Err(_)) | None => Err(End::Broken),
        }
    }

    /// Whether nothing is received for this long.
    pub(super) async fn is_silent(&mut self, time: Duration) -> bool {
        timeout(time, self.socket.next()).await.is_err()
    }

    /// All events up to and including the next of type `kind`.
    pub(super) async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.event().await;
            let found = event["type"] == kind;
            events.push(event);
            if found {
                return events;
            }
        }
    }

    /// Sends an event that must be refused, and returns the error.
    pub(super) async fn refused(&mut self, mut event: Value) -> Value {
        event["event_id"] = json!("mine");
        self.send(event.clone()).await;
        let error = self.event().await;
        assert_eq!(error["type"], "error", "{event} was taken");
        assert_eq!(error["error"]["event_id"], "mine");
        error["error"].clone()
    }

    /// Creates an item and waits until it is complete.
    pub(super) async fn item(&mut self, item: Value) -> Value {
        self.send(json!({"type": "conversation.item.create", "item": item})).await;
        self.until("conversation.item.done").await.pop().unwrap()
    }

    /// The caller says something.
    pub(super) async fn say(&mut self, text: &str) {
        self.item(message("user", text)).await;
    }

    /// Requests a response, and returns its events up to `rate_limits.updated`.
    pub(super) async fn respond(&mut self, params: Value) -> Vec<Value> {
        self.send(json!({"type": "response.create", "response": params})).await;
        self.until("rate_limits.updated").await
    }

    /// Says something and returns the text of the reply.
    pub(super) async fn ask(&mut self, text: &str) -> String {
        self.say(text).await;
        text_of(&self.respond(json!({})).await)
    }

    /// Reads until the socket ends, and returns how it did.
    pub(super) async fn end(&mut self) -> End {
        loop {
            if let Err(end) = self.next().await {
                return end;
            }
        }
    }
}

pub(super) fn message(role: &str, text: &str) -> Value {
    let kind = if role == "assistant" { "output_text" } else { "input_text" };
    json!({"type": "message", "role": role, "content": [{"type": kind, "text": text}]})
}

/// The types of the events in order, with repetitions removed.
pub(super) fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    kinds.dedup();
    kinds
}

/// The text deltas, joined.
pub(super) fn text_of(events: &[Value]) -> String {
    let deltas = events.iter().filter(|event| event["type"] == "response.output_text.delta");
    deltas.map(|event| event["delta"].as_str().unwrap()).collect()
}

/// The `response` in the `response.done` among these events.
pub(super) fn done(events: &[Value]) -> &Value {
    &events.iter().find(|event| event["type"] == "response.done").unwrap()["response"]
}

/// The HTTP status and error code with which a handshake is refused.
pub(super) async fn refusal(request: Request<()>) -> (u16, Value) {
    match timeout(TIMEOUT, connect_async(request)).await.unwrap() {
        Err(tungstenite::Error::Http(response)) => {
            let body: Value = serde_json::from_slice(response.body().as_ref().unwrap()).unwrap();
            (response.status().as_u16(), body["error"]["code"].clone())
        }
        Err(error) => panic!("not refused by HTTP: {error}"),
        Ok(_) => panic!("not refused"),
    }
}

fn check_schema(event: &Value) {
    let kind = event["type"].as_str().expect("an event has a type");
    let known = VALIDATORS.lock().unwrap().get(kind).cloned();
    let validator = known.unwrap_or_else(|| {
        let made = Arc::new(validator(kind));
        VALIDATORS.lock().unwrap().insert(kind.to_owned(), Arc::clone(&made));
        made
    });
    if let Err(error) = validator.validate(event) {
        panic!("{kind} is not valid: {error} in {event}");
    }
}

fn validator(kind: &str) -> Validator {
    let definitions = SCHEMA["$defs"].as_object().unwrap();
    let union = SCHEMA["anyOf"].as_array().unwrap();
    let mut references = union.iter().map(|member| member["$ref"].as_str().unwrap());
    let reference = references
        .find(|reference| {
            let name = reference.rsplit('/').next().unwrap();
            definitions[name]["properties"]["type"]["const"] == kind
        })
        .unwrap_or_else(|| panic!("no event is called {kind}"));
    let one = json!({"$defs": definitions, "$ref": reference});
    jsonschema::validator_for(&one).unwrap()
}
