//! What each event means for the transcript.

use std::sync::Arc;

use super::{
    Entry, EntryBody, Heard, HeldReply, KEYS_DROPPED, Question, Takeover, Transcript, Whereabouts,
};
use crate::command::REPEATED;
use crate::dialing::PhoneNumber;
use crate::event::{
    Answerer, By, CommandName, EndReason, Event, EventBody, HeldCommand, Source, Stage, ToolRef,
};
use crate::ids::TurnId;

/// Tells the model that a lost line has come back.
const LINE_BACK: &str = "The line was lost for a moment and is back. If you were cut off, go on from \
                         there; do not begin again.";

/// Tells the model that its command has put a number on the do-not-call list.
const NOTED_WISH: &str = "The number is on the list of those that are never called again.";

/// Tells the model that a human takes over.
const HUMAN_SPEAKS: &str = "From here on a human colleague speaks with the caller in your place.";

/// Tells the model that the human has handed the call back.
const HUMAN_DONE: &str = "You speak with the caller again.";

/// Tells the model that the human has left without handing the call back.
const HUMAN_GONE: &str = "Your human colleague has left without handing the call back, and the caller \
                          may have waited in silence. You speak with the caller again: say sorry \
                          for the wait, and go on with what they need.";

/// How many entries are allocated at once. Doubling the capacity would waste up to half of it for
/// the rest of a long call.
const ROOM: usize = 16;

