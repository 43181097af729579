//! `phony call`: places a call through a running server, and shows it.

use std::io::IsTerminal as _;

use anyhow::bail;
use clap::Args;
use phony_call::{CallSid, Country, PhoneNumber, Unreadable};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use url::Url;

use super::api::{Api, server_url};
use super::calls::{Followed, follow};
use super::converse::InputLines;
use super::questions::Questions;
use super::ui::{Style, Ui, clean};
use super::{Settings, Usage, block_on, until_stopped};
use crate::agents;
use crate::token;

/// Call somebody through the running server.
///
/// The server's rules decide whether the number may be called, and its ledger records every order.
/// At a terminal you are asked for whatever is missing. Ctrl-C hangs up.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(super) struct Call {
    /// The number to call, in any usual notation
    number: Option<String>,
    /// The scenario: inquiry, survey, appointment, check-in, or one of your own
    #[arg(long, value_name = "ID")]
    scenario: Option<String>,
    /// The agent that speaks, if there is no scenario
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Fill a slot of the scenario; may be given several times
    #[arg(long = "var", value_name = "NAME=TEXT", value_parser = variable)]
    variables: Vec<(String, String)>,
    /// The callee agrees to be called by an AI
    #[arg(long)]
    consent: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
    /// The number to call from [default: the server's `TWILIO_PHONE_NUMBER`]
    #[arg(long, value_name = "NUMBER")]
    from: Option<String>,
    /// Call outside the calling hours too; the ledger records this
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
    /// Print the call's events as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: Settings, call: Call) -> anyhow::Result<()> {
    let config = settings.load()?;
    let token = call.token.as_deref().map(|token| SecretString::from(token.trim()));
    let api = Api::new(&config, call.server.as_ref(), token)?;
    let home = config.twilio.phone_number.as_ref().and_then(Country::of);
    block_on(place_and_follow(api, call, home))
}

async fn place_and_follow(api: Api, call: Call, home: Option<Country>) -> anyhow::Result<()> {
    let ui = Ui::new();
    let attended = std::io::stdin().is_terminal() && !call.json;
    let mut typed = if attended { Some(InputLines::start(true)?) } else { None };
    let order = match &mut typed {
        None => Some(given(&call)?),
        Some(typed) => tokio::select! {
            order = asked(&api, Questions { ui, typed }, &call, home) => order?,
            () = until_stopped() => {
                ui.print_line("");
                None
            }
        },
    };
    let Some(order) = order else {
        ui.print_line("Nobody was called.");
        return Ok(());
    };
    let (placed, stopped) = place(&api, ui, &order).await?;
    let Some(sid) = placed["callSid"].as_str().and_then(|sid| CallSid::parse(sid).ok()) else {
        bail!("the server's answer names no call");
    };
    if stopped {
        return hang_up(&api, &sid).await;
    }
    if call.detach {
        ui.print_line(&if call.json { placed.to_string() } else { sid.to_string() });
        return Ok(());
    }
    match Box::pin(follow(&api, &sid, call.json, typed)).await? {
        Followed::ToItsEnd => {}
        Followed::Left => return Ok(()),
        Followed::Stopped => return hang_up(&api, &sid).await,
    }
    let call = api.call(&sid).await?;
    match call["progress"].as_str() {
        None | Some("completed") => Ok(()),
        Some(how) => bail!("the call did not take place: {}", clean(how)),
    }
}

/// Places the order. A stop meanwhile waits for the call's id, without which the call could not be
/// hung up.
async fn place(api: &Api, ui: Ui, order: &Value) -> anyhow::Result<(Value, bool)> {
    let key = token::random();
    let placing = api.place(order, &key);
    tokio::pin!(placing);
    tokio::select! {
        placed = &mut placing => Ok((placed?, false)),
        () = until_stopped() => {
            ui.print_line(&ui.paint(Style::Faint, "· the call is being placed; it will be hung up"));
            Ok((placing.await?, true))
        }
    }
}

async fn hang_up(api: &Api, sid: &CallSid) -> anyhow::Result<()> {
    api.post(&["override", "end"], &json!({ "callSid": sid.as_str() })).await?;
    bail!("stopped: the call was hung up")
}

