#![doc = include_str!("../README.md")]

pub mod callers;
pub mod floor;
pub mod openai;
pub mod stamps;
pub mod twilio;
