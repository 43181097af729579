//! How the futures of one call run: as one task, on one thread, joined by small channels.

pub mod channel;
pub(crate) mod heartbeat;
pub mod shutdown;
pub mod task_set;
pub mod websocket;
pub mod workers;
