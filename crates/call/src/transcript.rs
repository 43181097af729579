//! What a call remembers: a fold over its stored events, and nothing else.
//!
//! The running call and one that is rebuilt from a store use the same fold, so they cannot disagree
//! on what was said, what is pending, or what the model is told.

mod apply;
mod context;
mod legs;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use crate::dialing::PhoneNumber;
use crate::event::{Answerer, By, EndReason, HeldCommand, Progress, Source, ToolRef};
use crate::ids::{SupervisorId, TurnId, UtteranceId};
use crate::usage::Usage;

use self::legs::Legs;
pub(crate) use self::legs::Reported;

/// Why keys that were recorded as pressed were not: the line dropped them with the speech queued
/// before them. An event with this reason takes back the one that recorded them.
pub(crate) const KEYS_DROPPED: &str = "the line dropped the keys before they sounded";

#[derive(Debug, Clone, Default)]
pub(crate) struct Transcript {
    pub(crate) entries: Vec<Entry>,
    /// The number of the last stored event.
    pub(crate) seq: u64,
    /// The time of the first event.
    pub(crate) started: Option<Timestamp>,
    /// Questions that wait for a supervisor, in the order in which they can be answered.
    pub(crate) questions: VecDeque<Question>,
    /// The reply that waits for a supervisor.
    pub(crate) held: Option<HeldReply>,
    /// The takeover, as long as a human speaks in the model's place.
    pub(crate) takeover: Option<Takeover>,
    /// How often the caller has spoken since they were last answered.
    pub(crate) unanswered: u32,
    /// Why it ended, once it has.
    pub(crate) ended: Option<EndReason>,
    /// The latest turn that an event names.
    pub(crate) turn: TurnId,
    /// How many replies of the model were heard, for rules about the first ones.
    pub(crate) replies: u32,
    /// The line was up at least once.
    pub(crate) connected: bool,
    pub(crate) whereabouts: Whereabouts,
    /// The carrier's ids of the call's lines and dialled legs.
    pub(crate) legs: Legs,
    /// How often the line was lost and came back; not if it had been left on purpose.
    pub(crate) losses: u32,
    /// The utterances as which the model itself has heard the caller's words, by the number of the
    /// event. Not in the record: another node's model has heard none of them.
    heard_as: BTreeMap<u64, UtteranceId>,
    /// The utterance whose words the next event of the caller's has.
    pub(crate) heard_next: Option<UtteranceId>,
    /// How far the current utterance has been heard.
    pub(crate) heard: Option<Heard>,
    /// The first verdict about who answered an outbound call.
    pub(crate) answerer: Option<Answerer>,
    /// Whether the far side converses, as only a person does.
    pub(crate) converses: Converses,
    /// A transfer failed, and the model has not spoken since.
    pub(crate) returned: bool,
    /// Who gave the last command that was carried out.
    last_command_by: Option<By>,
    pub(crate) usage: Usage,
    pub(crate) cost_usd: f64,
    /// The status of an outbound call.
    pub(crate) status: Option<Progress>,
    /// When the called person had heard the disclosure.
    pub(crate) disclosed: Option<Timestamp>,
    /// The model was told to bring the call to an end.
    pub(crate) wraps_up: bool,
}

/// A human speaks in the model's place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Takeover {
    /// Who that is, if it is known and the call has not ended.
    pub(crate) holder: Option<SupervisorId>,
    /// When the other supervisors were alarmed that the holder is not there, unless they have come
    /// back since.
    pub(crate) unattended: Option<Timestamp>,
}

/// Where a call is that has not ended.
#[derive(Debug, Clone, Default)]
pub(crate) enum Whereabouts {
    /// On its line, or waiting for it: to come up, or to come back after it was lost.
    #[default]
    Here,
    /// The line was left so that another node goes on with the call.
    HandedOver,
    /// With somebody to whom it was transferred.
    Transferred {
        target: PhoneNumber,
        /// Why the call ends if they speak: it may have been transferred for want of a model.
        reason: EndReason,
        since: Timestamp,
    },
    /// The carrier is asked to end it.
    HangingUp { reason: EndReason, by: By, since: Timestamp },
}

