//! The message formats of Twilio ([`twilio`]) and OpenAI ([`openai`]), in both directions, without
//! I/O. Two rules hold throughout:
//!
//! * **Strict in what is written.** Messages are typed and hold only what is documented.
//! * **Tolerant in what is read.** Only the key that tells messages apart is required. Any other
//!   field may be missing, `null`, empty, of another type or of an unknown value without failing a
//!   call. Unknown kinds become `Other`, to be counted and ignored.
//!
//! The stand-ins of `phony-simulator` use the same types in the opposite direction, so each format
//! is defined once.

#![warn(missing_docs)]

mod error;
#[doc(hidden)]
pub mod fuzzing;
mod json;
pub mod openai;
pub mod twilio;
mod words;

pub use error::{BadFrame, Problem};
