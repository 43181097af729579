//! Where calls are kept.

mod conformance;
mod memory;

pub(crate) use conformance::conforms;
