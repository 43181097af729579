//! A call as it is told to people while it happens: who said what, when, and what it took.

use jiff::Timestamp;
use phony_call::{
    Answerer, By, Direction, EndReason, Event, EventBody, Source, Stage, TurnId, Usage,
};
use phony_wire::twilio::relay::{FromTwilio, Info};

use super::ui::{Style, Ui, clean};
use crate::store::summary::wire_name;
use phony_simulator::twilio::{FrameSeen, Sender};

/// A moment on the line that no event of the server tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) what: OnLine,
}

/// What happened on the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnLine {
    AgentBegan,
    CallerBegan,
    CallerStopped,
    /// The caller's words were told to the server.
    Prompted,
}

impl Moment {
    /// What a frame tells, if it is of any interest here.
    pub(super) fn of_frame(frame: &FrameSeen<'_>) -> Option<Self> {
        if frame.from != Sender::Twilio {
            return None;
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is told by events")]
        let what = match FromTwilio::parse(frame.text).ok()? {
            FromTwilio::Info(Info::AgentSpeaking { on: true, .. }) => OnLine::AgentBegan,
            FromTwilio::Info(Info::ClientSpeaking { on: true, .. }) => OnLine::CallerBegan,
            FromTwilio::Info(Info::ClientSpeaking { on: false, .. }) => OnLine::CallerStopped,
            FromTwilio::Prompt { last: true, .. } => OnLine::Prompted,
            _ => return None,
        };
        Some(Self { at: wall(), what })
    }
}

/// Milliseconds that the parts of a turn took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Latencies {
    /// From the caller's last word until the server was told.
    pub(super) told: Vec<u64>,
    /// From then until the model's first token.
    pub(super) token: Vec<u64>,
    /// From then until the first frame for the line.
    pub(super) frame: Vec<u64>,
    /// From then until the caller heard the first sound.
    pub(super) sound: Vec<u64>,
}

/// What a call came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Totals {
    pub(super) caller_turns: usize,
    pub(super) agent_turns: usize,
    pub(super) interruptions: usize,
    pub(super) latencies: Latencies,
    pub(super) usage: Usage,
    pub(super) cost_usd: f64,
    pub(super) end: Option<(EndReason, u64)>,
}

/// Tells a call line by line.
#[derive(Debug)]
pub(super) struct Story {
    ui: Ui,
    /// What the two sides are called.
    caller: String,
    agent: String,
    start: Option<Timestamp>,
    caller_since: Option<Timestamp>,
    caller_until: Option<Timestamp>,
    agent_since: Option<Timestamp>,
    prompted: Option<Timestamp>,
    turn: Timing,
    totals: Totals,
}

/// What is known of the turn that is being answered.
#[derive(Debug, Default)]
struct Timing {
    told: Option<u64>,
    token: Option<u64>,
    frame: Option<u64>,
    sound: Option<u64>,
}

impl Story {
    pub(super) fn new(ui: Ui) -> Self {
        Self {
            ui,
            caller: "caller".to_owned(),
            agent: "agent".to_owned(),
            start: None,
            caller_since: None,
            caller_until: None,
            agent_since: None,
            prompted: None,
            turn: Timing::default(),
            totals: Totals::default(),
        }
    }

    /// With other names for the two sides.
    pub(super) fn named(self, caller: &str, agent: &str) -> Self {
        Self { caller: caller.to_owned(), agent: agent.to_owned(), ..self }
    }

    pub(super) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Takes note of a moment on the line.
    pub(super) fn note(&mut self, moment: Moment) {
        let Moment { at, what } = moment;
        match what {
            OnLine::AgentBegan => {
                self.agent_since.get_or_insert(at);
                if let Some(prompted) = self.prompted.take() {
                    self.turn.sound = Some(since(prompted, at));
                }
            }
            OnLine::CallerBegan => {
                self.caller_since.get_or_insert(at);
            }
            OnLine::CallerStopped => self.caller_until = Some(at),
            OnLine::Prompted => {
                self.prompted = Some(at);
                self.turn = Timing {
                    told: self.caller_until.take().map(|until| since(until, at)),
                    ..Timing::default()
                };
            }
        }
    }

