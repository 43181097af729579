//! Several servers behind a balancer are one, and no call is lost when one of them is.

mod alone;
mod cut;
mod holder;
mod killed;
mod left_open;
mod listed;
mod one_server;
mod ours;
mod outbound;
mod phases;
mod redis_away;
mod repeats;
mod rolling;
mod scene;
mod town;
