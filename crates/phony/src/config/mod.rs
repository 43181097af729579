//! The configuration: layers of settings, read once at the start and parsed into types.
//!
//! Later layers win: built-in defaults, `phony.toml`, `.env` in the working folder, the
//! environment, flags. All problems are reported before anything is started, each with the
//! setting's name, the reason and an example. No message contains a value, which may be secret.
//!
//! This is the only module that reads the environment.

mod dialing;
mod dotenv;
mod error;
mod model;
mod parse;
mod policy;
mod reader;
mod relay;
mod source;
mod variables;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use phony_call::{PhoneNumber, Policy};
use secrecy::SecretString;
use url::Url;

pub use dialing::DialingSettings;
pub use error::ConfigError;
pub use parse::{CallingHours, LogFormat};
pub use phony_call::Transport;
pub use relay::RelaySettings;
pub use source::{Flags, Sources};
pub use variables::{VARIABLES, Variable};

use crate::client::TrustedProxies;
use reader::Reader;

/// The default port.
pub const DEFAULT_PORT: u16 = 24187;

/// All settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// The public host name, in every URL given to the carrier; `None` while the server is only
    /// reachable from this machine.
    pub host: Option<String>,
    /// The port to listen on; 0 takes any free one.
    pub port: u16,
    /// The address to listen on.
    pub bind: IpAddr,
    /// The folder of the store, the ledger, the log and the supervisors' token.
    pub data_dir: PathBuf,
    /// The account at the carrier.
    pub twilio: TwilioSettings,
    /// The account at the model's provider.
    pub openai: OpenAiSettings,
    /// The id of the default agent.
    pub agent: String,
    /// The ids of the agents that answer certain numbers of the account.
    pub agent_of: BTreeMap<PhoneNumber, String>,
    /// The folder of the operator's own agents.
    pub agents_dir: Option<PathBuf>,
    /// The folder of the operator's own scenarios.
    pub scenarios_dir: Option<PathBuf>,
    /// Replaces the default agent's instructions.
    pub system_prompt: Option<String>,
    /// Whether every reply waits for a supervisor.
    pub require_supervisor_feedback: bool,
    /// The target of a transfer without a number.
    pub transfer_number: Option<PhoneNumber>,
    /// How speech travels between carrier and model, unless an agent says otherwise.
    pub transport: Transport,
    /// The rules of outbound calls.
    pub dialing: DialingSettings,
    /// Supervisor requests a minute, per token and per address; 0 for no limit.
    pub api_rate: u32,
    /// The proxies whose forwarding headers are trusted.
    pub trusted_proxies: TrustedProxies,
    /// The shared store and bus of several nodes.
    pub redis_url: Option<SecretString>,
    /// The supervisors' secret; made at the first start if it is not set.
    pub admin_token: Option<SecretString>,
    /// The attributes of `<ConversationRelay>` in TwiML.
    pub relay: RelaySettings,
    /// Limits and timings of calls.
    pub policy: Policy,
    /// How long calls are kept.
    pub retention: Retention,
    /// How long calls may take to end when the server stops.
    pub drain: Duration,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Settings that were accepted but should be changed, one sentence each.
    pub warnings: Vec<String>,
}

/// How long calls are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// The time since their end; `None` for ever.
    pub age: Option<Duration>,
    /// The size of all of them in the store, in bytes; `None` for no limit.
    pub bytes: Option<u64>,
}

/// The account at Twilio.
#[derive(Debug, Clone)]
pub struct TwilioSettings {
    /// `AC` and 32 hexadecimal digits.
    pub account_sid: Option<String>,
    /// The account's primary auth token; it signs every request from Twilio.
    pub auth_token: Option<SecretString>,
    /// The account's number, from which outbound calls are placed.
    pub phone_number: Option<PhoneNumber>,
    /// The base URL of the REST API.
    pub api_base_url: Url,
    /// Whether unsigned requests are accepted; only for a machine that nobody else can reach.
    pub insecure_no_signatures: bool,
}

/// The account at OpenAI.
#[derive(Debug, Clone)]
pub struct OpenAiSettings {
    /// The API key.
    pub api_key: Option<SecretString>,
    /// The model's name.
    pub model: String,
    /// The voice, for speech to speech.
    pub voice: String,
    /// The base URL of the API, from which that of the Realtime socket is made.
    pub base_url: Url,
}

