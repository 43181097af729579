//! A response in progress: carries out its plan, event by event, and can be cancelled.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    config::AudioFormat,
    error::ApiError,
    events::{self, Place},
    faults::Break,
    ids::Ids,
    item::{Body, Conversation, Item, Part, Role},
    plan::{CHARACTERS_PER_TOKEN, Kind, OutputItem, Plan, Step},
    sound,
    usage::{self, InputUsage},
};

/// A response in progress.
pub(super) struct ActiveResponse {
    pub(super) id: String,
    pub(super) in_conversation: bool,
    /// The fields of the response object that never change.
    pub(super) header: Value,
    pub(super) plan: Plan,
    pub(super) outcome: Outcome,
    pub(super) input: InputUsage,
    pub(super) breaks: Option<Break>,
    /// When its next event is due; `None` while it stalls.
    pub(super) due: Option<Instant>,
    /// Events sent so far.
    pub(super) emitted: u64,
    /// `response.done` has been sent.
    pub(super) finished: bool,
}

/// How a response ends.
pub(super) enum Outcome {
    Completed,
    /// Cancelled, for this reason.
    Cancelled(&'static str),
    OutOfTokens,
    Failed(ApiError),
}

/// What a response does next.
pub(super) enum Next {
    Event(String),
    Break(Break),
}

impl ActiveResponse {
    /// Whether everything has been sent.
    pub(super) fn is_over(&self) -> bool {
        self.finished && self.plan.steps.is_empty()
    }

    /// Whether the client has seen its beginning and not its end.
    pub(super) fn can_be_cancelled(&self) -> bool {
        !self.finished && self.emitted > 0
    }

    /// Ends it at once, with the output so far. `reason` is `turn_detected` or `client_cancelled`.
    pub(super) fn cancel(&mut self, now: Instant, reason: &'static str) {
        self.outcome = Outcome::Cancelled(reason);
        self.plan.cut_short();
        self.due = Some(now);
    }

    /// Whether any of its audio has been sent.
    pub(super) fn has_spoken(&self) -> bool {
        self.plan.outputs.iter().any(|output| output.ms > 0)
    }

    /// Takes the next event.
    pub(super) fn next(&mut self, conversation: &mut Conversation, ids: &mut Ids) -> Option<Next> {
        if let Some(b) = self.breaks.filter(|b| b.event == self.emitted) {
            return Some(Next::Break(b));
        }
        let Some((_, step)) = self.plan.steps.pop_front() else {
            self.due = None;
            return None;
        };
        self.due = match (self.due, self.plan.steps.front()) {
            (Some(due), Some((wait, _))) => Some(due + *wait),
            _ => None,
        };
        self.emitted += 1;
        Some(Next::Event(self.perform(step, conversation, ids)))
    }

    fn perform(&mut self, step: Step, conversation: &mut Conversation, ids: &mut Ids) -> String {
        match step {
            Step::Created => {
                let response = self.snapshot("in_progress", &Value::Null);
                events::event(ids, "response.created", json!({"response": response}))
            }
            Step::OutputAdded(o) => {
                self.plan.outputs[o].started = true;
                self.output_event(ids, "response.output_item.added", o)
            }
            Step::ItemAdded(o) => {
                let item = self.plan.outputs[o].item();
                let fields = json!({
                    "previous_item_id": conversation.items().last().map(|last| last.id.as_str()),
                    "item": item.object(),
                });
                conversation.push(item);
                events::event(ids, "conversation.item.added", fields)
            }
            Step::PartAdded(o) => {
                let part = if self.plan.outputs[o].format().is_some() {
                    json!({"type": "audio", "transcript": ""})
                } else {
                    json!({"type": "text", "text": ""})
                };
                self.content_event(ids, "response.content_part.added", o, &[("part", part)])
            }
            Step::Text(o, text) => {
                self.plan.outputs[o].said.push_str(&text);
                let kind = match self.plan.outputs[o].format() {
                    Some(_) => "response.output_audio_transcript.delta",
                    None => "response.output_text.delta",
                };
                events::delta(ids, kind, self.place(o), &text)
            }
            Step::Sound(o, piece) => {
                self.plan.outputs[o].ms += sound::ms(&piece);
                let format = self.plan.outputs[o].format().unwrap_or(AudioFormat::Pcmu);
                let base64 = sound::encode(&piece, format);
                events::delta(ids, "response.output_audio.delta", self.place(o), &base64)
            }
            Step::SoundDone(o) => self.content_event(ids, "response.output_audio.done", o, &[]),
            Step::TextDone(o) => {
                let said = json!(self.plan.outputs[o].said);
                match self.plan.outputs[o].format() {
                    Some(_) => {
                        let kind = "response.output_audio_transcript.done";
                        self.content_event(ids, kind, o, &[("transcript", said)])
                    }
                    None => {
                        self.content_event(ids, "response.output_text.done", o, &[("text", said)])
                    }
                }
            }
            Step::PartDone(o) => {
                let said = &self.plan.outputs[o].said;
                let part = match self.plan.outputs[o].format() {
                    Some(_) => json!({"type": "audio", "transcript": said}),
                    None => json!({"type": "text", "text": said}),
                };
                self.content_event(ids, "response.content_part.done", o, &[("part", part)])
            }
            Step::Arguments(o, piece) => {
                self.plan.outputs[o].said.push_str(&piece);
                let kind = "response.function_call_arguments.delta";
                self.call_event(ids, kind, o, &[("delta", json!(piece))])
            }
            Step::ArgumentsDone(o) => {
                let output = &self.plan.outputs[o];
                let fields = [("name", json!(output.name())), ("arguments", json!(output.said))];
                self.call_event(ids, "response.function_call_arguments.done", o, &fields)
            }
            Step::OutputDone(o) => {
                let status = self.end_status();
                self.plan.outputs[o].status = status;
                self.output_event(ids, "response.output_item.done", o)
            }
            Step::ItemDone(o) => {
                let item = self.plan.outputs[o].item();
                let fields = json!({
                    "previous_item_id": conversation.before(&item.id),
                    "item": item.object(),
                });
                // The client may have deleted it meanwhile.
                if let Some(kept) = conversation.item_mut(&item.id) {
                    *kept = item;
                }
                events::event(ids, "conversation.item.done", fields)
            }
            Step::Done => {
                self.finished = true;
                let (status, details) = self.verdict();
                let response = self.snapshot(status, &details);
                events::event(ids, "response.done", json!({"response": response}))
            }
            Step::RateLimits => events::event(ids, "rate_limits.updated", usage::rate_limits()),
        }
    }

