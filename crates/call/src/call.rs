//! The call: its state, and what it does with each input.
//!
//! This file contains the public surface, the states, and the steps that the rest is made of. Each
//! kind of input has a file of its own:
//!
//! - `line`, `report`: the line comes up, is lost, or reports what was played;
//! - `caller`: the caller speaks, presses keys, interrupts;
//! - `reply`: the model replies, with its commands, approval and retries;
//! - `supervisor`, `holder`: supervisors act, take over, and leave;
//! - `timeouts`: deadlines pass;
//! - `ending`, `hang_up`: goodbyes, transfers, and ending a call without a line;
//! - `handover`: the call moves to another node;
//! - `outbound`: what only outbound calls have, and what calls cost;
//! - `sound`: the model hears and speaks;
//! - `speech`: handing words to the carrier, and recording what was heard.
//!
//! # Adding an input or an action
//!
//! Add the variant; the compiler finds the matches that must handle it. Decide for every state what
//! happens, `unexpected` where nothing should. Anything that must survive the loss of a node goes
//! into an event, and what the event means goes into `transcript/apply.rs`. Write a golden call.

mod acknowledgement;
mod caller;
mod ending;
mod handover;
mod hang_up;
mod holder;
mod line;
mod outbound;
mod reply;
mod report;
mod sound;
mod speech;
mod supervisor;
mod timeouts;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use self::caller::CallerInput;
use self::ending::Ending;
pub use self::handover::Failover;
use self::hang_up::HangingUp;
use self::holder::HolderPresence;
pub use self::holder::Presence;
use self::reply::{Reply, Written};
use self::sound::Hearing;
use crate::carrier::{FromCarrier, ToCarrier};
use crate::deadline::{Deadline, Deadlines};
use crate::dialing::PhoneNumber;
use crate::event::{Answerer, Direction, EndReason, Event, EventBody, Source, Stage};
use crate::ids::{CallSid, SupervisorId, TurnId, UtteranceId};
use crate::model::{FromModel, ToModel, Traits};
use crate::phase::Phase;
use crate::playback::Playback;
use crate::policy::{Agent, Policy};
use crate::transcript::Transcript;
use crate::voice::Voice;

/// The parties of a call, and its carrier.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The carrier's id of the call.
    pub sid: CallSid,
    /// The calling party.
    pub from: String,
    /// The called party.
    pub to: String,
    /// Who called whom.
    pub direction: Direction,
    /// The carrier's name.
    pub carrier: String,
}

impl Identity {
    /// The identity of the call that this event begins; `None` if it is not a `session_start`.
    #[must_use]
    pub fn of_start(start: &Event) -> Option<Self> {
        let EventBody::SessionStart { from, to, direction, carrier, .. } = &start.body else {
            return None;
        };
        Some(Self {
            sid: start.call.clone(),
            from: from.clone(),
            to: to.clone(),
            direction: *direction,
            carrier: carrier.clone(),
        })
    }
}

/// Something that happens to a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A fact from the carrier.
    Carrier(FromCarrier),
    /// A fact from the model.
    Model(FromModel),
    /// The time given by [`Call::deadline`] has come.
    Deadline,
    /// The server stops: end with a goodbye.
    Stop,
    /// The server stops, and another node takes the call over: leave the line when nobody speaks.
    HandOver,
    /// The budget that all calls share runs out.
    Budget(Budget),
    /// A supervisor has come into view or left it. Only the one who holds the takeover matters.
    Presence {
        /// The supervisor.
        who: SupervisorId,
        /// Whether they are present.
        presence: Presence,
    },
}

/// How much is left of the budget that all calls share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// Little: the model is told to bring the call to an end.
    Low,
    /// Nothing: the call ends with a goodbye.
    Spent,
}

/// Something that must be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// An order to the carrier.
    Carrier(ToCarrier),
    /// An order to the model.
    Model(ToModel),
    /// An event to store, if it is numbered, and to show.
    Event(Event),
    /// Ask the carrier to end the call, over its API: there is no line to do it on. The answer is
    /// [`FromCarrier::HungUp`] or [`FromCarrier::NotHungUp`], unless the call is over by then.
    HangUp,
    /// The call is over: perform the outputs before this one, then drop the call.
    Finished,
    /// The call goes on at the node that the carrier asks next: perform the outputs before this
    /// one, then drop the call.
    HandedOver,
}

/// One telephone call.
#[derive(Debug, Clone)]
pub struct Call {
    policy: Arc<Policy>,
    agent: Arc<Agent>,
    identity: Identity,
    clock: Clock,
    state: State,
    deadlines: Deadlines,
    transcript: Transcript,
    playback: Playback,
    /// The sound on its way to the caller, if the model speaks.
    voice: Voice,
    hearing: Hearing,
    /// The caller's utterance that the model reported last.
    last_said: UtteranceId,
    /// The latest turn that was asked for.
    turn: TurnId,
    /// The model must speak next: the caller, or a result, waits for an answer.
    reply_due: bool,
    /// The model is refused for good, and is not asked again.
    model_refused: bool,
    caller: CallerInput,
    untold: Untold,
    /// The call is to be handed over as soon as nobody speaks.
    handing_over: bool,
    unprompted: Unprompted,
    /// When the caller's last words ended; `None` once the answer is audible.
    asked_at: Option<Instant>,
    /// How often the line was lost.
    line_losses: u32,
    /// What the model wrote in the latest reply that is over.
    last_written: Option<Written>,
    /// Who answered, if that is known before the line is up.
    answerer: Option<Answerer>,
    /// When the line came up, from which it costs money.
    line_since: Option<Instant>,
    holder_presence: HolderPresence,
    counters: Counters,
    outputs: Vec<Output>,
}

