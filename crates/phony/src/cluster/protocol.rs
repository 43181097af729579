//! The messages that nodes exchange, as JSON over Redis pub/sub. Nodes of the previous version must
//! understand them during a rolling restart.

use phony_call::{
    Action, Answerer, CallSid, EndStatus, LegEnd, LegId, LegReport, Next, Progress, Refused,
    SupervisorId,
};
use serde::{Deserialize, Serialize};

/// A supervisor's action on a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorAction {
    /// What to do.
    pub action: Action,
    /// The supervisor, if known.
    #[serde(default)]
    pub by: Option<SupervisorId>,
}

/// A message to one node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum NodeMessage {
    /// A request for a call that the node has.
    Ask {
        /// The number of the request, repeated in the answer.
        id: u64,
        /// The node that asks.
        from: String,
        /// The call.
        call: CallSid,
        /// The request.
        what: Request,
        /// The line or leg of a [`Request::LegEnded`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leg: Option<String>,
    },
    /// The answer to a request.
    Answer {
        /// The number of the request.
        id: u64,
        /// The outcome.
        reply: Reply,
    },
    /// A supervisor's action on a call that the node has, repeated until it is answered.
    #[serde(rename = "order")]
    Action {
        /// The action's id.
        id: String,
        /// The node to answer.
        from: String,
        /// The call.
        call: CallSid,
        /// The action.
        order: SupervisorAction,
        /// Its deadline by Redis's clock, in milliseconds since 1970.
        until_ms: u64,
    },
    /// The answer to an action.
    #[serde(rename = "ordered")]
    ActionResult {
        /// The action's id.
        id: String,
        /// The outcome.
        reply: Reply,
    },
    /// A viewer watches a call, or all: events that are shown but not stored are to be published
    /// for a while.
    Watch {
        /// The call; all if `None`.
        call: Option<CallSid>,
    },
}

/// A request for a call of another node.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// A supervisor's action, from a node of a version before actions had ids.
    Act(Action),
    /// The carrier asks how the call continues. The leg is sent beside this, in
    /// [`NodeMessage::Ask`], where nodes of earlier versions ignore it.
    LegEnded(#[serde(with = "leg_end")] LegReport),
    /// The carrier reports on the call.
    Report(Report),
    /// Asks for the token of the call's first socket.
    Token,
    /// Release the call: its socket has come to the node that asks.
    Release,
}

impl Request {
    /// The leg that the request is about, if the carrier has named it.
    pub(super) fn leg(&self) -> Option<&str> {
        match self {
            Self::LegEnded(report) => report.leg.as_ref().map(LegId::as_str),
            Self::Act(_) | Self::Report(_) | Self::Token | Self::Release => None,
        }
    }

    /// The same request about this leg.
    pub(super) fn about(self, leg: Option<&str>) -> Self {
        let leg = leg.and_then(|leg| LegId::parse(leg).ok());
        match self {
            Self::LegEnded(LegReport { end, .. }) => Self::LegEnded(LegReport { end, leg }),
            other @ (Self::Act(_) | Self::Report(_) | Self::Token | Self::Release) => other,
        }
    }
}

/// A carrier's report on a call.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// It has progressed.
    Progress(Progress),
    /// Who answered it.
    AnsweredBy(Answerer),
    /// It has ended.
    Over(EndStatus),
}

/// The answer to a request or an action.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// It was done.
    Done,
    /// It was refused.
    Refused(Refused),
    /// How the call continues.
    Next(Next),
    /// The token of the first socket without its signature, and the agent's id; `None` if a socket
    /// was attached.
    Token(Option<(String, String)>),
    /// The call is released; these are its events, as JSON.
    Released(Vec<String>),
    /// The node does not have the call, or not any more.
    Gone,
}

/// A leg report as nodes of earlier versions read and write it.
mod leg_end {
    use serde::{Deserializer, Serializer};

    use super::{Deserialize, LegEnd, LegReport, Serialize};

    pub(super) fn serialize<S: Serializer>(
        report: &LegReport,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        report.end.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<LegReport, D::Error> {
        Ok(LegReport { end: LegEnd::deserialize(deserializer)?, leg: None })
    }
}
