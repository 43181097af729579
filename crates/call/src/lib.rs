//! One telephone call as a value.
//!
//! [`Call`] takes what the carrier, the model, a supervisor and the clock have to say, and answers
//! with what must be done about it. It knows no sockets, no threads, no clock and no vendor:
//!
//! - [`Call::handle`] takes an [`Input`] and cannot fail: whatever comes, the call knows what to do.
//! - [`Call::act`] takes a supervisor's [`Action`] and may refuse it, with the reason.
//! - [`Call::leg_ended`] says what a carrier that asks for orders shall do [`Next`].
//! - [`Call::deadline`] says when to come back with [`Input::Deadline`] if nothing else happens.
//! - [`Call::resume`] rebuilds a call from its stored [`Event`]s.
//!
//! Every method that changes the call takes the time as an argument and returns the [`Output`]s, in
//! the order in which they must be performed. Nothing else has to be polled or drained.

#![warn(missing_docs)]

mod action;
mod call;
mod carrier;
mod command;
mod deadline;
mod dialing;
mod event;
#[doc(hidden)]
pub mod fuzzing;
mod ids;
mod model;
mod party;
mod phase;
mod playback;
mod policy;
mod snapshot;
mod speakable;
mod transcript;

pub use action::{Action, Refused};
pub use call::{Budget, Call, Counters, Failover, Identity, Input, Output, Presence};
pub use carrier::{EndStatus, FromCarrier, LegEnd, Next, NotHungUp, Parting, ToCarrier};
pub use command::{Command, Malformed, Piece, Scanner};
pub use deadline::Deadline;
pub use dialing::{
    Countries, Country, NotDialled, Transfers, Unreadable, check_dialled, check_exists,
};
pub use event::{
    Answerer, By, CommandName, Direction, EndReason, Event, EventBody, HeldCommand, Progress,
    Source, Speaker, Stage, ToolRef, Where,
};
pub use ids::{
    CallSid, Digits, Invalid, ItemId, ItemKind, PhoneNumber, SupervisorId, TurnId, masked,
};
pub use model::{Fault, FromModel, Item, ItemBody, Outcome, Prices, ToModel, Usage};
pub use party::recorded_party;
pub use phase::Phase;
pub use policy::{Agent, Approval, ApprovalRules, ApprovalTimeout, Phrases, Policy};
pub use snapshot::{Owner, Snapshot, Turn, TurnSpeaker};