/// Inputs that were not used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Facts about a turn that was over.
    pub late: u64,
    /// Inputs for which the state had no use.
    pub unexpected: u64,
}

/// The parts of a call that a snapshot shows.
pub(crate) struct Parts<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) agent: &'a str,
    pub(crate) scenario: Option<&'a str>,
    pub(crate) transcript: &'a Transcript,
    pub(crate) phase: Phase,
    pub(crate) duration_ms: u64,
    pub(crate) estimated_cost_usd: f64,
}

/// What the caller does not know yet.
#[derive(Debug, Clone, Default)]
struct Untold {
    /// What they interrupted: repeated if they say nothing.
    unsaid: Vec<Unsaid>,
    /// A transfer that they were told of has been withdrawn.
    withdrawn: bool,
}

/// How often the agent has spoken without being spoken to, since the caller last spoke.
#[derive(Debug, Clone, Copy, Default)]
struct Unprompted {
    nudges: u32,
    /// Replies, and repeated utterances.
    turns: u32,
}

/// The rest of an utterance that was cut off, from the start of the sentence that was cut.
#[derive(Debug, Clone)]
struct Unsaid {
    source: Source,
    text: String,
}

#[derive(Debug, Clone, Copy)]
struct Clock {
    start: Instant,
    wall: Timestamp,
}

/// What the call is doing. Held replies, questions and the takeover are in the transcript.
#[derive(Debug, Clone)]
enum State {
    /// The line is not up yet.
    Ringing,
    /// The caller may speak; `greeting` while the greeting is spoken.
    Listening { greeting: bool },
    /// The model was asked for a reply, or its reply is being spoken.
    Replying(Box<Reply>),
    /// The caller waits for a supervisor.
    OnHold,
    /// A human speaks.
    HumanSpeaks,
    /// The line is gone and may come back; `returning` if it was not lost, but left on purpose.
    Lost { since: Instant, returning: bool },
    /// The goodbye is being spoken.
    Ending(Ending),
    /// The carrier is asked to end the call.
    HangingUp(HangingUp),
    /// The call is transferred.
    Transferring { target: PhoneNumber, reason: EndReason },
    /// The call was handed over to another node.
    HandedOver,
    /// Over.
    Ended,
}

impl Call {
    /// Creates a call whose line is not up yet. `wall` is the wall-clock time at `now`; the times
    /// of all events are derived from the two.
    #[must_use]
    pub fn new(
        policy: impl Into<Arc<Policy>>,
        agent: impl Into<Arc<Agent>>,
        identity: Identity,
        now: Instant,
        wall: Timestamp,
    ) -> (Self, Vec<Output>) {
        let (policy, agent) = (policy.into(), agent.into());
        let mut call = Self::bare(policy, agent, identity, Transcript::default(), now, wall);
        call.deadlines.set(Deadline::Connect, now + call.policy.connect);
        let start = EventBody::SessionStart {
            from: call.identity.from.clone(),
            to: call.identity.to.clone(),
            direction: call.identity.direction,
            agent: call.agent.id.clone(),
            carrier: call.identity.carrier.clone(),
            scenario: call.agent.scenario.clone(),
            variables: call.agent.variables.clone(),
            companion: call.agent.companion.clone(),
            transport: call.agent.transport,
            model: call.agent.model.clone(),
        };
        call.emit(now, start);
        let outputs = call.take_outputs();
        (call, outputs)
    }

    /// Handles an input. Whatever it is, the call goes on or ends in order.
    #[must_use]
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Output> {
        match input {
            Input::Carrier(said) => self.on_carrier(now, said),
            Input::Model(said) => self.on_model(now, said),
            Input::Deadline => {
                while let Some(due) = self.deadlines.take_due(now) {
                    self.on_deadline(now, due);
                }
            }
            Input::Stop => self.on_stop(now),
            Input::HandOver => self.on_hand_over(now),
            Input::Budget(budget) => self.on_budget(now, budget),
            Input::Presence { who, presence } => self.on_presence(now, &who, presence),
        }
        self.hand_over_if_quiet(now);
        self.take_outputs()
    }

