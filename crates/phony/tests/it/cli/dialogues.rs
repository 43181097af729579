//! Dialogues at a terminal: the questions, wrong answers, and how to leave.

mod call;
mod console;
mod demo;
mod setup;
