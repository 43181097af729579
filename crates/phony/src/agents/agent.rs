//! One agent, built from its file.

use std::sync::Arc;
use std::time::Duration;

use phony_call::{Approval, ApprovalRules, Country, Phrases, Policy, Traits, Transfers};
use phony_wire::openai::models;

use super::disclosure::disclose;
use super::error::AgentError;
use super::file::{self, File, Persona};
use super::instructions::instructions_of;
use super::turns::{self, TurnSettings};
use crate::config::{Config, Transport};

/// An AI that can hold a call.
#[derive(Debug, Clone)]
pub struct Agent {
    /// The name for people.
    pub name: String,
    /// The whole of the model's instructions.
    pub instructions: Arc<str>,
    /// Its purpose, in a sentence.
    pub description: String,
    /// The instructions of its file alone.
    pub character: Arc<str>,
    /// A voice: one of the model's, which is used where the model speaks, or one of the carrier's.
    pub voice: Option<String>,
    /// The provider of the voice, where the carrier speaks.
    pub tts_provider: Option<String>,
    /// The language that is heard and spoken, such as `en-US`.
    pub language: Option<String>,
    /// How its calls' speech travels.
    pub transport: Transport,
    /// How turns are told apart where the model hears.
    pub turns: TurnSettings,
    /// Limits of its calls.
    pub limits: Limits,
    /// What the pure call needs to know of it; shared by its calls.
    pub call: Arc<phony_call::Agent>,
    /// Neither the file nor the configuration names countries, so transfers may go to the country
    /// of the server's number that a call uses.
    pub dials_own_country: bool,
}

impl Agent {
    /// Gives a scenario's agent the voice and the language of another agent, where it has none of
    /// its own.
    pub fn accompany(&mut self, companion: &Self) {
        if self.voice.is_none() {
            self.voice.clone_from(&companion.voice);
            self.tts_provider.clone_from(&companion.tts_provider);
        }
        self.language = self.language.take().or_else(|| companion.language.clone());
        Arc::make_mut(&mut self.call).companion = Some(companion.call.id.clone());
    }
}

/// Limits of one agent's calls; where one is absent, the configured limit holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// The longest call.
    pub max_call: Option<Duration>,
    /// How long the caller may be silent.
    pub silence: Option<Duration>,
    /// How often a silent caller is asked whether they are still there.
    pub nudges: Option<u32>,
    /// The estimated cost, in US dollars, at which the model is told to come to an end.
    pub soft_cost: Option<f64>,
    /// The estimated cost, in US dollars, at which the agent says goodbye.
    pub hard_cost: Option<f64>,
}

/// The same agent, prepared for outbound calls.
#[must_use]
pub fn calling(agent: &Agent) -> Arc<Agent> {
    let mut agent = agent.clone();
    disclose(Arc::make_mut(&mut agent.call), None);
    agent.instructions = instructions_of(&agent.character, &agent.call.commands, agent.call.traits);
    Arc::new(agent)
}

/// The same agent for a line that carries words only.
#[must_use]
pub fn in_words(agent: &Agent) -> Arc<Agent> {
    let mut agent = agent.clone();
    agent.transport = Transport::Relay;
    let call = Arc::make_mut(&mut agent.call);
    (call.traits, call.transport) = (Traits::Text, Some(Transport::Relay));
    agent.instructions = instructions_of(&agent.character, &agent.call.commands, Traits::Text);
    Arc::new(agent)
}

/// An agent that answers inbound calls.
pub(super) fn inbound(file: &File, config: &Config) -> Result<Agent, AgentError> {
    let persona = file.parse()?;
    if let Some(key) = file::for_scenarios_only(&persona) {
        return Err(file.wrong(format!("`{key}` is for scenarios, which call people")));
    }
    build(file, persona, config)
}

