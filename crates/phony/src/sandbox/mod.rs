//! A server between stand-ins for the phone network and the model, all in one process.
//!
//! They talk over real sockets on loopback, with signatures and tokens. The demonstration and the
//! tests of whole calls run on it.

mod audit;
mod folder;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use phony_call::{CallSid, Event, EventBody, PhoneNumber};
use phony_simulator::callers::Caller;
use phony_simulator::openai::{self, Brain, DeltaSize, Fault, OpenAiOptions, OpenAiRunning, Pace};
use phony_simulator::twilio::{
    self, CallRecord, DialError, PhoneNumber as Number, TwilioOptions, TwilioRunning, Watch,
};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::agents::{AgentError, Agents};
use crate::config::Config;
use crate::events::View;
use crate::server::{self, Running, StartError};
use crate::token;

pub use audit::{Audit, audit};
pub use folder::TempFolder;

/// The number of the caller.
pub const CALLER: &str = "+15005550100";
/// The number of the default agent; those of the other agents follow.
pub const NUMBER: &str = "+15005550101";
/// The account's number, from which agents place calls.
pub const OURS: &str = "+15005550199";
/// How long the server may take to close its record of a call that has ended.
const CLOSING: Duration = Duration::from_secs(40);

/// The settings of a sandbox.
#[derive(Debug)]
pub struct SandboxOptions {
    /// The server's configuration. Its public host is ignored, since everything is on this machine.
    pub config: Config,
    /// What the stand-in for the model says; `None` for the configured model.
    pub brain: Option<Brain>,
    /// How fast the stand-in for the model is, at natural speed.
    pub pace: Pace,
    /// The faults of the stand-in for the model.
    pub faults: Vec<Fault>,
    /// How much faster than natural everything runs; 1 is natural.
    pub speed: f64,
    /// Is called with every frame between the network and the server.
    pub watch: Option<Watch>,
    /// Whether a sound without words interrupts the agent.
    pub noise_interrupts: bool,
}

/// A server between its stand-ins. Dropping it stops them; [`Sandbox::stop`] also waits until they
/// have stopped.
#[derive(Debug)]
pub struct Sandbox {
    /// The server.
    pub server: Running,
    /// The phone network.
    pub network: TwilioRunning,
    /// The model, if a stand-in is used.
    pub model: Option<OpenAiRunning>,
    /// The supervisors' token, for requests to the server's API.
    pub admin_token: SecretString,
    numbers: Vec<(String, String)>,
}

/// Why a sandbox could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The server could not be started.
    #[error(transparent)]
    Server(#[from] StartError),
    /// An agent's file is wrong.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// A stand-in could not be started.
    #[error("the stand-in for {which} could not be started")]
    StandIn {
        /// `Twilio` or `OpenAI`.
        which: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// A call that was played to its end.
#[derive(Debug)]
pub struct Played {
    /// The events that the server stored, in order.
    pub events: Vec<Event>,
    /// The network's record.
    pub record: CallRecord,
}

/// Why a call was not played to its end.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The network could not dial the number.
    #[error("the number could not be rung")]
    Dial(#[from] DialError),
    /// The call did not end in time.
    #[error("the call was not over after {0:?}")]
    Endless(Duration),
    /// The server did not close its record.
    #[error("the server did not close its record of the call")]
    Open,
}

impl SandboxOptions {
    /// Natural speed and the configured model.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            brain: None,
            pace: Pace::default(),
            faults: Vec::new(),
            speed: 1.0,
            watch: None,
            noise_interrupts: false,
        }
    }
}