    /// What there is to tell of an event.
    pub(super) fn tell(&mut self, event: &Event) -> Vec<String> {
        let at = event.at;
        self.start.get_or_insert(at);
        #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is told by other events")]
        match &event.body {
            EventBody::SessionStart { from, to, agent, direction, .. } => {
                let (from, to, agent) = (clean(from), clean(to), clean(agent));
                vec![self.event(
                    at,
                    &match direction {
                        Direction::Inbound => format!("{from} calls {to}; {agent} answers"),
                        Direction::Outbound => format!("{agent} calls {to} from {from}"),
                    },
                )]
            }
            EventBody::SessionEnd { reason, duration_ms } => {
                self.totals.end = Some((*reason, *duration_ms));
                vec![self.event(at, &format!("the call is over: {}", why(*reason)))]
            }
            EventBody::Transcript { text, r#final: true, .. } => {
                self.totals.caller_turns += 1;
                let since = self.caller_since.take().unwrap_or(at);
                vec![self.spoken(since, &self.caller, Style::Caller, &clean(text))]
            }
            EventBody::AssistantResponse { text, interrupted, source, generated, .. } => {
                self.response(at, text, *interrupted, *source, generated.as_deref())
            }
            EventBody::Latency { turn, stage, ms } => {
                self.measured(*turn, *stage, *ms);
                Vec::new()
            }
            EventBody::Usage { usage, cost_usd, .. } => {
                self.totals.usage += *usage;
                self.totals.cost_usd += cost_usd;
                Vec::new()
            }
            body => happening(body).map(|text| self.event(at, &text)).into_iter().collect(),
        }
    }

    fn response(
        &mut self,
        at: Timestamp,
        text: &str,
        interrupted: bool,
        source: Source,
        generated: Option<&str>,
    ) -> Vec<String> {
        let since = self.agent_since.take().unwrap_or(at);
        self.totals.agent_turns += 1;
        self.totals.interruptions += usize::from(interrupted);
        let who = if source == Source::Supervisor { "supervisor" } else { &self.agent };
        let text = clean(text);
        let shown = if interrupted { self.cut_off(&text, generated) } else { text };
        let mut lines = vec![self.spoken(since, who, Style::Agent, &shown)];
        if source == Source::Model {
            lines.extend(self.timing());
        }
        lines
    }

    /// What was heard of an utterance, and what was not.
    fn cut_off(&self, heard: &str, generated: Option<&str>) -> String {
        let rest = generated.and_then(|all| unheard(all, heard)).unwrap_or_default();
        if self.ui.is_coloured() {
            let rest = self.ui.paint(Style::Struck, &rest);
            return format!("{heard} {rest} {}", self.ui.paint(Style::Event, "(interrupted)"));
        }
        // Where nothing can be struck out, words must do.
        let rest = if rest.is_empty() { rest } else { format!(", not «{rest}»") };
        format!("heard «{heard}»{rest} (interrupted)")
    }

    fn measured(&mut self, _turn: TurnId, stage: Stage, ms: u64) {
        match stage {
            Stage::FirstToken => self.turn.token = Some(ms),
            Stage::FirstSpoken => self.turn.frame = Some(ms),
            // The line itself says when it begins to sound, not when a clause is through.
            Stage::FirstPlayed => {}
        }
    }

    /// What the turn took, told once.
    fn timing(&mut self) -> Option<String> {
        let turn = std::mem::take(&mut self.turn);
        let all = &mut self.totals.latencies;
        let mut parts = Vec::new();
        for (name, ms, kept) in [
            ("told after", turn.told, &mut all.told),
            ("model's first token", turn.token, &mut all.token),
            ("first frame out", turn.frame, &mut all.frame),
            ("first sound", turn.sound, &mut all.sound),
        ] {
            let Some(ms) = ms else { continue };
            kept.push(ms);
            parts.push(format!("{name} {ms} ms"));
        }
        let line = format!("{:21}{}", "", parts.join(" · "));
        (!parts.is_empty()).then(|| self.ui.paint(Style::Faint, &line))
    }

    fn spoken(&self, at: Timestamp, who: &str, style: Style, text: &str) -> String {
        format!("{} {} {text}", self.time(at), self.ui.paint(style, &format!("{who:<10}")))
    }

    fn event(&self, at: Timestamp, text: &str) -> String {
        format!("{} {}", self.time(at), self.ui.paint(Style::Event, &format!("{:<10} {text}", "·")))
    }

    fn time(&self, at: Timestamp) -> String {
        self.ui.paint(Style::Faint, &clock(self.start.map_or(0, |start| since(start, at))))
    }
}

