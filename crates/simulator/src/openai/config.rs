//! The session object: its defaults, and how an update changes it (OpenAI Realtime API reference,
//! session object and `session.update`).

use phony_wire::openai::models::Model;
use serde_json::{Map, Value, json};

use super::error::ApiError;

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

    pub(super) fn transcribes(&self) -> bool {
        !self.session["audio"]["input"]["transcription"].is_null()
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
        let voice = patch.pointer("/audio/output/voice");
        if spoken && voice.is_some_and(|voice| *voice != self.session["audio"]["output"]["voice"]) {
            return Err(ApiError::request(
                "cannot_update_voice",
                "session.audio.output.voice".to_owned(),
                "Cannot update a conversation's voice if assistant audio is present.".to_owned(),
            ));
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

    pub(super) fn bytes_per_ms(self) -> usize {
        match self {
            // 16 bits at 24 kHz.
            Self::Pcm => 48,
            // 8 bits at 8 kHz.
            Self::Pcmu | Self::Pcma => 8,
        }
    }

    /// The byte that encodes silence.
    pub(super) fn silence(self) -> u8 {
        match self {
            Self::Pcm => 0,
            Self::Pcmu => 0xFF,
            Self::Pcma => 0xD5,
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
