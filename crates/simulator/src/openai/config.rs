//! The session object: its defaults, and how an update changes it (OpenAI Realtime API reference,
//! session object and `session.update`).

use phony_wire::openai::models::Model;
use serde_json::{Map, Value, json};

use super::{error::ApiError, turn_detection::TurnDetection};

/// The session of one socket, as `session.created` and `session.updated` show it.
pub(super) struct Config {
    session: Value,
    reasons: bool,
}

/// An audio format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AudioFormat {
    Pcm,
    Pcmu,
    Pcma,
}

impl Config {
    /// `expires_at` in seconds since 1970.
    pub(super) fn new(id: &str, model: &Model, expires_at: i64) -> Self {
        let mut session = json!({
            "type": "realtime",
            "object": "realtime.session",
            "id": id,
            "model": model.id,
            "expires_at": expires_at,
            "output_modalities": ["audio"],
            "instructions": "You are a helpful, witty and friendly AI. Talk quickly. You should \
                             call a function if you can.",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": null,
                    "noise_reduction": null,
                    "turn_detection": server_vad(),
                },
                "output": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "voice": "marin",
                    "speed": 1.0,
                },
            },
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "truncation": "auto",
            "tracing": null,
            "include": null,
            "prompt": null,
        });
        if model.reasoning {
            session["reasoning"] = json!({"effort": "low"});
        }
        Self { session, reasons: model.reasoning }
    }

    /// Applies an update that fits the schema, as a whole or not at all. `spoken` says that audio
    /// of the model has been sent, after which the voice is fixed.
    pub(super) fn update(&mut self, patch: &Value, spoken: bool) -> Result<(), ApiError> {
        self.admit(patch, spoken)?;
        let Some(patch) = patch.as_object() else { return Ok(()) };
        for (name, value) in patch {
            match (name.as_str(), value) {
                ("type" | "model", _) => {}
                ("audio", Value::Object(audio)) => self.update_audio(audio),
                _ => self.session[name] = value.clone(),
            }
        }
        Ok(())
    }

    pub(super) fn session(&self) -> &Value {
        &self.session
    }

    pub(super) fn get(&self, name: &str) -> &Value {
        &self.session[name]
    }

    pub(super) fn instructions(&self) -> &str {
        self.session["instructions"].as_str().unwrap_or_default()
    }

    pub(super) fn output(&self) -> &Value {
        &self.session["audio"]["output"]
    }

    pub(super) fn input_format(&self) -> AudioFormat {
        AudioFormat::read(&self.session["audio"]["input"]["format"])
    }

    /// The settings of the input's transcription, if there are any.
    pub(super) fn transcription(&self) -> Option<&Value> {
        Some(&self.session["audio"]["input"]["transcription"]).filter(|value| !value.is_null())
    }

    pub(super) fn turn_detection(&self) -> Option<TurnDetection> {
        TurnDetection::read(&self.session["audio"]["input"]["turn_detection"])
    }

    /// Refuses another voice than the session's; for once the model has spoken.
    pub(super) fn keep_voice(&self, voice: Option<&Value>, param: &str) -> Result<(), ApiError> {
        if voice.is_none_or(|voice| *voice == self.session["audio"]["output"]["voice"]) {
            return Ok(());
        }
        Err(ApiError::request(
            "cannot_update_voice",
            param.to_owned(),
            "Cannot update a conversation's voice if assistant audio is present.".to_owned(),
        ))
    }

    /// Refuses what fits the schema but not this session.
    fn admit(&self, patch: &Value, spoken: bool) -> Result<(), ApiError> {
        if !self.reasons && patch.get("reasoning").is_some() {
            return Err(ApiError::invalid(
                "session.reasoning",
                format!("Reasoning is not supported by model {}.", self.session["model"]),
            ));
        }
        if patch.get("prompt").is_some_and(|prompt| !prompt.is_null()) {
            return Err(ApiError::invalid(
                "session.prompt",
                "Reusable prompts have been shut down; send instructions.".to_owned(),
            ));
        }
        if spoken {
            let voice = patch.pointer("/audio/output/voice");
            self.keep_voice(voice, "session.audio.output.voice")?;
        }
        Ok(())
    }

    /// Merges the fields within `audio`; those not named stay.
    fn update_audio(&mut self, audio: &Map<String, Value>) {
        for (side, fields) in audio {
            for (name, value) in fields.as_object().into_iter().flatten() {
                let current = &mut self.session["audio"][side][name];
                *current = match name.as_str() {
                    "format" => full_format(value),
                    "turn_detection" | "noise_reduction" => merged(value, current),
                    _ => value.clone(),
                };
            }
        }
    }
}

impl AudioFormat {
    pub(super) fn read(value: &Value) -> Self {
        match value["type"].as_str() {
            Some("audio/pcmu") => Self::Pcmu,
            Some("audio/pcma") => Self::Pcma,
            _ => Self::Pcm,
        }
    }
}

pub(super) fn full_format(format: &Value) -> Value {
    let mut format = format.clone();
    if AudioFormat::read(&format) == AudioFormat::Pcm {
        format["rate"] = json!(24_000);
    }
    format
}

/// Merges `value` into `current` if that is of the same type, else into the type's defaults.
fn merged(value: &Value, current: &Value) -> Value {
    let Some(fields) = value.as_object() else { return Value::Null };
    let kind = &value["type"];
    let mut full = if *kind == current["type"] {
        current.clone()
    } else {
        match kind.as_str() {
            Some("server_vad") => server_vad(),
            Some("semantic_vad") => json!({
                "eagerness": "auto", "create_response": true, "interrupt_response": true,
            }),
            _ => json!({"strength": 1.0}),
        }
    };
    for (name, value) in fields {
        full[name] = value.clone();
    }
    full
}

fn server_vad() -> Value {
    json!({
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,
        "create_response": true,
        "interrupt_response": true,
        "idle_timeout_ms": null,
    })
}
