//! Phony: an AI holds the telephone call, a human stays in charge.
//!
//! The program around [`phony_call::Call`], and who may use which of its parts:
//!
//! - `cli` uses `server`, which builds everything from `config`, and `stage`, which puts a server
//!   between its stand-ins.
//! - `server` uses `http` and `carriers`, which never use each other; both use `switchboard`.
//! - `data_dir` is used by all that keep files there; it uses nothing.
//! - `listener` accepts the connections of `server`; `client` says whose a request is.
//! - `dialer` places calls: it asks `safety`, which has the rules and the ledger, and the carrier.
//! - `switchboard` uses `session`, the task of one call, on one of the `lanes`; that uses `registry`
//!   and `events`.
//! - `cluster` carries what one server wants of a call that another has, for `switchboard` and `http`.
//! - `presence` sees which supervisors are there, for `session`, which tells its call.
//! - `doctor` tries what `carriers` and `models` would do, for `cli` and `http`.
//! - `history` is `events` and `store` as one: it writes the one into the other, and answers from
//!   both.
//! - `carriers` and `models` are the only ones that know a foreign format.
//!
//! Calls share three things that change: the registry, the event hub, and who is there. Everything else of theirs is
//! owned by one task; a carrier or a model is a future behind a pair of bounded channels, which `crew`
//! runs in the task of its call.

// In this order: each imports only those above it.
pub mod client;
pub mod clock;
pub mod data_dir;
mod http_client;
mod limits;
mod numbers;
pub mod token;

pub mod agents;
pub mod carriers;
pub mod config;
pub mod listener;
pub mod models;
pub mod ports;
pub mod runtime;
pub mod telemetry;

pub mod calls;
pub mod cluster;
pub mod doctor;
pub mod events;
pub mod history;
pub mod http;
pub mod outbound;
pub mod safety;
pub mod store;

pub mod cli;
pub mod sandbox;
pub mod server;