impl Transcript {
    /// Takes in one stored event. An event that is only shown changes nothing.
    pub(crate) fn apply(&mut self, event: &Event) {
        let Some(seq) = event.seq else { return };
        self.seq = seq;
        self.started.get_or_insert(event.at);
        match &event.body {
            EventBody::SessionStart { .. }
            | EventBody::AssistantDelta { .. }
            | EventBody::Interrupt { .. }
            | EventBody::Error { .. } => {}
            EventBody::Connected { line } => {
                self.connected = true;
                self.legs.connected(line.as_ref());
            }
            EventBody::HandedOver => self.whereabouts = Whereabouts::HandedOver,
            EventBody::Resumed { line, .. } => {
                self.legs.connected(line.as_ref());
                self.resumed(event);
            }
            EventBody::SessionTransfer { target } => self.transferred(event, target),
            EventBody::HangingUp { reason, by } => {
                let (reason, by, since) = (*reason, *by, event.at);
                self.whereabouts = Whereabouts::HangingUp { reason, by, since };
            }
            EventBody::SessionEnd { reason, .. } => self.session_ended(*reason),
            EventBody::Status { status } => self.status = Some(*status),
            EventBody::AnsweredBy { who, .. } => {
                if *who != Answerer::Unknown {
                    self.answerer.get_or_insert(*who);
                }
            }
            EventBody::Disclosure { .. } => self.disclosed = Some(event.at),
            EventBody::Transcript { text, .. } => self.caller_spoke(event, text),
            EventBody::Dtmf { digit } => self.caller_pressed(event, *digit),
            EventBody::AssistantHeard { text, source, turn } => {
                self.heard_so_far(Heard { text: text.clone(), source: *source, turn: *turn });
            }
            EventBody::AssistantResponse { .. } => self.utterance_heard(event),
            EventBody::AssistantOverride { text, .. } => self.supervisor_speaks(event, text),
            EventBody::CommandExecuted { command, value, by, tool } => {
                self.command_executed(event, *command, value, *by, tool.as_ref());
            }
            EventBody::CommandRejected { command, value, by, reason, tool, leg } => {
                if let Some(leg) = leg {
                    self.legs.not_taken(leg);
                }
                self.transfer_failed();
                if reason == KEYS_DROPPED {
                    self.take_back_keys(event, *by, value, tool.as_ref());
                } else if let Some(tool) = tool {
                    self.tool_rejected(event, tool, reason);
                } else if *by == By::Ai {
                    self.command_rejected(event, command, value, reason);
                }
            }
            EventBody::Query { prompt, tool, .. } => self.asked(event, prompt, tool.as_ref()),
            EventBody::QueryResponse { text, answered, .. } => {
                self.question_settled(event, answered.then_some(text));
            }
            EventBody::PendingResponse { text, turn, commands, .. } => {
                self.reply_held(*turn, text, commands);
            }
            EventBody::ResponseApproved { .. } => self.held = None,
            EventBody::ResponseRejected { text, .. } => self.reply_rejected(event, text),
            EventBody::Whisper { text, by: By::Policy } => {
                self.wraps_up = true;
                self.add(event, note(text));
            }
            EventBody::Whisper { text, .. } => {
                let text = format!("Guidance from your supervisor, not to be read out: {text}");
                self.add(event, note(&text));
            }
            EventBody::Takeover { holder, .. } => {
                let holder = holder.clone();
                let before = self.takeover.replace(Takeover { holder, unattended: None });
                // The model need not know which of its colleagues speaks.
                if before.is_none() {
                    self.add(event, note(HUMAN_SPEAKS));
                }
            }
            EventBody::TakeoverUnattended { .. } => self.set_unattended(Some(event.at)),
            EventBody::TakeoverAttended { .. } => self.set_unattended(None),
            EventBody::Release { by } => {
                self.takeover = None;
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

    // The line.

    fn resumed(&mut self, event: &Event) {
        let was_lost = !matches!(self.whereabouts, Whereabouts::HandedOver) && !self.returned;
        self.losses += u32::from(was_lost);
        self.connected = true;
        self.whereabouts = Whereabouts::Here;
        self.add(event, note(LINE_BACK));
    }

    fn transferred(&mut self, event: &Event, target: &str) {
        let by_policy = self.last_command_by == Some(By::Policy);
        let reason = if by_policy { EndReason::ModelFailed } else { EndReason::Transferred };
        if let Ok(target) = PhoneNumber::parse(target) {
            self.whereabouts = Whereabouts::Transferred { target, reason, since: event.at };
        }
    }

    /// A command that is rejected while the call is transferred is the transfer: nobody answered.
    fn transfer_failed(&mut self) {
        if let Whereabouts::Transferred { .. } = self.whereabouts {
            self.whereabouts = Whereabouts::Here;
            self.returned = true;
        }
    }

    fn session_ended(&mut self, reason: EndReason) {
        self.ended = Some(reason);
        // Nothing waits for a supervisor any more.
        self.questions.clear();
        self.held = None;
        // The record of a call whose node has died may lack its final status.
        self.status = self.status.map(|status| status.at_end(reason));
        if let Some(takeover) = &mut self.takeover {
            *takeover = Takeover::default();
        }
        self.unanswered = 0;
    }

    // Who said what.

    fn caller_spoke(&mut self, event: &Event, text: &str) {
        self.connected = true;
        self.converses.answers();
        self.unanswered += 1;
        if let Some(utterance) = self.heard_next.take() {
            self.heard_as.insert(event.seq.unwrap_or(0), utterance);
        }
        self.add(event, EntryBody::Caller(text.into()));
    }

    fn caller_pressed(&mut self, event: &Event, digit: char) {
        self.converses.answers();
        if let Some(Entry { body: EntryBody::Keys(keys), .. }) = self.entries.last_mut() {
            keys.push(digit);
        } else {
            self.add(event, EntryBody::Keys(digit.to_string()));
        }
    }

    fn heard_so_far(&mut self, heard: Heard) {
        // A supervisor's words are recorded in full when they are ordered.
        let is_whole = heard.source == Source::Supervisor
            && self.supervisors_words().is_some_and(|words| words.trim() == heard.text);
        self.heard = (!is_whole).then_some(heard);
    }

    fn utterance_heard(&mut self, event: &Event) {
        let EventBody::AssistantResponse { text, interrupted, source, turn, generated, verbatim } =
            &event.body
        else {
            return;
        };
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
        let body = EntryBody::Utterance {
            text: text.as_str().into(),
            interrupted: *interrupted,
            source: *source,
            turn: *turn,
            generated: generated.as_deref().map(Into::into),
            verbatim: *verbatim,
        };
        // A supervisor's words are recorded in full when they are ordered.
        let said = self.entries.iter_mut().rev().find(|entry| is_supervisors(&entry.body));
        match said {
            Some(entry) if *source == Source::Supervisor => {
                *entry = Entry { seq: self.seq, at: entry.at, body };
            }
            _ => self.add(event, body),
        }
    }

    fn supervisor_speaks(&mut self, event: &Event, text: &str) {
        self.unanswered = 0;
        let body = EntryBody::Utterance {
            text: text.into(),
            interrupted: false,
            source: Source::Supervisor,
            turn: None,
            generated: None,
            verbatim: false,
        };
        self.add(event, body);
    }

    // Commands.

    fn command_executed(
        &mut self,
        event: &Event,
        command: CommandName,
        value: &str,
        by: By,
        tool: Option<&ToolRef>,
    ) {
        self.last_command_by = Some(by);
        match (tool, command) {
            (Some(tool), _) => self.tool_done(event, tool, r#"{"ok":true}"#),
            (None, CommandName::Press) => self.add(event, note(&keys_pressed(by, value))),
            (None, CommandName::DoNotCall) => self.add(event, note(NOTED_WISH)),
            (None, CommandName::Transfer | CommandName::EndCall | CommandName::RequestUser) => {}
        }
    }

    fn command_rejected(&mut self, event: &Event, command: &str, value: &str, reason: &str) {
        let what = match value {
            "" => command.to_owned(),
            value => format!("{command}:{value}"),
        };
        let text = format!("Your command {what} was not carried out: {reason}.");
        self.add(event, note(&text));
    }

    fn tool_rejected(&mut self, event: &Event, tool: &ToolRef, reason: &str) {
        // A command that was carried out before has not failed.
        let output = if reason == REPEATED {
            serde_json::json!({ "ok": true, "note": reason })
        } else {
            serde_json::json!({ "error": reason })
        };
        self.tool_done(event, tool, &output.to_string());
    }

    /// Replaces the entry that recorded keys as pressed: they were not.
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
                | EntryBody::Utterance { .. }
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

    // Supervisors.

    fn asked(&mut self, event: &Event, prompt: &str, tool: Option<&ToolRef>) {
        if let Some(tool) = tool {
            self.add(event, EntryBody::ToolCall(Arc::new(tool.clone())));
        }
        let (seq, prompt, tool) = (self.seq, prompt.to_owned(), tool.cloned());
        self.questions.push_back(Question { seq, prompt, tool });
    }

    fn question_settled(&mut self, event: &Event, answer: Option<&String>) {
        let Some(Question { prompt, tool, .. }) = self.questions.pop_front() else { return };
        let body = match (tool, answer) {
            (Some(tool), answer) => {
                let output = match answer {
                    Some(answer) => serde_json::json!({ "answer": answer }),
                    None => {
                        serde_json::json!({ "error": "nobody answered in time; go on without" })
                    }
                };
                let (call_id, output) = (tool.call_id.into(), output.to_string().into());
                EntryBody::ToolResult { call_id, output }
            }
            (None, Some(answer)) => {
                note(&format!("You asked your supervisor: {prompt} The answer: {answer}"))
            }
            (None, None) => note(&format!(
                "You asked your supervisor: {prompt} Nobody answered in time. Go on without."
            )),
        };
        self.add(event, body);
    }

    fn reply_held(&mut self, turn: TurnId, text: &str, commands: &[HeldCommand]) {
        self.turn = self.turn.max(turn);
        let before = self.held.take().filter(|held| held.turn == turn);
        let seq = before.map_or(self.seq, |held| held.seq);
        let (text, commands) = (text.to_owned(), commands.to_owned());
        self.held = Some(HeldReply { seq, turn, text, commands });
    }

    fn reply_rejected(&mut self, event: &Event, reason: &str) {
        let Some(held) = self.held.take() else { return };
        let because = match reason.trim().trim_end_matches('.') {
            "" => String::new(),
            reason => format!(" Reason: {reason}."),
        };
        self.add(
            event,
            note(&format!(
                "Your supervisor did not let this reply go out: «{}».{because} The caller has \
             not heard it. Reply again, differently.",
                held.text
            )),
        );
        for tool in held.commands.into_iter().filter_map(|held| held.tool) {
            self.tool_done(event, &tool, r#"{"error":"the reply was not sent"}"#);
        }
    }

    fn set_unattended(&mut self, since: Option<jiff::Timestamp>) {
        if let Some(takeover) = &mut self.takeover {
            takeover.unattended = since;
        }
    }

    fn add(&mut self, event: &Event, body: EntryBody) {
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(ROOM);
        }
        self.entries.push(Entry { seq: self.seq, at: event.at, body });
    }
}

fn keys_pressed(by: By, keys: &str) -> String {
    let who = if by == By::Ai { "You" } else { "Your supervisor" };
    format!("{who} pressed the keys {keys}.")
}

fn note(text: &str) -> EntryBody {
    EntryBody::Note(text.into())
}

fn is_supervisors(body: &EntryBody) -> bool {
    matches!(body, EntryBody::Utterance { source: Source::Supervisor, .. })
}
