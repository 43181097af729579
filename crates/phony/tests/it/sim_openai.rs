//! The stand-in for OpenAI Realtime keeps to the protocol, over real sockets.

mod brains;
mod client;
mod faults;
mod handshake;
mod items;
mod responses;
mod sessions;
