//! The supervisor's hands: lines of standard input, done through the server's API.

use anyhow::bail;
use phony_call::CallSid;
use serde_json::{Value, json};

use super::order::{HELP, Order, addressed};
use super::screen::Screen;
use crate::cli::api::Api;
use crate::cli::converse::Typed;

/// Does what is typed until somebody wants to leave; the end of the input is no such wish.
pub(super) async fn act(api: &Api, screen: &Screen, call: Option<&CallSid>, mut typed: Typed) {
    while let Some(line) = typed.next().await {
        match obey(api, screen, call, &line).await {
            Ok(Next::Stay) => {}
            Ok(Next::Leave) => return,
            Err(problem) => screen.problem(&format!("{problem:#}")),
        }
    }
    std::future::pending::<()>().await;
}

enum Next {
    Leave,
    Stay,
}

async fn obey(
    api: &Api,
    screen: &Screen,
    call: Option<&CallSid>,
    line: &str,
) -> anyhow::Result<Next> {
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
    let (path, mut body) = request(api, &call, order).await?;
    body["callSid"] = call.as_str().into();
    api.post(&["override", path], &body).await?;
    screen.note(&format!("done: {path}"));
    Ok(Next::Stay)
}

fn read_ours(line: &str) -> Option<Order> {
    Order::read(line).ok().flatten().filter(Order::is_ours)
}

/// The endpoint of an order, and what it is given. What waits in the call is asked of the call.
async fn request(api: &Api, call: &CallSid, order: Order) -> anyhow::Result<(&'static str, Value)> {
    Ok(match order {
        Order::Answer(text) => ("clarification", json!({ "response": text })),
        Order::Approve(text) => {
            let call = api.call(call).await?;
            let Some(held) = call["heldReply"].as_str() else {
                bail!("no reply is waiting for approval; /say speaks to the caller");
            };
            ("text", json!({ "text": text.unwrap_or_else(|| held.to_owned()) }))
        }
        Order::End => ("end", json!({})),
        Order::Plain(text) => {
            let call = api.call(call).await?;
            if !call["question"].is_string() {
                bail!(
                    "no question waits for this: /say speaks to the caller, /help shows the rest"
                );
            }
            ("clarification", json!({ "response": text }))
        }
        Order::Press(keys) => ("dtmf", json!({ "digits": keys })),
        Order::Reject(reason) => ("reject", json!({ "reason": reason })),
        Order::Release => ("release", json!({})),
        Order::Say(text) => ("text", json!({ "text": text })),
        Order::TakeOver => ("takeover", json!({})),
        Order::Transfer(number) => ("transfer", json!({ "target": number })),
        Order::Whisper(text) => ("whisper", json!({ "text": text })),
        Order::Help | Order::Quit => bail!("this is about no call; leave the call's id away"),
    })
}
