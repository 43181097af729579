//! What must hold for every call, whatever happens in it.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use phony_call::{
    Action, Agent, Answerer, Approval, Budget, By, Call, CallSid, Command, CommandName, Digits,
    Direction, Event, EventBody, Fault, FromCarrier, FromModel, Identity, Input, Item, ItemBody,
    LegEnd, NotHungUp, Outcome, Output, Parting, Phase, PhoneNumber, Phrases, Piece, Policy,
    Presence, Scanner, Source, SupervisorId, ToCarrier, ToModel, TurnId,
};
use proptest::prelude::*;

/// One thing that may happen, at any time.
#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Connected,
    Said(String),
    Partial(String),
    Pressed(char),
    /// So many percent of what is being spoken were heard.
    Interrupted(usize),
    Played(usize),
    AgentOn(bool),
    CallerOn(bool),
    Closed(bool),
    Leg(u8),
    /// Words of the model, of the turn that was asked for or of an old one, in two pieces.
    Text(String, usize, bool),
    Tool(u8),
    Done(u8),
    Failed(u8),
    /// A supervisor orders something: nobody known, or one of two.
    Act(u8, String, u8),
    /// The first supervisor opens a page, or closes it.
    Page(bool),
    Answered(Answerer),
    Stop,
    HandOver,
    Budget(Budget),
    /// The carrier has ended the call, as it was asked to, or has not.
    HungUp(bool),
}

fn words() -> impl Strategy<Value = String> {
    // Some of them let happen what was announced.
    prop_oneof![
        4 => "[a-z]{1,6}( [a-z]{1,6}){0,4}[.?]? ",
        1 => prop::sample::select(vec!["okay. ", "thanks "]).prop_map(str::to_owned),
    ]
}

/// Text of a model: words, and commands whose every character is an upper-case letter, a digit or
/// a sign that the words do not use.
fn model_text() -> impl Strategy<Value = String> {
    let command = prop_oneof![
        Just("[[press:12#]]".to_owned()),
        Just("[[end_call]]".to_owned()),
        Just("[[transfer]]".to_owned()),
        Just("[[transfer:+19005550100]]".to_owned()),
        Just("[[request_user:MAY I?]]".to_owned()),
        Just("[[NONSENSE:1]]".to_owned()),
        Just("[[press:".to_owned()),
        Just("1]]".to_owned()),
    ];
    // What is for a page or a machine, each with signs that the words do not use.
    let silent = prop::sample::select(vec![
        "**",
        " *abc* ",
        "<b>",
        "</b> ",
        "`",
        "\n# ",
        "\u{0}",
        "\u{1b}[1m",
        "\u{fffd}",
        "\u{200b}",
        " transfer({\"number\": \"+15005550100\"})",
        " press(\"1\") ",
        " end_call() ",
        " functions.request_user({\"prompt\": \"MAY I?\"}) ",
        " {\"digits\": \"1\"}",
        " [end_call] ",
        "<think>HIDDEN</think>",
        "\n- ",
        "\u{2026}",
        " \n",
    ]);
    prop_oneof![6 => words(), 2 => command, 2 => silent.prop_map(str::to_owned)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop_oneof![4 => 0u64..6000, 2 => 0u64..300, 1 => 0u64..70_000].prop_map(Step::Wait),
        1 => Just(Step::Connected),
        6 => words().prop_map(Step::Said),
        4 => words().prop_map(Step::Partial),
        3 => prop::sample::select(vec!['1', '2', '#', '*', 'x']).prop_map(Step::Pressed),
        3 => (0usize..=100).prop_map(Step::Interrupted),
        5 => (0usize..=100).prop_map(Step::Played),
        4 => any::<bool>().prop_map(Step::AgentOn),
        3 => any::<bool>().prop_map(Step::CallerOn),
        1 => any::<bool>().prop_map(Step::Closed),
        1 => (0u8..5).prop_map(Step::Leg),
        14 => (model_text(), 0usize..12, prop::bool::weighted(0.9))
            .prop_map(|(text, cut, current)| Step::Text(text, cut, current)),
        2 => (0u8..6).prop_map(Step::Tool),
        5 => (0u8..4).prop_map(Step::Done),
        2 => (0u8..5).prop_map(Step::Failed),
        3 => (0u8..10, words(), 0u8..3).prop_map(|(which, text, who)| Step::Act(which, text, who)),
        1 => any::<bool>().prop_map(Step::Page),
        1 => prop::sample::select(vec![Answerer::Human, Answerer::Machine, Answerer::MachineReady])
            .prop_map(Step::Answered),
        1 => Just(Step::Stop),
        1 => Just(Step::HandOver),
        1 => prop::sample::select(vec![Budget::Low, Budget::Spent]).prop_map(Step::Budget),
        1 => any::<bool>().prop_map(Step::HungUp),
    ]
}

