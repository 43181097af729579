//! One integration binary; a file per behaviour.

#![expect(clippy::large_futures, reason = "a test runs one of them")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod auth;
mod calls_tail;
mod cluster;
mod command;
mod config;
mod demo;
mod dialogues;
mod door;
mod duet;
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
mod sdk;
mod setup;
mod sim_cli;
mod sim_openai;
mod sim_twilio;
mod softphone;
mod store;
mod talk;
mod terminal;
mod twilio_rest;
mod twilio_spec;
mod webhooks;
mod whole_call;
mod whole_calls;
