//! Several servers behind a balancer act as one, and a call survives the loss of its server.

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
