//! What can hold the AI's side of a call: each is a future behind a [`ModelPort`].
//!
//! A model adapter turns [`ToModel`] into what its provider wants to hear, and what the provider
//! says into [`FromModel`]. It decides nothing about the call: whether a failed reply is asked for
//! again is the call's business, whether a lost connection is replaced is the adapter's.

pub mod realtime;
mod tools;

use phony_call::{FromModel, ToModel};

use crate::crew::Part;
use crate::crew::queue::{Receiver, Sender, queue};
pub use tools::{Tool, call_tools};

/// Orders that may wait for a model. A call gives a few in a turn, so a full port is a dead model.
pub const ORDERS: usize = 64;
/// Facts that may wait for the call. A full port slows the model down; nothing is lost.
pub const FACTS: usize = 256;

/// The call's end of a model.
///
/// Dropping it (or only [`ModelPort::tx`]) ends the model and closes its connection.
#[derive(Debug)]
pub struct ModelPort {
    /// Orders to the model.
    pub tx: Sender<ToModel>,
    /// Facts from the model; closed when it has ended.
    pub rx: Receiver<FromModel>,
    /// What keeps the model going, for the call to run; nothing if something else runs it.
    pub part: Option<Part>,
}

/// The model's end of a port.
#[derive(Debug)]
pub(crate) struct ModelEnd {
    pub(crate) orders: Receiver<ToModel>,
    pub(crate) facts: Sender<FromModel>,
}

/// Both ends of a new port.
pub(crate) fn port() -> (ModelPort, ModelEnd) {
    let (order_tx, orders) = queue(ORDERS);
    let (facts, fact_rx) = queue(FACTS);
    (ModelPort { tx: order_tx, rx: fact_rx, part: None }, ModelEnd { orders, facts })
}
