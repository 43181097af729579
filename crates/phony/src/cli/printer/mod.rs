//! Prints a call while it happens: who said what, when, and how long each turn took.

mod moment;
mod summary;
mod words;

use jiff::Timestamp;
use phony_call::{Direction, Event, EventBody, Source, Stage};

use super::ui::{Style, Ui, clean};

pub(super) use self::moment::{LineEvent, Moment};
pub(super) use self::summary::{Totals, summary};
pub(super) use self::words::{clock, describe, why};

/// Turns the events of a call into lines of text.
#[derive(Debug)]
pub(super) struct Printer {
    ui: Ui,
    /// The names of the two sides.
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

/// The latency of the current turn, in milliseconds, as far as it is known.
#[derive(Debug, Default)]
struct Timing {
    prompt: Option<u64>,
    token: Option<u64>,
    frame: Option<u64>,
    sound: Option<u64>,
}

impl Printer {
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

    /// The same with other names for the two sides.
    pub(super) fn named(self, caller: &str, agent: &str) -> Self {
        Self { caller: caller.to_owned(), agent: agent.to_owned(), ..self }
    }

    pub(super) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Records a moment on the line.
    pub(super) fn note(&mut self, moment: Moment) {
        let Moment { at, what } = moment;
        match what {
            LineEvent::AgentBegan => {
                self.agent_since.get_or_insert(at);
                if let Some(prompted) = self.prompted.take() {
                    self.turn.sound = Some(since(prompted, at));
                }
            }
            LineEvent::CallerBegan => {
                self.caller_since.get_or_insert(at);
            }
            LineEvent::CallerStopped => self.caller_until = Some(at),
            LineEvent::Prompted => {
                self.prompted = Some(at);
                self.turn = Timing {
                    prompt: self.caller_until.take().map(|until| since(until, at)),
                    ..Timing::default()
                };
            }
        }
    }

    /// The lines to print for an event.
    pub(super) fn lines(&mut self, event: &Event) -> Vec<String> {
        let at = event.at;
        self.start.get_or_insert(at);
        #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is one line at most")]
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
            EventBody::Latency { stage, ms, .. } => {
                self.measured(*stage, *ms);
                Vec::new()
            }
            EventBody::Usage { usage, cost_usd, .. } => {
                self.totals.usage += *usage;
                self.totals.cost_usd += cost_usd;
                Vec::new()
            }
            body => describe(body).map(|text| self.event(at, &text)).into_iter().collect(),
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

    /// An interrupted utterance: what was heard of it, and what was not.
    fn cut_off(&self, heard: &str, generated: Option<&str>) -> String {
        let rest = generated.and_then(|all| unheard(all, heard)).unwrap_or_default();
        if self.ui.is_coloured() {
            let rest = self.ui.paint(Style::Struck, &rest);
            return format!("{heard} {rest} {}", self.ui.paint(Style::Event, "(interrupted)"));
        }
        // Without colours there is no strike-through.
        let rest = if rest.is_empty() { rest } else { format!(", not «{rest}»") };
        format!("heard «{heard}»{rest} (interrupted)")
    }

    fn measured(&mut self, stage: Stage, ms: u64) {
        match stage {
            Stage::FirstToken => self.turn.token = Some(ms),
            Stage::FirstSpoken => self.turn.frame = Some(ms),
            // The line reports its own first sound, which is more exact.
            Stage::FirstPlayed => {}
        }
    }

    /// The latency of the turn, once.
    fn timing(&mut self) -> Option<String> {
        let turn = std::mem::take(&mut self.turn);
        let all = &mut self.totals.latencies;
        let mut parts = Vec::new();
        for (name, ms, kept) in [
            ("told after", turn.prompt, &mut all.prompt),
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

/// The part of a reply that was not heard, without commands.
fn unheard(generated: &str, heard: &str) -> Option<String> {
    let heard = heard.split_whitespace().count();
    let rest: Vec<_> = generated.split_whitespace().skip(heard).collect();
    let rest = rest.join(" ");
    let rest = rest.split("[[").next().unwrap_or_default();
    Some(clean(rest)).filter(|rest| !rest.is_empty())
}

fn since(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use phony_call::{CallSid, Speaker, TurnId};

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

    fn began() -> Printer {
        let mut printer = Printer::new(Ui::plain());
        let start = EventBody::SessionStart {
            from: "+15005550100".into(),
            to: "+15005550101".into(),
            direction: Direction::Inbound,
            agent: "assistant".into(),
            carrier: "twilio".into(),
            scenario: None,
            variables: std::collections::BTreeMap::new(),
            companion: None,
            transport: None,
            model: None,
        };
        let lines = printer.lines(&event(0, start));
        assert_eq!(
            lines,
            ["00:00.000 ·          +15005550100 calls +15005550101; assistant answers"]
        );
        printer
    }

    #[test]
    fn speech_is_printed_with_the_time_at_which_it_began() {
        let mut printer = began();
        printer.note(Moment { at: at(1_200), what: LineEvent::CallerBegan });
        printer.note(Moment { at: at(2_000), what: LineEvent::CallerStopped });
        printer.note(Moment { at: at(2_350), what: LineEvent::Prompted });
        assert_eq!(printer.lines(&event(2_351, says("hello"))), ["00:01.200 caller     hello"]);
        let latency = |stage, ms| EventBody::Latency { turn: TurnId(2), stage, ms };
        assert!(printer.lines(&event(2_600, latency(Stage::FirstToken, 250))).is_empty());
        assert!(printer.lines(&event(2_600, latency(Stage::FirstSpoken, 251))).is_empty());
        printer.note(Moment { at: at(2_950), what: LineEvent::AgentBegan });
        let lines = printer.lines(&event(4_000, replies("good day", false)));
        assert_eq!(lines[0], "00:02.950 agent      good day");
        assert_eq!(
            lines[1].trim(),
            "told after 350 ms · model's first token 250 ms · first frame out 251 ms · first \
             sound 600 ms"
        );
        assert_eq!(printer.totals().latencies.sound, [600]);
    }

    #[test]
    fn an_interrupted_reply_says_what_was_heard() {
        let mut printer = began();
        let lines = printer.lines(&event(900, replies("good", true)));
        assert_eq!(lines[0], "00:00.900 agent      heard «good», not «and more» (interrupted)");
        assert_eq!(printer.totals().interruptions, 1);
    }

    #[test]
    fn what_was_not_heard_has_no_commands_in_it() {
        assert_eq!(unheard("a b c d [[end_call]]", "a b"), Some("c d".to_owned()));
        assert_eq!(unheard("a b [[end_call]]", "a b"), None);
    }
}