impl Sandbox {
    /// Starts everything, on the configured port if it is free, else on any.
    pub async fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        let SandboxOptions { mut config, brain, pace, faults, speed, watch, noise_interrupts } =
            options;
        let model = match brain {
            Some(brain) => Some(stand_in(&mut config, brain, speed_up(pace, speed), faults).await?),
            None => None,
        };
        if config.host.take().is_some() {
            config.bind = IpAddr::V4(Ipv4Addr::LOCALHOST);
        }
        config.twilio.insecure_no_signatures = false;
        let secret = || SecretString::from(token::random());
        let auth_token = config.twilio.auth_token.get_or_insert_with(secret).clone();
        let admin_token = config.admin_token.get_or_insert_with(secret).clone();
        speed_up_policy(&mut config, speed);
        let numbers = numbers(&mut config)?;
        let network = TwilioOptions {
            auth_token: auth_token.expose_secret().to_owned(),
            speed,
            watch,
            noise_interrupts,
            ..TwilioOptions::default()
        };
        config.twilio.account_sid = Some(network.account_sid.clone());
        let own = config.twilio.phone_number.clone();
        let network = twilio::start(network)
            .await
            .map_err(|source| SandboxError::StandIn { which: "Twilio", source })?;
        config.twilio.api_base_url = url(&network.base_url());
        let server = serve(config).await?;
        let public = server.app.authority();
        let to = format!("http://127.0.0.1:{}", server.addr.port());
        network.override_host(&public, to);
        let all = numbers.iter().map(|(number, _)| number.as_str());
        let own = own.iter().map(PhoneNumber::as_str).filter(|own| all.clone().all(|n| n != *own));
        for number in all.clone().chain(own) {
            network.add_number(Number {
                status_callback: format!("https://{public}/call_status"),
                ..Number::new(number, format!("https://{public}/receive_call"))
            });
        }
        Ok(Self { server, network, model, admin_token, numbers })
    }

    /// The numbers with the ids of their agents; the default agent comes first.
    pub fn numbers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.numbers.iter().map(|(number, agent)| (number.as_str(), agent.as_str()))
    }

    /// Views every call from now on.
    #[must_use]
    pub fn view(&self) -> View {
        self.server.app.history.hub().view_all()
    }

    /// Calls the default agent and waits until the call is over, at most `limit` in real time.
    pub async fn play(&self, caller: Caller, limit: Duration) -> Result<Played, PlayError> {
        let view = self.view();
        let sid = self.network.dial_in(CALLER, NUMBER, caller)?;
        let over = self.network.wait_for_end(&sid, limit).await;
        let record = over.map_err(|_| PlayError::Endless(limit))?;
        let closed = tokio::time::timeout(CLOSING, closed_record(view, &sid)).await;
        let events = closed.map_err(|_| PlayError::Open)?;
        Ok(Played { events, record })
    }

    /// Stops everything at once, and waits until it has stopped.
    pub async fn stop(self) {
        self.network.stop().await;
        self.server.kill();
        self.server.join().await;
        if let Some(model) = self.model {
            model.stop().await;
        }
    }
}

/// Parses a line of a view; none if its kind of event is unknown.
#[must_use]
pub fn read_event(line: &str) -> Option<Event> {
    serde_json::from_str(line).ok()
}

async fn stand_in(
    config: &mut Config,
    brain: Brain,
    pace: Pace,
    faults: Vec<Fault>,
) -> Result<OpenAiRunning, SandboxError> {
    let options = OpenAiOptions { brain, pace, faults, ..OpenAiOptions::default() };
    let model = openai::start(options)
        .await
        .map_err(|source| SandboxError::StandIn { which: "OpenAI", source })?;
    config.openai.base_url = url(&model.base_url());
    config.openai.api_key = Some(SecretString::from("stand-in"));
    Ok(model)
}

fn url(of_address: &str) -> Url {
    Url::parse(of_address).expect("an address makes a URL")
}

async fn serve(config: Config) -> Result<Running, StartError> {
    match server::start(config.clone()).await {
        Err(StartError::Listen { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => {
            server::start(Config { port: 0, ..config }).await
        }
        started => started,
    }
}

/// Assigns a number to every agent.
fn numbers(config: &mut Config) -> Result<Vec<(String, String)>, AgentError> {
    let agents = Agents::load(config)?;
    let others = agents.iter().map(|(id, _)| id).filter(|id| *id != config.agent);
    let all = std::iter::once(config.agent.as_str()).chain(others);
    let numbers = (101..200).map(|number| format!("+15005550{number}"));
    let numbers: Vec<_> = numbers.zip(all.map(str::to_owned)).collect();
    config.agent_of = numbers
        .iter()
        .filter_map(|(number, agent)| Some((PhoneNumber::parse(number).ok()?, agent.clone())))
        .collect();
    Ok(numbers)
}

/// The stored events of a call, once its record is closed; never returns if it is not.
async fn closed_record(mut view: View, sid: &str) -> Vec<Event> {
    let ours = CallSid::parse(sid).ok();
    let mut events = Vec::new();
    for line in std::mem::take(&mut view.past) {
        events.extend(read_event(&line));
    }
    while let Some(line) = view.live.recv().await {
        let Some(event) = read_event(&line).filter(|event| Some(&event.call) == ours.as_ref())
        else {
            continue;
        };
        let over = matches!(event.body, EventBody::SessionEnd { .. });
        events.extend(Some(event).filter(Event::is_stored));
        if over {
            return events;
        }
    }
    std::future::pending().await
}

/// Adapts the policy's durations that depend on the speed of the voice.
fn speed_up_policy(config: &mut Config, speed: f64) {
    let policy = &mut config.policy;
    policy.chars_per_second = faster(policy.chars_per_second, speed);
    policy.false_interrupt = policy.false_interrupt.div_f64(speed.max(1.0));
}

fn speed_up(pace: Pace, speed: f64) -> Pace {
    let Pace { session_created, first_token, between_deltas, delta } = pace;
    let faster = |time: Duration| time.div_f64(speed);
    Pace {
        session_created: faster(session_created),
        first_token: faster(first_token),
        between_deltas: faster(between_deltas),
        delta,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "characters a second are few, and above 0"
)]
fn faster(chars_per_second: u32, speed: f64) -> u32 {
    (f64::from(chars_per_second) * speed).clamp(1.0, 1e6) as u32
}

/// The pace of a model that answers at once, with one word a delta; for tests.
#[must_use]
pub fn instant() -> Pace {
    Pace { delta: DeltaSize::Words(1), ..Pace::INSTANT }
}
