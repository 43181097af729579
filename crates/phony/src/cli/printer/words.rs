//! Events, reasons and times in words.

use phony_call::{Answerer, By, EndReason, EventBody};

use crate::cli::ui::clean;
use crate::store::summary::wire_name;

/// What happened, in words; nothing for events that need no line of their own.
#[expect(clippy::wildcard_enum_match_arm, reason = "what is not listed needs no line of its own")]
pub(in crate::cli) fn describe(body: &EventBody) -> Option<String> {
    Some(match body {
        EventBody::CommandExecuted { command, value, by, .. } => {
            with(&format!("{} does: {}", who(*by), command.as_str()), value)
        }
        EventBody::CommandRejected { command, value, reason, .. } => {
            let what = with(&clean(command), value);
            format!("refused: {what} ({})", clean(reason))
        }
        EventBody::Status { status } => format!("the call is {}", status.as_str()),
        EventBody::AnsweredBy { disregarded: Some(why), who } => {
            let who = wire_name(who).replace('_', " ");
            format!("{who} was reported, and disregarded: {}", clean(why))
        }
        EventBody::HangingUp { .. } => "the carrier is asked to end the call".to_owned(),
        EventBody::AnsweredBy { who: Answerer::Machine | Answerer::MachineReady, .. } => {
            "a machine answered".to_owned()
        }
        EventBody::AnsweredBy { who: Answerer::Fax, .. } => "a fax answered".to_owned(),
        EventBody::Disclosure { .. } => "they have heard that it is a machine".to_owned(),
        EventBody::SessionTransfer { target } => format!("put through to {}", clean(target)),
        EventBody::Query { prompt, .. } => format!("asks the supervisor: {}", clean(prompt)),
        EventBody::QueryResponse { answered: true, text, .. } => {
            format!("the supervisor answers: {}", clean(text))
        }
        EventBody::QueryResponse { answered: false, .. } => "no supervisor answered".to_owned(),
        EventBody::PendingResponse { text, .. } => {
            format!("waits for a supervisor's yes: {}", clean(text))
        }
        EventBody::ResponseApproved { .. } => "a supervisor sent the reply".to_owned(),
        EventBody::ResponseRejected { text, .. } => format!("a reply was dropped: {}", clean(text)),
        EventBody::Whisper { text, .. } => format!("the supervisor whispers: {}", clean(text)),
        EventBody::Takeover { .. } => "a human takes over".to_owned(),
        EventBody::TakeoverUnattended { .. } => "the human who took over is not there".to_owned(),
        EventBody::TakeoverAttended { .. } => "the human is back".to_owned(),
        EventBody::Release { by: By::Policy } => {
            "the human has gone, and the agent goes on".to_owned()
        }
        EventBody::Release { .. } => "the agent goes on".to_owned(),
        EventBody::Dtmf { digit } => format!("the caller presses {digit}"),
        EventBody::HandedOver => "another server goes on".to_owned(),
        EventBody::Resumed { gap_ms, .. } => format!("the line is back after {gap_ms} ms"),
        EventBody::Error { code, message, .. } => {
            format!("trouble: {} ({})", clean(message), clean(code))
        }
        _ => return None,
    })
}

fn with(what: &str, value: &str) -> String {
    match value.trim() {
        "" => what.to_owned(),
        value => format!("{what} «{}»", clean(value)),
    }
}

fn who(by: By) -> &'static str {
    match by {
        By::Ai => "the agent",
        By::Supervisor => "the supervisor",
        By::Policy => "the call",
    }
}

/// Why a call ended, in words.
pub(in crate::cli) fn why(reason: EndReason) -> &'static str {
    match reason {
        EndReason::CallerHungUp => "the caller hung up",
        EndReason::AgentEnded => "the agent hung up",
        EndReason::SupervisorEnded => "a supervisor hung up",
        EndReason::Transferred => "it was put through",
        EndReason::Silence => "nobody spoke any more",
        EndReason::MaxDuration => "it had lasted as long as it may",
        EndReason::ModelFailed => "the model could not be made to answer",
        EndReason::LineLost => "the line was lost",
        EndReason::NotConnected => "the line never came up",
        EndReason::Busy => "the line was engaged",
        EndReason::NoAnswer => "nobody picked up",
        EndReason::Failed => "the phone network failed",
        EndReason::Canceled => "it was withdrawn",
        EndReason::SpendLimit => "it had cost as much as it may",
        EndReason::Machine => "a machine answered",
        EndReason::VoicemailLeft => "a message was left with a machine",
        EndReason::Shutdown => "the server stopped",
        EndReason::Internal => "a fault of Phony's",
    }
}

/// A length of time as `mm:ss.mmm`.
pub(in crate::cli) fn clock(ms: u64) -> String {
    format!("{:02}:{:02}.{:03}", ms / 60_000, ms / 1000 % 60, ms % 1000)
}
