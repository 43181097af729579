//! A call as it is at one moment, for display.

use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;

use crate::call::{Call, Counters, Identity, Parts};
use crate::event::{Direction, EndReason, Event, EventBody, Progress, Source};
use crate::ids::{CallSid, SupervisorId, TurnId};
use crate::phase::Phase;
use crate::transcript::{EntryBody, Transcript, Whereabouts};
use crate::usage::Usage;

/// Everything about a call that a supervisor may want to see.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The carrier's name for the call.
    pub call_sid: CallSid,
    /// The calling party.
    pub from: String,
    /// The called party.
    pub to: String,
    /// Who called whom.
    pub direction: Direction,
    /// The agent's id.
    pub agent: String,
    /// The scenario of an outbound call.
    pub scenario: Option<String>,
    /// The status of an outbound call.
    pub progress: Option<Progress>,
    /// When the called person had heard that they speak with a machine.
    pub disclosed_at: Option<Timestamp>,
    /// The carrier's name.
    pub carrier: String,
    /// What the call is doing.
    pub phase: Phase,
    /// The time of its first event.
    pub started_at: Option<Timestamp>,
    /// From its first event until now, or until its end.
    pub duration_ms: u64,
    /// Why it ended, once it has.
    pub end_reason: Option<EndReason>,
    /// The question that waits for an answer.
    pub question: Option<String>,
    /// The number of the event that asked it.
    pub question_seq: Option<u64>,
    /// How many more questions wait behind it.
    pub further_questions: usize,
    /// The reply that waits for approval.
    pub held_reply: Option<String>,
    /// The model's turn that wrote it.
    pub held_turn: Option<TurnId>,
    /// Whether a human has taken over.
    pub human: bool,
    /// Which supervisor's log-in holds the takeover, if known.
    pub holder: Option<SupervisorId>,
    /// When the other supervisors were alarmed that the holder is gone, if they are not back.
    pub unattended_since: Option<Timestamp>,
    /// How often the caller has spoken since they were last answered.
    pub unanswered: u32,
    /// Who said what.
    pub turns: Vec<Turn>,
    /// Tokens used.
    pub usage: Usage,
    /// Their cost, in US dollars.
    pub cost_usd: f64,
    /// Their cost and that of the line, in US dollars, at the configured prices.
    pub estimated_cost_usd: f64,
    /// The number of the last stored event.
    pub last_seq: u64,
    /// Inputs that were not used.
    pub counters: Counters,
}

/// One utterance, as it was heard.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    /// The number of the event that recorded it.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// Who spoke.
    pub speaker: TurnSpeaker,
    /// The words, as far as they were heard, or the keys that the caller pressed.
    pub text: String,
    /// What the model wrote, if that differs from what was heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// Whether it was cut off there.
    pub interrupted: bool,
    /// Where the words come from, unless from the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The model's turn, if the model chose them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnId>,
}

/// Who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TurnSpeaker {
    /// The caller.
    Caller,
    /// The agent, or a supervisor.
    Assistant,
    /// The caller, by pressing keys.
    Keypad,
}

/// Which node has a call that is not live on this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// None, until one takes it over.
    Nobody,
    /// Another node, as far as is known.
    OtherNode,
}

impl Call {
    /// The call as it is at `now`.
    #[must_use]
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        Snapshot { counters: self.counters(), ..Snapshot::of(&self.parts(now)) }
    }
}

impl Snapshot {
    /// A call that is not live on this node, from its stored events; `None` if they do not begin
    /// with `session_start`. A call that no node has is shown with its line lost, if it had one; a
    /// call that another node has is shown as it was at its last event.
    #[must_use]
    pub fn recall(events: &[Event], owner: Owner) -> Option<Self> {
        let (start, last) = (events.first()?, events.last()?);
        let EventBody::SessionStart { agent, scenario, .. } = &start.body else { return None };
        let identity = Identity::of_start(start)?;
        let mut transcript = Transcript::default();
        for event in events {
            transcript.apply(event);
        }
        let lasted = last.at.duration_since(start.at).as_millis();
        let duration_ms = if let EventBody::SessionEnd { duration_ms, .. } = last.body {
            duration_ms
        } else {
            u64::try_from(lasted).unwrap_or(0)
        };
        let phase = phase_of(&transcript, owner);
        Some(Self::of(&Parts {
            identity: &identity,
            agent,
            scenario: scenario.as_deref(),
            transcript: &transcript,
            phase,
            duration_ms,
            // The cost of the line is not in the events.
            estimated_cost_usd: transcript.cost_usd,
        }))
    }

