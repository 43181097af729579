//! The call itself: its state, and what it does with each input.
//!
//! This file holds the surface and the small verbs that everything else is made of. The inputs are
//! taken in by the files beside it: `line` (carrier), `reply` (model), `supervisor` and `holder`
//! (supervisor), `timeouts` (deadlines) and `ending`.
//!
//! # To add an input or an action
//!
//! Add the variant; the compiler names the match that must know it. Say in every state what happens,
//! `unexpected` where nothing should. Anything that must survive a lost node goes into an event, and
//! what it means goes into `transcript.rs`. Write a golden call.

mod acknowledgement;
mod caller;
mod ending;
mod handover;
mod hang_up;
mod holder;
mod line;
mod outbound;
mod reply;
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
use crate::carrier::{FromCarrier, ToCarrier};
use crate::deadline::{Deadline, Deadlines};
use crate::event::{Answerer, Direction, EndReason, Event, EventBody, Source, Stage};
use crate::ids::{CallSid, PhoneNumber, SupervisorId, TurnId};
use crate::model::{FromModel, ToModel};
use crate::phase::Phase;
use crate::playback::Playback;
use crate::policy::{Agent, Policy};
use crate::transcript::Transcript;

/// Who speaks with whom, over what.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The carrier's name for the call.
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
    /// Who speaks in the call that begins with this event; `None` if it is not a beginning.
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

/// What can happen to a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The line has something to say.
    Carrier(FromCarrier),
    /// The model has something to say.
    Model(FromModel),
    /// The time that [`Call::deadline`] named has come.
    Deadline,
    /// The server stops: end politely.
    Stop,
    /// The server stops, and another goes on with the call: leave the line when nobody speaks.
    HandOver,
    /// The money for all calls together runs out.
    Budget(Budget),
    /// A supervisor can be seen, or no more. Only the one who holds the takeover matters.
    Presence {
        /// Who.
        who: SupervisorId,
        /// What is seen of them.
        presence: Presence,
    },
}

/// How much is left of the money for all calls together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// Little: calls shall come to an end.
    Low,
    /// Nothing: calls end.
    Spent,
}

/// What must be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Tell the line.
    Carrier(ToCarrier),
    /// Tell the model.
    Model(ToModel),
    /// Tell the world.
    Event(Event),
    /// Have the carrier itself end the call: there is no line to do it on. It answers with
    /// [`FromCarrier::HungUp`] or [`FromCarrier::NotHungUp`], unless the call is over by then.
    HangUp,
    /// The call is over: perform what came before, then forget it.
    Finished,
    /// Whoever is asked next goes on with the call: perform what came before, then forget it.
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
    /// The newest turn asked for.
    turn: TurnId,
    /// The caller, or a result, waits for words of the model.
    owed: bool,
    /// Why the model cannot answer at all, if so.
    model_refused: bool,
    caller: CallerInput,
    untold: Untold,
    /// The call is to be handed over.
    leaving: bool,
    unprompted: Unprompted,
    /// When the caller's last words ended, until the answer is audible.
    asked_at: Option<Instant>,
    /// How often the line was lost.
    line_losses: u32,
    /// What the model wrote in the reply that was under way last.
    last_written: Option<Written>,
    /// Who answered, as long as the line is not up.
    answerer: Option<Answerer>,
    /// Since when the line costs money.
    line_since: Option<Instant>,
    holder_presence: HolderPresence,
    counters: Counters,
    outputs: Vec<Output>,
}

/// What came in and was not used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Words of a turn that was over.
    pub late: u64,
    /// Inputs that the state had no use for.
    pub unexpected: u64,
}

/// What a snapshot is made of.
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
    /// What they cut off: said again if they say nothing instead.
    unsaid: Vec<Unsaid>,
    /// A transfer that they were told of has been withdrawn.
    withdrawn: bool,
}

/// How often our side has spoken of its own accord since the caller last spoke.
#[derive(Debug, Clone, Copy, Default)]
struct Unprompted {
    nudges: u32,
    /// Replies, and utterances said again.
    turns: u32,
}

/// What was not heard of an utterance that was cut off, from the sentence on in which it was.
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

/// What the call is doing. Held replies, questions and a human's turn are in the transcript.
#[derive(Debug, Clone)]
enum State {
    /// The line is not up yet.
    Ringing,
    /// The caller has the floor; `greeting` while the opening line plays.
    Listening { greeting: bool },
    /// The model was asked, and thinks or speaks.
    Replying(Box<Reply>),
    /// The caller waits for a supervisor.
    OnHold,
    /// A human speaks.
    HumanSpeaks,
    /// The line is gone and may come back; `returning` when it was we who let it go.
    Lost { since: Instant, returning: bool },
    /// The last words are on their way.
    Ending(Ending),
    /// The carrier is asked to end the call.
    HangingUp(HangingUp),
    /// Somebody else speaks with the caller.
    Transferring { target: PhoneNumber, reason: EndReason },
    /// Somebody else goes on with the call.
    Gone,
    /// Over.
    Ended,
}

impl Call {
    /// A call whose phone rings. `wall` is the wall-clock time at `now`; every later event takes
    /// its time from the two.
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
        };
        call.emit(now, start);
        let outputs = call.take_outputs();
        (call, outputs)
    }

    /// Takes an input in. Whatever it is, the call goes on or ends cleanly.
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

    /// When to come back with [`Input::Deadline`]. `None` only when the call is over, here at least.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Whether the call is over, or at least no longer ours.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Ended | State::Gone)
    }

    /// The call's id.
    #[must_use]
    pub fn sid(&self) -> &CallSid {
        &self.identity.sid
    }

    /// What came in and was not used.
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
            State::Lost { .. } | State::Gone => Phase::Lost,
            State::Ending(_) | State::HangingUp(_) => Phase::Ending,
            State::Transferring { .. } => Phase::Transferring,
            State::Ended => Phase::Ended,
        }
    }

    /// What a snapshot is made of.
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
        let playback = Playback::new(policy.chars_per_second);
        Self {
            policy,
            agent,
            identity,
            clock: Clock { start: now, wall },
            state: State::Ringing,
            deadlines: Deadlines::default(),
            transcript,
            playback,
            turn: TurnId::default(),
            owed: false,
            model_refused: false,
            caller: CallerInput::default(),
            untold: Untold::default(),
            leaving: false,
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

    // The small verbs.

    /// Numbers an event, remembers what it means, and tells the world.
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

    /// Tells who is looking, and nobody else.
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

    /// An input that nothing was waiting for: counted, so that it can be seen.
    fn unexpected(&mut self) {
        self.counters.unexpected += 1;
    }

    /// Gives the floor to whoever must have it now.
    fn settle(&mut self, now: Instant) {
        if self.transcript.takeover.is_some() {
            self.state = State::HumanSpeaks;
            self.expect_holder(now);
        } else if self.transcript.held.is_some() {
            self.hold_for_approval(now);
        } else if !self.transcript.questions.is_empty() {
            self.hold_for_answer(now);
        } else if self.owed {
            self.respond(now, &[]);
        } else {
            self.listen(now, false);
        }
    }

    fn listen(&mut self, now: Instant, greeting: bool) {
        self.state = State::Listening { greeting };
        // A goodbye that was called off has taken the time limit of a question with it.
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

/// Whole milliseconds, as events hold them.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
