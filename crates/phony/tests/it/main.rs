//! One integration binary; a file per behaviour.

#![expect(clippy::large_futures, reason = "a test runs one of them")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod auth;
mod calls_tail;
mod cluster;
mod command;
mod config;
mod data_folder;
mod demo;
mod dialogues;
mod door;
mod duet;
mod endings;
mod events;
mod faults;
mod hands;
mod health;
mod history;
mod house;
mod kill_model;
mod load;
mod log;
mod model_bench;
mod model_by_hand;
mod model_conformance;
mod model_faults;
mod model_realtime;
mod openapi;
mod outbound;
mod overrides;
mod real_callers;
mod redis_server;
mod relay;
mod replays;
mod sdk;
mod setup;
mod sim_cli;

mod softphone;
mod speech;
mod store;
mod talk;
mod terminal;
mod twilio_rest;
#[path = "../../../simulator/tests/it/twilio_spec.rs"]
mod twilio_spec;
mod webhooks;
mod whole_call;
mod whole_calls;
