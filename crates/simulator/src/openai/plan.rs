//! The plan of a response: its events in order, each with the delay before it (OpenAI Realtime
//! guide, conversations: text, audio and function-call responses).

use std::{collections::VecDeque, time::Duration};

use super::{
    brain::Reply, config::AudioFormat, ids::Ids, options::AudioOptions, pace::Pace, sound,
};
use crate::voice::Voice;

/// Characters in a token, as an estimate.
pub(super) const CHARACTERS_PER_TOKEN: u64 = 4;

/// The events of a response, and the items that they describe.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) outputs: Vec<OutputItem>,
    pub(super) steps: VecDeque<(Duration, Step)>,
    /// Whether `max_output_tokens` cut the reply.
    pub(super) cut: bool,
}

/// An output item of a response.
pub(super) struct OutputItem {
    pub(super) id: String,
    pub(super) kind: Kind,
    /// Text, transcript or arguments so far.
    pub(super) said: String,
    /// Audio so far, in milliseconds.
    pub(super) ms: u64,
    pub(super) started: bool,
    pub(super) status: &'static str,
}

pub(super) enum Kind {
    Message { audio: Option<AudioFormat> },
    Call { call_id: String, name: String },
}

/// An event. The first number is the index of its output item.
pub(super) enum Step {
    Created,
    OutputAdded(usize),
    ItemAdded(usize),
    PartAdded(usize),
    Text(usize, String),
    /// Audio in µ-law.
    Sound(usize, Vec<u8>),
    SoundDone(usize),
    TextDone(usize),
    PartDone(usize),
    Arguments(usize, String),
    ArgumentsDone(usize),
    OutputDone(usize),
    ItemDone(usize),
    Done,
    RateLimits,
}

/// What a plan depends on besides the reply.
pub(super) struct PlanOptions<'a> {
    /// Whether the items join the default conversation.
    pub(super) in_conversation: bool,
    /// The format of the model's audio; `None` in text mode.
    pub(super) audio: Option<AudioFormat>,
    pub(super) max_tokens: Option<u64>,
    /// From `response.created` to the first item.
    pub(super) first_token: Duration,
    pub(super) pace: Pace,
    pub(super) speech: &'a AudioOptions,
    pub(super) voice: &'a Voice,
}

impl Plan {
    /// A response that says `reply`.
    pub(super) fn reply(reply: Reply, options: &PlanOptions<'_>, ids: &mut Ids) -> Self {
        let mut plan = Self::default();
        plan.add(Duration::ZERO, Step::Created);
        let (chunks, cut) = within_limit(reply.chunks(options.pace.delta), options.max_tokens);
        plan.cut = cut;
        let mut wait = options.first_token;
        if !chunks.is_empty() {
            plan.message(chunks, options, wait, ids);
            wait = options.pace.between_deltas;
        }
        // A response that ran out of tokens calls no functions.
        for call in reply.calls.into_iter().filter(|_| !cut) {
            let kind = Kind::Call { call_id: ids.call(), name: call.name };
            plan.call(kind, &call.arguments, options, wait, ids);
            wait = options.pace.between_deltas;
        }
        if plan.outputs.is_empty() {
            plan.add(wait, Step::Done);
        } else {
            plan.add(Duration::ZERO, Step::Done);
        }
        plan.add(Duration::ZERO, Step::RateLimits);
        plan
    }

    /// A response that ends without output.
    pub(super) fn nothing(options: &PlanOptions<'_>) -> Self {
        let mut plan = Self::default();
        plan.add(Duration::ZERO, Step::Created);
        plan.add(options.first_token, Step::Done);
        plan.add(Duration::ZERO, Step::RateLimits);
        plan
    }

    /// A response that never ends; `created` says whether `response.created` is sent.
    pub(super) fn stall(created: bool) -> Self {
        let mut plan = Self::default();
        if created {
            plan.add(Duration::ZERO, Step::Created);
        }
        plan
    }

    /// Closes the items that have begun and drops the rest, without further delays.
    pub(super) fn cut_short(&mut self) {
        for output in self.outputs.iter_mut().filter(|output| output.status == "in_progress") {
            output.status = "incomplete";
        }
        let outputs = &self.outputs;
        self.steps.retain(|(_, step)| match step {
            Step::Text(..) | Step::Sound(..) | Step::Arguments(..) => false,
            Step::OutputAdded(o)
            | Step::ItemAdded(o)
            | Step::PartAdded(o)
            | Step::SoundDone(o)
            | Step::TextDone(o)
            | Step::PartDone(o)
            | Step::ArgumentsDone(o)
            | Step::OutputDone(o)
            | Step::ItemDone(o) => outputs[*o].started,
            Step::Created | Step::Done | Step::RateLimits => true,
        });
        if !self.steps.iter().any(|(_, step)| matches!(step, Step::Done)) {
            self.add(Duration::ZERO, Step::Done);
            self.add(Duration::ZERO, Step::RateLimits);
        }
        for (wait, _) in &mut self.steps {
            *wait = Duration::ZERO;
        }
    }

