//! The program, as its user runs it.

mod calls_tail;
mod config;
mod data_folder;
mod demo;
mod dialogues;
mod load;
mod outbound;
mod setup;
mod sim;
mod talk;
