//! A call under test, and what is checked after each step.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use phony_call::{
    Action, Agent, Approval, By, Call, CallSid, CommandName, Digits, Direction, Event, EventBody,
    Fault, FromCarrier, FromModel, Identity, Input, Item, ItemBody, LegEnd, LegId, LegReport,
    NotHungUp, Outcome, Output, Parting, Phase, PhoneNumber, Policy, Presence, Source,
    SupervisorId, ToCarrier, ToModel, TurnId,
};

use crate::steps::Step;

#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) policy: Policy,
    pub(crate) agent: Agent,
    pub(crate) call: Call,
    pub(crate) now: Instant,
    start: Instant,
    wall: jiff::Timestamp,
    pub(crate) events: Vec<Event>,
    /// The turn that was asked for, until it is done, cancelled or failed.
    pub(crate) active: Option<TurnId>,
    pub(crate) turn: TurnId,
    /// What was sent of the open utterance, and everything that the model has said, by turn.
    pub(crate) sent: String,
    pub(crate) model_sent: Vec<(TurnId, String)>,
    pub(crate) said: Vec<(String, bool)>,
    /// How often the carrier was asked to end the call.
    hang_ups: usize,
    tools: u32,
    /// How many lines were connected.
    lines: u32,
    /// The line was left, and has not come back.
    left: bool,
    pub(crate) end: Option<End>,
    /// The current attempt, or the reply that it became, has a command to leave the call.
    leaves: bool,
    /// The first supervisor holds the takeover and is present.
    page_is_open: bool,
    /// When somebody last attended to the caller.
    pub(crate) attended: Instant,
}

/// How a call ended on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Finished,
    HandedOver,
}

impl Run {
    pub(crate) fn new(approval: bool, fallback: bool) -> Self {
        Self::of(|_, agent| {
            if approval {
                agent.approval = Approval::Always;
            }
            if fallback {
                agent.transfers.fallback = Some(PhoneNumber::parse("+15005550199").unwrap());
            }
            Direction::Inbound
        })
    }

    /// A call with the given peculiarities.
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    pub(crate) fn of(peculiar: impl FnOnce(&mut Policy, &mut Agent) -> Direction) -> Self {
        let mut agent = Agent::new("assistant");
        agent.greeting = Some("greetings.".into());
        let mut policy = Policy { max_call: Duration::from_mins(5), ..Policy::default() };
        let direction = peculiar(&mut policy, &mut agent);
        let identity = Identity {
            sid: CallSid::parse("CA1").unwrap(),
            from: "a".into(),
            to: "b".into(),
            direction,
            carrier: "test".into(),
        };
        let start = Instant::now();
        let wall = "2026-11-23T09:00:00Z".parse().unwrap();
        let (call, outputs) = Call::new(policy.clone(), agent.clone(), identity, start, wall);
        let mut run = Self {
            policy,
            agent,
            call,
            now: start,
            start,
            wall,
            events: Vec::new(),
            active: None,
            turn: TurnId(0),
            sent: String::new(),
            model_sent: Vec::new(),
            said: Vec::new(),
            hang_ups: 0,
            tools: 0,
            lines: 0,
            left: false,
            end: None,
            leaves: false,
            page_is_open: false,
            attended: start,
        };
        run.take(outputs);
        run
    }

    fn input(&mut self, input: Input) {
        let outputs = self.call.handle(self.now, input);
        self.take(outputs);
        if self.call.phase() != Phase::HumanSpeaks || self.page_is_open {
            self.attended = self.now;
        }
        let alone = self.now - self.attended;
        assert!(alone <= self.policy.takeover_abandoned, "the caller is alone for {alone:?}");
    }

