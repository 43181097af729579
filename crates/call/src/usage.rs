//! What a reply and a line cost.

use std::time::Duration;

use serde::Serialize;

/// Tokens used by one reply. Input tokens include the cached ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// Text input.
    pub input_text_tokens: u64,
    /// Audio input.
    pub input_audio_tokens: u64,
    /// The cached part of the text input.
    pub cached_text_tokens: u64,
    /// The cached part of the audio input.
    pub cached_audio_tokens: u64,
    /// Text output.
    pub output_text_tokens: u64,
    /// Audio output.
    pub output_audio_tokens: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_text_tokens += other.input_text_tokens;
        self.input_audio_tokens += other.input_audio_tokens;
        self.cached_text_tokens += other.cached_text_tokens;
        self.cached_audio_tokens += other.cached_audio_tokens;
        self.output_text_tokens += other.output_text_tokens;
        self.output_audio_tokens += other.output_audio_tokens;
    }
}

/// Prices in US dollars: of a million tokens of each kind, and of a minute of the line.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Prices {
    /// Text input.
    pub input_text: f64,
    /// Audio input.
    pub input_audio: f64,
    /// Cached text input.
    pub cached_text: f64,
    /// Cached audio input.
    pub cached_audio: f64,
    /// Text output.
    pub output_text: f64,
    /// Audio output.
    pub output_audio: f64,
    /// A minute of the line.
    pub minute: f64,
}

impl Prices {
    /// The cost, in US dollars, of a line that was up for this long.
    #[must_use]
    pub fn line(&self, up: Duration) -> f64 {
        up.as_secs_f64() / 60.0 * self.minute
    }

    /// The cost of `usage` in US dollars.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "token counts stay far below 2^52")]
    pub fn cost(&self, usage: &Usage) -> f64 {
        let fresh_text = usage.input_text_tokens.saturating_sub(usage.cached_text_tokens);
        let fresh_audio = usage.input_audio_tokens.saturating_sub(usage.cached_audio_tokens);
        let priced = [
            (fresh_text, self.input_text),
            (fresh_audio, self.input_audio),
            (usage.cached_text_tokens, self.cached_text),
            (usage.cached_audio_tokens, self.cached_audio),
            (usage.output_text_tokens, self.output_text),
            (usage.output_audio_tokens, self.output_audio),
        ];
        priced.iter().map(|(tokens, price)| *tokens as f64 * price).sum::<f64>() / 1e6
    }
}