/// The lines of a summary.
pub(super) fn summary(ui: Ui, totals: &Totals, said: usize, heard: usize) -> Vec<String> {
    let row = |name: &str, text: &str| {
        format!("  {} {text}", ui.paint(Style::Faint, &format!("{name:<15}")))
    };
    let Totals { caller_turns, agent_turns, interruptions, latencies, usage, cost_usd, end } =
        totals;
    let mut lines = vec![
        row("turns", &format!("{caller_turns} of the caller, {agent_turns} of the agent")),
        row("words", &format!("{said} said, {heard} heard by the caller")),
        row("interruptions", &interruptions.to_string()),
    ];
    for (name, values) in [
        ("told after", &latencies.told),
        ("first token", &latencies.token),
        ("first frame", &latencies.frame),
        ("first sound", &latencies.sound),
    ] {
        if let Some((middle, most)) = middle_and_most(values) {
            lines.push(row(name, &format!("p50 {middle} ms, max {most} ms")));
        }
    }
    let input = usage.input_text_tokens + usage.input_audio_tokens;
    let output = usage.output_text_tokens + usage.output_audio_tokens;
    let cached = usage.cached_text_tokens + usage.cached_audio_tokens;
    lines.push(row("tokens", &format!("{input} in ({cached} cached), {output} out")));
    lines.push(row("cost", &format!("${cost_usd:.4} at the configured prices")));
    if let Some((reason, ms)) = end {
        lines.push(row("end", &format!("{} after {}", why(*reason), clock(*ms))));
    }
    lines
}

/// `mm:ss.mmm`.
pub(super) fn clock(ms: u64) -> String {
    format!("{:02}:{:02}.{:03}", ms / 60_000, ms / 1000 % 60, ms % 1000)
}

/// The median and the largest.
fn middle_and_most(values: &[u64]) -> Option<(u64, u64)> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    Some((*sorted.get(sorted.len().saturating_sub(1) / 2)?, *sorted.last()?))
}

/// What was not heard of what was to be said; commands are no part of it.
fn unheard(generated: &str, heard: &str) -> Option<String> {
    let heard = heard.split_whitespace().count();
    let rest: Vec<_> = generated.split_whitespace().skip(heard).collect();
    let rest = rest.join(" ");
    let rest = rest.split("[[").next().unwrap_or_default();
    Some(clean(rest)).filter(|rest| !rest.is_empty())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what is not listed needs no line of its own")]
pub(super) fn happening(body: &EventBody) -> Option<String> {
    Some(match body {
        EventBody::CommandExecuted { command, value, by, .. } => {
            with(&format!("{} does: {}", who(*by), command.as_str()), value)
        }
        EventBody::CommandRejected { command, value, reason, .. } => {
            let what = with(&clean(command), value);
            format!("refused: {what} ({})", clean(reason))
        }
        EventBody::Status { status } => format!("the call is {}", status.as_str()),
        EventBody::AnsweredBy { disregarded: Some(why), who } => {
            let who = wire_name(who).replace('_', " ");
            format!("{who} was reported, and disregarded: {}", clean(why))
        }
        EventBody::HangingUp { .. } => "the carrier is asked to end the call".to_owned(),
        EventBody::AnsweredBy { who: Answerer::Machine | Answerer::MachineReady, .. } => {
            "a machine answered".to_owned()
        }
        EventBody::AnsweredBy { who: Answerer::Fax, .. } => "a fax answered".to_owned(),
        EventBody::Disclosure { .. } => "they have heard that it is a machine".to_owned(),
        EventBody::SessionTransfer { target } => format!("put through to {}", clean(target)),
        EventBody::Query { prompt, .. } => format!("asks the supervisor: {}", clean(prompt)),
        EventBody::QueryResponse { answered: true, text, .. } => {
            format!("the supervisor answers: {}", clean(text))
        }
        EventBody::QueryResponse { answered: false, .. } => "no supervisor answered".to_owned(),
        EventBody::PendingResponse { text, .. } => {
            format!("waits for a supervisor's yes: {}", clean(text))
        }
        EventBody::ResponseApproved { .. } => "a supervisor sent the reply".to_owned(),
        EventBody::ResponseRejected { text, .. } => format!("a reply was dropped: {}", clean(text)),
        EventBody::Whisper { text, .. } => format!("the supervisor whispers: {}", clean(text)),
        EventBody::Takeover { .. } => "a human takes over".to_owned(),
        EventBody::TakeoverUnattended { .. } => "the human who took over is not there".to_owned(),
        EventBody::TakeoverAttended { .. } => "the human is back".to_owned(),
        EventBody::Release { by: By::Policy } => {
            "the human has gone, and the agent goes on".to_owned()
        }
        EventBody::Release { .. } => "the agent goes on".to_owned(),
        EventBody::Dtmf { digit } => format!("the caller presses {digit}"),
        EventBody::HandedOver => "another server goes on".to_owned(),
        EventBody::Resumed { gap_ms } => format!("the line is back after {gap_ms} ms"),
        EventBody::Error { code, message, .. } => {
            format!("trouble: {} ({})", clean(message), clean(code))
        }
        _ => return None,
    })
}

fn with(what: &str, value: &str) -> String {
    match value.trim() {
        "" => what.to_owned(),
        value => format!("{what} «{}»", clean(value)),
    }
}

fn who(by: By) -> &'static str {
    match by {
        By::Ai => "the agent",
        By::Supervisor => "the supervisor",
        By::Policy => "the call",
    }
}

