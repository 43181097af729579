//! Shows a call while it lasts.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context as _, bail};
use phony_call::{CallSid, Event, EventBody};
use phony_simulator::twilio::Watch;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cli::console::{self, PROMPT};
use crate::cli::converse::InputLines;
use crate::cli::printer::{Moment, Printer};
use crate::cli::serve::Signals;
use crate::cli::supervisor::Supervisor;
use crate::cli::ui::{Style, Ui};
use crate::events::View;
use crate::sandbox::read_event;

/// The most moments on lines that wait to be printed; more are dropped.
const MOMENTS: usize = 1024;
/// The supervisor's delay before a prepared answer, at natural speed.
const ANSWER_DELAY: Duration = Duration::from_millis(1_500);
/// How long to wait for a piped line that answers a question.
const PIPED_LINE_LIMIT: Duration = Duration::from_millis(200);
/// The beginning of a line that answers a question.
const ANSWER_COMMAND: &str = "/answer ";

/// Moments on lines, each with its call's id.
pub(super) type Moments = mpsc::Receiver<(String, Moment)>;

/// A watch of the network, and the moments that it sees.
pub(super) fn watch_lines() -> (Watch, Moments) {
    let (sender, moments) = mpsc::channel(MOMENTS);
    let watch = Watch::new(move |frame| {
        if let Some(moment) = Moment::of_frame(frame) {
            // A dropped moment loses a time, never a word.
            let _ = sender.try_send((frame.call_sid.to_owned(), moment));
        }
    });
    (watch, moments)
}

/// Shows calls, one after another.
pub(super) struct Viewer<'a> {
    pub(super) ui: Ui,
    pub(super) supervisor: Supervisor,
    pub(super) moments: &'a mut Moments,
    /// Ctrl-C.
    pub(super) signals: &'a mut Signals,
    pub(super) speed: f64,
    /// The answer to the agent's questions where nobody types one.
    pub(super) answer: &'static str,
}

/// The call to show.
pub(super) struct ViewedCall {
    /// The call's id at the carrier.
    pub(super) sid: String,
    /// The names of the two sides.
    pub(super) names: (String, String),
    /// How long it may last, in real time.
    pub(super) limit: Duration,
}

impl ViewedCall {
    /// A call between a caller and an agent.
    pub(super) fn new(sid: &str, limit: Duration) -> Self {
        let names = ("caller".to_owned(), "agent".to_owned());
        Self { sid: sid.to_owned(), names, limit }
    }
}

impl Viewer<'_> {
    /// Shows a call until the server has closed its record; returns its stored events and the
    /// printer with its totals. Typed lines answer the AI's questions, of this call and of any
    /// other. The first Ctrl-C hangs up.
    pub(super) async fn view(
        &mut self,
        mut view: View,
        shown: ViewedCall,
        mut typed: Option<&mut InputLines>,
    ) -> anyhow::Result<(Vec<Event>, Printer)> {
        let ViewedCall { sid, names: (caller, agent), limit } = shown;
        let call = CallSid::parse(&sid).context("the phone network's id of the call")?;
        let mut printer = Printer::new(self.ui).named(&caller, &agent);
        let mut events = Vec::new();
        let mut requests = JoinSet::new();
        let mut asked = None;
        let mut past: VecDeque<_> = std::mem::take(&mut view.past).into();
        let by_hand = typed.as_ref().is_some_and(|typed| typed.is_by_hand());
        if by_hand {
            self.ui.set_prompt(PROMPT);
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
                    match (line.trim(), asked.take()) {
                        ("", pending) => asked = pending,
                        (text, Some(call)) => {
                            let text = text.strip_prefix(ANSWER_COMMAND).unwrap_or(text).to_owned();
                            requests.spawn(self.supervisor.clone().answer(call, text, Duration::ZERO));
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
            self.print(&mut printer, &event, &call);
            let is_question = matches!(event.body, EventBody::Query { .. });
            if is_question && by_hand {
                asked = Some(event.call.clone());
                let text = self.supervisor.prompt("type the answer and press Enter");
                self.ui.print_line(&self.ui.paint(Style::Strong, &text));
            } else if is_question {
                let answer = self.prepared_answer(&mut typed).await;
                let delay = ANSWER_DELAY.div_f64(self.speed);
                let call = event.call.clone();
                requests.spawn(self.supervisor.clone().answer(call, answer, delay));
            } else if matches!(event.body, EventBody::QueryResponse { .. }) {
                asked = None;
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

    /// Prints an event; of another call, only what concerns the supervisor.
    fn print(&self, printer: &mut Printer, event: &Event, call: &CallSid) {
        let concerns =
            matches!(event.body, EventBody::Query { .. } | EventBody::QueryResponse { .. });
        if event.call == *call || concerns {
            for line in printer.lines(event) {
                self.ui.print_line(&line);
            }
        }
    }

    /// The answer that a script has next, or the usual one.
    async fn prepared_answer(&self, typed: &mut Option<&mut InputLines>) -> String {
        let usual = || self.answer.to_owned();
        let Some(typed) = typed else { return usual() };
        let next = tokio::time::timeout(PIPED_LINE_LIMIT, typed.peek()).await.ok().flatten();
        if !next.is_some_and(|line| line.starts_with(ANSWER_COMMAND)) {
            return usual();
        }
        let line = typed.next().await.unwrap_or_default();
        line.strip_prefix(ANSWER_COMMAND).map_or_else(usual, str::to_owned)
    }

    fn note(&self, text: &str) {
        self.ui.print_line(&self.ui.paint(Style::Faint, &format!("· {text}")));
    }
}

/// The next typed line; never, if nobody types or the input has ended.
async fn next_line(typed: &mut Option<&mut InputLines>) -> String {
    if let Some(typed) = typed
        && let Some(line) = typed.next().await
    {
        return line;
    }
    std::future::pending().await
}
