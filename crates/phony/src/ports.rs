//! The two ports of a call: a carrier's connection to the caller, and a model.
//!
//! A carrier or a model is a future behind a pair of bounded channels. The call holds one end of
//! the pair, the adapter the other; a test can hold either.

use phony_call::{FromCarrier, FromModel, ToCarrier, ToModel};

use crate::runtime::channel::{Receiver, Sender, channel};
use crate::runtime::task_set::Task;

/// Commands that may wait for a carrier. Tokens come in bursts; a full port means a stuck line.
pub const CARRIER_COMMANDS: usize = 256;
/// Events that may wait for the call. A full port slows the line down; nothing is lost.
pub const CARRIER_EVENTS: usize = 64;
/// Commands that may wait for a model: a few in a turn, and what the caller says in ten seconds, in
/// 50 pieces a second, if the model hears. A model that takes nothing is given up before that; a
/// full port means a dead one.
pub const MODEL_COMMANDS: usize = 512;
/// Events that may wait for the call. A full port slows the model down; nothing is lost.
pub const MODEL_EVENTS: usize = 256;

/// The call's end of a line. Dropping it ends the line and closes its socket.
#[derive(Debug)]
pub struct CarrierPort {
    /// Commands to the carrier.
    pub tx: Sender<ToCarrier>,
    /// Events from the carrier; closed when the line has ended.
    pub rx: Receiver<FromCarrier>,
    /// The task that carries the line, for the call to run; `None` if it runs elsewhere.
    pub task: Option<Task>,
}

/// The carrier's end of a line.
#[derive(Debug)]
pub struct CarrierEnd {
    /// Commands from the call; closed when the call has dropped the line.
    pub commands: Receiver<ToCarrier>,
    /// Events to the call.
    pub events: Sender<FromCarrier>,
}

/// The call's end of a model. Dropping it (or only [`ModelPort::tx`]) ends the model and closes its
/// connection.
#[derive(Debug)]
pub struct ModelPort {
    /// Commands to the model.
    pub tx: Sender<ToModel>,
    /// Events from the model; closed when it has ended.
    pub rx: Receiver<FromModel>,
    /// The task that drives the model, for the call to run; `None` if it runs elsewhere.
    pub task: Option<Task>,
}

/// The model's end of its port.
#[derive(Debug)]
pub(crate) struct ModelEnd {
    pub(crate) commands: Receiver<ToModel>,
    pub(crate) events: Sender<FromModel>,
}

/// Both ends of a new line.
#[must_use]
pub fn carrier() -> (CarrierPort, CarrierEnd) {
    let (tx, commands) = channel(CARRIER_COMMANDS);
    let (events, rx) = channel(CARRIER_EVENTS);
    (CarrierPort { tx, rx, task: None }, CarrierEnd { commands, events })
}

/// Both ends of a new model.
pub(crate) fn model() -> (ModelPort, ModelEnd) {
    let (tx, commands) = channel(MODEL_COMMANDS);
    let (events, rx) = channel(MODEL_EVENTS);
    (ModelPort { tx, rx, task: None }, ModelEnd { commands, events })
}
