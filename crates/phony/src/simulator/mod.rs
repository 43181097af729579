//! The stand-ins: the far ends of a call, good enough to test any client against.
//!
//! They speak the public protocols over real sockets on loopback and hold their peer to the rules
//! those protocols state. `phony demo`, `phony sim`, `phony load` and the tests use them.

pub mod callers;
pub mod floor;
pub mod openai;
pub mod stamps;
pub mod twilio;