/// The order from the flags alone.
fn given(call: &Call) -> anyhow::Result<Value> {
    let Some(number) = &call.number else {
        return Err(Usage("name the number to call, such as +14155552671".into()).into());
    };
    if call.scenario.is_none() && call.agent.is_none() {
        return Err(Usage("say what the call is for: --scenario ID, or --agent ID".into()).into());
    }
    let variables = call.variables.iter().cloned();
    let variables: Map<_, _> = variables.map(|(name, text)| (name, text.into())).collect();
    Ok(order(call, number, call.scenario.as_deref(), &variables, call.consent))
}

/// The order, after questions for what is missing; nothing if the user decides against it.
async fn asked(
    api: &Api,
    mut questions: Questions<'_>,
    call: &Call,
    home: Option<Country>,
) -> anyhow::Result<Option<Value>> {
    let ui = questions.ui;
    // Before any question, so that a missing server is noticed first.
    let scenarios = api.get(&["scenarios"], &[]).await?;
    let scenarios = scenarios["scenarios"].as_array().cloned().unwrap_or_default();
    let number = match &call.number {
        Some(number) => number.clone(),
        None => match questions.ask("Number to call: ", |line| number(line, home)).await {
            Some(number) => number,
            None => return Ok(None),
        },
    };
    let scenario = match (&call.scenario, &call.agent) {
        (None, None) => {
            for (place, scenario) in scenarios.iter().enumerate() {
                let number = ui.paint(Style::Strong, &format!("{}", place + 1));
                let about = ui.paint(Style::Faint, &text(scenario, "description"));
                ui.print_line(&format!("  {number}  {:<26} {about}", text(scenario, "name")));
            }
            match questions.ask("Scenario: ", |line| chosen(line, &scenarios)).await {
                Some(scenario) => Some(scenario),
                None => return Ok(None),
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
        let (name, default) = (text(slot, "name"), slot["default"].as_str().map(clean));
        if variables.contains_key(&name) || (call.yes && default.is_some()) {
            continue;
        }
        let shown = default.as_ref().map(|text| format!(" [{text}]")).unwrap_or_default();
        let read = |line: &str| fills(&name, line, default.is_some());
        let Some(answer) = questions.ask(&format!("{name}{shown}: "), read).await else {
            return Ok(None);
        };
        if !answer.is_empty() {
            variables.insert(name, answer.into());
        }
    }
    let agrees = "Does the callee agree to be called by an AI?";
    if !call.consent && !questions.agreed(agrees).await {
        ui.print_line("Without the callee's consent nobody is called.");
        return Ok(None);
    }
    let about = chosen.map(|chosen| text(chosen, "name"));
    let about = about.or_else(|| scenario.clone()).or_else(|| call.agent.clone());
    let summary = format!("Call {} for: {}", clean(&number), clean(&about.unwrap_or_default()));
    ui.print_line(&ui.paint(Style::Strong, &summary));
    if !call.yes && !questions.agreed("Call now?").await {
        return Ok(None);
    }
    Ok(Some(order(call, &number, scenario.as_deref(), &variables, true)))
}

fn text(value: &Value, name: &str) -> String {
    clean(value[name].as_str().unwrap_or_default())
}

/// The number as it was typed. The server decides whether it may be called, but what is no number
/// at all is refused here.
fn number(line: &str, home: Option<Country>) -> Result<String, String> {
    match PhoneNumber::typed(line, home) {
        // The server may know the country.
        Ok(_) | Err(Unreadable::NoCountry) => Ok(line.to_owned()),
        Err(problem) => Err(format!("«{line}» {problem}.")),
    }
}

/// The id of the scenario that was chosen by its place in the list or by its id.
fn chosen(line: &str, scenarios: &[Value]) -> Result<String, String> {
    let place = line.parse::<usize>().ok().and_then(|place| place.checked_sub(1));
    let of_place = place.and_then(|place| scenarios.get(place));
    let chosen = of_place.or_else(|| scenarios.iter().find(|known| known["id"] == line));
    chosen
        .map(|chosen| text(chosen, "id"))
        .ok_or_else(|| format!("Type a number from 1 to {}, or a scenario's id.", scenarios.len()))
}

/// The text for a slot; it may be empty if the slot has a default.
fn fills(slot: &str, line: &str, may_be_empty: bool) -> Result<String, String> {
    if line.is_empty() && !may_be_empty {
        return Err(format!("{slot} must be something."));
    }
    if !agents::fits_slot(line) {
        return Err(format!("{slot} must be one short sentence without brackets or braces."));
    }
    Ok(line.to_owned())
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

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=TEXT, such as business=Acme")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}
