//! Shows a call while it goes on.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context as _, bail};
use phony_call::{CallSid, Event, EventBody};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cli::console::{self, PROMPT};
use crate::cli::converse::Typed;
use crate::cli::printer::{Moment, Printer};
use crate::cli::serve::Signals;
use crate::cli::supervisor::Supervisor;
use crate::cli::ui::{Style, Ui};
use crate::events::View;
use crate::sandbox::read_event;
use phony_simulator::twilio::Watch;

/// Moments on the line that may wait to be told; more are forgotten.
const MOMENTS: usize = 1024;
/// How long a supervisor thinks, at the usual speed.
const THINKS: Duration = Duration::from_millis(1_500);
/// How long a piped line may take to be there.
const LOOK: Duration = Duration::from_millis(200);
/// How a line is marked that answers a question.
const ANSWER: &str = "/answer ";

/// What happens on the lines, and on which.
pub(super) type Moments = mpsc::Receiver<(String, Moment)>;

/// Hears what happens on the lines.
pub(super) fn ear() -> (Watch, Moments) {
    let (tell, moments) = mpsc::channel(MOMENTS);
    let watch = Watch::new(move |frame| {
        if let Some(moment) = Moment::of_frame(frame) {
            // Who does not keep up misses a time, no word.
            let _ = tell.try_send((frame.call_sid.to_owned(), moment));
        }
    });
    (watch, moments)
}

/// Shows calls, one after another.
pub(super) struct Show<'a> {
    pub(super) ui: Ui,
    pub(super) supervisor: Supervisor,
    pub(super) moments: &'a mut Moments,
    /// Ctrl-C.
    pub(super) signals: &'a mut Signals,
    pub(super) speed: f64,
    /// What a supervisor answers when the agent asks and nobody types an answer.
    pub(super) answer: &'static str,
}

/// What is shown.
pub(super) struct Shown {
    /// The carrier's name of the call.
    pub(super) sid: String,
    /// What the two sides are called.
    pub(super) names: (String, String),
    /// How long it may take, by the clock.
    pub(super) limit: Duration,
}

impl Shown {
    /// A call between a caller and an agent.
    pub(super) fn call(sid: &str, limit: Duration) -> Self {
        let names = ("caller".to_owned(), "agent".to_owned());
        Self { sid: sid.to_owned(), names, limit }
    }
}

impl Show<'_> {
    /// Shows the call until the server has closed its record; returns its stored events and what
    /// it came to. Whoever types is the supervisor whom the AI may ask, in this call and in any
    /// other. The first Ctrl-C hangs up.
    pub(super) async fn call(
        &mut self,
        mut view: View,
        shown: Shown,
        mut typed: Option<&mut Typed>,
    ) -> anyhow::Result<(Vec<Event>, Printer)> {
        let Shown { sid, names: (caller, agent), limit } = shown;
        let call = CallSid::parse(&sid).context("the phone network's name of the call")?;
        let mut printer = Printer::new(self.ui).named(&caller, &agent);
        let mut events = Vec::new();
        let mut requests = JoinSet::new();
        let mut asks = None;
        let mut past: VecDeque<_> = std::mem::take(&mut view.past).into();
        let by_hand = typed.as_ref().is_some_and(|typed| typed.is_by_hand());
        if by_hand {
            self.ui.listen(PROMPT);
        }
        let too_late = tokio::time::sleep(limit);
        tokio::pin!(too_late);
        let mut stopped = false;
        loop {
            let line = tokio::select! {
                biased;
                line = async { past.pop_front() }, if !past.is_empty() => line,
                Some((sid, moment)) = self.moments.recv() => {
                    if sid == call.as_str() {
                        printer.note(moment);
                    }
                    continue;
                }
                line = view.live.recv() => line,
                Some(done) = requests.join_next() => {
                    match done.context("the supervisor failed")? {
                        Err(problem) if typed.is_none() => return Err(problem),
                        Err(problem) => self.note(&format!("{problem:#}")),
                        Ok(()) => {}
                    }
                    continue;
                }
                line = next_line(&mut typed), if by_hand => {
                    match (line.trim(), asks.take()) {
                        ("", asked) => asks = asked,
                        (text, Some(asked)) => {
                            let text = text.strip_prefix(ANSWER).unwrap_or(text).to_owned();
                            requests.spawn(self.supervisor.clone().answer(asked, text, Duration::ZERO));
                        }
                        (_, None) => self.note("the agent asks nothing just now"),
                    }
                    continue;
                }
                () = self.signals.next() => {
                    if std::mem::replace(&mut stopped, true) {
                        bail!("stopped: the call was dropped");
                    }
                    console::drop_line();
                    self.note("hanging up");
                    let (supervisor, call) = (self.supervisor.clone(), call.clone());
                    requests.spawn(async move { supervisor.end(&call).await });
                    continue;
                }
                () = &mut too_late => bail!("the call was not over after {limit:?}"),
            };
            let Some(line) = line else { bail!("the server stopped telling of the call") };
            let Some(event) = read_event(&line) else { continue };
            self.tell(&mut printer, &event, &call);
            let is_question = matches!(event.body, EventBody::Query { .. });
            if is_question && by_hand {
                asks = Some(event.call.clone());
                let text = self.supervisor.prompt("type the answer and press Enter");
                self.ui.line(&self.ui.paint(Style::Strong, &text));
            } else if is_question {
                let answer = self.prepared(&mut typed).await;
                let thinks = THINKS.div_f64(self.speed);
                let asked = event.call.clone();
                requests.spawn(self.supervisor.clone().answer(asked, answer, thinks));
            } else if matches!(event.body, EventBody::QueryResponse { .. }) {
                asks = None;
            }
            if event.call != call {
                continue;
            }
            let over = matches!(event.body, EventBody::SessionEnd { .. });
            events.extend(Some(event).filter(Event::is_stored));
            if over {
                return Ok((events, printer));
            }
        }
    }

    /// Of another call, only what concerns the supervisor.
    fn tell(&self, printer: &mut Printer, event: &Event, call: &CallSid) {
        let concerns =
            matches!(event.body, EventBody::Query { .. } | EventBody::QueryResponse { .. });
        if event.call == *call || concerns {
            for line in printer.lines(event) {
                self.ui.line(&line);
            }
        }
    }

    /// The answer that a script has ready, or the usual one.
    async fn prepared(&self, typed: &mut Option<&mut Typed>) -> String {
        let usual = || self.answer.to_owned();
        let Some(typed) = typed else { return usual() };
        let next = tokio::time::timeout(LOOK, typed.peek()).await.ok().flatten();
        if !next.is_some_and(|line| line.starts_with(ANSWER)) {
            return usual();
        }
        let line = typed.next().await.unwrap_or_default();
        line.strip_prefix(ANSWER).map_or_else(usual, str::to_owned)
    }

    fn note(&self, text: &str) {
        self.ui.line(&self.ui.paint(Style::Faint, &format!("· {text}")));
    }
}

/// The next line that is typed; never, if nobody types or the input has ended.
async fn next_line(typed: &mut Option<&mut Typed>) -> String {
    if let Some(typed) = typed
        && let Some(line) = typed.next().await
    {
        return line;
    }
    std::future::pending().await
}
