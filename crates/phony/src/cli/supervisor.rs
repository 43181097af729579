//! A supervisor at the terminal of a demonstration: acts through the HTTP API, as the dashboard
//! does, and answers the questions of the AI.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use phony_call::{CallSid, Event, EventBody};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::api;
use super::printer::describe;
use super::ui::{Style, Ui, clean};
use crate::events::View;
use crate::sandbox::read_event;
use crate::server::Running;

/// The timeout of a request; placing a call takes as long as the carrier does.
const TIMEOUT: Duration = Duration::from_secs(40);

/// Acts on the calls of a server in this process.
#[derive(Debug, Clone)]
pub(super) struct Supervisor {
    client: reqwest::Client,
    origin: String,
    token: SecretString,
    /// How long the AI waits for an answer to a question.
    question_limit: Duration,
}

impl Supervisor {
    pub(super) fn new(server: &Running, token: &SecretString) -> anyhow::Result<Self> {
        Ok(Self {
            client: api::client(TIMEOUT)?,
            origin: format!("http://127.0.0.1:{}", server.addr.port()),
            token: token.clone(),
            question_limit: server.app.config.policy.question_limit,
        })
    }

    /// Places a call; the callee's consent has been confirmed at the terminal. Returns the call's
    /// id.
    pub(super) async fn place(
        &self,
        to: &str,
        scenario: &str,
        variables: &BTreeMap<String, String>,
    ) -> anyhow::Result<String> {
        let order =
            json!({ "to": to, "scenario": scenario, "variables": variables, "consent": true });
        let answer = self.post("calls", &order).await?;
        let sid = answer["callSid"].as_str().context("the server does not name the call")?;
        Ok(sid.to_owned())
    }

    /// Answers the AI's question, after a delay.
    pub(super) async fn answer(
        self,
        call: CallSid,
        text: String,
        delay: Duration,
    ) -> anyhow::Result<()> {
        tokio::time::sleep(delay).await;
        let answer = json!({ "callSid": call.as_str(), "response": text });
        self.post("override/clarification", &answer).await.map(drop)
    }

    /// Hangs up.
    pub(super) async fn end(&self, call: &CallSid) -> anyhow::Result<()> {
        self.post("override/end", &json!({ "callSid": call.as_str() })).await.map(drop)
    }

    /// The line that asks the supervisor for an answer; `how` says how to give one.
    pub(super) fn prompt(&self, how: &str) -> String {
        let limit = self.question_limit.as_secs();
        format!(
            "? You are the supervisor: {how}. Without an answer the agent goes on after {limit} s."
        )
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.client.post(format!("{}/{path}", self.origin)).json(body);
        let answer = request.bearer_auth(self.token.expose_secret()).send().await?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let error = &body["error"];
        let message = error["message"].as_str().unwrap_or("no reason is given");
        let advice = error["details"]["advice"].as_str().unwrap_or_default();
        bail!("the server refuses ({}): {} {}", status.as_u16(), clean(message), clean(advice))
    }
}

/// Lets the person who speaks on the line answer the AI's questions as well.
pub(super) struct SupervisorConsole {
    ui: Ui,
    supervisor: Supervisor,
    view: View,
    /// The call whose question waits for an answer.
    asked: Option<CallSid>,
    sent: JoinSet<anyhow::Result<()>>,
}

impl SupervisorConsole {
    /// Starts with the events that come now; `view` is of every call.
    pub(super) fn new(ui: Ui, supervisor: Supervisor, view: View) -> Self {
        Self { ui, supervisor, view, asked: None, sent: JoinSet::new() }
    }

    /// Whether a question waits for an answer.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Waits for lines to print. Cancel-safe.
    pub(super) async fn next(&mut self) -> Vec<String> {
        loop {
            let event = tokio::select! {
                line = self.view.live.recv() => match line {
                    Some(line) => read_event(&line),
                    None => std::future::pending().await,
                },
                Some(done) = self.sent.join_next() => {
                    if let Ok(Err(problem)) = done {
                        return vec![self.note(&format!("{problem:#}"))];
                    }
                    None
                }
            };
            let Some(event) = event else { continue };
            let lines = self.lines(&event);
            if !lines.is_empty() {
                return lines;
            }
        }
    }

    /// Answers the question; an error is the line to print when there is none.
    pub(super) fn answer(&mut self, text: &str) -> Result<(), String> {
        let Some(call) = self.asked.take() else {
            return Err(self.note("the agent asks nothing just now"));
        };
        self.sent.spawn(self.supervisor.clone().answer(call, text.to_owned(), Duration::ZERO));
        Ok(())
    }

    fn lines(&mut self, event: &Event) -> Vec<String> {
        let is_question = matches!(event.body, EventBody::Query { .. });
        if is_question {
            self.asked = Some(event.call.clone());
        } else if matches!(event.body, EventBody::QueryResponse { .. }) {
            self.asked = None;
        }
        let mut lines: Vec<_> = describe(&event.body).iter().map(|text| self.note(text)).collect();
        if is_question {
            let text =
                self.supervisor.prompt("/answer TEXT answers; anything else is said on the line");
            lines.push(self.ui.paint(Style::Strong, &text));
        }
        lines
    }

    fn note(&self, text: &str) -> String {
        self.ui.paint(Style::Event, &format!("· {text}"))
    }
}
