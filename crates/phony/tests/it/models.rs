//! The adapters for models.

mod conformance;
mod faults;
mod raw_server;
mod realtime;
mod speech;