fn a_call() -> impl Strategy<Value = (Vec<Step>, u8, bool)> {
    (prop::collection::vec(step(), 1..60), 0u8..3, any::<bool>())
}

#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states of one machine")]
struct Run {
    policy: Policy,
    agent: Agent,
    call: Call,
    now: Instant,
    start: Instant,
    wall: jiff::Timestamp,
    events: Vec<Event>,
    /// The turn that was asked for and is not yet done, cancelled or failed.
    active: Option<TurnId>,
    turn: TurnId,
    /// What has been sent of the utterance that is open, and everything of the model's so far.
    sent: String,
    model_sent: Vec<(TurnId, String)>,
    said: Vec<(String, bool)>,
    /// How often the carrier was asked to end the call.
    hang_ups: usize,
    tools: u32,
    /// The line was left, and no new one has come.
    left: bool,
    finished: bool,
    handed_over: bool,
    /// The attempt under way, or the reply that came of it, has a command to leave the call.
    leaves: bool,
    /// The first supervisor holds the call and has a page open.
    page_is_open: bool,
    /// When somebody was last known to look after the caller.
    attended: Instant,
}

impl Run {
    fn new(approval: bool, fallback: bool) -> Self {
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

    /// A call with what is peculiar to it.
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn of(peculiar: impl FnOnce(&mut Policy, &mut Agent) -> Direction) -> Self {
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
            left: false,
            finished: false,
            handed_over: false,
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

    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            assert!(!self.finished, "after the end: {output:?}");
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
                // A new session begins with no utterance open.
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
                Output::Event(event) => self.event(event),
                Output::Finished => self.finished = true,
                Output::HandedOver => (self.finished, self.handed_over) = (true, true),
            }
        }
        assert_eq!(self.finished, self.call.is_over());
        assert!(self.finished || self.call.deadline().is_some(), "a call without a deadline");
        assert!(!self.finished || self.call.deadline().is_none());
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
            // The line forgets the utterance, and with it that it was open.
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
    fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(ms) => self.wait(Duration::from_millis(*ms)),
            Step::Connected => self.input(Input::Carrier(FromCarrier::Connected)),
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
                let (_, outputs) = self.call.leg_ended(self.now, end);
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
            // Whoever gave it is there all the same.
            if who.is_some() && self.call.holder() == who.as_ref() {
                self.attended = self.now;
            }
        }
    }

    fn wait(&mut self, time: Duration) {
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

    /// A caller who may be waiting is waited for: something happens in less than a minute.
    fn caller_is_not_forgotten(&self) {
        let waiting = match self.call.phase() {
            // With whom they speak is not ours to hurry.
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
        if !waiting || self.finished {
            return;
        }
        let due = self.call.deadline().unwrap();
        let phase = self.call.phase();
        assert!(
            due <= self.now + Duration::from_mins(1),
            "{phase:?}: nothing in {:?}",
            due - self.now
        );
        // And it is not only looked at again and again: left alone, they hear from us, or it is over,
        // or the carrier is asked once more to end it.
        let mut alone = self.clone();
        let done = |run: &Self| {
            run.said.iter().filter(|(text, _)| !text.is_empty()).count() + run.hang_ups
        };
        let (before, until) = (done(self), self.now + Duration::from_mins(1));
        while !alone.finished && done(&alone) == before {
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

    /// The call as somebody else finds it in the store.
    fn resumed(&self) -> Option<(Call, Vec<Output>)> {
        let (policy, agent) = (self.policy.clone(), self.agent.clone());
        Call::resume(policy, agent, &self.events, self.now, self.wall_now())
    }

    fn wall_now(&self) -> jiff::Timestamp {
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

fn canned() -> Vec<String> {
    let p = Phrases::default();
    vec![
        "greetings.".into(),
        p.filler,
        p.nudge,
        p.silence_goodbye,
        p.hold,
        p.still_holding,
        p.apology_transfer,
        p.apology_goodbye,
        p.time_goodbye,
        p.back_again,
        p.say_again,
        p.shutdown_goodbye,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn every_call_keeps_its_promises((steps, setting, fallback) in a_call()) {
        let mut run = Run::new(setting == 2, fallback);
        if setting > 0 {
            run.step(&Step::Connected);
        }
        for step in &steps {
            run.step(step);
        }
        // No command is ever spoken, and nothing unapproved where approval is on.
        let canned = canned();
        for (token, model) in &run.said {
            let ours = token.is_empty() || canned.contains(token) || token.starts_with("SUPERVISOR");
            if *model && !ours {
                prop_assert!(setting != 2, "{token:?} was spoken without approval");
                let plain = |c: char| c.is_ascii_lowercase() || " .?1]\u{2026}".contains(c);
                prop_assert!(token.chars().all(plain), "{token:?} was spoken");
                for name in ["press", "transfer", "functions"] {
                    prop_assert!(!token.contains(name), "{token:?} was spoken");
                }
            }
        }
        // Left alone, the call ends, and no question stays open.
        run.wait(Duration::from_secs(100_000));
        prop_assert!(run.finished);
        if run.handed_over {
            prop_assert!(run.resumed().is_some(), "handed over, and nobody can go on with it");
            return Ok(());
        }
        let ended = serde_json::to_value(run.call.snapshot(run.now)).unwrap();
        prop_assert!(ended["question"].is_null() && ended["heldReply"].is_null(), "{ended}");
        let ends = run.events.iter().filter(|e| matches!(e.body, EventBody::SessionEnd { .. }));
        prop_assert_eq!(ends.count(), 1);
        let last = &run.events.last().unwrap().body;
        let ended = matches!(last, EventBody::SessionEnd { .. });
        prop_assert!(ended, "the last event is {last:?}");
        for step in &steps {
            run.step(step);
        }
    }

    #[test]
    fn a_caller_who_waits_is_not_forgotten(
        (steps, setting, fallback) in (prop::collection::vec(step(), 1..60), 0u8..6, any::<bool>()),
    ) {
        let mut run = Run::of(|policy, agent| {
            policy.max_call = Duration::from_hours(100);
            if fallback {
                agent.transfers.fallback = Some(PhoneNumber::parse("+15005550199").unwrap());
            }
            match setting {
                1 => agent.approval = Approval::Always,
                2 => agent.greeting = None,
                3 => agent.opens_after = Some(Duration::from_secs(3)),
                4 => agent.voicemail = Some("message.".into()),
                _ => {}
            }
            if setting < 3 { Direction::Inbound } else { Direction::Outbound }
        });
        if setting > 0 {
            run.step(&Step::Connected);
        }
        for step in &steps {
            run.step(step);
            run.caller_is_not_forgotten();
        }
    }

    #[test]
    fn a_call_rebuilt_from_its_events_is_the_same((steps, setting, fallback) in a_call()) {
        let mut run = Run::new(setting == 2, fallback);
        run.step(&Step::Connected);
        for step in &steps {
            run.step(step);
        }
        run.step(&Step::Closed(false));
        let resumed = Call::resume(
            run.policy.clone(), run.agent.clone(), &run.events, run.now, run.wall_now(),
        );
        prop_assert_eq!(resumed.is_none(), run.finished && !run.handed_over);
        let Some((mut resumed, news)) = resumed else { return Ok(()) };
        prop_assert_eq!(news, []);
        // Being transferred is not resumed: who answers is not ours to say.
        if run.handed_over || run.call.phase() != Phase::Lost { return Ok(()) }
        let same = |call: &Call| {
            let mut snapshot = serde_json::to_value(call.snapshot(run.now)).unwrap();
            snapshot.as_object_mut().unwrap().remove("counters");
            snapshot
        };
        prop_assert_eq!(same(&run.call), same(&resumed));
        let kept = run.call.handle(run.now, Input::Carrier(FromCarrier::Connected));
        let rebuilt = resumed.handle(run.now, Input::Carrier(FromCarrier::Connected));
        let contexts = |outputs: &[Output]| outputs.iter().find_map(|output| match output {
            Output::Model(ToModel::Respond { context, .. }) => Some(context.clone()),
            Output::Model(ToModel::Cancel { .. })
            | Output::Carrier(_)
            | Output::Event(_)
            | Output::HangUp
            | Output::Finished
            | Output::HandedOver => None,
        });
        if let (Some(kept), Some(rebuilt)) = (contexts(&kept), contexts(&rebuilt)) {
            prop_assert_eq!(kept, rebuilt);
        }
    }

    #[test]
    fn a_call_whose_node_dies_goes_on_where_it_was((steps, setting, fallback) in a_call()) {
        let mut run = Run::new(setting == 2, fallback);
        run.step(&Step::Connected);
        for step in &steps {
            run.step(step);
        }
        let Some((call, news)) = run.resumed() else {
            prop_assert!(run.finished);
            return Ok(());
        };
        let before = serde_json::to_value(run.call.snapshot(run.now)).unwrap();
        // The words that were heard stay heard, whoever goes on.
        let heard = run.events.iter().rev().find_map(|event| {
            let EventBody::AssistantHeard { text, source, .. } = &event.body else { return None };
            (*source != Source::Supervisor).then(|| text.clone())
        });
        (run.call, run.active, run.finished, run.handed_over) = (call, None, false, false);
        // Whoever holds it looks for it where it is now.
        run.attended = run.now;
        // A turn that left no trace is asked for under the same number, of another model.
        run.turn = TurnId(0);
        run.take(news);
        let after = serde_json::to_value(run.call.snapshot(run.now)).unwrap();
        for same in ["question", "heldReply", "human", "costUsd", "startedAt"] {
            prop_assert_eq!(&before[same], &after[same]);
        }
        if let Some(heard) = heard {
            let turns = after["turns"].as_array().unwrap().clone();
            let kept = |turn: &serde_json::Value| turn["text"].as_str().unwrap().contains(&heard);
            prop_assert!(turns.iter().any(kept), "{heard:?} was heard and is forgotten");
        }
        run.sent.clear();
        run.model_sent.push((TurnId(0), String::new()));
        run.step(&Step::Connected);
        for step in &steps {
            run.step(step);
        }
        run.wait(Duration::from_secs(100_000));
        prop_assert!(run.finished);
    }

    #[test]
    fn nothing_of_a_command_is_spoken_and_everything_else_is(
        parts in prop::collection::vec(prop_oneof![
            "[a-z \\[]{0,8}[a-z ]".prop_map(|t| (t, false)),
            prop::sample::select(vec![
                "[[press:12#w*]]", "[[transfer:+15005550123]]", "[[transfer]]", "[[end_call]]",
                "[[request_user:WHAT [NOW], PLEASE?]]", "[[NO:THING]]", "[[]]", "[[PRESS:1]]",
            ]).prop_map(|t| (t.to_owned(), true)),
        ], 0..12),
        cuts in prop::collection::vec(1usize..7, 0..60),
    ) {
        // A text part never ends in a bracket, so that parts do not run into one another; two
        // brackets within one would be the beginning of a command.
        let parts: Vec<(String, bool)> = parts.into_iter()
            .map(|(t, command)| if command { (t, true) } else { (t.replace("[[", "["), false) })
            .map(|(t, command)| if command { (t, true) } else { (t.replace("[[", "["), false) })
            .map(|(t, command)| if command { (t, true) } else { (t.replace("[[", "["), false) })
            .collect();
        let whole: String = parts.iter().map(|(t, _)| t.as_str()).collect();
        let plain: String = parts.iter().filter(|(_, c)| !c).map(|(t, _)| t.as_str()).collect();
        let mut scanner = Scanner::default();
        let (mut spoken, mut done, mut rest) = (String::new(), 0, whole.as_str());
        let mut take = |piece: Piece| match piece {
            Piece::Text(text) => spoken.push_str(&text),
            Piece::Command(command) => { let _: Command = command; done += 1; }
            Piece::Malformed(_) => done += 1,
        };
        for cut in cuts {
            let at = cut.min(rest.len());
            let (head, tail) = rest.split_at(at);
            scanner.push(head).into_iter().for_each(&mut take);
            rest = tail;
        }
        scanner.push(rest).into_iter().for_each(&mut take);
        scanner.finish().into_iter().for_each(&mut take);
        prop_assert_eq!(spoken, plain);
        prop_assert_eq!(done, parts.iter().filter(|(_, c)| *c).count());
    }
}
