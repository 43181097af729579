//! `phony talk`: call any Phony server, by text.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use phony_simulator::callers::Caller;
use phony_simulator::twilio::{self, CallRecord, End, HostOverride, PhoneNumber, TwilioOptions};
use secrecy::ExposeSecret as _;
use url::Url;

use super::api::{admin_token, client, no_server, server_url};
use super::converse::{InputLines, converse, explain};
use super::printer::clock;
use super::ui::{Style, Ui, clean};
use super::{Settings, Usage, block_on, until_stopped};
use crate::config::Config;
use crate::sandbox::{CALLER, NUMBER};

/// The timeout of requests to the server.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// How long the network may take to record the end of a call.
const CLOSING: Duration = Duration::from_secs(10);

/// Call any Phony server from the terminal, by text.
///
/// Each line of standard input is said by the caller. The call is signed with `TWILIO_AUTH_TOKEN`,
/// which must be the server's; --host gives the server's public name, where that is not its
/// address.
#[derive(Debug, Args)]
pub(super) struct Talk {
    /// The agent to speak with [default: the server's default agent]
    #[arg(long, value_name = "ID", value_parser = agent_id)]
    agent: Option<String>,
    /// The server [default: the one on this machine]
    #[arg(long, value_name = "URL", value_parser = server_url)]
    server: Option<Url>,
}

/// The server's address and names.
#[derive(Debug)]
struct Target {
    /// Its address, such as `http://127.0.0.1:24187`.
    origin: String,
    /// The URL of the voice webhook, as it is signed.
    voice_url: String,
    /// The names that lead to this address.
    reach: Vec<HostOverride>,
}

pub(super) fn run(settings: Settings, talk: &Talk) -> anyhow::Result<()> {
    let config = settings.load()?;
    block_on(talk_with(config, talk))
}

async fn talk_with(config: Config, talk: &Talk) -> anyhow::Result<()> {
    let ui = Ui::new();
    let target = Target::new(&config, talk.server.as_ref(), talk.agent.as_deref());
    let client = client(CONNECT_LIMIT)?;
    check_server(&client, &target.origin).await?;
    if let Some(agent) = &talk.agent {
        check_agent(&client, &config, &target.origin, agent).await?;
    }
    let by_hand = std::io::stdin().is_terminal();
    let token = config.twilio.auth_token.as_ref();
    let options = TwilioOptions {
        auth_token: token.map_or("none", |token| token.expose_secret()).to_owned(),
        numbers: vec![PhoneNumber::new(NUMBER, target.voice_url)],
        host_overrides: target.reach,
        noise_interrupts: true,
        ..TwilioOptions::default()
    };
    let network = twilio::start(options).await.context("the phone network could not be started")?;
    if by_hand {
        explain(ui, "Ctrl-D");
    }
    let (caller, line) = Caller::live();
    let sid = network.dial_in(CALLER, NUMBER, caller)?;
    let mut typed = InputLines::start(by_hand)?;
    tokio::select! {
        () = converse(ui, line, &mut typed, 1.0, None, std::future::pending()) => {}
        () = until_stopped() => bail!("stopped: the call was dropped"),
    }
    let record = network.wait_for_end(&sid, CLOSING).await.unwrap_or_else(|record| *record);
    network.stop().await;
    conclude(ui, &record, token.is_some())
}

impl Target {
    fn new(config: &Config, server: Option<&Url>, agent: Option<&str>) -> Self {
        let local = format!("http://127.0.0.1:{}", config.port);
        let origin = server.map_or(local, |url| url.origin().ascii_serialization());
        let public = match &config.host {
            Some(host) => format!("https://{host}"),
            None => origin.clone(),
        };
        // A server without a public name uses localhost in its URLs.
        let port = server.map_or(Some(config.port), Url::port_or_known_default);
        let names = config
            .host
            .iter()
            .cloned()
            .chain(port.map(|port| format!("localhost:{port}")))
            .chain([format!("localhost:{}", config.port)]);
        let reach = names.map(|public| HostOverride { public, to: origin.clone() }).collect();
        let mut voice_url = format!("{public}/receive_call");
        if let Some(agent) = agent {
            voice_url = format!("{voice_url}?agent={agent}");
        }
        Self { origin, voice_url, reach }
    }
}

/// Fails unless a Phony server answers.
async fn check_server(client: &reqwest::Client, origin: &str) -> anyhow::Result<()> {
    let answer = client.get(format!("{origin}/healthz")).send().await;
    let body = match answer {
        Ok(answer) if answer.status().is_success() => answer.text().await.unwrap_or_default(),
        Ok(_) | Err(_) => String::new(),
    };
    if !body.contains("activeCalls") {
        bail!(no_server(origin));
    }
    Ok(())
}

/// Fails if the server does not list the agent; without a supervisors' token nothing is checked.
async fn check_agent(
    client: &reqwest::Client,
    config: &Config,
    origin: &str,
    agent: &str,
) -> anyhow::Result<()> {
    let Ok(server) = Url::parse(origin) else { return Ok(()) };
    let Some(token) = admin_token(config, &server) else { return Ok(()) };
    let request = client.get(format!("{origin}/agents")).bearer_auth(token.expose_secret());
    let Ok(answer) = request.send().await else { return Ok(()) };
    let list: serde_json::Value = answer.json().await.unwrap_or_default();
    let Some(list) = list["agents"].as_array() else { return Ok(()) };
    let known: Vec<_> = list.iter().filter_map(|agent| agent["id"].as_str()).collect();
    if known.is_empty() || known.contains(&agent) {
        return Ok(());
    }
    let known = clean(&known.join(", "));
    Err(Usage(format!("the server has no agent `{agent}`; it has: {known}")).into())
}

/// Prints how the call ended, or fails if it was never answered.
fn conclude(ui: Ui, record: &CallRecord, has_token: bool) -> anyhow::Result<()> {
    let answered = !record.heard.is_empty() || !record.said.is_empty();
    let voice = record.webhooks_for("voice").next();
    match record.end {
        Some(End::ApplicationError | End::RelayRefused | End::CouldNotConnect) => {
            let status = voice.and_then(|webhook| webhook.status);
            if status == Some(403) {
                bail!("the server refused the call (403): {}", signature_advice(has_token));
            }
            if record.end == Some(End::RelayRefused) {
                bail!("the server's relay socket could not be opened; its log says why");
            }
            let why = voice.and_then(|webhook| webhook.error.clone());
            bail!("the server did not answer the call: {}", clean(&why.unwrap_or_default()));
        }
        _ if !answered => {
            bail!("the call was over before anybody spoke; the server's log says why")
        }
        end => {
            let who = match end {
                Some(End::FarEndHungUp) => "you hung up",
                Some(End::TwimlEnded | End::ApiEnded) => "the agent hung up",
                _ => "the call is over",
            };
            let lasted = clock(record.ended_ms.unwrap_or(0));
            ui.print_line(&ui.paint(Style::Faint, &format!("· {who} after {lasted}")));
            Ok(())
        }
    }
}

fn signature_advice(has_token: bool) -> &'static str {
    if has_token {
        "TWILIO_AUTH_TOKEN here is not the server's, or the server has a public name that --host \
         must give"
    } else {
        "set TWILIO_AUTH_TOKEN to the server's, or start the server with \
         PHONY_INSECURE_NO_SIGNATURES=1 on a machine that nobody else reaches"
    }
}

fn agent_id(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.is_empty() || !text.chars().all(fits) {
        return Err("an agent's id is made of letters, digits, - and _".to_owned());
    }
    Ok(text.to_owned())
}