    /// When to call [`Call::handle`] with [`Input::Deadline`]. `None` only if the call is over, or
    /// was handed over.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Whether the call is over, or was handed over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Ended | State::HandedOver)
    }

    /// The call's id.
    #[must_use]
    pub fn sid(&self) -> &CallSid {
        &self.identity.sid
    }

    /// Inputs that were not used.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What the call is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Ringing => Phase::Ringing,
            State::Listening { greeting: true } => Phase::Greeting,
            State::Listening { greeting: false } => Phase::Listening,
            State::Replying(reply) if reply.has_spoken() => Phase::Speaking,
            State::Replying(_) => Phase::Thinking,
            State::OnHold => Phase::OnHold,
            State::HumanSpeaks => Phase::HumanSpeaks,
            State::Lost { .. } | State::HandedOver => Phase::Lost,
            State::Ending(_) | State::HangingUp(_) => Phase::Ending,
            State::Transferring { .. } => Phase::Transferring,
            State::Ended => Phase::Ended,
        }
    }

    /// The parts of a call that a snapshot shows.
    pub(crate) fn parts(&self, now: Instant) -> Parts<'_> {
        let started = self.transcript.started.unwrap_or(self.clock.wall);
        let lasted = self.wall(now).duration_since(started).as_millis();
        Parts {
            identity: &self.identity,
            agent: &self.agent.id,
            scenario: self.agent.scenario.as_deref(),
            transcript: &self.transcript,
            phase: self.phase(),
            duration_ms: u64::try_from(lasted).unwrap_or(0),
            estimated_cost_usd: self.cost(now),
        }
    }

    fn bare(
        policy: Arc<Policy>,
        agent: Arc<Agent>,
        identity: Identity,
        transcript: Transcript,
        now: Instant,
        wall: Timestamp,
    ) -> Self {
        let mut playback = Playback::new(policy.chars_per_second);
        if agent.traits == Traits::Speech {
            playback.is_reported();
        }
        Self {
            policy,
            agent,
            identity,
            clock: Clock { start: now, wall },
            state: State::Ringing,
            deadlines: Deadlines::default(),
            transcript,
            playback,
            voice: Voice::default(),
            hearing: Hearing::default(),
            last_said: UtteranceId::default(),
            turn: TurnId::default(),
            reply_due: false,
            model_refused: false,
            caller: CallerInput::default(),
            untold: Untold::default(),
            handing_over: false,
            unprompted: Unprompted::default(),
            asked_at: None,
            line_losses: 0,
            last_written: None,
            answerer: None,
            line_since: None,
            holder_presence: HolderPresence::Unseen,
            counters: Counters::default(),
            outputs: Vec::new(),
        }
    }

    fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    // The steps that the rest is made of.

    /// Emits an event that is stored: numbers it, and applies it to the transcript.
    fn emit(&mut self, now: Instant, body: EventBody) {
        let event = Event {
            body,
            call: self.identity.sid.clone(),
            at: self.wall(now),
            seq: Some(self.transcript.seq + 1),
        };
        self.transcript.apply(&event);
        self.outputs.push(Output::Event(event));
    }

    /// Emits an event that is only shown.
    fn show(&mut self, now: Instant, body: EventBody) {
        let event = Event { body, call: self.identity.sid.clone(), at: self.wall(now), seq: None };
        self.outputs.push(Output::Event(event));
    }

    fn wall(&self, now: Instant) -> Timestamp {
        let since = now.saturating_duration_since(self.clock.start);
        self.clock.wall.saturating_add(since).unwrap_or(self.clock.wall)
    }

    fn measure(&mut self, now: Instant, turn: TurnId, stage: Stage) {
        if let Some(asked) = self.asked_at {
            let ms = now.saturating_duration_since(asked).as_millis();
            let ms = u64::try_from(ms).unwrap_or(u64::MAX);
            self.emit(now, EventBody::Latency { turn, stage, ms });
        }
    }

    fn tell_model(&mut self, order: ToModel) {
        self.outputs.push(Output::Model(order));
    }

    fn tell_line(&mut self, order: ToCarrier) {
        self.outputs.push(Output::Carrier(order));
    }

    /// Counts an input for which the state has no use.
    fn unexpected(&mut self) {
        self.counters.unexpected += 1;
    }

    /// Enters the state that follows from the transcript: human, hold, reply or listening.
    fn settle(&mut self, now: Instant) {
        if self.transcript.takeover.is_some() {
            self.state = State::HumanSpeaks;
            self.expect_holder(now);
        } else if self.transcript.held.is_some() {
            self.hold_for_approval(now);
        } else if !self.transcript.questions.is_empty() {
            self.hold_for_answer(now);
        } else if self.reply_due {
            self.respond(now, &[]);
        } else {
            self.listen(now, false);
        }
    }

    fn listen(&mut self, now: Instant, greeting: bool) {
        self.state = State::Listening { greeting };
        // A goodbye that was called off has cleared the time limit of a question.
        if !self.transcript.questions.is_empty() && !self.deadlines.is_set(Deadline::Question) {
            self.deadlines.set(Deadline::Question, now + self.policy.question_limit);
        }
        if self.playback.is_idle() && !self.caller.audible {
            self.deadlines.set(Deadline::Silence, now + self.policy.silence);
        }
    }

    fn is_replying_unfinished(&self) -> bool {
        matches!(&self.state, State::Replying(reply) if !reply.is_done())
    }
}

/// Whole milliseconds, as in events.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
