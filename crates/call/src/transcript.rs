//! What the call remembers: a fold over its stored events, and nothing else.
//!
//! The same fold serves the running call and the one rebuilt from a store, so the two cannot
//! disagree on what was said, what is pending, or what the model is told.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;

use crate::command::REPEATED;
use crate::event::{
    Answerer, By, CommandName, EndReason, Event, EventBody, HeldCommand, Progress, Source, Stage,
    ToolRef,
};
use crate::ids::{ItemId, ItemKind, PhoneNumber, SupervisorId, TurnId};
use crate::model::{Item, ItemBody, Usage};

/// What the model is told when a line that was lost has come back.
const LINE_BACK: &str = "The line was lost for a moment and is back. If you were cut off, go on from \
                         there; do not begin again.";

/// Why keys that were ordered have not been pressed after all: the line dropped them with what was
/// queued before them. The event that says so takes back the one that said they were.
pub(crate) const KEYS_DROPPED: &str = "the line dropped the keys before they sounded";

/// What the model is told that has put a number on the list in its text.
const NOTED_WISH: &str = "The number is on the list of those that are never called again.";

/// What the model is told when a human takes over.
const HUMAN_SPEAKS: &str = "From here on a human colleague speaks with the caller in your place.";

/// What the model is told when the human hands the call back.
const HUMAN_DONE: &str = "You speak with the caller again.";

/// What the model is told when the human has gone without that.
const HUMAN_GONE: &str = "Your human colleague has left without handing the call back, and the caller \
                          may have waited in silence. You speak with the caller again: say sorry \
                          for the wait, and go on with what they need.";

#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states of one machine")]
pub(crate) struct Transcript {
    pub(crate) entries: Vec<Entry>,
    /// The last stored event.
    pub(crate) seq: u64,
    /// The time of the first.
    pub(crate) started: Option<Timestamp>,
    /// Questions that wait for a supervisor; the first has been published.
    pub(crate) questions: VecDeque<Question>,
    /// The reply that waits for a supervisor.
    pub(crate) held: Option<HeldReply>,
    /// A human speaks.
    pub(crate) human: bool,
    /// Who that is, if it is known.
    pub(crate) holder: Option<SupervisorId>,
    /// When the others were told that they are not there, if they have not come back.
    pub(crate) unattended: Option<Timestamp>,
    /// How often the caller has spoken since words of ours were heard last.
    pub(crate) unanswered: u32,
    /// Why it ended, once it has.
    pub(crate) ended: Option<EndReason>,
    /// The newest turn that left a trace.
    pub(crate) turn: TurnId,
    /// How many replies of the model were finished, for rules about the first ones.
    pub(crate) replies: u32,
    /// The caller could hear us.
    pub(crate) connected: bool,
    /// We let the line go so that another goes on with the call.
    pub(crate) handed_over: bool,
    /// How often the line was lost and came back. One that we let go was not lost.
    pub(crate) losses: u32,
    /// How far the utterance on the line has been heard.
    pub(crate) heard: Option<Heard>,
    /// The carrier is asked to end the call: why, and by whom.
    pub(crate) hanging_up: Option<(EndReason, By)>,
    /// When that, or the last transfer, began.
    pub(crate) away_since: Option<Timestamp>,
    /// What was found out first about who answered a call of ours.
    pub(crate) answerer: Option<Answerer>,
    /// The far side converses: it is a person.
    pub(crate) converses: Converses,
    /// To whom the call is being dialled on, and whether that was for want of a model.
    pub(crate) transfer: Option<(PhoneNumber, EndReason)>,
    /// A transfer came to nothing, and the model has not spoken since.
    pub(crate) returned: bool,
    /// The last command was given by the call's own rules.
    by_policy: bool,
    pub(crate) usage: Usage,
    pub(crate) cost_usd: f64,
    /// How far a call of ours has got.
    pub(crate) status: Option<Progress>,
    /// When the far side had heard that it speaks with a machine.
    pub(crate) disclosed: Option<Timestamp>,
    /// The model was told to come to an end.
    pub(crate) wraps_up: bool,
}

