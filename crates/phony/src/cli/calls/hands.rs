//! The supervisor's hands: lines of standard input, done through the server's API.

use anyhow::bail;
use phony_call::CallSid;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::order::{HELP, Order, addressed};
use super::screen::Screen;
use super::waiting::Waiting;
use crate::cli::api::Api;
use crate::cli::converse::Typed;

/// Does what is typed until somebody wants to leave; the end of the input is no such wish.
pub(super) async fn act(hands: Hands<'_>, mut typed: Typed) {
    while let Some(line) = typed.next().await {
        let _at_work = hands.at_work.lock().await;
        match obey(&hands, &line).await {
            Ok(Next::Stay) => {}
            Ok(Next::Leave) => return,
            Err(problem) => hands.screen.problem(&format!("{problem:#}")),
        }
    }
    std::future::pending::<()>().await;
}

/// What a supervisor's hands reach.
pub(super) struct Hands<'a> {
    pub(super) api: &'a Api,
    pub(super) screen: &'a Screen,
    pub(super) waiting: &'a Waiting,
    /// The call that all orders are for, if it is but one.
    pub(super) call: Option<&'a CallSid>,
    /// Taken while an order is on its way.
    pub(super) at_work: &'a Mutex<()>,
}

enum Next {
    Leave,
    Stay,
}

async fn obey(hands: &Hands<'_>, line: &str) -> anyhow::Result<Next> {
    let Hands { api, screen, call, .. } = *hands;
    let read = |line| Order::read(line).map_err(anyhow::Error::msg);
    match read_ours(line) {
        Some(Order::Quit) => return Ok(Next::Leave),
        Some(Order::Help) => {
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
    let Some(order) = read(line)? else { bail!("say what to do; /help shows the commands") };
    let (path, mut body) = request(hands, &call, order).await?;
    body["callSid"] = call.as_str().into();
    api.post(&["override", path], &body).await?;
    screen.note(&format!("done: {path}"));
    Ok(Next::Stay)
}

fn read_ours(line: &str) -> Option<Order> {
    Order::read(line).ok().flatten().filter(Order::is_ours)
}

/// The endpoint of an order, and what it is given. What has not been shown to wait in the call is
/// asked of the call.
async fn request(
    hands: &Hands<'_>,
    call: &CallSid,
    order: Order,
) -> anyhow::Result<(&'static str, Value)> {
    let (question, reply) = (hands.waiting.question(call), hands.waiting.reply(call));
    let shown = || hands.api.call(call);
    Ok(match order {
        Order::Answer(text) => ("clarification", json!({ "response": text, "query": question })),
        Order::Approve(text) => {
            let call = shown().await?;
            let Some(held) = call["heldReply"].as_str() else {
                bail!("no reply is waiting for approval; /say speaks to the caller");
            };
            let turn = reply.map_or_else(|| call["heldTurn"].clone(), |turn| json!(turn));
            let text = text.unwrap_or_else(|| held.to_owned());
            ("text", json!({ "text": text, "reply": turn }))
        }
        Order::End => ("end", json!({})),
        Order::Plain(text) => {
            let call = shown().await?;
            if !call["question"].is_string() {
                bail!(
                    "no question waits for this: /say speaks to the caller, /help shows the rest"
                );
            }
            let query = question.map_or_else(|| call["questionSeq"].clone(), |seq| json!(seq));
            ("clarification", json!({ "response": text, "query": query }))
        }
        Order::Press(keys) => ("dtmf", json!({ "digits": keys })),
        Order::Reject(reason) => ("reject", json!({ "reason": reason, "reply": reply })),
        Order::Release => ("release", json!({})),
        Order::Say(text) => ("text", json!({ "text": text })),
        Order::TakeOver => ("takeover", json!({})),
        Order::Transfer(number) => ("transfer", json!({ "target": number })),
        Order::Whisper(text) => ("whisper", json!({ "text": text })),
        Order::Help | Order::Quit => bail!("this is about no call; leave the call's id away"),
    })
}