    pub(crate) fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            assert!(self.end.is_none(), "after the end: {output:?}");
            match output {
                Output::Carrier(ToCarrier::Say { token, last, preemptible, .. }) => {
                    assert!(!self.left, "{token:?} into a line that was left");
                    self.sent.push_str(&token);
                    if preemptible {
                        match self.model_sent.last_mut() {
                            Some((turn, text)) if *turn == self.turn => text.push_str(&token),
                            _ => self.model_sent.push((self.turn, self.sent.clone())),
                        }
                    }
                    self.said.push((token, preemptible));
                    if last {
                        self.sent.clear();
                    }
                }
                Output::Carrier(ToCarrier::Press(_)) => {
                    assert!(!self.left, "keys into a line that was left");
                }
                Output::HangUp => self.hang_ups += 1,
                // A new line begins without an open utterance.
                Output::Carrier(ToCarrier::Leave(_)) => {
                    self.sent.clear();
                    self.left = true;
                }
                Output::Model(ToModel::Respond { turn, context }) => {
                    assert_eq!(self.active, None, "{turn} asked for while another is under way");
                    assert!(turn > self.turn, "turns only go up");
                    (self.active, self.turn, self.leaves) = (Some(turn), turn, false);
                    check_context(&context);
                }
                Output::Model(ToModel::Cancel { turn }) => {
                    assert_eq!(self.active, Some(turn), "only what is under way is cancelled");
                    self.active = None;
                }
                Output::Carrier(ToCarrier::Play(_) | ToCarrier::Mark(_) | ToCarrier::Clear)
                | Output::Model(
                    ToModel::Hear(_)
                    | ToModel::Speak { .. }
                    | ToModel::Hush { .. }
                    | ToModel::Truncate { .. }
                    | ToModel::Forget { .. },
                ) => panic!("sound for a model that reads: {output:?}"),
                Output::Event(event) => self.event(event),
                Output::Finished => self.end = Some(End::Finished),
                Output::HandedOver => self.end = Some(End::HandedOver),
            }
        }
        assert_eq!(self.end.is_some(), self.call.is_over());
        assert!(self.end.is_some() || self.call.deadline().is_some(), "a call without a deadline");
        assert!(self.end.is_none() || self.call.deadline().is_none());
    }

    fn event(&mut self, event: Event) {
        let Some(seq) = event.seq else { return };
        if matches!(event.body, EventBody::Takeover { .. } | EventBody::Release { .. }) {
            self.page_is_open = false;
        }
        if matches!(event.body, EventBody::Resumed { .. }) {
            self.left = false;
        }
        if matches!(event.body, EventBody::Interrupt { .. } | EventBody::Resumed { .. }) {
            // The line drops the open utterance.
            self.sent.clear();
        }
        assert_eq!(seq, self.events.len() as u64 + 1, "numbered without gaps");
        if let EventBody::CommandExecuted { command, by: By::Ai, .. } = &event.body
            && matches!(command, CommandName::EndCall | CommandName::Transfer)
        {
            assert!(self.leaves, "{command:?} of an attempt that failed");
        }
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event, "{json}");
        if let EventBody::AssistantResponse { text, source: Source::Model, turn, .. } = &event.body
        {
            let turn = turn.unwrap();
            let all: String = self
                .model_sent
                .iter()
                .filter(|(of, _)| *of <= turn)
                .map(|(_, text)| text.as_str())
                .collect();
            assert!(all.contains(text.as_str()), "{text:?} was heard but {all:?} was sent");
            let from_start =
                self.model_sent.iter().any(|(_, t)| t.trim().starts_with(text.as_str()));
            assert!(from_start || text.is_empty(), "{text:?} is no beginning of {all:?}");
        }
        self.events.push(event);
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of step, side by side")]
    pub(crate) fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(ms) => self.wait(Duration::from_millis(*ms)),
            Step::Connected => {
                self.lines += 1;
                let line = LegId::parse(&format!("L{}", self.lines)).ok();
                self.input(Input::Carrier(FromCarrier::Connected { line }));
            }
            Step::Said(text) => {
                let said = FromCarrier::Said { text: text.clone(), last: true };
                self.input(Input::Carrier(said));
            }
            Step::Partial(text) => {
                let said = FromCarrier::Said { text: text.clone(), last: false };
                self.input(Input::Carrier(said));
            }
            Step::Pressed(digit) => {
                self.input(Input::Carrier(FromCarrier::Pressed { digit: *digit }));
            }
            Step::Interrupted(percent) => {
                let heard = part(&self.sent_last(), *percent);
                self.input(Input::Carrier(FromCarrier::Interrupted { heard }));
            }
            Step::Played(percent) => {
                let text = part(&self.sent_last(), *percent);
                self.input(Input::Carrier(FromCarrier::Played { text }));
            }
            Step::AgentOn(on) => self.input(Input::Carrier(FromCarrier::AgentSpeaking(*on))),
            Step::CallerOn(on) => self.input(Input::Carrier(FromCarrier::CallerSpeaking(*on))),
            Step::Closed(clean) => {
                let closed = FromCarrier::Closed { clean: *clean };
                self.input(Input::Carrier(closed));
            }
            Step::Leg(which) => {
                let dialled = |answered| LegEnd::Dialled {
                    answered,
                    outcome: "no-answer".into(),
                    caller_left: false,
                };
                let end = match which {
                    0 => LegEnd::Completed,
                    1 => LegEnd::Left(Parting::Unsaid),
                    2 => LegEnd::Failed,
                    3 => dialled(true),
                    _ => dialled(false),
                };
                // Every third report names no line; the others name this one or an older one.
                let leg = match self.now.duration_since(self.start).as_millis() % 3 {
                    0 => None,
                    1 => LegId::parse("L1").ok(),
                    _ => LegId::parse(&format!("L{}", self.lines)).ok(),
                };
                let (_, outputs) = self.call.leg_ended(self.now, &LegReport { end, leg });
                self.take(outputs);
            }
            Step::Text(text, cut, current) => {
                let turn = if *current { self.turn } else { TurnId(self.turn.0 / 2) };
                self.leaves |= *current && text.ends_with("]]");
                let at = text.char_indices().nth(*cut).map_or(text.len(), |(at, _)| at);
                for text in [&text[..at], &text[at..]] {
                    if self.active.is_some() || !current {
                        self.input(Input::Model(FromModel::Text { turn, text: text.to_owned() }));
                    }
                }
            }
            Step::Tool(which) => self.tool(*which),
            Step::Done(which) => {
                if let Some(turn) = self.active.take() {
                    self.leaves &= *which != 0;
                    let outcome = match which {
                        0 => Outcome::Filtered,
                        1 => Outcome::TooLong,
                        _ => Outcome::Complete,
                    };
                    self.input(Input::Model(FromModel::Done { turn, outcome, usage: None }));
                }
            }
            Step::Failed(which) => {
                let fault = match which {
                    0 => Fault::Fatal,
                    1 => Fault::Busy,
                    2 => Fault::Passing,
                    _ => Fault::Lost,
                };
                let turn = self.active.take();
                self.leaves &= turn.is_none();
                let failed = FromModel::Failed {
                    turn,
                    fault,
                    code: "x".into(),
                    message: "y".into(),
                    usage: None,
                };
                self.input(Input::Model(failed));
            }
            Step::Act(which, text, who) => self.act(*which, text, *who),
            Step::Answered(who) => {
                self.input(Input::Carrier(FromCarrier::AnsweredBy(*who)));
            }
            Step::Page(open) => {
                let presence = if *open { Presence::Here } else { Presence::GoneSince(self.now) };
                if self.page_is_open {
                    self.attended = self.now;
                }
                self.page_is_open = *open && self.call.holder() == Some(&supervisor(1));
                self.input(Input::Presence { who: supervisor(1), presence });
            }
            Step::Stop => self.input(Input::Stop),
            Step::HandOver => self.input(Input::HandOver),
            Step::Budget(budget) => self.input(Input::Budget(*budget)),
            Step::HungUp(true) => self.input(Input::Carrier(FromCarrier::HungUp)),
            Step::HungUp(false) => {
                let why = NotHungUp { code: None, message: "x".into(), unknown: false };
                self.input(Input::Carrier(FromCarrier::NotHungUp(why)));
            }
        }
    }

    fn tool(&mut self, which: u8) {
        let Some(turn) = self.active else { return };
        let (name, arguments) = match which {
            0 => ("press", r#"{"digits":"3"}"#),
            1 => ("end_call", "{}"),
            2 => ("transfer", r#"{"number":"+19005550100"}"#),
            3 => ("request_user", r#"{"prompt":"MAY I?"}"#),
            4 => ("NONSENSE", "{}"),
            _ => ("press", "{"),
        };
        self.tools += 1;
        self.leaves |= matches!(which, 1 | 2);
        let call_id = format!("call_{}", self.tools);
        let (name, arguments) = (name.to_owned(), arguments.to_owned());
        self.input(Input::Model(FromModel::Tool { turn, call_id, name, arguments }));
    }

    fn act(&mut self, which: u8, text: &str, who: u8) {
        let text = text.to_owned();
        let who = (who > 0).then(|| supervisor(who));
        let action = match which {
            0 => Action::Say { text: format!("SUPERVISOR {text}"), reply: None },
            1 => Action::Press(Digits::parse("5").unwrap()),
            2 => Action::Answer { text, query: None },
            3 => Action::Whisper(text),
            4 => Action::TakeOver,
            5 => Action::Release,
            6 => Action::Reject { reason: Some(text), reply: None },
            7 => Action::Transfer(PhoneNumber::parse("+15005550199").unwrap()),
            8 => {
                let reply = self.active.or(Some(TurnId(1)));
                Action::Say { text: format!("SUPERVISOR {text}"), reply }
            }
            _ => Action::End,
        };
        let before = format!("{:?}", self.call.snapshot(self.now));
        if let Ok(outputs) = self.call.act_as(self.now, who.as_ref(), action) {
            let spoken = |output: &Output| {
                matches!(output, Output::Event(event)
                    if matches!(event.body, EventBody::AssistantOverride { .. }))
            };
            assert!(which != 8 || !outputs.iter().any(spoken), "an approval only approves");
            self.attended = self.now;
            self.take(outputs);
        } else {
            let after = format!("{:?}", self.call.snapshot(self.now));
            assert_eq!(before, after, "a refused action changed the call");
            // A refused action shows that the holder is present, too.
            if who.is_some() && self.call.holder() == who.as_ref() {
                self.attended = self.now;
            }
        }
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..10_000 {
            match self.call.deadline() {
                Some(due) if due <= until => {
                    self.now = self.now.max(due);
                    self.input(Input::Deadline);
                }
                _ => {
                    self.now = until;
                    return;
                }
            }
        }
        panic!("the deadlines never end");
    }

    /// A caller who may be waiting hears something, or the call ends, within a minute.
    pub(crate) fn caller_is_not_forgotten(&self) {
        let waiting = match self.call.phase() {
            // The caller speaks with somebody else.
            Phase::HumanSpeaks | Phase::Transferring | Phase::Ended => false,
            Phase::Ringing
            | Phase::Greeting
            | Phase::Listening
            | Phase::Thinking
            | Phase::Speaking
            | Phase::OnHold
            | Phase::Lost
            | Phase::Ending => true,
        };
        if !waiting || self.end.is_some() {
            return;
        }
        let due = self.call.deadline().unwrap();
        let phase = self.call.phase();
        assert!(
            due <= self.now + Duration::from_mins(1),
            "{phase:?}: nothing in {:?}",
            due - self.now
        );
        // It is not enough that deadlines pass: left alone, the caller hears something, the call
        // ends, or the carrier is asked again to end it.
        let mut alone = self.clone();
        let done = |run: &Self| {
            run.said.iter().filter(|(text, _)| !text.is_empty()).count() + run.hang_ups
        };
        let (before, until) = (done(self), self.now + Duration::from_mins(1));
        while alone.end.is_none() && done(&alone) == before {
            let due = alone.call.deadline().unwrap();
            assert!(due <= until, "{phase:?}: nothing is said in a minute");
            alone.now = alone.now.max(due);
            alone.input(Input::Deadline);
            if matches!(alone.call.phase(), Phase::HumanSpeaks | Phase::Transferring) {
                return;
            }
        }
    }

    fn sent_last(&self) -> String {
        self.said
            .iter()
            .rev()
            .map(|(text, _)| text)
            .find(|t| !t.is_empty())
            .cloned()
            .unwrap_or_default()
    }

    /// The call as another node rebuilds it.
    pub(crate) fn resumed(&self) -> Option<(Call, Vec<Output>)> {
        let (policy, agent) = (self.policy.clone(), self.agent.clone());
        Call::resume(policy, agent, &self.events, self.now, self.wall_now())
    }

    pub(crate) fn wall_now(&self) -> jiff::Timestamp {
        self.wall + (self.now - self.start)
    }
}

fn supervisor(number: u8) -> SupervisorId {
    SupervisorId::parse(&format!("supervisor-{number}")).unwrap()
}

fn part(text: &str, percent: usize) -> String {
    text.chars().take(text.chars().count() * percent / 100).collect()
}

fn check_context(context: &[Item]) {
    let mut ids = HashSet::new();
    for item in context {
        assert!((1..=32).contains(&item.id.to_string().len()));
        assert!(ids.insert(item.id), "the id {} twice", item.id);
    }
    for item in context {
        if let ItemBody::ToolCall(tool) = &item.body {
            let call_id = tool.call_id.as_str();
            let answers = context.iter().filter(
                |i| matches!(&i.body, ItemBody::ToolResult { call_id: c, .. } if &**c == call_id),
            );
            assert_eq!(answers.count(), 1, "the tool call {call_id} must have one result");
        }
    }
}