    fn message(
        &mut self,
        chunks: Vec<String>,
        options: &PlanOptions<'_>,
        wait: Duration,
        ids: &mut Ids,
    ) {
        let o = self.start(Kind::Message { audio: options.audio }, options, wait, ids);
        self.add(Duration::ZERO, Step::PartAdded(o));
        if options.audio.is_some() {
            self.speak(o, chunks, options);
            self.add(Duration::ZERO, Step::SoundDone(o));
        } else {
            let mut gap = Duration::ZERO;
            for chunk in chunks {
                self.add(gap, Step::Text(o, chunk));
                gap = options.pace.between_deltas;
            }
        }
        self.add(Duration::ZERO, Step::TextDone(o));
        self.add(Duration::ZERO, Step::PartDone(o));
        self.end(o, options);
    }

    /// Adds audio and its transcript, each piece of text just before the audio in which it begins.
    fn speak(&mut self, o: usize, chunks: Vec<String>, options: &PlanOptions<'_>) {
        let text = chunks.concat();
        let pieces = sound::pieces(&options.voice.speak(&text), options.speech.delta);
        let whole: usize = pieces.iter().map(Vec::len).sum();
        let (mut written, mut spoken) = (0, 0);
        let mut chunks = chunks.into_iter().peekable();
        let mut gap = Duration::ZERO;
        for piece in pieces {
            spoken += piece.len();
            while let Some(chunk) = chunks.next_if(|_| written * whole < text.len() * spoken) {
                written += chunk.len();
                self.add(std::mem::take(&mut gap), Step::Text(o, chunk));
            }
            let generated = sound::length(&piece).checked_div(options.speech.speed);
            self.add(gap, Step::Sound(o, piece));
            gap = generated.unwrap_or_default();
        }
        for chunk in chunks {
            self.add(Duration::ZERO, Step::Text(o, chunk));
        }
    }

    fn call(
        &mut self,
        kind: Kind,
        args: &str,
        options: &PlanOptions<'_>,
        wait: Duration,
        ids: &mut Ids,
    ) {
        let o = self.start(kind, options, wait, ids);
        let mut gap = Duration::ZERO;
        for piece in options.pace.delta.split(args) {
            self.add(gap, Step::Arguments(o, piece));
            gap = options.pace.between_deltas;
        }
        self.add(Duration::ZERO, Step::ArgumentsDone(o));
        self.end(o, options);
    }

    fn start(
        &mut self,
        kind: Kind,
        options: &PlanOptions<'_>,
        wait: Duration,
        ids: &mut Ids,
    ) -> usize {
        let o = self.outputs.len();
        self.outputs.push(OutputItem {
            id: ids.item(),
            kind,
            said: String::new(),
            ms: 0,
            started: false,
            status: "in_progress",
        });
        self.add(wait, Step::OutputAdded(o));
        if options.in_conversation {
            self.add(Duration::ZERO, Step::ItemAdded(o));
        }
        o
    }

    fn end(&mut self, o: usize, options: &PlanOptions<'_>) {
        self.add(Duration::ZERO, Step::OutputDone(o));
        if options.in_conversation {
            self.add(Duration::ZERO, Step::ItemDone(o));
        }
    }

    fn add(&mut self, wait: Duration, step: Step) {
        self.steps.push_back((wait, step));
    }
}

/// The pieces within the limit, and whether anything was cut.
fn within_limit(mut chunks: Vec<String>, max_tokens: Option<u64>) -> (Vec<String>, bool) {
    let Some(max) = max_tokens else { return (chunks, false) };
    let mut left = usize::try_from(max.saturating_mul(CHARACTERS_PER_TOKEN)).unwrap_or(usize::MAX);
    for index in 0..chunks.len() {
        let length = chunks[index].chars().count();
        if length > left {
            chunks[index] = chunks[index].chars().take(left).collect();
            chunks.truncate(index + usize::from(left > 0));
            return (chunks, true);
        }
        left -= length;
    }
    (chunks, false)
}
