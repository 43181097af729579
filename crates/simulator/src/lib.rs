#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod baseline;
pub mod callers;
pub mod latency_probe;
pub mod openai;
pub mod sound;
pub mod speak;
pub mod twilio;
pub mod voice;
