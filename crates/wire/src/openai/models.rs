//! Models and voices of the Realtime API, with shutdown dates, replacements and prices.
//!
//! Source: OpenAI, "Models", "Deprecations" and "Pricing", as of November 2026.

use super::realtime::Usage;

/// The default model.
pub const DEFAULT_MODEL: &str = "gpt-realtime-2.1";

/// The default voice.
pub const DEFAULT_VOICE: &str = "alloy";

/// A model of the Realtime API.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Model {
    /// Its name.
    pub id: &'static str,
    /// The announced last day, `YYYY-MM-DD`, if there is one.
    pub retires: Option<&'static str>,
    /// What to use instead.
    pub replacement: Option<&'static str>,
    /// Whether it accepts `reasoning` and `parallel_tool_calls`. Any other model refuses a whole
    /// session update that has them.
    pub reasoning: bool,
    /// Its prices.
    pub prices: Prices,
}

/// Prices in US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// Uncached text input.
    pub text_in: f64,
    /// Cached text input.
    pub text_cached: f64,
    /// Text output.
    pub text_out: f64,
    /// Uncached audio input.
    pub audio_in: f64,
    /// Cached audio input.
    pub audio_cached: f64,
    /// Audio output.
    pub audio_out: f64,
}

impl Prices {
    /// The cost of a response in US dollars. Cached tokens of unknown kind count as text.
    #[must_use]
    pub fn cost_usd(&self, usage: &Usage) -> f64 {
        let cached_audio = usage.cached_audio.min(usage.input_audio);
        let cached_text = usage.cached.saturating_sub(cached_audio).min(usage.input_text);
        let bill = [
            (usage.input_text - cached_text, self.text_in),
            (cached_text, self.text_cached),
            (usage.input_audio - cached_audio, self.audio_in),
            (cached_audio, self.audio_cached),
            (usage.output_text, self.text_out),
            (usage.output_audio, self.audio_out),
        ];
        #[expect(clippy::cast_precision_loss, reason = "no call takes 2^53 tokens")]
        let millionths = bill.iter().map(|(tokens, price)| *tokens as f64 * price).sum::<f64>();
        millionths / 1_000_000.0
    }
}

const LARGE: Prices = Prices {
    text_in: 4.0,
    text_cached: 0.4,
    text_out: 24.0,
    audio_in: 32.0,
    audio_cached: 0.4,
    audio_out: 64.0,
};

const LARGE_BEFORE_2: Prices = Prices { text_out: 16.0, ..LARGE };

const MINI: Prices = Prices {
    text_in: 0.6,
    text_cached: 0.06,
    text_out: 2.4,
    audio_in: 10.0,
    audio_cached: 0.3,
    audio_out: 20.0,
};

/// The models on offer, best first.
pub const MODELS: &[Model] = &[
    current("gpt-realtime-2.1", true, LARGE),
    current("gpt-realtime-2.1-mini", true, MINI),
    current("gpt-realtime-2", true, LARGE),
    current("gpt-realtime-1.5", false, LARGE_BEFORE_2),
    ending("gpt-realtime", "gpt-realtime-2.1", LARGE_BEFORE_2),
    ending("gpt-realtime-2025-08-28", "gpt-realtime-2.1", LARGE_BEFORE_2),
    ending("gpt-realtime-mini", "gpt-realtime-2.1-mini", MINI),
    ending("gpt-realtime-mini-2025-12-15", "gpt-realtime-2.1-mini", MINI),
];

/// Prefixes of retired model names, with their replacements.
const RETIRED: &[(&str, &str)] = &[
    ("gpt-4o-mini-realtime", "gpt-realtime-2.1-mini"),
    ("gpt-4o-realtime", "gpt-realtime-2.1"),
    ("gpt-realtime-mini-2025-10-06", "gpt-realtime-2.1-mini"),
];

/// The voices on offer as of November 2026; `marin` and `cedar` are the best.
pub const VOICES: &[&str] =
    &["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"];

/// Voices of other APIs that are still configured, with the nearest replacement.
const RETIRED_VOICES: &[(&str, &str)] =
    &[("fable", "ballad"), ("onyx", "cedar"), ("nova", "marin")];

/// A model on offer; `None` for one that is retired or unknown.
#[must_use]
pub fn model(id: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.id == id)
}

/// The replacement of a retired model; `None` if it is not known to be retired.
#[must_use]
pub fn replacement_of_retired(id: &str) -> Option<&'static str> {
    RETIRED.iter().find(|(gone, _)| id.starts_with(gone)).map(|(_, new)| *new)
}

/// The replacement of a retired voice; `None` if it is not known to be retired.
#[must_use]
pub fn replacement_of_voice(name: &str) -> Option<&'static str> {
    RETIRED_VOICES.iter().find(|(gone, _)| *gone == name).map(|(_, new)| *new)
}

const fn current(id: &'static str, reasoning: bool, prices: Prices) -> Model {
    Model { id, retires: None, replacement: None, reasoning, prices }
}

const fn ending(id: &'static str, replacement: &'static str, prices: Prices) -> Model {
    Model {
        id,
        retires: Some("2027-01-20"),
        replacement: Some(replacement),
        reasoning: false,
        prices,
    }
}
