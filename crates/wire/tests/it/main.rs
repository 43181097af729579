//! The formats against real messages, broken messages, the official schemas and noise.

mod fixtures;
mod properties;
mod realtime;
mod relay_and_media;
mod rest;
mod schema;
mod tolerance;
mod webhook;
