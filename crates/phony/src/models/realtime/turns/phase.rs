//! The phases of the one response that a connection may have under way.

use phony_call::{Item, TurnId};
use tokio::time::Instant;

use crate::models::realtime::reply::Reply;

/// A reply that the call wants.
#[derive(Debug, Clone)]
pub(crate) struct ResponseRequest {
    pub(crate) turn: TurnId,
    pub(crate) context: Vec<Item>,
    /// It was sent on an earlier connection, which had to be rebuilt for it.
    pub(crate) is_retry: bool,
}

/// The phase of the response.
#[derive(Debug)]
pub(super) enum Phase {
    Idle,
    /// Requested; `response.created` has not come.
    Requested {
        request: ResponseRequest,
        event_id: String,
        since: Instant,
    },
    /// Created, and coming in.
    Active(Reply),
    /// Cancelled; `response.done` has not come.
    Draining(Drain),
}

/// A cancelled response until its end.
#[derive(Debug)]
pub(super) struct Drain {
    /// `None` for a response that was not requested here.
    pub(super) turn: Option<TurnId>,
    /// The request's; empty once the response was created.
    pub(super) event_id: String,
    /// The event id of the cancel.
    pub(super) cancel_id: String,
    /// Empty until the response is created.
    pub(super) response_id: String,
    /// The server refused a request because of this response, so it exists, created or not.
    pub(super) blocks: bool,
    /// The cancel reached the server before the response was created.
    pub(super) cancel_missed: bool,
    pub(super) until: Instant,
}

impl Phase {
    /// The turn whose reply is requested or coming in.
    pub(super) fn turn(&self) -> Option<TurnId> {
        match self {
            Self::Requested { request, .. } => Some(request.turn),
            Self::Active(reply) => Some(reply.turn),
            Self::Idle | Self::Draining(_) => None,
        }
    }
}

impl Drain {
    pub(super) fn new(turn: Option<TurnId>, response_id: String, until: Instant) -> Self {
        let (event_id, cancel_id) = (String::new(), String::new());
        Self { turn, event_id, cancel_id, response_id, blocks: false, cancel_missed: false, until }
    }
}