impl OpenAiSettings {
    /// Whether this is the provider itself, not a stand-in.
    #[must_use]
    pub fn is_official(&self) -> bool {
        self.base_url.host_str() == Some("api.openai.com")
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// JSON or text.
    pub format: LogFormat,
    /// Whether DEBUG is logged.
    pub debug: bool,
    /// Whether phone numbers are logged in full.
    pub numbers: bool,
}

impl Config {
    /// Reads the file, `.env` and the environment of this process.
    pub fn load(flags: Flags) -> Result<Self, ConfigError> {
        Self::from_sources(Sources::of_process(flags)?)
    }

    /// Reads the given layers only.
    pub fn from_sources(sources: Sources) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(sources)?;
        let config = Self::read(&mut reader);
        reader.finish()?;
        Ok(config)
    }

    /// The authority (host and port) of public URLs; `port` is the one listened on.
    #[must_use]
    pub fn authority(&self, port: u16) -> String {
        self.host.clone().unwrap_or_else(|| format!("localhost:{port}"))
    }

    fn read(reader: &mut Reader) -> Self {
        let host = reader.read("host", parse::host).filter(|host| host != "localhost");
        let open = host.is_some();
        let default_bind = if open { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        let insecure = reader.or("insecure_no_signatures", false, parse::boolean);
        if insecure && open {
            reader.problem(
                "insecure_no_signatures",
                "cannot be used while HOST makes the server public",
                "leave it unset and set TWILIO_AUTH_TOKEN",
            );
        }
        let transport = reader.or("transport", Transport::Relay, parse::transport);
        let (model, voice) = model::model_and_voice(reader, transport);
        let policy = policy::policy(reader, &model);
        let phone_number = reader.read("twilio.phone_number", parse::number);
        let dialing = DialingSettings::read(reader, phone_number.as_ref());
        let data_dir = reader.read("data_dir", parse::path).unwrap_or_else(source::data_dir);
        let own = |name: &str| Some(data_dir.join(name)).filter(|folder| folder.is_dir());
        Self {
            port: reader.or("port", DEFAULT_PORT, parse::port),
            bind: reader.or("bind", default_bind.into(), parse::address),
            twilio: TwilioSettings {
                account_sid: reader.read("twilio.account_sid", parse::account_sid),
                auth_token: reader.read("twilio.auth_token", parse::secret),
                phone_number,
                api_base_url: reader.or(
                    "twilio.api_base_url",
                    known_url("https://api.twilio.com"),
                    parse::http_url,
                ),
                insecure_no_signatures: insecure,
            },
            openai: OpenAiSettings {
                api_key: reader.read("openai.api_key", parse::secret),
                model,
                voice,
                base_url: reader.or(
                    "openai.base_url",
                    known_url("https://api.openai.com/v1"),
                    parse::http_url,
                ),
            },
            agent: reader.or("agent", "assistant".into(), parse::agent_id),
            agent_of: reader.map("agents.numbers", parse::number, parse::agent_id),
            agents_dir: reader.read("agents.folder", parse::path).or_else(|| own("agents")),
            scenarios_dir: reader
                .read("scenarios.folder", parse::path)
                .or_else(|| own("scenarios")),
            system_prompt: reader.read("system_prompt", parse::text),
            require_supervisor_feedback: reader.or(
                "require_supervisor_feedback",
                false,
                parse::boolean,
            ),
            transfer_number: reader.read("transfer_number", parse::number),
            transport,
            dialing,
            api_rate: reader.or("api_rate", 600, parse::whole),
            trusted_proxies: TrustedProxies::new(reader.or(
                "trusted_proxies",
                Vec::new(),
                parse::networks,
            )),
            redis_url: reader.read("redis_url", parse::secret),
            admin_token: reader.read("admin_token", parse::admin_token),
            relay: RelaySettings::read(reader),
            policy,
            retention: Retention {
                age: reader.or("store.max_age", None, parse::age),
                bytes: reader.or("store.max_size", None, parse::size),
            },
            drain: reader.or("drain", Duration::from_secs(30), parse::duration),
            log: LogSettings {
                format: reader.or("log", LogFormat::Json, parse::log_format),
                debug: reader.or("debug", false, parse::boolean),
                numbers: reader.or("log_numbers", false, parse::boolean),
            },
            data_dir,
            host,
            warnings: reader.take_warnings(),
        }
    }
}

/// Parses a length of time in the configuration's notation, such as `250ms`, `4s` or `10m`.
pub(crate) fn length_of_time(text: &str) -> Result<Duration, String> {
    parse::duration(text)
}

fn known_url(url: &str) -> Url {
    Url::parse(url).expect("a URL written here is valid")
}
