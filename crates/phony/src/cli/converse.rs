//! The caller's side of a call, typed at a terminal or read from a pipe.

use std::io::BufRead as _;
use std::pin::Pin;
use std::time::Duration;

use phony_simulator::callers::{LiveAction, LiveEvent, LiveHandle};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

use super::console::{self, Opened};
use super::script::{Entry, HELP};
use super::supervisor::SupervisorConsole;
use super::ui::{Style, Ui, clean};

/// How long the agent must be quiet before a piped line is said.
const QUIET: Duration = Duration::from_secs(1);
/// How long to wait for an agent that says nothing.
const SILENCE_LIMIT: Duration = Duration::from_secs(15);
/// How far into the agent's speech a piped interruption comes.
const INTO_SPEECH: Duration = Duration::from_millis(1_200);
/// The name in front of what the caller says.
const YOU: &str = "you    ";
/// The most lines that wait to be said.
const QUEUE: usize = 64;

/// The lines of standard input, typed or piped.
#[derive(Debug)]
pub(super) struct InputLines {
    lines: mpsc::Receiver<String>,
    /// A line that was peeked at.
    ahead: Option<String>,
    /// Whether a person types the lines, and so chooses the moment of each.
    by_hand: bool,
    /// Keeps the line being typed apart from output.
    _console: Option<Opened>,
}

