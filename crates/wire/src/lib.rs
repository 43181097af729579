//! Foreign formats, both directions, no I/O.
//!
//! [`twilio`] holds what a phone line says and is told; [`openai`] what a voice or text model says
//! and is told. Two rules hold throughout:
//!
//! * **Strict where we speak.** What we write is typed; nothing outside the documents leaves.
//! * **Tolerant where we listen.** Only the key that tells messages apart is required. Any other
//!   field may be missing, `null`, empty, of another type or of a value nobody has seen before: it
//!   never costs a call. Unknown kinds become `Other`, to be counted and passed over.
//!
//! The stand-ins of the phone network and of the model speak the same types the other way round,
//! so each format is written once.

#![warn(missing_docs)]

mod error;
#[doc(hidden)]
pub mod fuzzing;
mod json;
pub mod openai;
pub mod twilio;
mod words;

pub use error::{BadFrame, Problem};
