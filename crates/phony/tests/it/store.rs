//! Where calls are kept.

mod conformance;
mod memory;
mod redis;

pub(crate) use conformance::conforms;
