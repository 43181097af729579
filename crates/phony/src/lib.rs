//! The program.

pub mod models;
pub mod simulator;
