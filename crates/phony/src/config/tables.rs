//! The settings by name: environment variables, the relay's attributes, the policy's numbers.

use phony_call::{Policy, Prices};
use phony_wire::openai::models;
use phony_wire::twilio::twiml::Inputs;

use super::parse::{self, Parsed};
use super::source::Reader;

/// An environment variable and the key it sets.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// The variable.
    pub name: &'static str,
    /// The key in `phony.toml`.
    pub key: &'static str,
    /// A right value.
    pub example: &'static str,
    /// What it does, in a line.
    pub meaning: &'static str,
}

/// Every variable that is read, but `PHONY_CONFIG`, which names the file.
pub const VARIABLES: &[Variable] = &[
    variable(
        "TWILIO_ACCOUNT_SID",
        "twilio.account_sid",
        "AC0123456789abcdef0123456789abcdef",
        "the account that carries the calls",
    ),
    variable(
        "TWILIO_AUTH_TOKEN",
        "twilio.auth_token",
        "<the token from Twilio's console>",
        "verifies Twilio's requests; without it every one of them is refused",
    ),
    variable(
        "TWILIO_PHONE_NUMBER",
        "twilio.phone_number",
        "+15005550006",
        "our number; its country is the one that may be dialled on to",
    ),
    variable(
        "TWILIO_API_BASE_URL",
        "twilio.api_base_url",
        "https://api.twilio.com",
        "where Twilio's REST API is",
    ),
    variable(
        "PHONY_INSECURE_NO_SIGNATURES",
        "insecure_no_signatures",
        "0",
        "1: take unsigned requests for Twilio's; refused where HOST is set",
    ),
    variable(
        "OPENAI_API_KEY",
        "openai.api_key",
        "<the key from OpenAI's console>",
        "the key for the model",
    ),
    variable(
        "OPENAI_MODEL",
        "openai.model",
        "gpt-realtime-2.1",
        "the model; retired names are replaced, with a warning",
    ),
    variable(
        "OPENAI_VOICE",
        "openai.voice",
        "marin",
        "the model's voice, where it speaks itself; marin and cedar are the best",
    ),
    variable(
        "OPENAI_BASE_URL",
        "openai.base_url",
        "https://api.openai.com/v1",
        "where the model is; its socket is this with ws(s) and /realtime",
    ),
    variable(
        "HOST",
        "host",
        "phony.example.com",
        "public host name, without scheme and path, in every URL given to Twilio",
    ),
    variable("PORT", "port", "24187", "port to listen on"),
    variable(
        "PHONY_BIND",
        "bind",
        "127.0.0.1",
        "address to listen on; 127.0.0.1 while HOST is not set, else 0.0.0.0",
    ),
    variable(
        "SYSTEM_PROMPT",
        "system_prompt",
        "You answer the phone of a bakery.",
        "replaces the instructions of the default agent",
    ),
    variable(
        "REQUIRE_SUPERVISOR_FEEDBACK",
        "require_supervisor_feedback",
        "false",
        "true: no reply is heard before a supervisor sends it",
    ),
    variable(
        "TRANSFER_NUMBER",
        "transfer_number",
        "+15005550006",
        "where a transfer without a number goes, and a call whose model failed",
    ),
    variable(
        "PHONY_AGENT",
        "agent",
        "assistant",
        "who answers: assistant, support, scheduler, hotline, surveyor, or one of your own",
    ),
    variable("PHONY_TRANSPORT", "transport", "relay", "relay: Twilio hears and speaks"),
    variable("PHONY_DIAL_RATE", "dial_rate", "60", "outbound calls a minute; 0 for no limit"),
    variable(
        "PHONY_CALLING_HOURS",
        "calling_hours",
        "08:00-21:00",
        "local time of the callee in which outbound calls may start; off for any",
    ),
    variable(
        "PHONY_API_RATE",
        "api_rate",
        "600",
        "supervisors' requests a minute, by token and by address; 0 for no limit",
    ),
    variable(
        "PHONY_TRUSTED_PROXIES",
        "trusted_proxies",
        "127.0.0.1, 10.0.0.0/8",
        "addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are believed",
    ),
    variable("REDIS_URL", "redis_url", "redis://127.0.0.1:6379", "store and bus of several nodes"),
    variable(
        "PHONY_DATA_DIR",
        "data_dir",
        "/var/lib/phony",
        "folder of the calls, the log and the supervisors' token; the platform's data folder",
    ),
    variable(
        "PHONY_ADMIN_TOKEN",
        "admin_token",
        "<at least 8 characters>",
        "the supervisors' secret; made at the first start where it is not set",
    ),
    variable("PHONY_DEBUG", "debug", "0", "1: log every decision"),
    variable("PHONY_LOG", "log", "json", "json for machines, pretty for people"),
    variable("PHONY_LOG_NUMBERS", "log_numbers", "0", "1: whole telephone numbers in the log"),
];

