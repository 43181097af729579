//! The models that the stand-in has, and which of them have ended (OpenAI, deprecations).

use serde_json::{Value, json};

/// One model of the service.
pub(super) struct Model {
    pub(super) id: &'static str,
    /// Reasoning models alone take `session.reasoning`.
    pub(super) reasons: bool,
    /// The day it ends, `YYYY-MM-DD`.
    shutdown: Option<&'static str>,
    ended: bool,
}

const MODELS: &[Model] = &[
    current("gpt-realtime-2.1", true),
    current("gpt-realtime-2.1-mini", true),
    current("gpt-realtime-2", true),
    current("gpt-realtime-1.5", false),
    ending("gpt-realtime", "2027-01-20"),
    ending("gpt-realtime-2025-08-28", "2027-01-20"),
    ending("gpt-realtime-mini", "2027-01-20"),
    ending("gpt-realtime-mini-2025-12-15", "2027-01-20"),
    ended("gpt-realtime-mini-2025-10-06", "2026-07-23"),
    ended("gpt-4o-realtime-preview", "2026-05-07"),
    ended("gpt-4o-realtime-preview-2024-10-01", "2025-10-10"),
    ended("gpt-4o-realtime-preview-2024-12-17", "2026-05-07"),
    ended("gpt-4o-realtime-preview-2025-06-03", "2026-05-07"),
    ended("gpt-4o-mini-realtime-preview", "2026-05-07"),
    ended("gpt-4o-mini-realtime-preview-2024-12-17", "2026-05-07"),
];

/// The model of this name, if it can still be used.
pub(super) fn usable(id: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.id == id && !model.ended)
}

/// The answer to `GET /v1/models`.
pub(super) fn list() -> Value {
    let data: Vec<Value> = MODELS.iter().filter(|model| !model.ended).map(Model::object).collect();
    json!({"object": "list", "data": data})
}

impl Model {
    /// The answer to `GET /v1/models/{id}`.
    pub(super) fn object(&self) -> Value {
        json!({
            "id": self.id,
            "object": "model",
            // The day of the first general release; no client depends on it.
            "created": 1_756_339_200,
            "owned_by": "system",
            "shutdown_date": self.shutdown,
        })
    }
}

const fn current(id: &'static str, reasons: bool) -> Model {
    Model { id, reasons, shutdown: None, ended: false }
}

const fn ending(id: &'static str, day: &'static str) -> Model {
    Model { id, reasons: false, shutdown: Some(day), ended: false }
}

const fn ended(id: &'static str, day: &'static str) -> Model {
    Model { id, reasons: false, shutdown: Some(day), ended: true }
}
