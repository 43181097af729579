//! Transcription of the input, a separate pass that begins at the commit (OpenAI Realtime guide,
//! transcription; API reference, `conversation.item.input_audio_transcription.*`).

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{events, ids::Ids, pace::DeltaSize};

/// A transcription in progress.
pub(super) struct Transcription {
    pub(super) due: Instant,
    pub(super) item_id: String,
    /// The model's name, if the session has one.
    pub(super) model: Option<String>,
    pub(super) ms: u64,
    /// The text; `None` if the transcription fails.
    pub(super) text: Option<String>,
}

impl Transcription {
    /// Its events, all at once.
    pub(super) fn events(&self, ids: &mut Ids) -> Vec<String> {
        const PREFIX: &str = "conversation.item.input_audio_transcription";
        let mut event = |name, mut fields: Value| {
            fields["item_id"] = json!(self.item_id);
            fields["content_index"] = json!(0);
            events::event(ids, &format!("{PREFIX}.{name}"), fields)
        };
        let Some(text) = &self.text else {
            let error = json!({
                "type": "transcription_error",
                "code": "audio_unintelligible",
                "message": "The audio could not be transcribed.",
                "param": null,
            });
            return vec![event("failed", json!({"error": error}))];
        };
        let deltas = self.delta_size().split(text).into_iter();
        let mut all: Vec<String> =
            deltas.map(|delta| event("delta", json!({"delta": delta}))).collect();
        let mut completed = json!({"transcript": text, "usage": self.usage(text)});
        if self.model.as_deref() == Some("gpt-transcribe") {
            completed["languages"] = json!([{"code": "en"}]);
        }
        all.push(event("completed", completed));
        all
    }

    /// `whisper-1` does not stream.
    fn delta_size(&self) -> DeltaSize {
        if self.model.as_deref() == Some("whisper-1") {
            DeltaSize::Whole
        } else {
            DeltaSize::Words(1)
        }
    }

    /// Tokens for the `gpt-4o` models, else the duration.
    fn usage(&self, text: &str) -> Value {
        if !self.model.as_deref().is_some_and(|model| model.starts_with("gpt-4o-")) {
            #[expect(clippy::cast_precision_loss, reason = "no call lasts 2^53 ms")]
            return json!({"type": "duration", "seconds": self.ms as f64 / 1_000.0});
        }
        let (audio, output) = (self.ms.div_ceil(100), (text.chars().count() as u64).div_ceil(4));
        json!({
            "type": "tokens",
            "total_tokens": audio + output,
            "input_tokens": audio,
            "input_token_details": {"text_tokens": 0, "audio_tokens": audio},
            "output_tokens": output,
        })
    }
}
