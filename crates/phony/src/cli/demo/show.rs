//! Shows a call while it goes on.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context as _, bail};
use phony_call::{CallSid, Event, EventBody};
use secrecy::ExposeSecret as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cli::converse::Typed;
use crate::cli::story::{Moment, Story};
use crate::cli::ui::{Style, Ui};
use crate::events::View;
use crate::simulator::twilio::Watch;
use crate::stage::{Stage, read_event};

/// Moments on the line that may wait to be told; more are forgotten.
const MOMENTS: usize = 1024;
/// How long a supervisor thinks, at the usual speed.
const THINKS: Duration = Duration::from_millis(1_500);

/// Hears what happens on the line.
pub(super) fn ear() -> (Watch, mpsc::Receiver<Moment>) {
    let (tell, moments) = mpsc::channel(MOMENTS);
    let watch = Watch::new(move |frame| {
        if let Some(moment) = Moment::of_frame(frame) {
            // Who does not keep up misses a time, no word.
            let _ = tell.try_send(moment);
        }
    });
    (watch, moments)
}

/// Shows calls, one after another.
pub(super) struct Show<'a> {
    pub(super) ui: Ui,
    pub(super) stage: &'a Stage,
    pub(super) moments: mpsc::Receiver<Moment>,
    pub(super) speed: f64,
    /// What a supervisor answers when the agent asks and nobody types an answer.
    pub(super) answer: Option<&'static str>,
}

impl Show<'_> {
    /// Shows the call until the server has closed its record; returns its stored events and what
    /// it came to. Whoever types is the supervisor whom the agent may ask.
    pub(super) async fn call(
        &mut self,
        mut view: View,
        sid: &str,
        limit: Duration,
        mut typed: Option<&mut Typed>,
    ) -> anyhow::Result<(Vec<Event>, Story)> {
        let call = CallSid::parse(sid).context("the phone network's name of the call")?;
        let mut story = Story::new(self.ui);
        let mut events = Vec::new();
        let mut supervisor = JoinSet::new();
        let mut asked = VecDeque::new();
        let mut past: VecDeque<_> = std::mem::take(&mut view.past).into();
        let too_late = tokio::time::sleep(limit);
        tokio::pin!(too_late);
        loop {
            let line = tokio::select! {
                biased;
                line = async { past.pop_front() }, if !past.is_empty() => line,
                Some(moment) = self.moments.recv() => {
                    story.note(moment);
                    continue;
                }
                line = view.live.recv() => line,
                Some(done) = supervisor.join_next() => {
                    match done.context("the supervisor failed")? {
                        Err(problem) if typed.is_none() => return Err(problem),
                        Err(problem) => self.note(&format!("{problem:#}")),
                        Ok(()) => {}
                    }
                    continue;
                }
                line = next_line(&mut typed) => {
                    match line.trim() {
                        "" => {}
                        answer => match asked.front() {
                            Some(query) => {
                                let now = Duration::ZERO;
                                supervisor.spawn(self.clarify(&call, *query, answer, now)?);
                            }
                            None => self.note("the agent asks nothing just now"),
                        },
                    }
                    continue;
                }
                () = &mut too_late => bail!("the call was not over after {limit:?}"),
            };
            let Some(line) = line else { bail!("the server stopped telling of the call") };
            let Some(event) = read_event(&line).filter(|event| event.call == call) else {
                continue;
            };
            for line in story.tell(&event) {
                self.ui.line(&line);
            }
            match (&event.body, self.answer) {
                (EventBody::Query { .. }, _) if typed.is_some() => {
                    asked.extend(event.seq);
                    self.prompt();
                }
                (EventBody::Query { .. }, Some(answer)) => {
                    let thinks = THINKS.div_f64(self.speed);
                    let query = event.seq.unwrap_or_default();
                    supervisor.spawn(self.clarify(&call, query, answer, thinks)?);
                }
                (EventBody::QueryResponse { .. }, _) => drop(asked.pop_front()),
                _ => {}
            }
            let over = matches!(event.body, EventBody::SessionEnd { .. });
            events.extend(Some(event).filter(Event::is_stored));
            if over {
                return Ok((events, story));
            }
        }
    }

    /// Tells the supervisor at the terminal that it is their turn.
    fn prompt(&self) {
        let limit = self.stage.server.switchboard.config.policy.question_limit.as_secs();
        let text = format!(
            "? You are the supervisor: type the answer and press Enter. Without one the agent goes \
             on after {limit} s."
        );
        self.ui.line(&self.ui.paint(Style::Strong, &text));
    }

    fn note(&self, text: &str) {
        self.ui.line(&self.ui.paint(Style::Faint, &format!("· {text}")));
    }

    /// A supervisor who answers the agent's question, by the same route as the dashboard.
    fn clarify(
        &self,
        call: &CallSid,
        query: u64,
        answer: &str,
        thinks: Duration,
    ) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + Send + 'static> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5));
        let url = format!("http://{}/override/clarification", self.stage.server.addr);
        let body = serde_json::json!({
            "callSid": call.as_str(),
            "response": answer,
            "query": query,
        });
        let request = client.build()?.post(url).json(&body);
        let request = request.bearer_auth(self.stage.admin_token.expose_secret());
        Ok(async move {
            tokio::time::sleep(thinks).await;
            let answer = request.send().await?;
            if !answer.status().is_success() {
                bail!("the server refused the supervisor's answer: {}", answer.status());
            }
            Ok(())
        })
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