/// Builds an agent from a parsed file.
pub(super) fn build(file: &File, persona: Persona, config: &Config) -> Result<Agent, AgentError> {
    let scenario = file.scenario;
    for (key, text) in [("name", &persona.name), ("instructions", &persona.instructions)] {
        if text.trim().is_empty() {
            return Err(file.wrong(format!("`{key}` is empty")));
        }
    }
    let mut call = phony_call::Agent::new(&file.id);
    call.greeting = persona.greeting.filter(|greeting| !greeting.trim().is_empty());
    call.greeting_interruptible = persona.greeting_interruptible;
    if let Some(commands) = persona.commands {
        call.commands = commands;
    }
    let file::Transfers { fallback, listed, countries } = persona.transfers;
    let dials_own_country = countries.is_none() && config.dialing.countries().is_empty();
    let fallback = fallback.or_else(|| config.transfer_number.clone());
    let countries = match countries {
        Some(codes) => {
            let parse = |code: &String| {
                let unknown = || {
                    file.wrong(format!(
                        "`transfers.countries`: `{code}` is not a country's code such as US"
                    ))
                };
                Country::parse(code).ok_or_else(unknown)
            };
            codes.iter().map(parse).collect::<Result<_, _>>()?
        }
        None => config.dialing.countries().clone(),
    };
    call.transfers = Transfers { fallback, listed, countries };
    let file::Approval { always, first, commands, words } = persona.approval;
    call.approval = if always || config.require_supervisor_feedback {
        Approval::Always
    } else if first > 0 || commands || !words.is_empty() {
        Approval::When(ApprovalRules { first, commands, words })
    } else {
        Approval::Never
    };
    for (name, phrase) in persona.phrases {
        let slot = phrase_slot(&mut call.phrases, &name);
        let unknown = || {
            file.wrong(format!("`phrases.{name}` is not one; there are: {}", PHRASES.join(", ")))
        };
        *slot.ok_or_else(unknown)? = phrase;
    }
    let transport = persona.transport.unwrap_or(config.transport);
    call.traits = match transport {
        Transport::Relay => Traits::Text,
        Transport::Media => Traits::Speech,
    };
    (call.transport, call.model) = (Some(transport), Some(config.openai.model.clone()));
    call.interrupt_after = turns::interrupt_after(file, &persona.turns)?;
    let language = persona.language.map(|text| language(file, text)).transpose()?;
    call.voicemail = persona.voicemail.filter(|text| !text.trim().is_empty());
    if scenario {
        disclose(&mut call, persona.disclosure.as_deref());
    }
    let own = config.system_prompt.as_ref().filter(|_| !scenario && file.id == config.agent);
    let character: Arc<str> = own.unwrap_or(&persona.instructions).trim().into();
    let instructions = instructions_of(&character, &call.commands, call.traits);
    Ok(Agent {
        name: persona.name,
        description: persona.description,
        character,
        instructions,
        voice: persona.voice,
        tts_provider: persona.tts_provider,
        language,
        transport,
        turns: TurnSettings::of(file, &persona.turns)?,
        limits: Limits::of(file, &persona.limits)?,
        call: Arc::new(call),
        dials_own_country,
    })
}

/// Checks a language tag of BCP 47, such as `en-US`; or `multi` for several languages.
fn language(file: &File, text: String) -> Result<String, AgentError> {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    let sane = |part: &str| {
        (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric())
    };
    let letters = (2..=3).contains(&first.len()) && first.chars().all(|c| c.is_ascii_alphabetic());
    if (letters && parts.all(sane)) || text == "multi" {
        Ok(text)
    } else {
        Err(file.wrong(format!("`language`: `{text}` is not a language such as en-US, or `multi`")))
    }
}

impl Limits {
    fn of(file: &File, limits: &file::Limits) -> Result<Self, AgentError> {
        for (key, dollars) in [("soft_cost", limits.soft_cost), ("hard_cost", limits.hard_cost)] {
            if dollars.is_some_and(|dollars| !dollars.is_finite() || dollars < 0.0) {
                return Err(file.wrong(format!("`limits.{key}` is not an amount of US dollars")));
            }
        }
        let file::Limits { max_call, silence, nudges, soft_cost, hard_cost } = limits.clone();
        Ok(Self { max_call, silence, nudges, soft_cost, hard_cost })
    }

    /// The policy with these limits applied.
    #[must_use]
    pub fn within(&self, policy: &Policy) -> Policy {
        let policy = policy.clone();
        Policy {
            max_call: self.max_call.unwrap_or(policy.max_call),
            silence: self.silence.unwrap_or(policy.silence),
            nudges: self.nudges.unwrap_or(policy.nudges),
            soft_cost: self.soft_cost.unwrap_or(policy.soft_cost),
            hard_cost: self.hard_cost.unwrap_or(policy.hard_cost),
            ..policy
        }
    }
}

impl Agent {
    /// The voice, if it is one of the model's.
    #[must_use]
    pub fn model_voice(&self) -> Option<&String> {
        self.voice.as_ref().filter(|voice| models::VOICES.contains(&voice.as_str()))
    }

    /// The voice, if it is one of the carrier's.
    #[must_use]
    pub fn line_voice(&self) -> Option<&String> {
        self.voice.as_ref().filter(|voice| !models::VOICES.contains(&voice.as_str()))
    }
}

/// The phrases that a file may replace.
const PHRASES: [&str; 12] = [
    "filler",
    "nudge",
    "silence_goodbye",
    "hold",
    "still_holding",
    "apology_transfer",
    "apology_goodbye",
    "time_goodbye",
    "cost_goodbye",
    "back_again",
    "say_again",
    "shutdown_goodbye",
];

fn phrase_slot<'a>(phrases: &'a mut Phrases, name: &str) -> Option<&'a mut String> {
    Some(match name {
        "filler" => &mut phrases.filler,
        "nudge" => &mut phrases.nudge,
        "silence_goodbye" => &mut phrases.silence_goodbye,
        "hold" => &mut phrases.hold,
        "still_holding" => &mut phrases.still_holding,
        "apology_transfer" => &mut phrases.apology_transfer,
        "apology_goodbye" => &mut phrases.apology_goodbye,
        "time_goodbye" => &mut phrases.time_goodbye,
        "cost_goodbye" => &mut phrases.cost_goodbye,
        "back_again" => &mut phrases.back_again,
        "say_again" => &mut phrases.say_again,
        "shutdown_goodbye" => &mut phrases.shutdown_goodbye,
        _ => return None,
    })
}
