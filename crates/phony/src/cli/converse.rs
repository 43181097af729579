//! Somebody at a terminal, or a program at the other end of a pipe, as the caller.

use std::io::BufRead as _;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

use super::console::{self, Opened};
use super::script::{Entry, HELP};
use super::supervisor::SupervisorConsole;
use super::ui::{Style, Ui, clean};
use phony_simulator::callers::{LiveAction, LiveEvent, LiveHandle};

/// How long the agent must be quiet before a piped line is said.
const QUIET: Duration = Duration::from_secs(1);
/// How long to wait for an agent that says nothing.
const PATIENCE: Duration = Duration::from_secs(15);
/// How far into the agent's speech a piped interruption falls.
const INTO_SPEECH: Duration = Duration::from_millis(1_200);
/// Stands in front of what the caller says.
const YOU: &str = "you    ";
/// Lines that may wait to be said.
const WAITING: usize = 64;

/// Lines as they are typed or piped in; `None` at the end of the input.
#[derive(Debug)]
pub(super) struct Typed {
    lines: mpsc::Receiver<String>,
    /// What was looked at and not taken yet.
    ahead: Option<String>,
    /// Whether somebody types them, who knows when to speak.
    by_hand: bool,
    /// What keeps their line apart from what is printed.
    _console: Option<Opened>,
}

impl Typed {
    /// Reads standard input from now on, on a thread of its own: a read cannot be called off.
    pub(super) fn start(by_hand: bool) -> std::io::Result<Self> {
        let (typed, lines) = mpsc::channel(WAITING);
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

    /// The next line. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Option<String> {
        match self.ahead.take() {
            Some(line) => Some(line),
            None => self.lines.recv().await,
        }
    }

    /// Looks at the next line, which stays. May be dropped and called again.
    pub(super) async fn peek(&mut self) -> Option<&str> {
        if self.ahead.is_none() {
            self.ahead = self.lines.recv().await;
        }
        self.ahead.as_deref()
    }

    /// Whether somebody types, who can be asked and answered.
    pub(super) fn is_by_hand(&self) -> bool {
        self.by_hand
    }
}

/// What somebody does next.
#[derive(Debug)]
enum Next {
    /// Nothing has been typed yet.
    Unknown,
    Entry(Entry),
    /// There is no more input.
    End,
    /// They have hung up.
    Over,
}

/// Speaks and listens until the call is over. `speed` is the network's; whoever has a `supervisor` is the
/// agent's supervisor as well. `stop` hangs up.
pub(super) async fn converse(
    ui: Ui,
    line: LiveHandle,
    typed: &mut Typed,
    speed: f64,
    mut supervisor: Option<&mut SupervisorConsole>,
    stop: impl Future<Output = ()>,
) {
    let (acts, mut heard) = line.split();
    ui.listen(&format!("{} ", ui.paint(Style::Caller, YOU)));
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
        wait: Box::pin(sleep(PATIENCE.div_f64(speed))),
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
            lines = told(&mut supervisor) => {
                talk.end_line();
                for line in lines {
                    ui.line(&line);
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

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the line")]
struct Talk {
    ui: Ui,
    by_hand: bool,
    speed: f64,
    /// Somebody has answered; before that, nobody hears.
    open: bool,
    /// The agent speaks.
    sounding: bool,
    /// The line on the terminal has begun.
    in_line: bool,
    /// The moment for which a piped line waits has come.
    ready: bool,
    wait: Pin<Box<Sleep>>,
    next: Next,
    /// The line that `next` was made of.
    read: String,
}

impl Talk {
    fn hear(&mut self, event: LiveEvent) {
        match event {
            LiveEvent::Answered => {
                self.open = true;
                self.ui.line(&self.ui.paint(Style::Faint, "· the line is open"));
                self.wait_for(PATIENCE);
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
                    self.ui.piece(&self.ui.paint(Style::Agent, "agent  "));
                    self.in_line = true;
                }
                self.ui.piece(&format!(" {}", clean(&text)));
            }
            LiveEvent::Digits(digits) => {
                self.end_line();
                let text = format!("· the agent presses {}", clean(&digits));
                self.ui.line(&self.ui.paint(Style::Event, &text));
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
                self.ui.line(&self.ui.paint(Style::Bad, &problem));
            }
        }
    }

    /// Whether the moment has come for what is to be done next. Who types chooses it; a piped line
    /// waits until the agent has finished, as a polite caller does.
    fn may_act(&self) -> bool {
        match &self.next {
            Next::Unknown | Next::Over | Next::Entry(Entry::Answer(_)) => false,
            Next::Entry(_) if self.by_hand => self.open,
            Next::Entry(Entry::Interrupt(_)) => self.ready,
            Next::Entry(_) | Next::End => self.ready && !self.sounding,
        }
    }

    /// A line that came too late for this call; whoever is next may have use for it.
    fn unsaid(&mut self) -> Option<String> {
        let unsaid = matches!(self.next, Next::Entry(_));
        unsaid.then(|| std::mem::take(&mut self.read))
    }

    /// Whether the moment has come to answer the agent's question: there is one, or there will be
    /// none.
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
            None => Err("· who talks here is the caller alone; a supervisor answers".to_owned()),
        };
        if let Err(problem) = done {
            self.end_line();
            self.ui.line(&problem);
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
            self.ui.line(&format!("{} {text}", self.ui.paint(Style::Caller, YOU)));
        }
        self.wait_for(PATIENCE);
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

/// What the supervisor is to be told; never, without a supervisor.
async fn told(supervisor: &mut Option<&mut SupervisorConsole>) -> Vec<String> {
    match supervisor {
        Some(supervisor) => supervisor.next().await,
        None => std::future::pending().await,
    }
}

/// How to talk, for somebody at a terminal; `leave` hangs up.
pub(super) fn explain(ui: Ui, leave: &str) {
    ui.line(&ui.paint(
        Style::Faint,
        "Type what you say and press Enter; typing while the agent speaks interrupts it.",
    ));
    ui.line(&ui.paint(Style::Faint, &format!("{leave} hangs up. In a script, {HELP}.")));
}
