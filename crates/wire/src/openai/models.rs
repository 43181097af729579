//! Models and voices of the Realtime API: which there are, until when, what came in place of those
//! that are gone, and what they cost.
//!
//! Source: OpenAI, "Models", "Deprecations" and "Pricing", as of November 2026.

use super::realtime::Usage;

/// The model used where none is named.
pub const DEFAULT_MODEL: &str = "gpt-realtime-2.1";

/// The voice used where none is named.
pub const DEFAULT_VOICE: &str = "alloy";

/// A model of the Realtime API.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Model {
    /// Its name.
    pub id: &'static str,
    /// The last day it was or will be there, `YYYY-MM-DD`, if one is announced.
    pub retires: Option<&'static str>,
    /// What to use instead.
    pub replacement: Option<&'static str>,
    /// Whether it takes `reasoning` and `parallel_tool_calls`. A model that does not refuses the
    /// whole session over them.
    pub reasoning: bool,
    /// What it costs.
    pub prices: Prices,
}

/// US dollars a million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// Text in, not from the cache.
    pub text_in: f64,
    /// Text in, from the cache.
    pub text_cached: f64,
    /// Text out.
    pub text_out: f64,
    /// Audio in, not from the cache.
    pub audio_in: f64,
    /// Audio in, from the cache.
    pub audio_cached: f64,
    /// Audio out.
    pub audio_out: f64,
}

impl Prices {
    /// What a response cost, in US dollars. Cached tokens whose kind is not told count as text.
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

/// Models that can be used, the best first.
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

/// Names that are gone, by how they begin, with what came in their place.
const RETIRED: &[(&str, &str)] = &[
    ("gpt-4o-mini-realtime", "gpt-realtime-2.1-mini"),
    ("gpt-4o-realtime", "gpt-realtime-2.1"),
    ("gpt-realtime-mini-2025-10-06", "gpt-realtime-2.1-mini"),
];

/// Voices that can be used, as of November 2026; `marin` and `cedar` are the best.
pub const VOICES: &[&str] =
    &["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"];

/// Voices of other APIs that are still asked for, with the nearest there is.
const RETIRED_VOICES: &[(&str, &str)] =
    &[("fable", "ballad"), ("onyx", "cedar"), ("nova", "marin")];

/// What is known of a model; none of one that is gone or new.
#[must_use]
pub fn model(id: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.id == id)
}

/// What came in place of a model that is gone. None if it is not gone, as far as is known.
#[must_use]
pub fn replacement_of_retired(id: &str) -> Option<&'static str> {
    RETIRED.iter().find(|(gone, _)| id.starts_with(gone)).map(|(_, new)| *new)
}

/// The voice to use for a retired one. None if it is not retired.
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
