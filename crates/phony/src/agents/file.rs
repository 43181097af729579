//! The TOML file of an agent or a scenario, parsed strictly. Errors name the file, the line, the
//! key and what is allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use phony_call::{CommandName, PhoneNumber};
use serde::{Deserialize, Deserializer};

use super::error::AgentError;
use crate::config::Transport;
use crate::data_dir::explained_alone;

/// A file's content, not yet parsed.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// The file's name without the extension.
    pub(super) id: String,
    /// Whether it is a scenario's, not an agent's.
    pub(super) scenario: bool,
    /// The path, for errors.
    pub(super) name: String,
    pub(super) text: String,
}

/// The keys of both kinds of file; some are for scenarios only.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Persona {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    pub(super) instructions: String,
    /// The opening line.
    pub(super) greeting: Option<String>,
    #[serde(default = "yes")]
    pub(super) greeting_interruptible: bool,
    pub(super) voice: Option<String>,
    pub(super) tts_provider: Option<String>,
    pub(super) language: Option<String>,
    #[serde(default, deserialize_with = "transport")]
    pub(super) transport: Option<Transport>,
    pub(super) commands: Option<BTreeSet<CommandName>>,
    #[serde(default)]
    pub(super) transfers: Transfers,
    #[serde(default)]
    pub(super) approval: Approval,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) turns: Turns,
    #[serde(default)]
    pub(super) phrases: BTreeMap<String, String>,
    /// Scenarios only: the words with which it says that it is a machine; empty for none.
    pub(super) disclosure: Option<String>,
    /// Scenarios only: the message left on an answering machine, after its tone.
    pub(super) voicemail: Option<String>,
    /// Scenarios only: whether to detect answering machines.
    pub(super) detect_machine: Option<bool>,
    /// Scenarios only: defaults of slots, which then need not be filled.
    pub(super) slots: Option<BTreeMap<String, String>>,
    /// Scenarios only: example values of slots, for demonstrations.
    pub(super) examples: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Transfers {
    pub(super) fallback: Option<PhoneNumber>,
    pub(super) listed: Vec<PhoneNumber>,
    /// ISO 3166 codes; if absent, the countries that outbound calls may be placed to.
    pub(super) countries: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Approval {
    pub(super) always: bool,
    pub(super) first: u32,
    pub(super) commands: bool,
    pub(super) words: Vec<String>,
}

/// Limits of this agent's calls, in place of the configured ones.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    #[serde(deserialize_with = "duration")]
    pub(super) max_call: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    pub(super) silence: Option<Duration>,
    pub(super) nudges: Option<u32>,
    pub(super) soft_cost: Option<f64>,
    pub(super) hard_cost: Option<f64>,
}

/// How turns are told apart where the model hears.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Turns {
    pub(super) detection: Option<String>,
    pub(super) eagerness: Option<String>,
    pub(super) threshold: Option<f64>,
    #[serde(deserialize_with = "duration")]
    pub(super) prefix: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    pub(super) silence: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    pub(super) interrupt_after: Option<Duration>,
    pub(super) transcription: Option<String>,
}

/// The first key that is set although only scenarios may have it.
pub(super) fn for_scenarios_only(persona: &Persona) -> Option<&'static str> {
    let set = [
        ("disclosure", persona.disclosure.is_some()),
        ("voicemail", persona.voicemail.is_some()),
        ("detect_machine", persona.detect_machine.is_some()),
        ("slots", persona.slots.is_some()),
        ("examples", persona.examples.is_some()),
    ];
    set.into_iter().find_map(|(key, set)| set.then_some(key))
}

impl File {
    /// Parses the file; an error says where it is wrong and what is allowed.
    pub(super) fn parse(&self) -> Result<Persona, AgentError> {
        toml::from_str(&self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start).min(self.text.len());
            let before = &self.text[..self.text.floor_char_boundary(at)];
            let number = before.matches('\n').count() + 1;
            let line = self.text.lines().nth(number - 1).unwrap_or_default();
            let key = line.split_once('=').map(|(key, _)| key.trim());
            let section = before.lines().rev().find_map(|line| line.trim().strip_prefix('['));
            let section = section.and_then(|name| name.split(']').next());
            let key = match (section, key) {
                (Some(section), Some(key)) => format!(", `{section}.{key}`"),
                (None, Some(key)) => format!(", `{key}`"),
                (_, None) => String::new(),
            };
            self.wrong(format!("line {number}{key}: {}", error.message()))
        })
    }

    pub(super) fn wrong(&self, problem: impl Into<String>) -> AgentError {
        AgentError::Wrong { file: self.name.clone(), problem: problem.into() }
    }
}

/// Every `.toml` file of a folder, sorted by id.
pub(super) fn files_of(folder: &Path, scenario: bool) -> Result<Vec<File>, AgentError> {
    let (whole, one) = if scenario {
        ("folder of scenarios", "scenario's file")
    } else {
        ("folder of agents", "agent's file")
    };
    let failed = |error| AgentError::Read { what: whole, source: explained_alone(folder, &error) };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        let Some(id) = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_toml) else {
            continue;
        };
        let name = path.display().to_string();
        let sane = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !id.chars().all(sane) || id.len() > 64 {
            let problem = "the file's name is the id: letters, digits, - and _".to_owned();
            return Err(AgentError::Wrong { file: name, problem });
        }
        let text = std::fs::read_to_string(&path).map_err(|error| AgentError::Read {
            what: one,
            source: explained_alone(&path, &error),
        })?;
        files.push(File { id: id.to_owned(), scenario, name, text });
    }
    files.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(files)
}

fn yes() -> bool {
    true
}

fn transport<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Transport>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.as_str() {
        "relay" => Ok(Some(Transport::Relay)),
        "media" => Ok(Some(Transport::Media)),
        _ => Err(serde::de::Error::custom("no such transport; allowed are `relay`, `media`")),
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    crate::config::length_of_time(&text).map(Some).map_err(serde::de::Error::custom)
}
