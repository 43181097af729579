//! OpenAI: the Realtime API in its GA dialect, and the models that speak it.

pub mod models;
pub mod realtime;
