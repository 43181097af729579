//! The plan of a response: its events in order, each with the delay before it (OpenAI Realtime
//! guide, conversations: text, audio and function-call responses).

use std::{collections::VecDeque, time::Duration};

use super::{brain::Reply, config::AudioFormat, ids::Ids, pace::Pace};

/// Length of the audio of one character: about sixteen characters a second.
const MS_PER_CHARACTER: u64 = 60;

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
    /// Audio, in milliseconds.
    Sound(usize, u64),
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
pub(super) struct PlanOptions {
    /// Whether the items join the default conversation.
    pub(super) in_conversation: bool,
    /// The format of the model's audio; `None` in text mode.
    pub(super) audio: Option<AudioFormat>,
    pub(super) max_tokens: Option<u64>,
    /// From `response.created` to the first item.
    pub(super) first_token: Duration,
    pub(super) pace: Pace,
}

impl Plan {
    /// A response that says `reply`.
    pub(super) fn reply(reply: Reply, options: &PlanOptions, ids: &mut Ids) -> Self {
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
    pub(super) fn nothing(options: &PlanOptions) -> Self {
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
        options: &PlanOptions,
        wait: Duration,
        ids: &mut Ids,
    ) {
        let o = self.start(Kind::Message { audio: options.audio }, options, wait, ids);
        let spoken = options.audio.is_some();
        self.add(Duration::ZERO, Step::PartAdded(o));
        let mut gap = Duration::ZERO;
        for chunk in chunks {
            let ms = MS_PER_CHARACTER * chunk.chars().count() as u64;
            self.add(gap, Step::Text(o, chunk));
            if spoken {
                self.add(Duration::ZERO, Step::Sound(o, ms));
            }
            gap = options.pace.between_deltas;
        }
        if spoken {
            self.add(Duration::ZERO, Step::SoundDone(o));
        }
        self.add(Duration::ZERO, Step::TextDone(o));
        self.add(Duration::ZERO, Step::PartDone(o));
        self.end(o, options);
    }

    fn call(
        &mut self,
        kind: Kind,
        args: &str,
        options: &PlanOptions,
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

    fn start(&mut self, kind: Kind, options: &PlanOptions, wait: Duration, ids: &mut Ids) -> usize {
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

    fn end(&mut self, o: usize, options: &PlanOptions) {
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
