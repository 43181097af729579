//! The values that fields of events take.

use serde::{Deserialize, Serialize};

/// Who called whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Somebody called the agent.
    Inbound,
    /// The agent called somebody.
    Outbound,
}

/// The status of an outbound call. Carriers share these terms (Twilio: `CallStatus`). Later ones
/// are greater; the last five are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// The carrier has accepted the call.
    Queued,
    /// It rings.
    Ringing,
    /// It was answered.
    InProgress,
    /// It was answered and is over.
    Completed,
    /// The called party was busy.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// It could not be connected.
    Failed,
    /// It was canceled before it was answered.
    Canceled,
}

impl Progress {
    /// The final status of a call that had this status and ended for this reason.
    #[must_use]
    pub fn at_end(self, reason: EndReason) -> Self {
        let answered = self >= Self::InProgress;
        match reason {
            _ if self >= Self::Completed => self,
            EndReason::Busy => Self::Busy,
            EndReason::NoAnswer => Self::NoAnswer,
            EndReason::Canceled => Self::Canceled,
            EndReason::Failed => Self::Failed,
            EndReason::SupervisorEnded | EndReason::Shutdown if !answered => Self::Canceled,
            // Only an answered call can be hung up by the far side, even if no report said so.
            EndReason::CallerHungUp => Self::Completed,
            EndReason::AgentEnded
            | EndReason::SupervisorEnded
            | EndReason::Transferred
            | EndReason::Silence
            | EndReason::MaxDuration
            | EndReason::ModelFailed
            | EndReason::LineLost
            | EndReason::NotConnected
            | EndReason::SpendLimit
            | EndReason::Machine
            | EndReason::VoicemailLeft
            | EndReason::Shutdown
            | EndReason::Internal => {
                if answered {
                    Self::Completed
                } else {
                    Self::Failed
                }
            }
        }
    }

    /// Reads a carrier's term, such as `in-progress`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let all = [
            Self::Queued,
            Self::Ringing,
            Self::InProgress,
            Self::Completed,
            Self::Busy,
            Self::NoAnswer,
            Self::Failed,
            Self::Canceled,
        ];
        all.into_iter().find(|progress| progress.as_str() == word)
    }

    /// The carriers' term.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// Who or what answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answerer {
    /// A person.
    Human,
    /// An answering machine, which may still be speaking.
    Machine,
    /// An answering machine that records now.
    MachineReady,
    /// A fax.
    Fax,
    /// Undecided; treated as a person.
    Unknown,
}

/// Who speaks in a `transcript`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The human on the line.
    Caller,
}

/// Who gave a command or approved a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The model.
    Ai,
    /// A supervisor.
    Supervisor,
    /// The call's own rules, such as a time limit.
    Policy,
}

/// Where the words of an utterance come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The model.
    Model,
    /// The agent's greeting.
    Greeting,
    /// Said because the model is slow, or a supervisor has not approved yet.
    Filler,
    /// Said because the caller is silent.
    Nudge,
    /// Said because a supervisor was asked.
    Hold,
    /// Said because something failed.
    Apology,
    /// Said because the call ends by rule.
    Goodbye,
    /// Left on an answering machine.
    Message,
    /// A supervisor.
    Supervisor,
}

/// The commands. The last is for outbound calls only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandName {
    /// Press keys.
    Press,
    /// Transfer the call.
    Transfer,
    /// Hang up.
    EndCall,
    /// Ask the supervisor.
    RequestUser,
    /// Never call this person again.
    DoNotCall,
}

impl CommandName {
    /// The name, in text and as a tool.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Press => "press",
            Self::Transfer => "transfer",
            Self::EndCall => "end_call",
            Self::RequestUser => "request_user",
            Self::DoNotCall => "do_not_call",
        }
    }
}

/// The tool call that gave a command; its result must name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolRef {
    /// The model's id of the call.
    pub call_id: String,
    /// The tool's name as the model wrote it.
    pub name: String,
    /// JSON text.
    pub arguments: String,
}

/// A command of a held reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldCommand {
    /// Which.
    pub command: CommandName,
    /// Its digits, number or question.
    pub value: String,
    /// The tool call that gave it, if it was not written in the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolRef>,
}

/// Why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The caller hung up.
    CallerHungUp,
    /// The model ended it.
    AgentEnded,
    /// A supervisor ended it.
    SupervisorEnded,
    /// It was transferred, and that conversation is over.
    Transferred,
    /// Nobody spoke any more.
    Silence,
    /// It reached the longest time allowed.
    MaxDuration,
    /// The model did not answer.
    ModelFailed,
    /// The line was lost and did not come back.
    LineLost,
    /// The line never came up.
    NotConnected,
    /// The called party was busy.
    Busy,
    /// The called party did not answer.
    NoAnswer,
    /// The carrier could not place or hold it.
    Failed,
    /// It was canceled before it was answered.
    Canceled,
    /// It reached its spending limit.
    SpendLimit,
    /// An answering machine answered, and was hung up on.
    Machine,
    /// An answering machine answered, and a message was left.
    VoicemailLeft,
    /// The server stopped.
    Shutdown,
    /// An internal error.
    Internal,
}

/// What a `latency` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// From the end of the caller's words to the model's first word.
    FirstToken,
    /// From the end of the caller's words to the first words sent to the carrier.
    FirstSpoken,
    /// From the end of the caller's words to the first words that the carrier reports as played.
    FirstPlayed,
}

/// Where something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Where {
    /// The model, or the connection to it.
    Model,
    /// The carrier.
    Carrier,
    /// The call itself.
    Call,
}

/// How what is said travels between a carrier and this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// As words: the carrier hears and speaks.
    Relay,
    /// As sound: the model hears and speaks.
    Media,
}
