//! The OpenAI Realtime adapter.
mod conversation;
