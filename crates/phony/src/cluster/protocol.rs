//! The messages that nodes exchange, as JSON over Redis.

use phony_call::{
    Action, Answerer, CallSid, EndStatus, LegEnd, Next, Progress, Refused, SupervisorId,
};
use serde::{Deserialize, Serialize};

/// What a supervisor orders of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorAction {
    /// What to do.
    pub action: Action,
    /// Who ordered it, if that is known.
    #[serde(default)]
    pub by: Option<SupervisorId>,
}

/// The carrier's question how a call goes on after a line, or a leg that it dialled, has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegReport {
    /// How it ended.
    pub end: LegEnd,
    /// The carrier's id of the line, or of the leg that was dialled.
    pub leg: Option<String>,
}

/// A message to one node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum NodeMessage {
    /// Something is wanted of a call that the node has.
    Ask {
        /// The number of the question, to go with the answer.
        id: u64,
        /// Who asks.
        from: String,
        /// Which call.
        call: CallSid,
        /// What.
        what: Request,
        /// Which line or leg a question about its end is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leg: Option<String>,
    },
    /// An answer.
    Answer {
        /// The number of the question.
        id: u64,
        /// What became of it.
        reply: Reply,
    },
    /// A supervisor orders something of a call that the node has. It comes again until it is
    /// answered.
    #[serde(rename = "order")]
    Action {
        /// The order's own name.
        id: String,
        /// Who is to be answered.
        from: String,
        /// Which call.
        call: CallSid,
        /// What.
        order: SupervisorAction,
        /// When it lapses, by Redis's clock in milliseconds.
        until_ms: u64,
    },
    /// An answer to an order.
    #[serde(rename = "ordered")]
    ActionResult {
        /// The order's name.
        id: String,
        /// What became of it.
        reply: Reply,
    },
    /// Somebody looks at a call, or at all: what is shown and not stored is wanted for a while.
    Watch {
        /// Which; all if none.
        call: Option<CallSid>,
    },
}

/// What one node wants of a call that another has.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// A supervisor acts: from a node of before orders had names.
    Act(Action),
    /// The carrier asks how the call goes on. Which leg it asks about goes beside this, where a node of
    /// before passes over it.
    LegEnded(#[serde(with = "leg_end")] LegReport),
    /// The carrier reports on the call.
    Report(Report),
    /// With which token a socket of the call may come, if none has come yet.
    Token,
    /// Let go of the call: its socket has come to the one who asks.
    Release,
}

impl Request {
    /// Which leg this is about, if the carrier has said so.
    pub(super) fn leg(&self) -> Option<&str> {
        match self {
            Self::LegEnded(report) => report.leg.as_deref(),
            Self::Act(_) | Self::Report(_) | Self::Token | Self::Release => None,
        }
    }

    /// The same, about this leg.
    pub(super) fn about(self, leg: Option<String>) -> Self {
        match self {
            Self::LegEnded(LegReport { end, .. }) => Self::LegEnded(LegReport { end, leg }),
            other @ (Self::Act(_) | Self::Report(_) | Self::Token | Self::Release) => other,
        }
    }
}

/// What a carrier reports on a call.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// It has got further.
    Progress(Progress),
    /// Who answered it.
    AnsweredBy(Answerer),
    /// It is over.
    Over(EndStatus),
}

/// What became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// It was done.
    Done,
    /// It was refused.
    Refused(Refused),
    /// How the call goes on.
    Next(Next),
    /// The token of the first socket without its seal, and who speaks in the call; nothing if a
    /// socket has come.
    Token(Option<(String, String)>),
    /// The call is let go; these are its events.
    Released(Vec<String>),
    /// The node does not have the call, or no longer.
    Gone,
}

/// A report as a node of before reads and writes it.
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
