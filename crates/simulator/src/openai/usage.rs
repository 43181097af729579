//! Estimates of token usage: a token for every four characters.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use super::plan::CHARACTERS_PER_TOKEN;

/// Keeps the last prompt, to tell how much of the next one repeats it.
#[derive(Default)]
pub(super) struct PromptCache {
    pieces: Vec<(u64, u64)>,
}

/// The input tokens of a response.
#[derive(Clone, Copy, Default)]
pub(super) struct InputUsage {
    tokens: u64,
    cached: u64,
}

impl PromptCache {
    /// Counts the tokens of a prompt made of these pieces, and keeps it.
    pub(super) fn read(&mut self, pieces: impl Iterator<Item = String>) -> InputUsage {
        let pieces: Vec<(u64, u64)> = pieces.map(|piece| (hash(&piece), tokens(&piece))).collect();
        let same = pieces.iter().zip(&self.pieces).take_while(|(new, old)| new == old);
        let cached = same.map(|((_, tokens), _)| tokens).sum();
        let tokens = pieces.iter().map(|(_, tokens)| tokens).sum();
        self.pieces = pieces;
        InputUsage { tokens, cached }
    }
}

impl InputUsage {
    /// The `usage` object of a response with this many output tokens.
    pub(super) fn with_output(self, text: u64, audio: u64) -> Value {
        json!({
            "total_tokens": self.tokens + text + audio,
            "input_tokens": self.tokens,
            "output_tokens": text + audio,
            "input_token_details": {
                "text_tokens": self.tokens,
                "audio_tokens": 0,
                "image_tokens": 0,
                "cached_tokens": self.cached,
                "cached_tokens_details": {
                    "text_tokens": self.cached, "audio_tokens": 0, "image_tokens": 0,
                },
            },
            "output_token_details": {"text_tokens": text, "audio_tokens": audio},
        })
    }
}

/// The `usage` object of a response that failed.
pub(super) fn nothing() -> Value {
    InputUsage::default().with_output(0, 0)
}

/// The fields of `rate_limits.updated`, with limits that are never reached.
pub(super) fn rate_limits() -> Value {
    json!({"rate_limits": [
        {"name": "requests", "limit": 10_000, "remaining": 9_999, "reset_seconds": 0.006},
        {"name": "tokens", "limit": 4_000_000, "remaining": 3_999_000, "reset_seconds": 0.015},
    ]})
}

fn tokens(piece: &str) -> u64 {
    (piece.chars().count() as u64).div_ceil(CHARACTERS_PER_TOKEN)
}

fn hash(piece: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    piece.hash(&mut hasher);
    hasher.finish()
}
