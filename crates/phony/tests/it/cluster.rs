//! Several servers behind a balancer are one, and no call is lost when one of them is.

mod alone;
mod cut;
mod holder;
mod killed;
mod left_open;
mod listed;
mod one_server;
mod outbound;
mod outbound_failover;
mod phases;
mod redis_away;
mod repeats;
mod rolling;
