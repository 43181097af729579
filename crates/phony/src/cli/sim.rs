//! `phony sim`: runs a stand-in as a server of its own, for any program's tests.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use phony_simulator::callers::{Caller, RecordedCall, recorded_calls, spoken_words};
use phony_simulator::openai::{self, Brain, DeltaSize, Fault, OpenAiOptions, Pace, Recording};
use phony_simulator::twilio::{
    self, CallRecord, Callee, End, Fate, HostOverride, PhoneNumber, TwilioOptions, TwilioRunning,
};
use secrecy::{ExposeSecret as _, SecretString};

use super::printer::clock;
use super::ui::{Style, Ui, clean};
use super::{Settings, Usage, block_on, script, until_stopped};
use crate::sandbox::{CALLER, NUMBER};

const TWILIO_PORT: u16 = 24188;
const OPENAI_PORT: u16 = 24189;
const VOICE_URL: &str = "http://127.0.0.1:24187/receive_call";
/// The longest simulated call, in real time.
const LONGEST_CALL: Duration = Duration::from_hours(1);

/// Run a stand-in for the phone network or for the model.
///
/// --port and --bind say where it listens; --port 0 takes any free port.
#[derive(Debug, Args)]
pub(super) struct Sim {
    #[command(subcommand)]
    stand_in: StandIn,
}

#[derive(Debug, Subcommand)]
enum StandIn {
    /// Stand in for Twilio: REST API, webhooks, `ConversationRelay`
    Twilio(Twilio),
    /// Stand in for OpenAI: the Realtime API
    Openai(Openai),
}

#[derive(Debug, Args)]
struct Twilio {
    /// Auth token: the password of the API and the key of signatures [default: `TWILIO_AUTH_TOKEN`]
    #[arg(long, value_name = "TOKEN")]
    auth_token: Option<String>,
    /// Account SID: the user of the API [default: `TWILIO_ACCOUNT_SID`]
    #[arg(long, value_name = "SID")]
    account_sid: Option<String>,
    /// A number of the account; may be given several times
    #[arg(long = "number", value_name = "NUMBER", default_value = NUMBER)]
    numbers: Vec<String>,
    /// The voice URL of these numbers, which returns `TwiML`
    #[arg(long, value_name = "URL", default_value = VOICE_URL)]
    voice_url: String,
    /// The status callback URL of these numbers
    #[arg(long, value_name = "URL")]
    status_url: Option<String>,
    /// Where to reach a public name, such as `phony.example.com=http://127.0.0.1:24187`
    #[arg(long, value_name = "NAME=ORIGIN", value_parser = reach)]
    reach: Vec<HostOverride>,
    /// How much faster than natural calls are
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = speed)]
    speed: f64,
    /// Characters a second that the agent's voice speaks
    #[arg(long, value_name = "N", default_value = "15", value_parser = speed)]
    voice: f64,
    /// Let sounds without words interrupt the agent
    #[arg(long)]
    noise_interrupts: bool,
    /// The person at the other end, who answers outbound calls or makes the one of --call: a file
    /// with one line a turn, or `recorded:ID`
    #[arg(long, value_name = "WHO")]
    caller: Option<String>,
    /// Call this number, print what was said and heard, and exit
    #[arg(long, value_name = "NUMBER")]
    call: Option<String>,
    /// The number to call from
    #[arg(long, value_name = "NUMBER", default_value = CALLER)]
    from: String,
    /// With --call: print the whole record of the call as JSON
    #[arg(long, requires = "call")]
    json: bool,
}

