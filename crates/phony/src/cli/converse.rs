//! Somebody at a terminal, or a program at the other end of a pipe, as the caller.

use std::io::BufRead as _;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

use super::lines::{HELP, Line};
use super::ui::{Style, Ui, clean};
use crate::simulator::callers::{Act, LiveEvent, LiveLine};

/// How long the agent must be quiet before a piped line is said.
const QUIET: Duration = Duration::from_secs(1);
/// How long to wait for an agent that says nothing.
const PATIENCE: Duration = Duration::from_secs(15);
/// How far into the agent's speech a piped interruption falls.
const INTO_SPEECH: Duration = Duration::from_millis(1_200);
/// Lines that may wait to be said.
const WAITING: usize = 64;

/// Lines as they are typed or piped in; `None` at the end of the input.
#[derive(Debug)]
pub(super) struct Typed {
    lines: mpsc::Receiver<String>,
    /// Whether somebody types them, who knows when to speak.
    by_hand: bool,
}

impl Typed {
    /// Reads standard input from now on, on a thread of its own: a read cannot be called off.
    pub(super) fn start(by_hand: bool) -> std::io::Result<Self> {
        let (typed, lines) = mpsc::channel(WAITING);
        std::thread::Builder::new().name("phony-typed".into()).spawn(move || {
            let lines = std::io::stdin().lock().lines();
            for line in lines.map_while(Result::ok) {
                if typed.blocking_send(line).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { lines, by_hand })
    }

    /// The next line.
    pub(super) async fn next(&mut self) -> Option<String> {
        self.lines.recv().await
    }
}

/// What somebody does next.
#[derive(Debug)]
enum Next {
    /// Nothing has been typed yet.
    Unknown,
    Line(Line),
    /// There is no more input.
    End,
    /// They have hung up.
    Over,
}

/// Speaks and listens until the call is over. `speed` is the network's.
pub(super) async fn converse(ui: Ui, line: LiveLine, typed: &mut Typed, speed: f64) {
    let (acts, mut heard) = line.split();
    let mut talk = Talk {
        ui,
        by_hand: typed.by_hand,
        speed,
        sounding: false,
        in_line: false,
        ready: false,
        wait: Box::pin(sleep(PATIENCE.div_f64(speed))),
        next: Next::Unknown,
    };
    loop {
        if talk.may_act() {
            let Some(act) = talk.act().await else { continue };
            if acts.send(act).await.is_err() {
                return;
            }
        }
        tokio::select! {
            event = heard.recv() => match event {
                Some(LiveEvent::Ended) | None => return talk.end_line(),
                Some(event) => talk.hear(event),
            },
            line = typed.lines.recv(), if matches!(talk.next, Next::Unknown) => talk.read(line),
            () = &mut talk.wait, if !talk.ready => talk.ready = true,
        }
    }
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the line")]
struct Talk {
    ui: Ui,
    by_hand: bool,
    speed: f64,
    /// The agent speaks.
    sounding: bool,
    /// The line on the terminal has begun.
    in_line: bool,
    /// The moment for which a piped line waits has come.
    ready: bool,
    wait: Pin<Box<Sleep>>,
    next: Next,
}

impl Talk {
    fn hear(&mut self, event: LiveEvent) {
        match event {
            LiveEvent::Answered => {
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
        match Line::read(&line) {
            Ok(Some(line)) => self.next = Next::Line(line),
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
            Next::Unknown | Next::Over => false,
            Next::Line(_) if self.by_hand => true,
            Next::Line(Line::Interrupt(_)) => self.ready,
            Next::Line(_) | Next::End => self.ready && !self.sounding,
        }
    }

    async fn act(&mut self) -> Option<Act> {
        self.end_line();
        let next = std::mem::replace(&mut self.next, Next::Unknown);
        let act = match next {
            Next::Line(Line::Say(text) | Line::Interrupt(text)) => Act::Say(text),
            Next::Line(Line::Press(digits)) => Act::Press(digits),
            Next::Line(Line::Wait(time)) => {
                sleep(time.div_f64(self.speed)).await;
                return None;
            }
            Next::Line(Line::HangUp) | Next::End => {
                self.next = Next::Over;
                return Some(Act::HangUp);
            }
            Next::Unknown | Next::Over => return None,
        };
        if !self.by_hand
            && let Act::Say(text) = &act
        {
            self.ui.line(&format!("{} {text}", self.ui.paint(Style::Caller, "you    ")));
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
            self.ui.line("");
        }
    }
}

/// How to talk, for somebody at a terminal.
pub(super) fn explain(ui: Ui) {
    ui.line(&ui.paint(
        Style::Faint,
        "Type what you say and press Enter; typing while the agent speaks interrupts it.",
    ));
    ui.line(&ui.paint(Style::Faint, &format!("Ctrl-D hangs up. In a script, {HELP}.")));
}
