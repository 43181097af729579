//! The supervisor's place at the terminal: acts by the same routes as the dashboard, and hears the
//! questions of the AI.

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

/// Placing a call may take as long as the carrier does.
const PATIENCE: Duration = Duration::from_secs(40);

/// Gives orders to a server in this process.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    client: reqwest::Client,
    origin: String,
    token: SecretString,
    /// How long the AI waits for an answer.
    limit: Duration,
}

impl Desk {
    pub(super) fn new(server: &Running, token: &SecretString) -> anyhow::Result<Self> {
        Ok(Self {
            client: api::client(PATIENCE)?,
            origin: format!("http://127.0.0.1:{}", server.addr.port()),
            token: token.clone(),
            limit: server.app.config.policy.question_limit,
        })
    }

    /// Calls somebody on an errand; the one at the terminal has said that they agree.
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

    /// Answers the AI's question, after a while.
    pub(super) async fn answer(
        self,
        call: CallSid,
        text: String,
        thinks: Duration,
    ) -> anyhow::Result<()> {
        tokio::time::sleep(thinks).await;
        let answer = json!({ "callSid": call.as_str(), "response": text });
        self.post("override/clarification", &answer).await.map(drop)
    }

    /// Hangs up.
    pub(super) async fn end(&self, call: &CallSid) -> anyhow::Result<()> {
        self.post("override/end", &json!({ "callSid": call.as_str() })).await.map(drop)
    }

    /// Says that it is the supervisor's turn.
    pub(super) fn prompt(&self, how: &str) -> String {
        let limit = self.limit.as_secs();
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

/// Hears the questions of the AI while somebody is on the line themselves.
pub(super) struct Seat {
    ui: Ui,
    desk: Desk,
    view: View,
    open: Option<CallSid>,
    sent: JoinSet<anyhow::Result<()>>,
}

impl Seat {
    /// From now on; `view` is of every call.
    pub(super) fn new(ui: Ui, desk: Desk, view: View) -> Self {
        Self { ui, desk, view, open: None, sent: JoinSet::new() }
    }

    /// Whether the AI waits for an answer.
    pub(super) fn is_asked(&self) -> bool {
        self.open.is_some()
    }

    /// Waits for something that is to be told. May be dropped and called again.
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
            let lines = self.tell(&event);
            if !lines.is_empty() {
                return lines;
            }
        }
    }

    /// Answers; a sentence says why that cannot be.
    pub(super) fn answer(&mut self, text: &str) -> Result<(), String> {
        let Some(call) = self.open.take() else {
            return Err(self.note("the agent asks nothing just now"));
        };
        self.sent.spawn(self.desk.clone().answer(call, text.to_owned(), Duration::ZERO));
        Ok(())
    }

    fn tell(&mut self, event: &Event) -> Vec<String> {
        let is_question = matches!(event.body, EventBody::Query { .. });
        if is_question {
            self.open = Some(event.call.clone());
        } else if matches!(event.body, EventBody::QueryResponse { .. }) {
            self.open = None;
        }
        let mut lines: Vec<_> = describe(&event.body).iter().map(|text| self.note(text)).collect();
        if is_question {
            let text = self.desk.prompt("/answer TEXT answers; anything else is said on the line");
            lines.push(self.ui.paint(Style::Strong, &text));
        }
        lines
    }

    fn note(&self, text: &str) -> String {
        self.ui.paint(Style::Event, &format!("· {text}"))
    }
}
