//! An adapter that hears and speaks, and the server at its other end.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jsonschema::Validator;
use phony::agents::{TurnDetection, TurnSettings};
use phony::models::realtime::SpeechSettings;
use phony_call::{FromModel, Item, ItemBody, ItemId, ItemKind, ToModel, TurnId, UtteranceId};
use serde_json::{Value, json};

use crate::models::raw_server::{Connection, RawServer};

/// The schema of client events, which is part of the formats' tests.
static CLIENT_EVENT: LazyLock<Validator> = LazyLock::new(|| schema("realtime_client_event"));
pub(super) static SERVER_EVENT: LazyLock<Validator> =
    LazyLock::new(|| schema("realtime_server_event"));

fn schema(name: &str) -> Validator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/schemas");
    let text = std::fs::read_to_string(folder.join(format!("{name}.schema.json")));
    let schema = serde_json::from_str(&text.expect("a schema")).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
}

pub(super) fn settings() -> SpeechSettings {
    SpeechSettings {
        turns: TurnSettings {
            detection: TurnDetection::Server {
                threshold: 0.5,
                prefix: Duration::from_millis(300),
                silence: Duration::from_millis(500),
            },
            transcription: Some("gpt-transcribe".into()),
        },
        language: Some("en".into()),
    }
}

/// An adapter that hears and speaks.
pub(super) struct Line {
    pub(super) server: RawServer,
    events: u32,
}

impl Line {
    pub(super) async fn start() -> Self {
        Self::start_with(settings()).await
    }

    pub(super) async fn start_with(speech: SpeechSettings) -> Self {
        Self { server: RawServer::start_with(Some(speech), |_| {}).await, events: 0 }
    }

    /// The next session, once the call was told of it.
    pub(super) async fn session(&mut self) -> Connection {
        let peer = self.server.session().await;
        assert_eq!(self.server.next().await, FromModel::Ready);
        peer
    }

    pub(super) async fn order(&self, order: ToModel) {
        self.server.port.tx.send(order).await.expect("a model that lives");
    }

    pub(super) async fn hear(&self, audio: &'static [u8]) {
        self.order(ToModel::Hear(Bytes::from_static(audio))).await;
    }

    pub(super) async fn respond(&self, turn: u32, context: Vec<Item>) {
        self.order(ToModel::Respond { turn: TurnId(turn), context }).await;
    }

    pub(super) async fn speak(&self, words: u32, text: &str) {
        self.order(ToModel::Speak { words, text: text.into() }).await;
    }

    pub(super) async fn next(&mut self) -> FromModel {
        self.server.next().await
    }

    /// Sends an event of the server with all that the schema wants.
    pub(super) async fn say(&mut self, peer: &mut Connection, mut event: Value) {
        self.events += 1;
        event["event_id"] = format!("event_{}", self.events).into();
        let kind = event["type"].as_str().unwrap_or_default();
        // Responses and items are given in short.
        if !kind.starts_with("response.") && !kind.starts_with("conversation.item.added") {
            assert_valid(&SERVER_EVENT, &event);
        }
        peer.say(&event).await;
    }

    pub(super) async fn created(&mut self, peer: &mut Connection, id: &str, metadata: Value) {
        let response = json!({"id": id, "status": "in_progress", "metadata": metadata});
        self.say(peer, json!({"type": "response.created", "response": response})).await;
    }

    pub(super) async fn audio(
        &mut self,
        peer: &mut Connection,
        response: &str,
        item: &str,
        bytes: usize,
    ) {
        let delta = json!({
            "type": "response.output_audio.delta", "response_id": response, "item_id": item,
            "output_index": 0, "content_index": 0, "delta": STANDARD.encode(vec![0x7f; bytes]),
        });
        assert_valid(&SERVER_EVENT, &with_id(&delta));
        self.say(peer, delta).await;
    }

    pub(super) async fn done(&mut self, peer: &mut Connection, id: &str, status: &str) {
        let response = json!({"id": id, "status": status});
        self.say(peer, json!({"type": "response.done", "response": response})).await;
    }

    /// The caller says something, as the server hears it.
    pub(super) async fn utterance(&mut self, peer: &mut Connection, item: &str, utterance: u32) {
        self.say(
            peer,
            json!({
                "type": "input_audio_buffer.speech_started", "item_id": item, "audio_start_ms": 1,
            }),
        )
        .await;
        assert_eq!(self.next().await, FromModel::CallerSpeaking(true));
        self.say(
            peer,
            json!({
                "type": "input_audio_buffer.speech_stopped", "item_id": item, "audio_end_ms": 2,
            }),
        )
        .await;
        assert_eq!(self.next().await, FromModel::CallerSpeaking(false));
        let committed = json!({
            "type": "input_audio_buffer.committed", "item_id": item, "previous_item_id": null,
        });
        self.say(peer, committed).await;
        let utterance = UtteranceId(utterance);
        assert_eq!(self.next().await, FromModel::CallerSaid { utterance });
    }

    pub(super) async fn transcript(&mut self, peer: &mut Connection, item: &str, text: &str) {
        let usage = json!({"type": "duration", "seconds": 1.5});
        self.say(
            peer,
            json!({
                "type": "conversation.item.input_audio_transcription.completed", "item_id": item,
                "content_index": 0, "transcript": text, "usage": usage,
            }),
        )
        .await;
    }

    pub(super) async fn transcript_failed(
        &mut self,
        peer: &mut Connection,
        item: &str,
        code: &str,
    ) {
        let error = json!({"type": "transcription_error", "code": code, "message": "No."});
        self.say(
            peer,
            json!({
                "type": "conversation.item.input_audio_transcription.failed", "item_id": item,
                "content_index": 0, "error": error,
            }),
        )
        .await;
    }
}

pub(super) fn with_id(event: &Value) -> Value {
    let mut event = event.clone();
    event["event_id"] = "event_0".into();
    event
}

pub(super) fn assert_valid(schema: &Validator, event: &Value) {
    let problem = schema.validate(event).err().map(|error| error.to_string());
    assert_eq!(problem, None, "{event}");
}

/// The next event of the adapter, which is valid.
pub(super) async fn sent(peer: &mut Connection) -> Value {
    let event = peer.hear().await;
    assert_valid(&CLIENT_EVENT, &event);
    event
}

/// The next event of the adapter, in short.
pub(super) async fn sent_short(peer: &mut Connection) -> String {
    let event = sent(peer).await;
    let kind = event["type"].as_str().expect("a type");
    let content = &event["item"]["content"][0];
    match (content["type"].as_str(), content["text"].as_str()) {
        (Some(content), Some(text)) => format!("{kind} {content} {text}"),
        _ => kind.to_owned(),
    }
}

pub(super) fn item(number: u64, body: ItemBody) -> Item {
    Item { id: ItemId::new(ItemKind::Entry, number, 0), body }
}

pub(super) fn heard(number: u64, text: &str, utterance: u32) -> Item {
    item(number, ItemBody::User { text: text.into(), heard: Some(UtteranceId(utterance)) })
}

pub(super) fn said(number: u64, text: &str, turn: u32) -> Item {
    item(number, ItemBody::Assistant { text: text.into(), verbatim: Some(TurnId(turn)) })
}

pub(super) fn understood(utterance: u32, text: Option<&str>, last: bool) -> FromModel {
    let (utterance, text) = (UtteranceId(utterance), text.map(str::to_owned));
    FromModel::Understood { utterance, text, last }
}