    fn of(parts: &Parts<'_>) -> Self {
        let transcript = parts.transcript;
        let takeover = transcript.takeover.as_ref();
        let turns = transcript.entries.iter().filter_map(|entry| {
            let said_by = |speaker, text: &str| Turn {
                seq: entry.seq,
                at: entry.at,
                speaker,
                text: text.to_owned(),
                said: None,
                interrupted: false,
                source: None,
                turn: None,
            };
            match &entry.body {
                EntryBody::Caller(text) => Some(said_by(TurnSpeaker::Caller, text)),
                EntryBody::Keys(keys) => Some(said_by(TurnSpeaker::Keypad, keys)),
                EntryBody::Utterance { text, interrupted, source, turn, generated, .. } => {
                    Some(Turn {
                        said: generated.as_deref().map(str::to_owned),
                        interrupted: *interrupted,
                        source: Some(*source),
                        turn: *turn,
                        ..said_by(TurnSpeaker::Assistant, text)
                    })
                }
                EntryBody::Note(_) | EntryBody::ToolCall(_) | EntryBody::ToolResult { .. } => None,
            }
        });
        Self {
            call_sid: parts.identity.sid.clone(),
            from: parts.identity.from.clone(),
            to: parts.identity.to.clone(),
            direction: parts.identity.direction,
            agent: parts.agent.to_owned(),
            scenario: parts.scenario.map(str::to_owned),
            progress: transcript.status,
            disclosed_at: transcript.disclosed,
            carrier: parts.identity.carrier.clone(),
            phase: parts.phase,
            started_at: transcript.started,
            duration_ms: parts.duration_ms,
            end_reason: transcript.ended,
            question: transcript.questions.front().map(|question| question.prompt.clone()),
            question_seq: transcript.questions.front().map(|question| question.seq),
            further_questions: transcript.questions.len().saturating_sub(1),
            held_reply: transcript.held.as_ref().map(|held| held.text.clone()),
            held_turn: transcript.held.as_ref().map(|held| held.turn),
            human: takeover.is_some(),
            holder: takeover.and_then(|takeover| takeover.holder.clone()),
            unattended_since: takeover.and_then(|takeover| takeover.unattended),
            unanswered: transcript.unanswered,
            turns: turns.collect(),
            usage: transcript.usage,
            cost_usd: transcript.cost_usd,
            estimated_cost_usd: parts.estimated_cost_usd,
            last_seq: transcript.seq,
            counters: Counters::default(),
        }
    }
}

/// The phase of a call at its last event.
fn phase_of(transcript: &Transcript, owner: Owner) -> Phase {
    if transcript.ended.is_some() {
        return Phase::Ended;
    }
    match transcript.whereabouts {
        Whereabouts::HangingUp { .. } => return Phase::Ending,
        Whereabouts::Transferred { .. } => return Phase::Transferring,
        Whereabouts::Here | Whereabouts::HandedOver if !transcript.connected => {
            return Phase::Ringing;
        }
        Whereabouts::HandedOver => return Phase::Lost,
        Whereabouts::Here => {}
    }
    if owner == Owner::Nobody {
        Phase::Lost
    } else if transcript.takeover.is_some() {
        Phase::HumanSpeaks
    } else if transcript.held.is_some() || !transcript.questions.is_empty() {
        Phase::OnHold
    } else if transcript.heard.is_some() {
        Phase::Speaking
    } else {
        match transcript.entries.last().map(|entry| &entry.body) {
            None => Phase::Greeting,
            Some(EntryBody::Caller(_) | EntryBody::Keys(_)) => Phase::Thinking,
            Some(
                EntryBody::Utterance { .. }
                | EntryBody::Note(_)
                | EntryBody::ToolCall(_)
                | EntryBody::ToolResult { .. },
            ) => Phase::Listening,
        }
    }
}
