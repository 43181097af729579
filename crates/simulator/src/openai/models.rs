//! The models of the stand-in: those that the service offers.

use phony_wire::openai::models::{MODELS, Model};
use serde_json::{Value, json};

/// The model of this name, if it is still offered.
pub(super) fn usable(id: &str) -> Option<&'static Model> {
    phony_wire::openai::models::model(id)
}

/// The answer to `GET /v1/models`.
pub(super) fn list() -> Value {
    json!({"object": "list", "data": MODELS.iter().map(object).collect::<Vec<_>>()})
}

/// The answer to `GET /v1/models/{id}`; `shutdown_date` is `YYYY-MM-DD`.
pub(super) fn object(model: &Model) -> Value {
    json!({
        "id": model.id,
        "object": "model",
        // The day of the first general release; no client depends on it.
        "created": 1_756_339_200,
        "owned_by": "system",
        "shutdown_date": model.retires,
    })
}
