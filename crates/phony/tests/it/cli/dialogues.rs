//! Dialogues at a terminal: what is asked, what a wrong answer leads to, how somebody leaves.

mod call;
mod console;
mod demo;
mod setup;