#[derive(Debug, Args)]
struct Openai {
    /// What the model says: `echo`, `receptionist` or `recorded:ID`
    #[arg(long, value_name = "WHO", default_value = "receptionist")]
    brain: String,
    /// How fast the model says it
    #[arg(long, value_enum, default_value = "real")]
    pace: PaceName,
    /// Time until the first token, such as 250ms
    #[arg(long, value_name = "TIME", value_parser = script::duration)]
    first_token: Option<Duration>,
    /// Time between two deltas
    #[arg(long, value_name = "TIME", value_parser = script::duration)]
    between_deltas: Option<Duration>,
    /// Characters in a delta [default: one word]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    delta_chars: Option<u16>,
    /// A fault to inject: `drop:12`, `fail:server_error@once`, `stall@response=1` …; may be given
    /// several times
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<Fault>,
    /// The only API key that is accepted [default: any]
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// The longest session
    #[arg(long, value_name = "TIME", default_value = "60m", value_parser = script::duration)]
    session_max: Duration,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PaceName {
    /// Like a real model
    Real,
    /// Without waiting
    Instant,
}

pub(super) fn run(settings: Settings, sim: Sim) -> anyhow::Result<()> {
    match sim.stand_in {
        StandIn::Twilio(options) => run_twilio(settings, options),
        StandIn::Openai(options) => {
            let bind = settings.address(OPENAI_PORT)?;
            block_on(serve_openai(bind, options))
        }
    }
}

fn run_twilio(settings: Settings, of_flags: Twilio) -> anyhow::Result<()> {
    let ui = Ui::new();
    // Any free port, so that a single call does not collide with a running stand-in.
    let port = if of_flags.call.is_some() { 0 } else { TWILIO_PORT };
    let bind = settings.address(port)?;
    let known = settings.load()?.twilio;
    let standard = TwilioOptions::default();
    let caller = of_flags.caller.as_deref().map(caller).transpose()?;
    let secret = of_flags.auth_token.clone();
    let shown = secret.is_some() || known.auth_token.is_none();
    let known_token = known.auth_token.map(|token| token.expose_secret().to_owned());
    let numbers = of_flags.numbers.iter().chain(&of_flags.call).map(|number| PhoneNumber {
        status_callback: of_flags.status_url.clone().unwrap_or_default(),
        ..PhoneNumber::new(number, of_flags.voice_url.clone())
    });
    let options = TwilioOptions {
        bind,
        auth_token: secret.or(known_token).unwrap_or(standard.auth_token),
        account_sid: of_flags.account_sid.or(known.account_sid).unwrap_or(standard.account_sid),
        numbers: numbers.collect(),
        host_overrides: reached(&of_flags.voice_url, of_flags.reach),
        callee: Callee::person(caller.clone().unwrap_or_else(Caller::silent)),
        speed: of_flags.speed,
        chars_per_second: of_flags.voice,
        noise_interrupts: of_flags.noise_interrupts,
        ..TwilioOptions::default()
    };
    let environment = [
        ("TWILIO_ACCOUNT_SID", options.account_sid.clone()),
        ("TWILIO_AUTH_TOKEN", if shown { options.auth_token.clone() } else { "as it is".into() }),
        ("TWILIO_PHONE_NUMBER", of_flags.numbers.first().cloned().unwrap_or_default()),
    ];
    block_on(async move {
        let network = twilio::start(options)
            .await
            .with_context(|| format!("{bind} cannot be listened on; --port names another"))?;
        if let Some(to) = of_flags.call {
            let caller = caller.unwrap_or_else(Caller::silent);
            return ring(ui, network, &of_flags.from, &to, caller, of_flags.json).await;
        }
        ui.print_line(&format!("The stand-in for Twilio listens on {}", network.base_url()));
        ui.print_line("A server uses it with");
        ui.print_line(&format!("  TWILIO_API_BASE_URL={}", network.base_url()));
        for (name, value) in environment {
            ui.print_line(&format!("  {name}={value}"));
        }
        ui.print_line(&format!("Its numbers ring {}. Ctrl-C stops it.", of_flags.voice_url));
        until_stopped().await;
        network.stop().await;
        Ok(())
    })
}

async fn serve_openai(bind: SocketAddr, of_flags: Openai) -> anyhow::Result<()> {
    let ui = Ui::new();
    let pace = match of_flags.pace {
        PaceName::Real => Pace::default(),
        PaceName::Instant => Pace::INSTANT,
    };
    let options = OpenAiOptions {
        bind,
        brain: brain(&of_flags.brain)?,
        pace: Pace {
            first_token: of_flags.first_token.unwrap_or(pace.first_token),
            between_deltas: of_flags.between_deltas.unwrap_or(pace.between_deltas),
            delta: of_flags.delta_chars.map_or(pace.delta, |n| DeltaSize::Chars(n.into())),
            ..pace
        },
        faults: of_flags.faults,
        api_key: of_flags.api_key.map(SecretString::from),
        session_max: of_flags.session_max,
        ..OpenAiOptions::default()
    };
    let key = if options.api_key.is_some() { "<the key you gave>" } else { "any" };
    let model = openai::start(options)
        .await
        .with_context(|| format!("{bind} cannot be listened on; --port names another"))?;
    ui.print_line(&format!("The stand-in for OpenAI listens on {}", model.base_url()));
    ui.print_line("A server uses it with");
    ui.print_line(&format!("  OPENAI_BASE_URL={}", model.base_url()));
    ui.print_line(&format!("  OPENAI_API_KEY={key}"));
    ui.print_line("Ctrl-C stops it.");
    until_stopped().await;
    let stats = model.stats();
    model.stop().await;
    ui.print_line(&format!("{} connections, {} responses", stats.connections, stats.responses));
    Ok(())
}

/// Calls a number, and prints what was heard and said.
async fn ring(
    ui: Ui,
    network: TwilioRunning,
    from: &str,
    to: &str,
    caller: Caller,
    json: bool,
) -> anyhow::Result<()> {
    let sid = network.dial_in(from, to, caller)?;
    let record = tokio::select! {
        record = network.wait_for_end(&sid, LONGEST_CALL) => record.unwrap_or_else(|late| *late),
        () = until_stopped() => bail!("stopped: the call was dropped"),
    };
    network.stop().await;
    if json {
        ui.print_line(&serde_json::to_string_pretty(&record)?);
    } else {
        print(ui, &record);
    }
    let failed = matches!(
        record.end,
        None | Some(End::ApplicationError | End::RelayRefused | End::CouldNotConnect)
    );
    if failed || record.heard.is_empty() {
        let errors = record.webhooks.iter().filter_map(|webhook| {
            Some(format!("{} {}: {}", webhook.purpose, webhook.url, webhook.error.as_ref()?))
        });
        let errors: Vec<_> = errors.map(|error| clean(&error)).collect();
        bail!("the call did not take place ({:?}) {}", record.end, errors.join("; "));
    }
    Ok(())
}

fn print(ui: Ui, record: &CallRecord) {
    let heard = record.heard.iter().map(|piece| {
        let mark = if piece.cut { " —" } else { "" };
        let text = format!("{}{mark}", clean(&piece.text));
        (piece.from_ms, "agent", Style::Agent, text)
    });
    let said = record.said.iter().map(|said| {
        let mark = if said.fate == Fate::Lost { " (not passed on)" } else { "" };
        (said.at_ms, "caller", Style::Caller, format!("{}{mark}", clean(&said.text)))
    });
    let mut all: Vec<_> = heard.chain(said).collect();
    all.sort_by_key(|(at_ms, ..)| *at_ms);
    let answered_ms = record.answered_ms.unwrap_or(0);
    for (at_ms, who, style, text) in all {
        let time = ui.paint(Style::Faint, &clock(at_ms.saturating_sub(answered_ms)));
        ui.print_line(&format!("{time} {} {text}", ui.paint(style, &format!("{who:<7}"))));
    }
    if let (Some(end), Some(ended_ms)) = (record.end, record.ended_ms) {
        let time = clock(ended_ms.saturating_sub(answered_ms));
        ui.print_line(&ui.paint(Style::Faint, &format!("{time} ·       {end:?}")));
    }
}

/// The caller of a recording's id or a script's path.
fn caller(who: &str) -> anyhow::Result<Caller> {
    if let Some(id) = who.strip_prefix("recorded:") {
        return Ok(Caller::Recorded(recorded(id)?));
    }
    let path = PathBuf::from(who);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{who} cannot be read; recorded:ID plays a recording"))?;
    let steps = script::steps(&text).map_err(|problem| Usage(format!("{who}, {problem}")))?;
    Ok(Caller::Script(steps))
}

/// A recorded conversation, by its id or by the beginning of it.
pub(super) fn recorded(id: &str) -> anyhow::Result<RecordedCall> {
    let calls = recorded_calls();
    let mut fitting = calls.iter().filter(|call| call.id.starts_with(id));
    if let (Some(call), None) = (fitting.next(), fitting.next()) {
        return Ok(call.clone());
    }
    let ids = calls.iter().map(|call| {
        let turns = call.turns.iter().filter(|turn| !spoken_words(&turn.text).is_empty());
        format!("  {} ({} turns)", call.id, turns.count())
    });
    let ids: Vec<_> = ids.collect();
    Err(Usage(format!("no recording is called `{id}`; there are\n{}", ids.join("\n"))).into())
}

/// The agent's side of a recording.
pub(super) fn agent_of(call: &RecordedCall) -> Brain {
    use phony_simulator::callers::Who;
    let turns = call.turns.iter().map(|turn| openai::RecordedTurn {
        who: match turn.who {
            Who::Caller => openai::Who::Caller,
            Who::Agent => openai::Who::Agent,
        },
        text: turn.text.clone(),
    });
    Brain::Transcript(Recording { turns: turns.collect() })
}

fn brain(name: &str) -> anyhow::Result<Brain> {
    if let Some(id) = name.strip_prefix("recorded:") {
        return Ok(agent_of(&recorded(id)?));
    }
    match name {
        "echo" => Ok(Brain::Echo),
        "receptionist" => Ok(Brain::Receptionist),
        _ => {
            let text = format!("no brain is called `{name}`: echo, receptionist, recorded:ID");
            Err(Usage(text).into())
        }
    }
}

/// The host overrides. A server on this machine has `wss://localhost` URLs in its `TwiML` although
/// it leaves TLS to a proxy, so an override leads these to its plain port.
fn reached(voice_url: &str, named: Vec<HostOverride>) -> Vec<HostOverride> {
    let url = url::Url::parse(voice_url).ok().filter(|url| url.scheme() == "http");
    let local = url.and_then(|url| {
        let to = url.origin().ascii_serialization();
        Some(HostOverride { public: format!("localhost:{}", url.port_or_known_default()?), to })
    });
    local.into_iter().chain(named).collect()
}

fn reach(text: &str) -> Result<HostOverride, String> {
    let (public, to) = text.split_once('=').ok_or("write NAME=ORIGIN")?;
    let origin = url::Url::parse(to).map_err(|_| format!("`{to}` is no origin"))?;
    if public.is_empty() || !matches!(origin.scheme(), "http" | "https") {
        return Err("write NAME=ORIGIN, such as phony.example.com=http://127.0.0.1:24187".into());
    }
    Ok(HostOverride { public: public.to_owned(), to: origin.origin().ascii_serialization() })
}

/// A factor above 0.
pub(super) fn speed(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|factor: &f64| (0.01..=1000.0).contains(factor));
    factor.ok_or_else(|| "give a number from 0.01 to 1000".to_owned())
}

impl Settings {
    /// The address that a stand-in listens on: as the flags say, else on loopback.
    fn address(&self, port: u16) -> anyhow::Result<SocketAddr> {
        let wrong = |name: &str, example: &str| {
            Usage(format!("--{name} cannot be used; example: --{name} {example}"))
        };
        let port = match &self.port {
            Some(port) => port.parse().map_err(|_| wrong("port", "24188"))?,
            None => port,
        };
        let bind = match &self.bind {
            Some(bind) => bind.parse().map_err(|_| wrong("bind", "127.0.0.1"))?,
            None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        Ok(SocketAddr::new(bind, port))
    }
}
