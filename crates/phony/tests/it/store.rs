//! Where calls are kept.

mod conformance;
mod memory;
mod redis;
mod sqlite;

pub(crate) use conformance::conforms;
