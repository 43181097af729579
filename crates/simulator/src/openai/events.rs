//! Serialises server events (OpenAI Realtime API reference, server events).

use serde::Serialize;
use serde_json::{Value, json};

use super::{error::ApiError, ids::Ids};

/// An event of this type with these fields.
pub(super) fn event(ids: &mut Ids, kind: &str, mut fields: Value) -> String {
    fields["type"] = json!(kind);
    fields["event_id"] = json!(ids.event());
    fields.to_string()
}

/// An `error` event; `event_id` is that of the client's event, if it had one.
pub(super) fn error(ids: &mut Ids, error: &ApiError, event_id: Option<&str>) -> String {
    event(ids, "error", json!({"error": error.object(event_id)}))
}

/// A place within a response.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) response_id: &'a str,
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
}

impl Place<'_> {
    /// The fields that name this place and the item's only content part.
    pub(super) fn content(self) -> Value {
        let mut fields = self.item();
        fields["content_index"] = json!(0);
        fields
    }

    pub(super) fn item(self) -> Value {
        json!({
            "response_id": self.response_id,
            "item_id": self.item_id,
            "output_index": self.output_index,
        })
    }
}

/// A piece of a text or a transcript. This is the most frequent event, so it is serialised without
/// an intermediate `Value`.
pub(super) fn delta(ids: &mut Ids, kind: &str, place: Place<'_>, piece: &str) -> String {
    #[derive(Serialize)]
    struct Delta<'a> {
        r#type: &'a str,
        event_id: String,
        response_id: &'a str,
        item_id: &'a str,
        output_index: usize,
        content_index: u8,
        #[serde(rename = "delta")]
        piece: &'a str,
    }
    let event = Delta {
        r#type: kind,
        event_id: ids.event(),
        response_id: place.response_id,
        item_id: place.item_id,
        output_index: place.output_index,
        content_index: 0,
        piece,
    };
    serde_json::to_string(&event).expect("strings and numbers can be serialised")
}