/// A reason in words.
pub(super) fn why(reason: EndReason) -> &'static str {
    match reason {
        EndReason::CallerHungUp => "the caller hung up",
        EndReason::AgentEnded => "the agent hung up",
        EndReason::SupervisorEnded => "a supervisor hung up",
        EndReason::Transferred => "it was put through",
        EndReason::Silence => "nobody spoke any more",
        EndReason::MaxDuration => "it had lasted as long as it may",
        EndReason::ModelFailed => "the model could not be made to answer",
        EndReason::LineLost => "the line was lost",
        EndReason::NotConnected => "the line never came up",
        EndReason::Busy => "the line was engaged",
        EndReason::NoAnswer => "nobody picked up",
        EndReason::Failed => "the phone network failed",
        EndReason::Canceled => "it was withdrawn",
        EndReason::SpendLimit => "it had cost as much as it may",
        EndReason::Machine => "a machine answered",
        EndReason::VoicemailLeft => "a message was left with a machine",
        EndReason::Shutdown => "the server stopped",
        EndReason::Internal => "a fault of Phony's",
    }
}

fn since(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

#[expect(clippy::disallowed_methods, reason = "what is seen on the line is told with its time")]
fn wall() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use phony_call::{CallSid, Speaker};

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_000_000 + ms).unwrap()
    }

    fn event(ms: i64, body: EventBody) -> Event {
        Event { body, call: CallSid::parse("CA1").unwrap(), at: at(ms), seq: Some(1) }
    }

    fn says(text: &str) -> EventBody {
        let (speaker, text) = (Speaker::Caller, text.to_owned());
        EventBody::Transcript { speaker, text, r#final: true }
    }

    fn replies(text: &str, interrupted: bool) -> EventBody {
        EventBody::AssistantResponse {
            text: text.to_owned(),
            interrupted,
            source: Source::Model,
            turn: Some(TurnId(2)),
            generated: interrupted.then(|| format!("{text} and more [[end_call]]")),
            verbatim: !interrupted,
        }
    }

    fn began() -> Story {
        let mut story = Story::new(Ui::plain());
        let start = EventBody::SessionStart {
            from: "+15005550100".into(),
            to: "+15005550101".into(),
            direction: Direction::Inbound,
            agent: "assistant".into(),
            carrier: "twilio".into(),
            scenario: None,
            variables: std::collections::BTreeMap::new(),
            companion: None,
        };
        let lines = story.tell(&event(0, start));
        assert_eq!(
            lines,
            ["00:00.000 ·          +15005550100 calls +15005550101; assistant answers"]
        );
        story
    }

    #[test]
    fn speech_is_told_with_the_time_at_which_it_began() {
        let mut story = began();
        story.note(Moment { at: at(1_200), what: OnLine::CallerBegan });
        story.note(Moment { at: at(2_000), what: OnLine::CallerStopped });
        story.note(Moment { at: at(2_350), what: OnLine::Prompted });
        assert_eq!(story.tell(&event(2_351, says("hello"))), ["00:01.200 caller     hello"]);
        let latency = |stage, ms| EventBody::Latency { turn: TurnId(2), stage, ms };
        assert!(story.tell(&event(2_600, latency(Stage::FirstToken, 250))).is_empty());
        assert!(story.tell(&event(2_600, latency(Stage::FirstSpoken, 251))).is_empty());
        story.note(Moment { at: at(2_950), what: OnLine::AgentBegan });
        let lines = story.tell(&event(4_000, replies("good day", false)));
        assert_eq!(lines[0], "00:02.950 agent      good day");
        assert_eq!(
            lines[1].trim(),
            "told after 350 ms · model's first token 250 ms · first frame out 251 ms · first \
             sound 600 ms"
        );
        assert_eq!(story.totals().latencies.sound, [600]);
    }

    #[test]
    fn an_interrupted_reply_says_what_was_heard() {
        let mut story = began();
        let lines = story.tell(&event(900, replies("good", true)));
        assert_eq!(lines[0], "00:00.900 agent      heard «good», not «and more» (interrupted)");
        assert_eq!(story.totals().interruptions, 1);
    }

    #[test]
    fn what_was_not_heard_has_no_commands_in_it() {
        assert_eq!(unheard("a b c d [[end_call]]", "a b"), Some("c d".to_owned()));
        assert_eq!(unheard("a b [[end_call]]", "a b"), None);
    }

    #[test]
    fn the_middle_of_few_values_is_one_of_them() {
        assert_eq!(middle_and_most(&[3, 1, 2]), Some((2, 3)));
        assert_eq!(middle_and_most(&[3, 1]), Some((1, 3)));
        assert_eq!(middle_and_most(&[]), None);
    }
}
