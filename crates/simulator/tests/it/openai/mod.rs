//! The stand-in for OpenAI Realtime, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod audio;
mod brains;
mod client;
mod faults;
mod handshake;
mod items;
mod responses;
mod sessions;
