//! What the tests share: servers, clusters, programs, and how to wait.

pub(crate) mod app;
pub(crate) mod cluster;
pub(crate) mod http;
pub(crate) mod manual_call;
pub(crate) mod model;
pub(crate) mod outbound;
pub(crate) mod program;
pub(crate) mod redis;
pub(crate) mod sandbox;
pub(crate) mod server;
pub(crate) mod terminal;
#[path = "../../../../simulator/tests/it/twilio_spec.rs"]
pub(crate) mod twilio_spec;
pub(crate) mod wait;
