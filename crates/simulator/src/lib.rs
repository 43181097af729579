#![doc = include_str!("../README.md")]

pub mod baseline;
pub mod callers;
pub mod openai;
pub mod stamps;
pub mod twilio;