const fn variable(
    name: &'static str,
    key: &'static str,
    example: &'static str,
    meaning: &'static str,
) -> Variable {
    Variable { name, key, example, meaning }
}

/// The attributes of `<ConversationRelay>` that can be set, in the section `[relay]`. `None`
/// leaves the attribute out, so that Twilio's default holds (Twilio, "TwiML Voice:
/// `<ConversationRelay>`").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaySettings {
    /// Language of both directions, BCP 47.
    pub language: String,
    /// Who speaks: `ElevenLabs`, `Google` or `Amazon`.
    pub tts_provider: String,
    /// The provider's name of a voice; its default if absent.
    pub voice: Option<String>,
    /// Who listens: `Deepgram` or `Google`.
    pub transcription_provider: String,
    /// The provider's model; its default if absent.
    pub speech_model: Option<String>,
    /// What stops our speech.
    pub interruptible: Inputs,
    /// What is reported while we speak. We want what is said over the agent.
    pub report_input_during_agent_speech: Inputs,
    /// `low`, `medium` or `high`.
    pub interrupt_sensitivity: Option<String>,
    /// Whether key presses are reported.
    pub dtmf_detection: bool,
    /// Whether "uh-huh" is passed over.
    pub ignore_backchannel: Option<bool>,
    /// Whether partial transcripts are sent.
    pub partial_prompts: Option<bool>,
    /// Silence before an utterance is final: `auto` or milliseconds.
    pub speech_timeout: Option<String>,
    /// Phrases to expect, separated by commas.
    pub hints: Option<String>,
    /// The reports to subscribe to, separated by spaces.
    pub events: String,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            language: "en-US".into(),
            tts_provider: "ElevenLabs".into(),
            voice: None,
            transcription_provider: "Deepgram".into(),
            speech_model: None,
            interruptible: Inputs::Any,
            report_input_during_agent_speech: Inputs::Any,
            interrupt_sensitivity: None,
            dtmf_detection: true,
            ignore_backchannel: None,
            partial_prompts: None,
            speech_timeout: None,
            hints: None,
            events: "speaker-events tokens-played".into(),
        }
    }
}

impl RelaySettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut relay = Self::default();
        reader.set("relay.language", &mut relay.language, parse::text);
        reader.set("relay.tts_provider", &mut relay.tts_provider, parse::text);
        relay.voice = reader.read("relay.voice", parse::text);
        reader.set("relay.transcription_provider", &mut relay.transcription_provider, parse::text);
        relay.speech_model = reader.read("relay.speech_model", parse::text);
        reader.set("relay.interruptible", &mut relay.interruptible, input_kinds);
        reader.set(
            "relay.report_input_during_agent_speech",
            &mut relay.report_input_during_agent_speech,
            input_kinds,
        );
        relay.interrupt_sensitivity =
            reader.read("relay.interrupt_sensitivity", one_of(&["low", "medium", "high"]));
        reader.set("relay.dtmf_detection", &mut relay.dtmf_detection, parse::boolean);
        relay.ignore_backchannel = reader.read("relay.ignore_backchannel", parse::boolean);
        relay.partial_prompts = reader.read("relay.partial_prompts", parse::boolean);
        relay.speech_timeout = reader.read("relay.speech_timeout", speech_timeout);
        relay.hints = reader.read("relay.hints", parse::text);
        reader.set("relay.events", &mut relay.events, parse::text);
        relay
    }
}

/// A minute of a relayed call, in US dollars: ConversationRelay, and a local call in the United
/// States (Twilio, "Voice pricing").
const LINE_MINUTE: f64 = 0.07 + 0.014;