    /// The status of an item that ends now.
    fn end_status(&self) -> &'static str {
        match self.outcome {
            Outcome::Completed => "completed",
            Outcome::Cancelled(_) | Outcome::OutOfTokens | Outcome::Failed(_) => "incomplete",
        }
    }

    fn verdict(&self) -> (&'static str, Value) {
        match &self.outcome {
            Outcome::Completed => ("completed", Value::Null),
            Outcome::Cancelled(reason) => {
                ("cancelled", json!({"type": "cancelled", "reason": reason}))
            }
            Outcome::OutOfTokens => {
                ("incomplete", json!({"type": "incomplete", "reason": "max_output_tokens"}))
            }
            Outcome::Failed(error) => ("failed", error.status_details()),
        }
    }

    /// The response object as it is now.
    fn snapshot(&self, status: &str, details: &Value) -> Value {
        let mut response = self.header.clone();
        response["id"] = json!(self.id);
        response["status"] = json!(status);
        response["status_details"] = details.clone();
        response["usage"] = Value::Null;
        let outputs = self.plan.outputs.iter().filter(|output| output.started);
        response["output"] = outputs.map(|output| output.item().object()).collect();
        if self.finished {
            response["usage"] = match self.outcome {
                Outcome::Failed(_) => usage::nothing(),
                Outcome::Completed | Outcome::Cancelled(_) | Outcome::OutOfTokens => self.usage(),
            };
        }
        response
    }

    fn usage(&self) -> Value {
        let characters: u64 =
            self.plan.outputs.iter().map(|output| output.said.chars().count() as u64).sum();
        // A token of audio is 50 ms (OpenAI Realtime guide, costs).
        let audio: u64 = self.plan.outputs.iter().map(|output| output.ms / 50).sum();
        self.input.with_output(characters.div_ceil(CHARACTERS_PER_TOKEN), audio)
    }

    fn place(&self, o: usize) -> Place<'_> {
        Place { response_id: &self.id, item_id: &self.plan.outputs[o].id, output_index: o }
    }

    fn output_event(&self, ids: &mut Ids, kind: &str, o: usize) -> String {
        let item = self.plan.outputs[o].item().object();
        let fields = json!({"response_id": self.id, "output_index": o, "item": item});
        events::event(ids, kind, fields)
    }

    fn content_event(&self, ids: &mut Ids, kind: &str, o: usize, more: &[(&str, Value)]) -> String {
        with(ids, kind, self.place(o).content(), more)
    }

    fn call_event(&self, ids: &mut Ids, kind: &str, o: usize, more: &[(&str, Value)]) -> String {
        let mut fields = self.place(o).item();
        fields["call_id"] = json!(self.plan.outputs[o].call_id());
        with(ids, kind, fields, more)
    }
}

impl OutputItem {
    /// The item as it is now: without content until it is complete.
    fn item(&self) -> Item {
        let open = self.status == "in_progress";
        let said = if open { String::new() } else { self.said.clone() };
        let body = match &self.kind {
            Kind::Call { call_id, name } => {
                Body::Call { call_id: call_id.clone(), name: name.clone(), arguments: said }
            }
            Kind::Message { .. } if open => {
                Body::Message { role: Role::Assistant, parts: Vec::new() }
            }
            Kind::Message { audio } => {
                let part = match audio {
                    Some(_) => {
                        Part::OutputAudio { transcript: said.clone(), spoken: said, ms: self.ms }
                    }
                    None => Part::OutputText(said),
                };
                Body::Message { role: Role::Assistant, parts: vec![part] }
            }
        };
        Item { id: self.id.clone(), body, status: self.status }
    }

    fn format(&self) -> Option<AudioFormat> {
        match self.kind {
            Kind::Message { audio } => audio,
            Kind::Call { .. } => None,
        }
    }

    fn name(&self) -> &str {
        match &self.kind {
            Kind::Call { name, .. } => name,
            Kind::Message { .. } => "",
        }
    }

    fn call_id(&self) -> &str {
        match &self.kind {
            Kind::Call { call_id, .. } => call_id,
            Kind::Message { .. } => "",
        }
    }
}

fn with(ids: &mut Ids, kind: &str, mut fields: Value, more: &[(&str, Value)]) -> String {
    for (name, value) in more {
        fields[*name] = value.clone();
    }
    events::event(ids, kind, fields)
}
