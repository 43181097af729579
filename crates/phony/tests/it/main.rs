//! One integration binary; a file per behaviour.

mod model_bench;
mod model_by_hand;
mod model_conformance;
mod model_faults;
mod model_realtime;
mod sim_openai;
mod sim_twilio;