/// The policy: the built-in one and the model's prices, changed by the sections `[policy]` and
/// `[prices]`.
pub(super) fn policy(reader: &mut Reader, model: &str) -> Policy {
    let prices = Prices { minute: LINE_MINUTE, ..prices_of(model) };
    let mut policy = Policy { prices, ..Policy::default() };
    let p = &mut policy;
    for (key, length) in [
        ("policy.connect", &mut p.connect),
        ("policy.filler_after", &mut p.filler_after),
        ("policy.answer_limit", &mut p.answer_limit),
        ("policy.busy_pause", &mut p.busy_pause),
        ("policy.playback_slack", &mut p.playback_slack),
        ("policy.silence", &mut p.silence),
        ("policy.false_interrupt", &mut p.false_interrupt),
        ("policy.digits_pause", &mut p.digits_pause),
        ("policy.voice_limit", &mut p.voice_limit),
        ("policy.words_limit", &mut p.words_limit),
        ("policy.question_limit", &mut p.question_limit),
        ("policy.approval_limit", &mut p.approval_limit),
        ("policy.takeover_unattended", &mut p.takeover_unattended),
        ("policy.takeover_abandoned", &mut p.takeover_abandoned),
        ("policy.hold_line", &mut p.hold_phrase),
        ("policy.reconnect", &mut p.reconnect),
        ("policy.ring", &mut p.ring),
        ("policy.farewell", &mut p.farewell),
        ("policy.max_call", &mut p.max_call),
    ] {
        reader.set(key, length, parse::duration);
    }
    for (key, count) in [
        ("policy.retries", &mut p.retries),
        ("policy.reconnects", &mut p.reconnects),
        ("policy.chars_per_second", &mut p.chars_per_second),
        ("policy.nudges", &mut p.nudges),
        ("policy.line_losses", &mut p.line_losses),
        ("policy.self_turns", &mut p.self_turns),
    ] {
        reader.set(key, count, parse::whole);
    }
    for (key, price) in [
        ("prices.input_text", &mut p.prices.input_text),
        ("prices.input_audio", &mut p.prices.input_audio),
        ("prices.cached_text", &mut p.prices.cached_text),
        ("prices.cached_audio", &mut p.prices.cached_audio),
        ("prices.output_text", &mut p.prices.output_text),
        ("prices.output_audio", &mut p.prices.output_audio),
        ("prices.minute", &mut p.prices.minute),
    ] {
        reader.set(key, price, parse::price);
    }
    (p.soft_cost, p.hard_cost) = (8.0, 10.0);
    reader.set("spend.call_soft", &mut p.soft_cost, parse::dollars);
    reader.set("spend.call_hard", &mut p.hard_cost, parse::dollars);
    reader.set("policy.approval_timeout", &mut p.approval_timeout, |value| match value {
        "send" => Ok(phony_call::ApprovalTimeout::Send),
        "ask-again" => Ok(phony_call::ApprovalTimeout::AskAgain),
        _ => Err("is neither send nor ask-again".into()),
    });
    policy.chars_per_second = policy.chars_per_second.max(1);
    policy
}

/// The model and the voice; retired names are replaced, with a warning.
pub(super) fn model_and_voice(reader: &mut Reader) -> (String, String) {
    let mut model = reader.or("openai.model", models::DEFAULT_MODEL.into(), model_name);
    if let Some(current) = models::replacement_of_retired(&model) {
        reader.warn(format!("OPENAI_MODEL: {model} is retired; {current} is used in its place"));
        model = current.to_owned();
    }
    let mut voice = reader.or("openai.voice", models::DEFAULT_VOICE.into(), voice_name);
    if let Some(current) = models::replacement_of_voice(&voice) {
        reader.warn(format!("OPENAI_VOICE: {voice} is retired; {current} is used in its place"));
        voice = current.to_owned();
    }
    (model, voice)
}

fn voice_name(value: &str) -> Parsed<String> {
    if models::VOICES.contains(&value) || models::replacement_of_voice(value).is_some() {
        Ok(value.to_owned())
    } else {
        Err(format!("is none of {}", models::VOICES.join(", ")))
    }
}

/// What the model's tokens cost; nothing if it is not known here.
fn prices_of(model: &str) -> Prices {
    let Some(model) = models::model(model) else { return Prices::default() };
    Prices {
        input_text: model.prices.text_in,
        input_audio: model.prices.audio_in,
        cached_text: model.prices.text_cached,
        cached_audio: model.prices.audio_cached,
        output_text: model.prices.text_out,
        output_audio: model.prices.audio_out,
        ..Prices::default()
    }
}

fn model_name(value: &str) -> Parsed<String> {
    let sane = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    if value.len() <= 100 && value.chars().all(sane) {
        Ok(value.to_owned())
    } else {
        Err("is not a model's name".into())
    }
}

fn input_kinds(value: &str) -> Parsed<Inputs> {
    match value {
        "none" => Ok(Inputs::None),
        "dtmf" => Ok(Inputs::Dtmf),
        "speech" => Ok(Inputs::Speech),
        "any" => Ok(Inputs::Any),
        _ => Err("is none of none, dtmf, speech, any".into()),
    }
}

fn speech_timeout(value: &str) -> Parsed<String> {
    let fits = value == "auto" || value.parse().is_ok_and(|ms: u32| (600..=5000).contains(&ms));
    if fits { Ok(value.into()) } else { Err("is neither auto nor 600 to 5000 milliseconds".into()) }
}

fn one_of(words: &'static [&'static str]) -> impl Fn(&str) -> Parsed<String> {
    move |value| {
        if words.contains(&value) {
            Ok(value.to_owned())
        } else {
            Err(format!("is none of {}", words.join(", ")))
        }
    }
}
