//! What can carry a call's words: each is a future behind a [`CarrierPort`].
//!
//! A carrier turns what its network says into [`FromCarrier`] and [`ToCarrier`] into what its
//! network wants to hear. It decides nothing about the call.

pub mod softphone;
pub mod twilio;

use phony_call::{FromCarrier, ToCarrier};

use crate::crew::Part;
use crate::crew::queue::{Receiver, Sender, queue};

/// The name of the softphone in a call's record: the carrier that has no network behind it.
pub const SOFTPHONE: &str = "softphone";

/// Orders that may wait for a line. Words come in bursts; a full port is a line that is stuck.
pub const ORDERS: usize = 256;
/// Facts that may wait for the call. A full port slows the line down; nothing is lost.
pub const FACTS: usize = 64;

/// The call's end of a line. Dropping it ends the line and closes its socket.
#[derive(Debug)]
pub struct CarrierPort {
    /// Orders to the line.
    pub tx: Sender<ToCarrier>,
    /// Facts from the line; closed when it has ended.
    pub rx: Receiver<FromCarrier>,
    /// The carrier's name for the line, if it has one.
    pub leg: Option<String>,
    /// What keeps the line going, for the call to run; nothing if something else runs it.
    pub part: Option<Part>,
}

/// The line's end of a port.
#[derive(Debug)]
pub struct CarrierEnd {
    /// Orders to the line; closed when the call has let go of it.
    pub orders: Receiver<ToCarrier>,
    /// Facts from the line.
    pub facts: Sender<FromCarrier>,
}

/// Both ends of a new port.
#[must_use]
pub fn port() -> (CarrierPort, CarrierEnd) {
    let (order_tx, orders) = queue(ORDERS);
    let (facts, fact_rx) = queue(FACTS);
    (CarrierPort { tx: order_tx, rx: fact_rx, leg: None, part: None }, CarrierEnd { orders, facts })
}
