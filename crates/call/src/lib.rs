//! One telephone call between a caller and an AI agent, as a pure state machine.
//!
//! A [`Call`] is a value. It takes facts from the carrier and the model, actions of supervisors,
//! and the passing of time; it returns what must be done about them. It does no I/O, starts no
//! threads, reads no clock, and knows no vendor. Whoever owns it, usually an asynchronous task,
//! connects it to sockets and timers.
//!
//! # Use
//!
//! - [`Call::new`] begins a call; [`Call::resume`] rebuilds one from its stored [`Event`]s.
//! - [`Call::handle`] takes an [`Input`]. It cannot fail: every input is handled in every state.
//! - [`Call::act`] takes an [`Action`] of a supervisor, and may refuse it with a reason.
//! - [`Call::leg_ended`] answers a carrier that asks how the call goes on: with [`Next`].
//! - [`Call::deadline`] is the time of the next [`Input::Deadline`], unless something else happens
//!   first.
//! - [`Call::snapshot`] shows the call as it is.
//!
//! Every method that changes the call takes the current time, and returns [`Output`]s that must be
//! performed in order. Nothing else needs to be polled or drained.
//!
//! ```
//! use std::time::Instant;
//!
//! use phony_call::{
//!     Agent, Call, CallSid, Direction, FromCarrier, Identity, Input, Output, Phase, Policy,
//!     ToCarrier, ToModel,
//! };
//!
//! let mut agent = Agent::new("assistant");
//! agent.greeting = Some("Hello, this is an automated assistant.".into());
//! let identity = Identity {
//!     sid: CallSid::parse("CA1")?,
//!     from: "+15005550100".into(),
//!     to: "+15005550101".into(),
//!     direction: Direction::Inbound,
//!     carrier: "example".into(),
//! };
//! let (mut now, wall) = (Instant::now(), jiff::Timestamp::now());
//! let (mut call, outputs) = Call::new(Policy::default(), agent, identity, now, wall);
//! // The first output is the event `session_start`, to be stored and shown.
//! assert!(matches!(&outputs[..], [Output::Event(event)] if event.is_stored()));
//!
//! // The line comes up: the agent greets.
//! let outputs = call.handle(now, Input::Carrier(FromCarrier::Connected { line: None }));
//! assert!(outputs.iter().any(|output| matches!(output, Output::Carrier(ToCarrier::Say { .. }))));
//!
//! // The caller speaks: the model is asked for a reply.
//! let said = FromCarrier::Said { text: "When do you open?".into(), last: true };
//! let outputs = call.handle(now, Input::Carrier(said));
//! assert!(outputs.iter().any(|output| matches!(output, Output::Model(ToModel::Respond { .. }))));
//! assert_eq!(call.phase(), Phase::Thinking);
//!
//! // The model does not answer. Its owner waits until the deadline, and the caller hears a filler.
//! now = call.deadline().expect("a call that is not over has a deadline");
//! let outputs = call.handle(now, Input::Deadline);
//! assert!(outputs.iter().any(|output| matches!(output, Output::Carrier(ToCarrier::Say { .. }))));
//! # Ok::<(), phony_call::Invalid>(())
//! ```
//!
//! # Where decisions are made
//!
//! | decision | file |
//! |---|---|
//! | who may speak now; the states of a call | `call.rs` |
//! | what an utterance, a key or an interruption of the caller means | `call/caller.rs`, `call/acknowledgement.rs` |
//! | when the model is asked, and asked again after a fault | `call/reply.rs`, `call/reply/retry.rs` |
//! | which commands of the model are carried out | `call/reply/commands.rs`, `dialing.rs` |
//! | which replies need approval | `call/reply/held.rs` |
//! | which actions of a supervisor are refused | `call/supervisor.rs` |
//! | when the AI is silent because a human speaks, and for how long the human may be absent | `call/supervisor.rs`, `call/holder.rs` |
//! | what happens when nobody speaks, answers or reports | `call/timeouts.rs`, `deadline.rs`, `policy.rs` |
//! | how a call ends or is transferred | `call/ending.rs`, `call/hang_up.rs` |
//! | what happens when the line is lost, and which reports of it count | `call/line.rs`, `call/report.rs` |
//! | when a call moves to another node, and what it is rebuilt from | `call/handover.rs`, `transcript/apply.rs` |
//! | answering machines, disclosure, spending limits | `call/outbound.rs` |
//! | how much of the speech was heard | `playback.rs` |
//! | what the model is told | `transcript/context.rs` |
//! | what of the model's text is spoken | `command.rs`, `speakable.rs` |

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
mod usage;
mod voice;

pub use action::{Action, Refused};
pub use call::{Budget, Call, Counters, Failover, Identity, Input, Output, Presence};
pub use carrier::{EndStatus, FromCarrier, LegEnd, LegReport, Next, NotHungUp, Parting, ToCarrier};
pub use command::{Command, Malformed, Piece, Scanner};
pub use deadline::Deadline;
pub use dialing::{
    Countries, Country, NotDialled, PhoneNumber, Transfers, Unreadable, check_dialled, check_exists,
};
pub use event::{
    Answerer, By, CommandName, Direction, EndReason, Event, EventBody, HeldCommand, Progress,
    Source, Speaker, Stage, ToolRef, Transport, Where,
};
pub use ids::{
    CallSid, Digits, Invalid, ItemId, ItemKind, LegId, SupervisorId, TurnId, UtteranceId, masked,
};
pub use model::{Clip, Fault, FromModel, Item, ItemBody, Outcome, ToModel, Traits};
pub use party::recorded_party;
pub use phase::Phase;
pub use policy::{Agent, Approval, ApprovalRules, ApprovalTimeout, Phrases, Policy};
pub use snapshot::{Owner, Snapshot, Turn, TurnSpeaker};
pub use usage::{Prices, Usage};
