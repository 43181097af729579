//! The stores of calls.

mod behind;
mod conformance;
mod hundred_thousand;
mod memory;
mod redis;
mod sqlite;

pub(crate) use conformance::conforms;