/// Whether the far side answers what it hears, as no machine does.
///
/// A recorded announcement does not react to what is said. Somebody who hears a reply to its end
/// and then speaks or presses a key has listened, and so has somebody who speaks after several
/// replies, however much of these was heard.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Converses {
    /// Whether the reply of the model since they last spoke, if any, was heard to its end.
    reply: Option<bool>,
    /// How often they have spoken after a reply.
    answers: u32,
    listened: bool,
}

/// The number of answers that show a person, even if no reply was heard to its end.
const ANSWERS: u32 = 3;

impl Converses {
    /// A reply of the model is being spoken; not every line reports how far it is heard.
    fn is_spoken_to(&mut self) {
        self.reply.get_or_insert(false);
    }

    /// A reply of the model was heard, to its end or not.
    fn hears(&mut self, whole: bool) {
        self.reply = Some(whole);
    }

    /// The far side has said something, or pressed a key.
    fn answers(&mut self) {
        if let Some(whole) = self.reply.take() {
            self.answers += 1;
            self.listened |= whole;
        }
    }

    pub(crate) fn is_person(self) -> bool {
        self.listened || self.answers >= ANSWERS
    }
}

/// The part of the current utterance that has been heard.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) text: String,
    pub(crate) source: Source,
    pub(crate) turn: Option<TurnId>,
}

#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The number of its `query` event.
    pub(crate) seq: u64,
    pub(crate) prompt: String,
    pub(crate) tool: Option<ToolRef>,
}

#[derive(Debug, Clone)]
pub(crate) struct HeldReply {
    /// The number of its first `pending_response` event.
    pub(crate) seq: u64,
    pub(crate) turn: TurnId,
    pub(crate) text: String,
    pub(crate) commands: Vec<HeldCommand>,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
    pub(crate) body: EntryBody,
}

#[derive(Debug, Clone)]
pub(crate) enum EntryBody {
    Caller(Arc<str>),
    Keys(String),
    Utterance {
        text: Arc<str>,
        interrupted: bool,
        source: Source,
        turn: Option<TurnId>,
        generated: Option<Arc<str>>,
        verbatim: bool,
    },
    Note(Arc<str>),
    ToolCall(Arc<ToolRef>),
    ToolResult {
        call_id: Arc<str>,
        output: Arc<str>,
    },
}

impl Transcript {
    /// The model has heard nothing of the caller's words so far.
    pub(crate) fn forget_hearing(&mut self) {
        self.heard_as.clear();
    }

    /// Whether the caller waits for an answer, by the last entries. A held reply answers what was
    /// said before it.
    pub(crate) fn is_reply_due(&self) -> bool {
        let answered = self.held.as_ref().map_or(0, |held| held.seq);
        let since = self.entries.iter().rev().take_while(|entry| entry.seq > answered);
        let telling = { since }.find(|entry| match &entry.body {
            EntryBody::Utterance { source, .. } => {
                *source != Source::Filler && *source != Source::Hold
            }
            EntryBody::Caller(_)
            | EntryBody::Keys(_)
            | EntryBody::ToolCall(_)
            | EntryBody::ToolResult { .. } => true,
            EntryBody::Note(_) => false,
        });
        let unanswered = match telling.map(|entry| &entry.body) {
            Some(EntryBody::Utterance { interrupted, source, .. }) => {
                *interrupted && *source == Source::Model
            }
            Some(_) => true,
            None => false,
        };
        unanswered || self.returned
    }

    /// The last words of a supervisor.
    pub(crate) fn supervisors_words(&self) -> Option<&str> {
        self.entries.iter().rev().find_map(|entry| match &entry.body {
            EntryBody::Utterance { source: Source::Supervisor, text, .. } => Some(text.as_ref()),
            EntryBody::Utterance { .. }
            | EntryBody::Caller(_)
            | EntryBody::Keys(_)
            | EntryBody::Note(_)
            | EntryBody::ToolCall(_)
            | EntryBody::ToolResult { .. } => None,
        })
    }
}
