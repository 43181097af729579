//! Several servers behind a balancer are one, and no call is lost when one of them is.

mod killed;
mod listed;
mod one_server;
mod outbound;
mod redis_away;
mod rolling;
mod town;
