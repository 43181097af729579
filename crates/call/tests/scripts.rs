//! Golden calls: every file in `scripts/` is the script of a call, with times on the left, inputs
//! after `<` and outputs after `>`. The test performs the inputs and compares the outputs exactly;
//! with `BLESS=1` it writes the outputs into the file, for a human to review.
//!
//! A new script needs only its inputs. Deadlines pass by themselves.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use phony_call::{
    Action, Agent, Approval, ApprovalRules, ApprovalTimeout, Budget, Call, CallSid, Clip,
    CommandName, Country, Digits, Direction, EndStatus, Event, EventBody, Fault, FromCarrier,
    FromModel, Identity, Input, Item, ItemBody, LegEnd, LegId, LegReport, Next, NotHungUp, Outcome,
    Output, Parting, PhoneNumber, Policy, Presence, SupervisorId, ToCarrier, ToModel, Traits,
    TurnId, Usage, UtteranceId,
};

#[test]
fn every_golden_call_goes_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the folder of scripts is there")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .collect();
    files.sort();
    assert!(files.len() >= 25, "only {} golden calls were found", files.len());
    #[expect(clippy::disallowed_methods, reason = "the one switch of this test")]
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for path in files {
        let written = std::fs::read_to_string(&path).expect("a script can be read");
        let performed = perform(&written);
        if written == performed {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if bless {
            std::fs::write(&path, performed).expect("a script can be written");
        } else {
            wrong.push(format!("--- {name}\n{}", difference(&written, &performed)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Performs the inputs of a script, and returns the script with the outputs that came.
fn perform(script: &str) -> String {
    let mut run = Run::default();
    for line in script.lines() {
        let trimmed = line.trim();
        let mut words = trimmed.splitn(2, char::is_whitespace);
        let first = words.next().unwrap_or_default();
        let rest = words.next().unwrap_or_default().trim();
        if trimmed.is_empty() || first.starts_with('#') {
            run.text.push_str(line);
            run.text.push('\n');
        } else if first == "agent" || first == "policy" {
            run.set(first, rest);
            run.text.push_str(line);
            run.text.push('\n');
        } else if rest.starts_with('<') {
            let at = (first.parse::<f64>().expect("a line begins with the time") * 1000.0).round();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            run.input(at as u64, rest.trim_start_matches('<').trim(), line);
        }
    }
    run.text
}

/// A call that follows a script, and the script as it is written out again.
struct Run {
    policy: Policy,
    agent: Agent,
    direction: Direction,
    call: Option<Call>,
    start: Instant,
    text: String,
    events: Vec<Event>,
    context: Vec<Item>,
    /// How many ids of lines and legs were made up.
    made_up: u32,
    /// The line that was connected and whose end was not reported yet.
    line: Option<LegId>,
    speaker: Speaker,
}

/// The far end of a line that carries sound: plays what it is sent in the time that it takes.
#[derive(Default)]
struct Speaker {
    /// When everything has been played, in microseconds.
    busy_until: u64,
    /// The marks on their way, and when each is reached, in milliseconds.
    marks: VecDeque<(u64, u64)>,
}

impl Speaker {
    fn take(&mut self, ms: u64, order: &ToCarrier) {
        match order {
            ToCarrier::Play(audio) => {
                let takes = u64::try_from(audio.len()).expect("a short sound") * 125;
                self.busy_until = self.busy_until.max(ms * 1000) + takes;
            }
            ToCarrier::Mark(mark) => {
                self.marks.push_back((self.busy_until.div_ceil(1000).max(ms), *mark));
            }
            ToCarrier::Clear => {
                self.busy_until = 0;
                self.marks.iter_mut().for_each(|(at, _)| *at = ms);
            }
            ToCarrier::Say { .. } | ToCarrier::Press(_) | ToCarrier::Leave(_) => {}
        }
    }
}

impl Default for Run {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn default() -> Self {
        let mut agent = Agent::new("assistant");
        agent.greeting = Some("Hello, this is an automated assistant.".into());
        Self {
            policy: Policy::default(),
            agent,
            direction: Direction::Inbound,
            call: None,
            start: Instant::now(),
            text: String::new(),
            events: Vec::new(),
            context: Vec::new(),
            made_up: 0,
            line: None,
            speaker: Speaker::default(),
        }
    }
}

impl Run {
    fn set(&mut self, what: &str, rest: &str) {
        let (key, value) = rest.split_once(' ').unwrap_or((rest, ""));
        let value = value.trim();
        let seconds = || Duration::from_secs_f64(value.parse().expect("seconds"));
        match (what, key) {
            ("agent", "greeting") => self.agent.greeting = quoted(value).map(str::to_owned),
            ("agent", "opens-after") => self.agent.opens_after = Some(seconds()),
            ("agent", "speaks") => self.agent.traits = Traits::Speech,
            ("agent", "interrupt-after") => self.agent.interrupt_after = seconds(),
            ("agent", "no-greeting") => self.agent.greeting = None,
            ("agent", "fallback") => {
                self.agent.transfers.fallback = Some(PhoneNumber::parse(value).unwrap());
            }
            ("agent", "transfers") => {
                let country = Country::parse(value).unwrap();
                self.agent.transfers.countries = [country].into_iter().collect();
            }
            ("agent", "without") => {
                self.agent.commands.retain(|name| name.as_str() != value);
            }
            ("agent", "approval") => {
                self.agent.approval = match value {
                    "always" => Approval::Always,
                    "commands" => {
                        Approval::When(ApprovalRules { commands: true, ..ApprovalRules::default() })
                    }
                    first => Approval::When(ApprovalRules {
                        first: first.parse().expect("a number of replies"),
                        ..ApprovalRules::default()
                    }),
                };
            }
            ("agent", "disclosure") => self.agent.disclosure = quoted(value).map(str::to_owned),
            ("agent", "voicemail") => self.agent.voicemail = quoted(value).map(str::to_owned),
            ("agent", "scenario") => {
                self.direction = Direction::Outbound;
                self.agent.scenario = Some(value.to_owned());
                self.agent.commands.insert(CommandName::DoNotCall);
            }
            ("policy", "max-call") => self.policy.max_call = seconds(),
            ("policy", "takeover-abandoned") => self.policy.takeover_abandoned = seconds(),
            ("policy", "minute") => self.policy.prices.minute = value.parse().expect("dollars"),
            ("policy", "tokens") => {
                self.policy.prices.output_text = value.parse().expect("dollars");
            }
            ("policy", "soft-cost") => self.policy.soft_cost = value.parse().expect("dollars"),
            ("policy", "hard-cost") => self.policy.hard_cost = value.parse().expect("dollars"),
            ("policy", "approval-timeout") => {
                self.policy.approval_timeout =
                    if value == "send" { ApprovalTimeout::Send } else { ApprovalTimeout::AskAgain };
            }
            _ => panic!("unknown setting: {what} {key}"),
        }
    }

    /// Whether the script shows it. In a call with sound, how far words have been heard is recorded
    /// with every mark.
    fn is_shown(&self, output: &Output) -> bool {
        if let Output::Event(event) = output {
            let is_delta = matches!(event.body, EventBody::AssistantDelta { .. });
            let is_heard = matches!(event.body, EventBody::AssistantHeard { .. });
            return !is_delta && (!is_heard || self.agent.traits == Traits::Text);
        }
        !matches!(output, Output::Carrier(ToCarrier::Mark(_)))
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn input(&mut self, ms: u64, input: &str, line: &str) {
        if self.call.is_none() {
            let identity = Identity {
                sid: CallSid::parse("CA1").unwrap(),
                from: "+15005550100".into(),
                to: "+15005550101".into(),
                direction: self.direction,
                carrier: "test".into(),
            };
            let wall = "2026-11-23T09:00:00Z".parse().unwrap();
            let (call, outputs) =
                Call::new(self.policy.clone(), self.agent.clone(), identity, self.start, wall);
            self.call = Some(call);
            self.write(0, outputs);
        }
        self.let_time_pass(ms);
        self.text.push_str(line);
        self.text.push('\n');
        let now = self.at(ms);
        if input == "resume" {
            // The node has died: the stored events remain.
            let wall = "2026-11-23T09:00:00Z".parse::<jiff::Timestamp>().unwrap()
                + Duration::from_millis(ms);
            let (policy, agent) = (self.policy.clone(), self.agent.clone());
            let resumed = Call::resume(policy, agent, &self.events, now, wall);
            let (call, outputs) = resumed.expect("a call that has not ended");
            self.call = Some(call);
            self.write(ms, outputs);
            return;
        }
        let call = self.call.as_mut().expect("the call has begun");
        let (who, what) = input.split_once(' ').unwrap_or((input, ""));
        let what = what.trim();
        // A supervisor may have a name, as in `supervisor:ann`.
        let (who, name) = who
            .split_once(':')
            .map_or((who, None), |(who, name)| (who, Some(SupervisorId::parse(name).unwrap())));
        let outputs = match who {
            "carrier" if what.starts_with("connected") => {
                let named = what.strip_prefix("connected line ");
                let line =
                    named.map_or_else(|| made_up(&mut self.made_up), |id| LegId::parse(id).ok());
                self.line.clone_from(&line);
                call.handle(now, Input::Carrier(FromCarrier::Connected { line }))
            }
            "carrier" => call.handle(now, Input::Carrier(from_carrier(what))),
            "model" => call.handle(now, Input::Model(from_model(what))),
            "stop" => call.handle(now, Input::Stop),
            "handover" => call.handle(now, Input::HandOver),
            "budget" => {
                let budget = if what == "low" { Budget::Low } else { Budget::Spent };
                call.handle(now, Input::Budget(budget))
            }
            "." => Vec::new(),
            "supervisor" => match call.act_as(now, name.as_ref(), action(what)) {
                Ok(outputs) => outputs,
                Err(refused) => {
                    let _ = writeln!(self.text, "{}  > refused   {refused}", time(ms));
                    Vec::new()
                }
            },
            "page" => {
                let open = what == "open";
                let presence = if open { Presence::Here } else { Presence::GoneSince(now) };
                let who = name.expect("whose page it is, as in `page:ann`");
                call.handle(now, Input::Presence { who, presence })
            }
            "leg" => {
                let (what, named) = match what.split_once(" of ") {
                    Some((what, named)) => (what, Some(named)),
                    None => (what, None),
                };
                let end = leg(what);
                let leg = match (named, &end) {
                    (Some(id), _) => LegId::parse(id).ok(),
                    (None, LegEnd::Dialled { .. }) => made_up(&mut self.made_up),
                    (None, _) => self.line.take().or_else(|| made_up(&mut self.made_up)),
                };
                let (next, outputs) = call.leg_ended(now, &LegReport { end, leg });
                self.write(ms, outputs);
                let next =
                    next.map_or_else(|| "when the line has ended".into(), |next| next_words(&next));
                let _ = writeln!(self.text, "{}  > next      {next}", time(ms));
                return;
            }
            _ => panic!("nobody is called {who}"),
        };
        self.write(ms, outputs);
    }

    fn let_time_pass(&mut self, until: u64) {
        for _ in 0..1000 {
            let call = self.call.as_mut().expect("the call has begun");
            let mark = self.speaker.marks.front().copied().filter(|(at, _)| *at <= until);
            if let Some((ms, mark)) = mark
                && call.deadline().is_none_or(|due| self.start + Duration::from_millis(ms) <= due)
            {
                self.speaker.marks.pop_front();
                let now = self.start + Duration::from_millis(ms);
                let outputs = call.handle(now, Input::Carrier(FromCarrier::Marked(mark)));
                if outputs.iter().any(|output| self.is_shown(output)) {
                    let _ = writeln!(self.text, "{}  . played to mark {mark}", time(ms));
                }
                self.write(ms, outputs);
                continue;
            }
            let Some(due) = call.deadline() else { return };
            if due > self.start + Duration::from_millis(until) {
                return;
            }
            let outputs = call.handle(due, Input::Deadline);
            let ms = u64::try_from((due - self.start).as_millis()).unwrap();
            if !outputs.is_empty() {
                let _ = writeln!(self.text, "{}  . time", time(ms));
            }
            self.write(ms, outputs);
        }
        panic!("the deadlines never end");
    }

    fn write(&mut self, ms: u64, outputs: Vec<Output>) {
        for output in outputs {
            if let Output::Carrier(order) = &output {
                self.speaker.take(ms, order);
            }
            if !self.is_shown(&output) {
                if let Output::Event(event) = &output
                    && event.is_stored()
                {
                    self.events.push(event.clone());
                }
                continue;
            }
            let words = match output {
                Output::Carrier(order) => format!("carrier   {}", carrier_words(&order)),
                Output::Model(ToModel::Cancel { turn }) => format!("model     cancel {turn}"),
                Output::Model(ToModel::Hear(audio)) => {
                    format!("model     hear {} ms", millis_of(&audio))
                }
                Output::Model(ToModel::Speak { words, text }) => {
                    format!("model     speak {words} {text:?}")
                }
                Output::Model(ToModel::Hush { words }) => format!("model     hush {words}"),
                Output::Model(ToModel::Truncate { turn, part, heard }) => {
                    format!("model     truncate {turn} part {part} at {} ms", heard.as_millis())
                }
                Output::Model(ToModel::Forget { turn, part }) => {
                    format!("model     forget {turn} part {part}")
                }
                Output::Model(ToModel::Respond { turn, context }) => {
                    let known = self.context.iter().zip(&context).take_while(|(a, b)| a == b);
                    let news: Vec<String> =
                        context.iter().skip(known.count()).map(item_words).collect();
                    self.context = context;
                    format!("model     respond {turn} + {}", news.join(" + "))
                }
                Output::Event(event) => {
                    if event.is_stored() {
                        self.events.push(event.clone());
                    }
                    if matches!(event.body, EventBody::AssistantDelta { .. }) {
                        continue;
                    }
                    format!("event     {}", event_words(&event))
                }
                Output::HangUp => "hang up at the carrier".into(),
                Output::Finished => "finished".into(),
                Output::HandedOver => "handed over".into(),
            };
            let _ = writeln!(self.text, "{}  > {}", time(ms), words.trim_end());
        }
    }
}

fn time(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

fn quoted(text: &str) -> Option<&str> {
    text.trim().strip_prefix('"')?.strip_suffix('"')
}

/// Words in quotes, which are read as JSON if they contain a backslash.
fn text_of(text: &str) -> String {
    if text.contains('\\')
        && let Ok(text) = serde_json::from_str(text)
    {
        return text;
    }
    quoted(text).unwrap_or(text).to_owned()
}

fn from_carrier(words: &str) -> FromCarrier {
    let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
    match verb {
        "said" => FromCarrier::Said { text: text_of(rest), last: true },
        "saying" => FromCarrier::Said { text: text_of(rest), last: false },
        "audio" => FromCarrier::Audio(sound(rest)),
        "pressed" => FromCarrier::Pressed { digit: rest.chars().next().expect("a digit") },
        "interrupted" => FromCarrier::Interrupted { heard: text_of(rest) },
        "played" => FromCarrier::Played { text: text_of(rest) },
        "agent" => FromCarrier::AgentSpeaking(rest == "on"),
        "caller" => FromCarrier::CallerSpeaking(rest == "on"),
        "trouble" => FromCarrier::Trouble { code: Some(64107), message: text_of(rest) },
        "closed" => FromCarrier::Closed { clean: rest == "clean" },
        "progress" => FromCarrier::Progress(word(rest)),
        "answered-by" => FromCarrier::AnsweredBy(word(rest)),
        "hung-up" => FromCarrier::HungUp,
        "not-hung-up" => {
            FromCarrier::NotHungUp(NotHungUp { code: None, message: text_of(rest), unknown: false })
        }
        "over" => FromCarrier::Over {
            status: match rest {
                "busy" => EndStatus::Busy,
                "no-answer" => EndStatus::NoAnswer,
                "failed" => EndStatus::Failed,
                "canceled" => EndStatus::Canceled,
                _ => EndStatus::Completed,
            },
        },
        _ => panic!("the carrier cannot say {words}"),
    }
}

/// A value as events spell it.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_value(text.into()).expect("a word of the events")
}

fn from_model(words: &str) -> FromModel {
    let (turn, rest) = match words.strip_prefix('#') {
        Some(rest) => {
            let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            (Some(TurnId(number.parse().expect("a turn's number"))), rest)
        }
        None => (None, words),
    };
    let (verb, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let known = || turn.expect("a turn");
    match verb {
        "ready" => FromModel::Ready,
        "sound" => {
            let (part, rest) = match rest.strip_prefix("part ") {
                Some(rest) => rest.split_once(' ').expect("a part and its length"),
                None => ("0", rest),
            };
            let clip = Clip::Reply { turn: known(), part: part.parse().expect("a part") };
            FromModel::Audio { clip, audio: sound(rest) }
        }
        "sounded" => {
            let clip = Clip::Reply { turn: known(), part: rest.parse().unwrap_or(0) };
            FromModel::AudioDone { clip, said: None }
        }
        "words" => {
            let (number, rest) = rest.split_once(' ').expect("a number and what came of it");
            let clip = Clip::Words(number.parse().expect("a number"));
            match rest.split_once(' ') {
                Some(("said", text)) => FromModel::AudioDone { clip, said: Some(text_of(text)) },
                Some(("sound", length)) => FromModel::Audio { clip, audio: sound(length) },
                _ => FromModel::AudioDone { clip, said: None },
            }
        }
        "caller" => FromModel::CallerSpeaking(rest == "on"),
        "caller-said" => {
            FromModel::CallerSaid { utterance: UtteranceId(rest.parse().expect("a number")) }
        }
        "understood" | "understanding" => {
            let (number, text) = rest.split_once(' ').unwrap_or((rest, ""));
            let utterance = UtteranceId(number.parse().expect("a number"));
            let text = quoted(text).map(str::to_owned);
            FromModel::Understood { utterance, text, last: verb == "understood" }
        }
        "text" => FromModel::Text { turn: known(), text: text_of(rest) },
        "tool" => {
            let mut parts = rest.splitn(3, ' ');
            let mut part = || parts.next().unwrap_or_default().to_owned();
            FromModel::Tool { turn: known(), call_id: part(), name: part(), arguments: part() }
        }
        "spent" => FromModel::Done {
            turn: known(),
            outcome: Outcome::Complete,
            usage: Some(Usage {
                output_text_tokens: rest.parse().expect("tokens"),
                ..Usage::default()
            }),
        },
        "done" => FromModel::Done {
            turn: known(),
            outcome: match rest {
                "too-long" => Outcome::TooLong,
                "filtered" => Outcome::Filtered,
                _ => Outcome::Complete,
            },
            usage: None,
        },
        "failed" => FromModel::Failed {
            turn,
            fault: match rest {
                "busy" => Fault::Busy,
                "lost" => Fault::Lost,
                "fatal" => Fault::Fatal,
                _ => Fault::Passing,
            },
            code: rest.to_owned(),
            message: "…".into(),
            usage: None,
        },
        _ => panic!("the model cannot say {words}"),
    }
}

/// Silence of this many milliseconds.
fn sound(ms: &str) -> Bytes {
    vec![0xff; ms.parse::<usize>().expect("milliseconds") * 8].into()
}

fn action(words: &str) -> Action {
    let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
    let (meant, rest) = meant(rest);
    let turn = meant.map(TurnId);
    match verb {
        "say" => Action::Say { text: text_of(rest), reply: turn },
        "press" => Action::Press(Digits::parse(rest).unwrap()),
        "end" => Action::End,
        "transfer" => Action::Transfer(PhoneNumber::parse(rest).unwrap()),
        "answer" => Action::Answer { text: text_of(rest), query: meant.map(u64::from) },
        "whisper" => Action::Whisper(text_of(rest)),
        "takeover" => Action::TakeOver,
        "release" => Action::Release,
        "reject" => Action::Reject { reason: quoted(rest).map(str::to_owned), reply: turn },
        _ => panic!("a supervisor cannot {words}"),
    }
}

/// The turn or event that an action names, if it does, as in `#1 "words"`.
fn meant(rest: &str) -> (Option<u32>, &str) {
    let Some(named) = rest.strip_prefix('#') else { return (None, rest) };
    let (number, rest) = named.split_once(' ').unwrap_or((named, ""));
    (Some(number.parse().expect("a number")), rest)
}

/// The id of a line or leg that a script does not name.
fn made_up(count: &mut u32) -> Option<LegId> {
    *count += 1;
    LegId::parse(&format!("made-up-{count}")).ok()
}

fn leg(words: &str) -> LegEnd {
    match words {
        "completed" => LegEnd::Completed,
        "left" => LegEnd::Left(Parting::Unsaid),
        "left hangup" => LegEnd::Left(Parting::HangUp),
        "left reconnect" => LegEnd::Left(Parting::Return),
        "left transfer" => {
            LegEnd::Left(Parting::Transfer(PhoneNumber::parse("+15005550177").unwrap()))
        }
        "failed" => LegEnd::Failed,
        "answered" => dialled(true, "completed", false),
        "answered caller-left" => dialled(true, "completed", true),
        outcome => match outcome.strip_suffix(" caller-left") {
            Some(outcome) => dialled(false, outcome, true),
            None => dialled(false, outcome, false),
        },
    }
}

fn dialled(answered: bool, outcome: &str, caller_left: bool) -> LegEnd {
    LegEnd::Dialled { answered, outcome: outcome.into(), caller_left }
}

fn next_words(next: &Next) -> String {
    match next {
        Next::HangUp => "hang up".into(),
        Next::Dial { target, .. } => format!("dial {target}"),
        Next::Reconnect => "reconnect".into(),
        Next::Apologise { text } => format!("apologise {text:?}"),
        Next::Nothing => "nothing".into(),
    }
}

fn carrier_words(order: &ToCarrier) -> String {
    match order {
        ToCarrier::Say { token, last, preemptible, interruptible } => {
            let mut words = format!("say {token:?}");
            for (is, word) in
                [(*last, " last"), (*preemptible, " preemptible"), (!interruptible, " firm")]
            {
                if is {
                    words.push_str(word);
                }
            }
            words
        }
        ToCarrier::Press(digits) => format!("press {digits}"),
        ToCarrier::Play(audio) => format!("play {} ms", millis_of(audio)),
        ToCarrier::Mark(mark) => format!("mark {mark}"),
        ToCarrier::Clear => "clear".to_owned(),
        ToCarrier::Leave(next) => format!("leave: {}", next_words(next)),
    }
}

fn item_words(item: &Item) -> String {
    match &item.body {
        ItemBody::User { text, heard: None } => format!("user {text:?}"),
        ItemBody::User { text, heard: Some(UtteranceId(heard)) } => {
            format!("heard {heard} {text:?}")
        }
        ItemBody::Assistant { text, verbatim: Some(turn) } => format!("own {turn} {text:?}"),
        ItemBody::Assistant { text, verbatim: None } => format!("said {text:?}"),
        ItemBody::Note(text) => format!("note {text:?}"),
        ItemBody::ToolCall(tool) => format!("tool {} {}", tool.call_id, tool.name),
        ItemBody::ToolResult { call_id, output } => format!("result {call_id} {output}"),
    }
}

/// An event on one line: its type, then its fields as stored.
fn event_words(event: &Event) -> String {
    let serde_json::Value::Object(mut fields) = serde_json::to_value(event).unwrap() else {
        panic!("an event is an object");
    };
    let mut words = fields["type"].as_str().unwrap().to_owned();
    for known in ["type", "callSid", "timestamp", "seq"] {
        fields.remove(known);
    }
    for (key, value) in fields {
        if value.as_str().is_some_and(|id| id.starts_with("made-up-")) {
            continue;
        }
        let _ = write!(words, " {key}={value}");
    }
    words
}

fn difference(written: &str, performed: &str) -> String {
    let (a, b): (Vec<_>, Vec<_>) = (written.lines().collect(), performed.lines().collect());
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(4);
    let show = |lines: &[&str]| {
        lines.iter().skip(from).take(14).fold(String::new(), |text, line| text + "  " + line + "\n")
    };
    format!("written:\n{}performed:\n{}", show(&a), show(&b))
}

#[test]
fn the_commands_have_their_names() {
    let names = [
        (CommandName::Press, "press"),
        (CommandName::Transfer, "transfer"),
        (CommandName::EndCall, "end_call"),
        (CommandName::RequestUser, "request_user"),
        (CommandName::DoNotCall, "do_not_call"),
    ];
    for (name, word) in names {
        assert_eq!(serde_json::to_value(name).unwrap(), word);
        assert_eq!(name.as_str(), word);
    }
}

/// How long the sound lasts.
fn millis_of(audio: &[u8]) -> usize {
    audio.len() / 8
}
