//! The supervisor's actions: lines of standard input, carried out through the server's API.

mod parse;

use anyhow::bail;
use phony_call::CallSid;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::screen::Screen;
use super::waiting::Waiting;
use crate::cli::api::Api;
use crate::cli::converse::InputLines;

use self::parse::{Action, addressed};

/// The commands, for `--help` and for `/help`.
pub(super) const HELP: &str = "\
Commands:
  /say TEXT        speak to the caller now, exactly these words
  /whisper TEXT    guide the AI; the caller does not hear it
  /answer TEXT     answer the AI's question; so does a line without a slash while one waits
  /approve [TEXT]  send the reply that waits, as it is or as TEXT
  /reject [WHY]    drop the reply that waits; the AI tries again
  /takeover        silence the AI; speak with /say
  /release         let the AI go on
  /press KEYS      press 0-9 * #, w waits half a second
  /transfer NUMBER put the caller through to +…
  /end             hang up
  /help            show this
  /quit            stop watching; the call goes on
With several calls, the end of a call's id goes in front: 1a2b /say One moment, please.";

/// Carries out what is typed until the supervisor quits. The end of the input does not return: the
/// call is shown on.
pub(super) async fn run(actions: Actions<'_>, mut typed: InputLines) {
    while let Some(line) = typed.next().await {
        let _busy = actions.busy.lock().await;
        match perform(&actions, &line).await {
            Ok(Next::Stay) => {}
            Ok(Next::Leave) => return,
            Err(problem) => actions.screen.problem(&format!("{problem:#}")),
        }
    }
    std::future::pending::<()>().await;
}

/// What actions need.
pub(super) struct Actions<'a> {
    pub(super) api: &'a Api,
    pub(super) screen: &'a Screen,
    pub(super) waiting: &'a Waiting,
    /// The call that all actions are for, if only one is shown.
    pub(super) call: Option<&'a CallSid>,
    /// Locked while an action is carried out.
    pub(super) busy: &'a Mutex<()>,
}

enum Next {
    Leave,
    Stay,
}

async fn perform(actions: &Actions<'_>, line: &str) -> anyhow::Result<Next> {
    let Actions { api, screen, call, .. } = *actions;
    let read = |line| Action::read(line).map_err(anyhow::Error::msg);
    match read_local(line) {
        Some(Action::Quit) => return Ok(Next::Leave),
        Some(Action::Help) => {
            HELP.lines().for_each(|line| screen.note(line));
            return Ok(Next::Stay);
        }
        _ if line.trim().is_empty() => return Ok(Next::Stay),
        _ => {}
    }
    let (call, line) = match call {
        Some(call) => (call.clone(), line),
        None => addressed(line, &api.live().await?).map_err(anyhow::Error::msg)?,
    };
    let Some(action) = read(line)? else { bail!("say what to do; /help shows the commands") };
    let (path, mut body) = request(actions, &call, action).await?;
    body["callSid"] = call.as_str().into();
    api.post(&["override", path], &body).await?;
    screen.note(&format!("done: {path}"));
    Ok(Next::Stay)
}

fn read_local(line: &str) -> Option<Action> {
    Action::read(line).ok().flatten().filter(Action::is_local)
}

/// The endpoint of an action and the body of its request. What has not been seen to wait in the
/// call is looked up.
async fn request(
    actions: &Actions<'_>,
    call: &CallSid,
    action: Action,
) -> anyhow::Result<(&'static str, Value)> {
    let (question, reply) = (actions.waiting.question(call), actions.waiting.reply(call));
    let shown = || actions.api.call(call);
    Ok(match action {
        Action::Answer(text) => ("clarification", json!({ "response": text, "query": question })),
        Action::Approve(text) => {
            let call = shown().await?;
            let Some(held) = call["heldReply"].as_str() else {
                bail!("no reply is waiting for approval; /say speaks to the caller");
            };
            let turn = reply.map_or_else(|| call["heldTurn"].clone(), |turn| json!(turn));
            let text = text.unwrap_or_else(|| held.to_owned());
            ("text", json!({ "text": text, "reply": turn }))
        }
        Action::End => ("end", json!({})),
        Action::Plain(text) => {
            let call = shown().await?;
            if !call["question"].is_string() {
                bail!(
                    "no question waits for this: /say speaks to the caller, /help shows the rest"
                );
            }
            let query = question.map_or_else(|| call["questionSeq"].clone(), |seq| json!(seq));
            ("clarification", json!({ "response": text, "query": query }))
        }
        Action::Press(keys) => ("dtmf", json!({ "digits": keys })),
        Action::Reject(reason) => ("reject", json!({ "reason": reason, "reply": reply })),
        Action::Release => ("release", json!({})),
        Action::Say(text) => ("text", json!({ "text": text })),
        Action::TakeOver => ("takeover", json!({})),
        Action::Transfer(number) => ("transfer", json!({ "target": number })),
        Action::Whisper(text) => ("whisper", json!({ "text": text })),
        Action::Help | Action::Quit => {
            bail!("this command is for no call; leave out the call's id")
        }
    })
}
