//! Outbound calls: the rules, the ledger, the carrier, and what is said.

mod concurrent;
mod environment;
mod malicious;
mod never_again;
mod numbers;
mod performance;
mod placing;
mod replay;
mod rules;
mod spend;
mod unicode;
mod unplaced;
mod waiting;
