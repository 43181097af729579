//! `phony call`: calls somebody through a running server, and shows the call.

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::bail;
use clap::Args;
use phony_call::CallSid;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use url::Url;

use super::api::{Api, server_url};
use super::calls::{Followed, follow};
use super::ui::{Style, Ui, clean};
use super::{Settings, Usage, block_on};
use crate::registry::random_token;

/// Call somebody through the running server.
///
/// The server's rules decide whether it may be; every order is in its ledger. At a terminal what is
/// missing is asked for. Ctrl-C hangs up.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(super) struct Call {
    /// The number, in any usual spelling
    number: Option<String>,
    /// The errand: inquiry, survey, appointment, check-in, or one of your own
    #[arg(long, value_name = "ID")]
    scenario: Option<String>,
    /// Who speaks, if there is no errand
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Fill a slot of the scenario; may be given several times
    #[arg(long = "var", value_name = "NAME=TEXT", value_parser = variable)]
    variables: Vec<(String, String)>,
    /// The callee agrees to be called by an AI
    #[arg(long)]
    consent: bool,
    /// Do not ask whether all is right
    #[arg(long)]
    yes: bool,
    /// The number that calls [default: `TWILIO_PHONE_NUMBER` of the server]
    #[arg(long, value_name = "NUMBER")]
    from: Option<String>,
    /// Call at any hour of the callee's day; the ledger says so
    #[arg(long)]
    ignore_calling_hours: bool,
    /// Only place the call and print its id
    #[arg(long)]
    detach: bool,
    /// The server [default: the one on this machine]
    #[arg(long, value_name = "URL", value_parser = server_url)]
    server: Option<Url>,
    /// The supervisors' token [default: `PHONY_ADMIN_TOKEN`, else the one in the data folder]
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// The call's events as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: Settings, call: Call) -> anyhow::Result<()> {
    let config = settings.load()?;
    let token = call.token.as_deref().map(|token| SecretString::from(token.trim()));
    let api = Api::new(&config, call.server.as_ref(), token)?;
    block_on(place_and_follow(api, call))
}

async fn place_and_follow(api: Api, call: Call) -> anyhow::Result<()> {
    let ui = Ui::new();
    let asks = std::io::stdin().is_terminal() && !call.json;
    let Some(order) = (if asks { asked(&api, ui, &call).await? } else { Some(given(&call)?) })
    else {
        ui.line("Nobody was called.");
        return Ok(());
    };
    let placed = api.place(&order, &random_token()).await?;
    let Some(sid) = placed["callSid"].as_str().and_then(|sid| CallSid::parse(sid).ok()) else {
        bail!("the server's answer names no call");
    };
    if call.detach {
        ui.line(&if call.json { placed.to_string() } else { sid.to_string() });
        return Ok(());
    }
    match Box::pin(follow(&api, &sid, call.json)).await? {
        Followed::ToItsEnd => {}
        Followed::Left => return Ok(()),
        Followed::Stopped => {
            api.post(&["override", "end"], &json!({ "callSid": sid.as_str() })).await?;
            bail!("stopped: the call was hung up");
        }
    }
    let call = api.call(&sid).await?;
    match call["progress"].as_str() {
        None | Some("completed") => Ok(()),
        Some(how) => bail!("the call was not held: {}", clean(how)),
    }
}

/// The order as the flags give it.
fn given(call: &Call) -> anyhow::Result<Value> {
    let Some(number) = &call.number else {
        return Err(Usage("name the number to call, such as +14155552671".into()).into());
    };
    if call.scenario.is_none() && call.agent.is_none() {
        return Err(Usage("name the errand: --scenario ID, or --agent ID".into()).into());
    }
    let variables = call.variables.iter().cloned();
    let variables: Map<_, _> = variables.map(|(name, text)| (name, text.into())).collect();
    Ok(order(call, number, call.scenario.as_deref(), &variables, call.consent))
}

/// The order, with what is missing asked for; nothing if somebody thinks better of it.
async fn asked(api: &Api, ui: Ui, call: &Call) -> anyhow::Result<Option<Value>> {
    let Some(number) = call.number.clone().or_else(|| ask(ui, "Number to call: ")) else {
        return Ok(None);
    };
    let scenarios = api.get(&["scenarios"], &[]).await?;
    let scenarios = scenarios["scenarios"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value, name: &str| clean(value[name].as_str().unwrap_or_default());
    let scenario = match (&call.scenario, &call.agent) {
        (None, None) => {
            for (place, scenario) in scenarios.iter().enumerate() {
                let number = ui.paint(Style::Strong, &format!("{}", place + 1));
                let about = ui.paint(Style::Faint, &text(scenario, "description"));
                ui.line(&format!("  {number}  {:<26} {about}", text(scenario, "name")));
            }
            let Some(choice) = ask(ui, "Errand: ") else { return Ok(None) };
            let place = choice.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            match place.and_then(|place| scenarios.get(place)) {
                Some(scenario) => Some(text(scenario, "id")),
                None => Some(choice),
            }
        }
        (scenario, _) => scenario.clone(),
    };
    let chosen = scenarios.iter().find(|known| known["id"].as_str() == scenario.as_deref());
    let mut variables = Map::new();
    for (name, value) in &call.variables {
        variables.insert(name.clone(), value.clone().into());
    }
    for slot in chosen.and_then(|chosen| chosen["slots"].as_array()).into_iter().flatten() {
        let name = text(slot, "name");
        if variables.contains_key(&name) || (call.yes && slot["default"].is_string()) {
            continue;
        }
        let default = slot["default"].as_str().map(|text| format!(" [{}]", clean(text)));
        let question = format!("{name}{}: ", default.unwrap_or_default());
        let Some(answer) = ask_for(ui, &question) else { return Ok(None) };
        if !answer.is_empty() {
            variables.insert(name, answer.into());
        }
    }
    let consent = call.consent
        || ask(ui, "Does the callee agree to be called by an AI? [y/N] ")
            .is_some_and(|answer| is_yes(&answer));
    if !consent {
        ui.line("Without the callee's consent nobody is called.");
        return Ok(None);
    }
    let errand = chosen.map(|chosen| text(chosen, "name"));
    let errand = errand.or_else(|| scenario.clone()).or_else(|| call.agent.clone());
    let summary = format!("Call {} for: {}", clean(&number), clean(&errand.unwrap_or_default()));
    ui.line(&ui.paint(Style::Strong, &summary));
    if !call.yes && !ask(ui, "Call now? [y/N] ").is_some_and(|answer| is_yes(&answer)) {
        return Ok(None);
    }
    Ok(Some(order(call, &number, scenario.as_deref(), &variables, true)))
}

fn order(
    call: &Call,
    number: &str,
    scenario: Option<&str>,
    variables: &Map<String, Value>,
    consent: bool,
) -> Value {
    json!({
        "to": number, "scenario": scenario, "agent": call.agent, "from": call.from,
        "variables": variables, "consent": consent,
        "ignoreCallingHours": call.ignore_calling_hours,
    })
}

/// An answer; nothing if there is none, or no more input.
fn ask(ui: Ui, question: &str) -> Option<String> {
    ask_for(ui, question).filter(|answer| !answer.is_empty())
}

/// A line of the input; nothing at its end.
fn ask_for(ui: Ui, question: &str) -> Option<String> {
    ui.piece(question);
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(1..) => Some(line.trim().to_owned()),
        Ok(0) | Err(_) => None,
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.to_lowercase().as_str(), "y" | "yes")
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=TEXT, such as business=Acme")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}