/// Whether the far side answers what it hears, as no machine does.
///
/// A recorded announcement speaks on whatever is said to it. Whoever hears a reply to its end and
/// then speaks, or presses a key, has listened; and so has whoever speaks again and again after
/// replies, however much of these was heard.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Converses {
    /// A reply of the model was heard since they spoke last; whether to its end.
    reply: Option<bool>,
    /// How often they have spoken after such a reply.
    answers: u32,
    listened: bool,
}

/// Answers after which it is a person who speaks, although no reply was heard to its end.
const ANSWERS: u32 = 3;

impl Converses {
    /// A reply of the model is on its way; a line may not report how far it is heard.
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

/// The beginning of an utterance that was on the line when this was stored.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) text: String,
    pub(crate) source: Source,
    pub(crate) turn: Option<TurnId>,
}

#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The number of the event that asked it.
    pub(crate) seq: u64,
    pub(crate) prompt: String,
    pub(crate) tool: Option<ToolRef>,
}

#[derive(Debug, Clone)]
pub(crate) struct HeldReply {
    /// The number of the event that told of it first.
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
    Ours {
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

/// For how many more entries room is made at once. Doubling it would leave a long call with as much
/// room for what is never said as for what was.
const ROOM: usize = 16;

impl Transcript {
    /// Takes in one stored event.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of event, side by side")]
    pub(crate) fn apply(&mut self, event: &Event) {
        let Some(seq) = event.seq else { return };
        self.seq = seq;
        self.started.get_or_insert(event.at);
        match &event.body {
            EventBody::AnsweredBy { who, .. } => {
                if *who != Answerer::Unknown {
                    self.answerer.get_or_insert(*who);
                }
            }
            EventBody::HangingUp { reason, by } => {
                self.hanging_up = Some((*reason, *by));
                self.away_since = Some(event.at);
            }
            EventBody::SessionStart { .. }
            | EventBody::AssistantDelta { .. }
            | EventBody::Interrupt { .. }
            | EventBody::Error { .. } => {}
            EventBody::Connected => self.connected = true,
            EventBody::HandedOver => self.handed_over = true,
            EventBody::SessionTransfer { target } => {
                let reason =
                    if self.by_policy { EndReason::ModelFailed } else { EndReason::Transferred };
                self.transfer = PhoneNumber::parse(target).ok().map(|target| (target, reason));
                self.away_since = Some(event.at);
            }
            EventBody::AssistantHeard { text, source, turn } => {
                let heard = Heard { text: text.clone(), source: *source, turn: *turn };
                // A supervisor's words stand there already, in full.
                let whole = heard.source == Source::Supervisor
                    && self.supervisors_words().is_some_and(|words| words.trim() == text);
                self.heard = Some(heard).filter(|_| !whole);
            }
            EventBody::SessionEnd { reason, .. } => {
                self.ended = Some(*reason);
                // What still waited for a supervisor has ended with the call.
                self.questions.clear();
                self.held = None;
                // The record of a call that was lost may lack its last state.
                self.status = self.status.map(|status| status.at_end(*reason));
                (self.holder, self.unattended, self.unanswered) = (None, None, 0);
            }
            EventBody::Status { status } => self.status = Some(*status),
            EventBody::Disclosure { .. } => self.disclosed = Some(event.at),
            EventBody::Resumed { .. } => {
                self.losses += u32::from(!self.handed_over && !self.returned);
                self.connected = true;
                self.transfer = None;
                self.handed_over = false;
                self.add(event, note(LINE_BACK));
            }
            EventBody::Transcript { text, .. } => {
                self.connected = true;
                self.converses.answers();
                self.unanswered += 1;
                self.add(event, EntryBody::Caller(text.as_str().into()));
            }
            EventBody::Dtmf { digit } => {
                self.converses.answers();
                if let Some(Entry { body: EntryBody::Keys(keys), .. }) = self.entries.last_mut() {
                    keys.push(*digit);
                } else {
                    self.add(event, EntryBody::Keys(digit.to_string()));
                }
            }
            EventBody::AssistantResponse {
                text,
                interrupted,
                source,
                turn,
                generated,
                verbatim,
            } => {
                self.turn = self.turn.max(turn.unwrap_or_default());
                self.heard = None;
                self.connected = true;
                if !matches!(source, Source::Filler | Source::Hold) {
                    self.unanswered = 0;
                }
                if *source == Source::Model {
                    self.converses.hears(!*interrupted);
                    self.replies += 1;
                    self.returned = false;
                }
                let body = EntryBody::Ours {
                    text: text.as_str().into(),
                    interrupted: *interrupted,
                    source: *source,
                    turn: *turn,
                    generated: generated.as_deref().map(Into::into),
                    verbatim: *verbatim,
                };
                // A supervisor's words stand there already, in full.
                let said = self.entries.iter_mut().rev().find(|entry| is_supervisors(&entry.body));
                match said {
                    Some(entry) if *source == Source::Supervisor => {
                        *entry = Entry { seq, at: entry.at, body };
                    }
                    _ => self.add(event, body),
                }
            }
            EventBody::AssistantOverride { text, .. } => {
                self.unanswered = 0;
                let body = EntryBody::Ours {
                    text: text.as_str().into(),
                    interrupted: false,
                    source: Source::Supervisor,
                    turn: None,
                    generated: None,
                    verbatim: false,
                };
                self.add(event, body);
            }
            EventBody::CommandExecuted { command, value, by, tool } => {
                self.by_policy = *by == By::Policy;
                match tool {
                    Some(tool) => self.tool_done(event, tool, r#"{"ok":true}"#),
                    None if *command == CommandName::Press => {
                        self.add(event, note(&keys_pressed(*by, value)));
                    }
                    None if *command == CommandName::DoNotCall => self.add(event, note(NOTED_WISH)),
                    None => {}
                }
            }
            EventBody::CommandRejected { command, value, by, reason, tool } => {
                self.returned |= self.transfer.take().is_some();
                if reason == KEYS_DROPPED {
                    return self.take_back_keys(event, *by, value, tool.as_ref());
                }
                match tool {
                    Some(tool) => {
                        // What was done already is no failure.
                        let output = if reason == REPEATED {
                            serde_json::json!({ "ok": true, "note": reason }).to_string()
                        } else {
                            serde_json::json!({ "error": reason }).to_string()
                        };
                        self.tool_done(event, tool, &output);
                    }
                    None if *by == By::Ai => {
                        let what = if value.is_empty() {
                            command.clone()
                        } else {
                            format!("{command}:{value}")
                        };
                        let text = format!("Your command {what} was not carried out: {reason}.");
                        self.add(event, note(&text));
                    }
                    None => {}
                }
            }
            EventBody::Query { prompt, tool, .. } => {
                if let Some(tool) = tool {
                    self.add(event, EntryBody::ToolCall(Arc::new(tool.clone())));
                }
                let (prompt, tool) = (prompt.clone(), tool.clone());
                self.questions.push_back(Question { seq, prompt, tool });
            }
            EventBody::QueryResponse { text, answered, .. } => {
                let Some(question) = self.questions.pop_front() else { return };
                match question.tool {
                    Some(tool) => {
                        let output = if *answered {
                            serde_json::json!({ "answer": text })
                        } else {
                            serde_json::json!({ "error": "nobody answered in time; go on without" })
                        };
                        self.add(
                            event,
                            EntryBody::ToolResult {
                                call_id: tool.call_id.into(),
                                output: output.to_string().into(),
                            },
                        );
                    }
                    None if *answered => self.add(
                        event,
                        note(&format!(
                            "You asked your supervisor: {} The answer: {text}",
                            question.prompt
                        )),
                    ),
                    None => self.add(
                        event,
                        note(&format!(
                            "You asked your supervisor: {} Nobody answered in time. Go on without.",
                            question.prompt
                        )),
                    ),
                }
            }
            EventBody::PendingResponse { text, turn, commands, .. } => {
                self.turn = self.turn.max(*turn);
                let told = self.held.take().filter(|held| held.turn == *turn);
                let seq = told.map_or(seq, |held| held.seq);
                let (turn, text, commands) = (*turn, text.clone(), commands.clone());
                self.held = Some(HeldReply { seq, turn, text, commands });
            }
            EventBody::ResponseApproved { .. } => self.held = None,
            EventBody::ResponseRejected { text, .. } => {
                let Some(held) = self.held.take() else { return };
                let because = match text.trim().trim_end_matches('.') {
                    "" => String::new(),
                    text => format!(" Reason: {text}."),
                };
                self.add(event, note(&format!(
                    "Your supervisor did not let this reply go out: «{}».{because} The caller has \
                     not heard it. Reply again, differently.",
                    held.text
                )));
                for tool in held.commands.into_iter().filter_map(|held| held.tool) {
                    self.tool_done(event, &tool, r#"{"error":"the reply was not sent"}"#);
                }
            }
            EventBody::Whisper { text, by: By::Policy } => {
                self.wraps_up = true;
                self.add(event, note(text));
            }
            EventBody::Whisper { text, .. } => {
                self.add(
                    event,
                    note(&format!("Guidance from your supervisor, not to be read out: {text}")),
                );
            }
            EventBody::Takeover { holder, .. } => {
                self.holder.clone_from(holder);
                self.unattended = None;
                // The model need not know who of its colleagues speaks.
                if !std::mem::replace(&mut self.human, true) {
                    self.add(event, note(HUMAN_SPEAKS));
                }
            }
            EventBody::TakeoverUnattended { .. } => self.unattended = Some(event.at),
            EventBody::TakeoverAttended { .. } => self.unattended = None,
            EventBody::Release { by } => {
                (self.human, self.holder, self.unattended) = (false, None, None);
                self.add(event, note(if *by == By::Policy { HUMAN_GONE } else { HUMAN_DONE }));
            }
            EventBody::Latency { turn, stage, .. } => {
                self.turn = self.turn.max(*turn);
                if *stage == Stage::FirstSpoken {
                    self.converses.is_spoken_to();
                }
            }
            EventBody::Usage { turn, usage, cost_usd } => {
                self.turn = self.turn.max(turn.unwrap_or_default());
                self.usage += *usage;
                self.cost_usd += cost_usd;
            }
        }
    }

    /// The conversation as the model is to know it.
    pub(crate) fn context(&self) -> Vec<Item> {
        let mut items = Vec::with_capacity(self.entries.len());
        for (place, entry) in (0..).zip(&self.entries) {
            // One event may leave several entries, and an entry may be replaced by a later event.
            let id = |kind| ItemId::new(kind, entry.seq, place);
            match &entry.body {
                EntryBody::Caller(text) => {
                    items
                        .push(Item { id: id(ItemKind::Entry), body: ItemBody::User(text.clone()) });
                }
                EntryBody::Keys(keys) => items.push(Item {
                    id: ItemId::new(ItemKind::Keys, entry.seq, part(keys.len())),
                    body: ItemBody::Note(
                        format!("The caller pressed the keys {}.", spaced(keys)).into(),
                    ),
                }),
                EntryBody::Ours { source: Source::Filler, .. } => {}
                EntryBody::Ours { text, .. } if text.is_empty() => {}
                EntryBody::Ours { text, interrupted: true, .. } => items.push(Item {
                    id: id(ItemKind::Entry),
                    body: ItemBody::Assistant { text: broken_off(text), verbatim: None },
                }),
                EntryBody::Ours { text, turn, generated, verbatim, .. } => items.push(Item {
                    id: id(ItemKind::Entry),
                    body: ItemBody::Assistant {
                        text: generated.as_ref().unwrap_or(text).clone(),
                        verbatim: turn.filter(|_| *verbatim),
                    },
                }),
                EntryBody::Note(text) => {
                    items
                        .push(Item { id: id(ItemKind::Entry), body: ItemBody::Note(text.clone()) });
                }
                EntryBody::ToolCall(tool) => items.push(Item {
                    id: id(ItemKind::ToolCall),
                    body: ItemBody::ToolCall(Arc::clone(tool)),
                }),
                EntryBody::ToolResult { call_id, output } => items.push(Item {
                    id: id(ItemKind::ToolResult),
                    body: ItemBody::ToolResult { call_id: call_id.clone(), output: output.clone() },
                }),
            }
        }
        for (place, question) in (0..).zip(&self.questions) {
            let body = if let Some(tool) = &question.tool {
                // A model refuses a conversation in which a tool call has no result.
                ItemBody::ToolResult {
                    call_id: tool.call_id.as_str().into(),
                    output: r#"{"status":"pending"}"#.into(),
                }
            } else {
                let prompt = &question.prompt;
                ItemBody::Note(format!("You asked your supervisor: {prompt} No answer yet.").into())
            };
            items.push(Item { id: ItemId::new(ItemKind::Pending, self.seq, place), body });
        }
        items
    }

    /// Whether the caller waits for words of ours, judged by what was stored last. A reply that is
    /// held answers what was said before it.
    pub(crate) fn owes(&self) -> bool {
        let answered = self.held.as_ref().map_or(0, |held| held.seq);
        let since = self.entries.iter().rev().take_while(|entry| entry.seq > answered);
        let telling = { since }.find(|entry| match &entry.body {
            EntryBody::Ours { source, .. } => *source != Source::Filler && *source != Source::Hold,
            EntryBody::Caller(_)
            | EntryBody::Keys(_)
            | EntryBody::ToolCall(_)
            | EntryBody::ToolResult { .. } => true,
            EntryBody::Note(_) => false,
        });
        let unanswered = match telling.map(|entry| &entry.body) {
            Some(EntryBody::Ours { interrupted, source, .. }) => {
                *interrupted && *source == Source::Model
            }
            Some(_) => true,
            None => false,
        };
        unanswered || self.returned
    }

    /// The words of a supervisor that were spoken last.
    pub(crate) fn supervisors_words(&self) -> Option<&str> {
        self.entries.iter().rev().find_map(|entry| match &entry.body {
            EntryBody::Ours { source: Source::Supervisor, text, .. } => Some(text.as_ref()),
            EntryBody::Ours { .. }
            | EntryBody::Caller(_)
            | EntryBody::Keys(_)
            | EntryBody::Note(_)
            | EntryBody::ToolCall(_)
            | EntryBody::ToolResult { .. } => None,
        })
    }

    fn add(&mut self, event: &Event, body: EntryBody) {
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(ROOM);
        }
        self.entries.push(Entry { seq: self.seq, at: event.at, body });
    }

    /// Keys that stand as pressed were not: what says so takes the place of what said they were.
    fn take_back_keys(&mut self, event: &Event, by: By, value: &str, tool: Option<&ToolRef>) {
        let pressed = keys_pressed(by, value);
        let told = self.entries.iter_mut().rev().find(|entry| match (&entry.body, tool) {
            (EntryBody::Note(text), None) => **text == *pressed,
            (EntryBody::ToolResult { call_id, .. }, Some(tool)) => **call_id == *tool.call_id,
            (
                EntryBody::Note(_)
                | EntryBody::ToolResult { .. }
                | EntryBody::Caller(_)
                | EntryBody::Keys(_)
                | EntryBody::Ours { .. }
                | EntryBody::ToolCall(_),
                _,
            ) => false,
        });
        let Some(entry) = told else { return };
        let (seq, at) = (self.seq, event.at);
        let body = match tool {
            Some(tool) => EntryBody::ToolResult {
                call_id: tool.call_id.as_str().into(),
                output: serde_json::json!({ "error": KEYS_DROPPED }).to_string().into(),
            },
            None => note(&format!("The keys {value} were not pressed: {KEYS_DROPPED}.")),
        };
        *entry = Entry { seq, at, body };
    }

    fn tool_done(&mut self, event: &Event, tool: &ToolRef, output: &str) {
        self.add(event, EntryBody::ToolCall(Arc::new(tool.clone())));
        let result =
            EntryBody::ToolResult { call_id: tool.call_id.as_str().into(), output: output.into() };
        self.add(event, result);
    }
}

fn part(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn keys_pressed(by: By, keys: &str) -> String {
    let who = if by == By::Ai { "You" } else { "Your supervisor" };
    format!("{who} pressed the keys {keys}.")
}

fn note(text: &str) -> EntryBody {
    EntryBody::Note(text.into())
}

/// Words that stopped where the caller cut in.
fn broken_off(text: &str) -> Arc<str> {
    let space = if text.ends_with(char::is_alphanumeric) { "" } else { " " };
    format!("{text}{space}—").into()
}

fn is_supervisors(body: &EntryBody) -> bool {
    matches!(body, EntryBody::Ours { source: Source::Supervisor, .. })
}

fn spaced(keys: &str) -> String {
    let mut text = String::with_capacity(keys.len() * 2);
    for key in keys.chars() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push(key);
    }
    text
}
