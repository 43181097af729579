//! Tests the formats with real messages, broken messages, the official schemas and random input.

mod fixtures;
mod properties;
mod realtime;
mod relay_and_media;
mod rest;
mod schema;
mod tolerance;
mod webhook;
