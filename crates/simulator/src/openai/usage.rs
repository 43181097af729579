//! Estimates of token usage: a token for every four characters, for 100 ms of the caller's audio and
//! for 50 ms of the model's (OpenAI Realtime guide, costs).

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    ops::AddAssign,
};

use serde_json::{Value, json};

use super::{item::Item, plan::CHARACTERS_PER_TOKEN};

/// Keeps the last prompt, to tell how much of the next one repeats it.
#[derive(Default)]
pub(super) struct PromptCache {
    pieces: Vec<Piece>,
}

/// A piece of a prompt: its hash and its tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    hash: u64,
    tokens: Tokens,
}

/// Tokens by modality.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Tokens {
    text: u64,
    audio: u64,
}

/// The input tokens of a response.
#[derive(Clone, Copy, Default)]
pub(super) struct InputUsage {
    all: Tokens,
    cached: Tokens,
}

impl PromptCache {
    /// Counts the tokens of a prompt made of these pieces, and keeps it.
    pub(super) fn read(&mut self, pieces: Vec<Piece>) -> InputUsage {
        let mut usage = InputUsage::default();
        for piece in &pieces {
            usage.all += piece.tokens;
        }
        let same = pieces.iter().zip(&self.pieces).take_while(|(new, old)| new == old);
        for (piece, _) in same {
            usage.cached += piece.tokens;
        }
        self.pieces = pieces;
        usage
    }
}

impl Piece {
    pub(super) fn text(text: &str) -> Self {
        Self { hash: hash(text), tokens: Tokens { text: tokens(text), audio: 0 } }
    }

    /// An item. Audio of the caller is read as audio, not as its transcript.
    pub(super) fn item(item: &Item) -> Self {
        let mut piece = Self::text(&item.text());
        let (heard, spoken) = item.audio_ms();
        piece.tokens.audio = heard / 100 + spoken / 50;
        if heard > 0 {
            piece.tokens.text = 0;
        }
        piece
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, more: Self) {
        self.text += more.text;
        self.audio += more.audio;
    }
}

impl InputUsage {
    /// The `usage` object of a response with this many output tokens.
    pub(super) fn with_output(self, text: u64, audio: u64) -> Value {
        let (all, cached) = (self.all, self.cached);
        let input = all.text + all.audio;
        json!({
            "total_tokens": input + text + audio,
            "input_tokens": input,
            "output_tokens": text + audio,
            "input_token_details": {
                "text_tokens": all.text,
                "audio_tokens": all.audio,
                "image_tokens": 0,
                "cached_tokens": cached.text + cached.audio,
                "cached_tokens_details": {
                    "text_tokens": cached.text, "audio_tokens": cached.audio, "image_tokens": 0,
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
