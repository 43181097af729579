//! What comes of an input: messages for the server, events for the call, the end of the connection.

use phony_call::{Fault, FromModel, TurnId, Usage};

use crate::models::realtime::error::ModelError;

/// What comes of an input.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Messages for the server, to be written together.
    pub(crate) messages: Vec<String>,
    /// Events for the call.
    pub(crate) events: Vec<OutputEvent>,
    /// Set when the connection is of no further use.
    pub(crate) end: Option<ConnectionEnd>,
}

/// An event for the call.
#[derive(Debug)]
pub(crate) enum OutputEvent {
    /// Passed on as it is.
    Plain(FromModel),
    /// A reply failed; the error is redacted before the call sees it.
    Failed(TurnId, ModelError, Option<Usage>),
}

/// Why a connection is of no further use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ConnectionEnd {
    /// It is lost, or refused for good.
    Failed(ModelError),
    /// The server's copy of the conversation is wrong, and a reply is wanted.
    Rebuild,
}

impl Output {
    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.events.is_empty() && self.end.is_none()
    }

    pub(super) fn event(&mut self, event: FromModel) {
        self.events.push(OutputEvent::Plain(event));
    }

    /// The reply of a turn failed. A fatal error ends the connection as well.
    pub(super) fn failed(&mut self, turn: TurnId, error: ModelError, usage: Option<Usage>) {
        metrics::counter!("phony_model_errors_total", "kind" => "response").increment(1);
        tracing::warn!(event = "model_response_failed", %turn, code = error.code);
        if error.fault == Fault::Fatal {
            self.end = Some(ConnectionEnd::Failed(error));
        } else {
            self.events.push(OutputEvent::Failed(turn, error, usage));
        }
    }
}
