//! The program.

pub mod simulator;