impl InputLines {
    /// Reads standard input from now on, on its own thread, since a blocked read cannot be
    /// cancelled.
    pub(super) fn start(by_hand: bool) -> std::io::Result<Self> {
        let (typed, lines) = mpsc::channel(QUEUE);
        let console = if by_hand { console::open() } else { None };
        let edited = console.is_some();
        std::thread::Builder::new().name("phony-typed".into()).spawn(move || {
            if edited {
                return console::read(|line| typed.blocking_send(line).is_ok());
            }
            let lines = std::io::stdin().lock().lines();
            for line in lines.map_while(Result::ok) {
                if typed.blocking_send(line).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { lines, ahead: None, by_hand, _console: console })
    }

    /// The next line; none at the end of the input. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<String> {
        match self.ahead.take() {
            Some(line) => Some(line),
            None => self.lines.recv().await,
        }
    }

    /// The next line, without taking it. Cancel-safe.
    pub(super) async fn peek(&mut self) -> Option<&str> {
        if self.ahead.is_none() {
            self.ahead = self.lines.recv().await;
        }
        self.ahead.as_deref()
    }

    /// Whether a person types, who can be asked questions.
    pub(super) fn is_by_hand(&self) -> bool {
        self.by_hand
    }
}

/// What the caller does next.
#[derive(Debug)]
enum Next {
    /// No line has come yet.
    Unknown,
    Entry(Entry),
    /// The input has ended.
    End,
    /// The caller has hung up.
    Over,
}

/// Speaks and listens until the call is over. `speed` is the network's. With a `supervisor`, the
/// caller also answers the agent's questions. When `stop` completes, the caller hangs up.
pub(super) async fn converse(
    ui: Ui,
    line: LiveHandle,
    typed: &mut InputLines,
    speed: f64,
    mut supervisor: Option<&mut SupervisorConsole>,
    stop: impl Future<Output = ()>,
) {
    let (acts, mut heard) = line.split();
    ui.set_prompt(&format!("{} ", ui.paint(Style::Caller, YOU)));
    tokio::pin!(stop);
    let mut stopped = false;
    let mut talk = Talk {
        ui,
        by_hand: typed.by_hand,
        speed,
        open: false,
        sounding: false,
        in_line: false,
        ready: false,
        wait: Box::pin(sleep(SILENCE_LIMIT.div_f64(speed))),
        next: Next::Unknown,
        read: String::new(),
    };
    loop {
        if talk.may_answer(supervisor.as_deref()) {
            talk.answer(supervisor.as_deref_mut());
        }
        if talk.may_act() {
            let Some(act) = talk.act().await else { continue };
            if acts.send(act).await.is_err() {
                return;
            }
        }
        tokio::select! {
            event = heard.recv() => match event {
                Some(LiveEvent::Ended) | None => {
                    typed.ahead = talk.unsaid();
                    return talk.end_line();
                }
                Some(event) => talk.hear(event),
            },
            line = typed.next(), if matches!(talk.next, Next::Unknown) => talk.read(line),
            () = &mut talk.wait, if !talk.ready => talk.ready = true,
            lines = supervisor_lines(&mut supervisor) => {
                talk.end_line();
                for line in lines {
                    ui.print_line(&line);
                }
            }
            () = &mut stop, if !stopped => {
                stopped = true;
                console::drop_line();
                talk.next = Next::Over;
                if acts.send(LiveAction::HangUp).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact about the call")]
struct Talk {
    ui: Ui,
    by_hand: bool,
    speed: f64,
    /// The call has been answered; before that, nobody hears.
    open: bool,
    /// The agent speaks.
    sounding: bool,
    /// A line of output has been begun.
    in_line: bool,
    /// The moment for which a piped line waits has come.
    ready: bool,
    wait: Pin<Box<Sleep>>,
    next: Next,
    /// The text that `next` was parsed from.
    read: String,
}

impl Talk {
    fn hear(&mut self, event: LiveEvent) {
        match event {
            LiveEvent::Answered => {
                self.open = true;
                self.ui.print_line(&self.ui.paint(Style::Faint, "· the line is open"));
                self.wait_for(SILENCE_LIMIT);
            }
            LiveEvent::AgentSpeaking(true) => {
                self.sounding = true;
                self.wait_for(INTO_SPEECH);
            }
            LiveEvent::AgentSpeaking(false) => {
                self.end_line();
                self.sounding = false;
                self.wait_for(QUIET);
            }
            LiveEvent::Heard(text) => {
                if !self.in_line {
                    self.ui.print(&self.ui.paint(Style::Agent, "agent  "));
                    self.in_line = true;
                }
                self.ui.print(&format!(" {}", clean(&text)));
            }
            LiveEvent::Digits(digits) => {
                self.end_line();
                let text = format!("· the agent presses {}", clean(&digits));
                self.ui.print_line(&self.ui.paint(Style::Event, &text));
            }
            LiveEvent::Ended => {}
        }
    }

    fn read(&mut self, line: Option<String>) {
        let Some(line) = line else {
            self.next = Next::End;
            return;
        };
        match Entry::read(&line) {
            Ok(Some(next)) => {
                self.next = Next::Entry(next);
                self.read = line;
            }
            Ok(None) => {}
            Err(problem) => {
                self.end_line();
                self.ui.print_line(&self.ui.paint(Style::Bad, &problem));
            }
        }
    }

    /// Whether it is time for the next entry. A person who types chooses the moment; a piped line
    /// waits until the agent has finished.
    fn may_act(&self) -> bool {
        match &self.next {
            Next::Unknown | Next::Over | Next::Entry(Entry::Answer(_)) => false,
            Next::Entry(_) if self.by_hand => self.open,
            Next::Entry(Entry::Interrupt(_)) => self.ready,
            Next::Entry(_) | Next::End => self.ready && !self.sounding,
        }
    }

    /// A line that came too late for this call, and may be for what follows.
    fn unsaid(&mut self) -> Option<String> {
        let unsaid = matches!(self.next, Next::Entry(_));
        unsaid.then(|| std::mem::take(&mut self.read))
    }

    /// Whether it is time to carry out an answer: a question waits, or none will come.
    fn may_answer(&self, supervisor: Option<&SupervisorConsole>) -> bool {
        let is_answer = matches!(self.next, Next::Entry(Entry::Answer(_)));
        let asked = supervisor.is_some_and(SupervisorConsole::is_asked);
        is_answer
            && (self.by_hand || supervisor.is_none() || asked || (self.ready && !self.sounding))
    }

    fn answer(&mut self, supervisor: Option<&mut SupervisorConsole>) {
        let Next::Entry(Entry::Answer(text)) = std::mem::replace(&mut self.next, Next::Unknown)
        else {
            return;
        };
        let done = match supervisor {
            Some(supervisor) => supervisor.answer(&text),
            None => Err("· you are only the caller here; a supervisor answers".to_owned()),
        };
        if let Err(problem) = done {
            self.end_line();
            self.ui.print_line(&problem);
        }
    }

    async fn act(&mut self) -> Option<LiveAction> {
        self.end_line();
        let next = std::mem::replace(&mut self.next, Next::Unknown);
        let act = match next {
            Next::Entry(Entry::Say(text) | Entry::Interrupt(text)) => LiveAction::Say(text),
            Next::Entry(Entry::Press(digits)) => LiveAction::Press(digits),
            Next::Entry(Entry::Wait(time)) => {
                sleep(time.div_f64(self.speed)).await;
                return None;
            }
            Next::Entry(Entry::HangUp) | Next::End => {
                self.next = Next::Over;
                return Some(LiveAction::HangUp);
            }
            Next::Unknown | Next::Over | Next::Entry(Entry::Answer(_)) => return None,
        };
        if !self.by_hand
            && let LiveAction::Say(text) = &act
        {
            self.ui.print_line(&format!("{} {text}", self.ui.paint(Style::Caller, YOU)));
        }
        self.wait_for(SILENCE_LIMIT);
        Some(act)
    }

    fn wait_for(&mut self, time: Duration) {
        self.ready = false;
        self.wait = Box::pin(sleep(time.div_f64(self.speed)));
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.in_line) {
            self.ui.end_line();
        }
    }
}

/// The lines for the supervisor; never ready without one.
async fn supervisor_lines(supervisor: &mut Option<&mut SupervisorConsole>) -> Vec<String> {
    match supervisor {
        Some(supervisor) => supervisor.next().await,
        None => std::future::pending().await,
    }
}

/// Explains how to talk; `key` hangs up.
pub(super) fn explain(ui: Ui, key: &str) {
    ui.print_line(&ui.paint(
        Style::Faint,
        "Type what you say and press Enter; typing while the agent speaks interrupts it.",
    ));
    ui.print_line(&ui.paint(Style::Faint, &format!("{key} hangs up. In a script, {HELP}.")));
}
