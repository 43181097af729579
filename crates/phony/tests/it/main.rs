//! One integration binary: a folder per area, a file per behaviour.

#![expect(clippy::large_futures, reason = "a test runs one of them")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod calls;
mod carriers;
mod cli;
mod cluster;
mod models;
mod outbound;
mod store;
mod support;
