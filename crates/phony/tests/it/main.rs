//! One integration binary; a file per behaviour.

mod sim_openai;
mod sim_twilio;
