//! Phony: an AI holds the telephone call, a human stays in charge.
//!
//! This is the program around [`phony_call::Call`]. Its rooms, from the ground up; each imports
//! only rooms that stand before it, and `tests/layers.rs` holds them to that:
//!
//! - `clock`, `token`, `timeouts`, `numbers`, `http_client`, `data_dir`, `client`: small shared
//!   modules.
//! - `config`: the settings and where each came from.
//! - `telemetry`: logs and metrics.
//! - `agents`: agents and scenarios, as files describe them.
//! - `listener`: accepts connections, within bounds.
//! - `runtime`: how the futures of a call run, and its sockets.
//! - `ports`: the ends of a carrier's line and of a model that a call holds.
//! - `carriers`, `models`: the adapters behind the ports. Foreign formats are known to them, to the
//!   webhooks and to the doctor; `outbound` uses Twilio's REST types.
//! - `store`, `events`, `history`: what is kept of calls, what happens in them, and both as one.
//! - `safety`: the rules of outbound calls, the do-not-call list, the ledger.
//! - `cluster`: several nodes as one server. It reaches up through its own `Handler`.
//! - `calls`: the live calls: taking, connecting, acting on, resuming and ending them.
//! - `outbound`: places calls.
//! - `app`: the parts of a server, wired together.
//! - `doctor`: checks everything that a call needs.
//! - `http`: the API, the dashboard, and what Twilio calls. Errors of HTTP are made here alone.
//! - `server`: starts and stops it all.
//! - `sandbox`: a server between its stand-ins.
//! - `cli`: one file or folder per command.

pub mod agents;
pub mod app;
pub mod calls;
pub mod carriers;
pub mod cli;
pub mod client;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod data_dir;
pub mod doctor;
pub mod events;
pub mod history;
pub mod http;
mod http_client;
pub mod listener;
pub mod models;
mod numbers;
pub mod outbound;
pub mod ports;
pub mod runtime;
pub mod safety;
pub mod sandbox;
pub mod server;
pub mod store;
pub mod telemetry;
mod timeouts;
pub mod token;
