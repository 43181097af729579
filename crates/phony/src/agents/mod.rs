//! The agents that answer calls, the scenarios of outbound calls, and the instructions that a model
//! is given for either.
//!
//! Each is a TOML file. Five agents and four scenarios are built in. A file of the same name in the
//! operator's folder replaces a built-in one; a file of another name adds one.

mod agent;
mod disclosure;
mod error;
mod file;
mod instructions;
mod scenario;
mod turns;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use phony_call::{Direction, EventBody, PhoneNumber};

use self::file::{File, files_of};
use crate::config::Config;

pub use self::agent::{Agent, Limits, calling, in_words};
pub use self::disclosure::DISCLOSURE;
pub use self::error::AgentError;
pub(crate) use self::scenario::fits_slot;
pub use self::scenario::{BadVariables, Scenario};
pub use self::turns::{Eagerness, TRANSCRIPTION, TurnDetection, TurnSettings};

const BUILT_IN: [(&str, &str); 5] = [
    ("assistant", include_str!("../../../../agents/assistant.toml")),
    ("support", include_str!("../../../../agents/support.toml")),
    ("scheduler", include_str!("../../../../agents/scheduler.toml")),
    ("hotline", include_str!("../../../../agents/hotline.toml")),
    ("surveyor", include_str!("../../../../agents/surveyor.toml")),
];

const SCENARIOS: [(&str, &str); 4] = [
    ("inquiry", include_str!("../../../../scenarios/inquiry.toml")),
    ("survey", include_str!("../../../../scenarios/survey.toml")),
    ("appointment", include_str!("../../../../scenarios/appointment.toml")),
    ("check-in", include_str!("../../../../scenarios/check-in.toml")),
];

/// Every agent and every scenario by its id.
#[derive(Debug, Clone)]
pub struct Agents {
    all: BTreeMap<String, Arc<Agent>>,
    scenarios: BTreeMap<String, Arc<Scenario>>,
    /// May be changed while the server runs.
    default: Arc<RwLock<Arc<Agent>>>,
    of_number: BTreeMap<PhoneNumber, Arc<Agent>>,
}

impl Agents {
    /// Reads the built-in agents and scenarios, and the operator's own.
    pub fn load(config: &Config) -> Result<Self, AgentError> {
        Self::read(config).map_err(|mut errors| errors.swap_remove(0))
    }

    /// Like [`Agents::load`], but reports every file that is wrong, not only the first.
    pub fn read(config: &Config) -> Result<Self, Vec<AgentError>> {
        let (mut all, mut scenarios) = (BTreeMap::new(), BTreeMap::new());
        let mut errors = Vec::new();
        for file in files(&BUILT_IN, false, config.agents_dir.as_deref(), &mut errors) {
            match agent::inbound(&file, config) {
                Ok(agent) => drop(all.insert(file.id, Arc::new(agent))),
                Err(error) => errors.push(error),
            }
        }
        for file in files(&SCENARIOS, true, config.scenarios_dir.as_deref(), &mut errors) {
            match Scenario::read(file, config) {
                Ok(scenario) => drop(scenarios.insert(scenario.id.clone(), Arc::new(scenario))),
                Err(error) => errors.push(error),
            }
        }
        let mut find = |id: &String| {
            let known = || all.keys().cloned().collect::<Vec<_>>().join(", ");
            let unknown = || AgentError::Unknown { id: id.clone(), known: known() };
            all.get(id).cloned().ok_or_else(unknown).map_err(|error| errors.push(error)).ok()
        };
        let default = find(&config.agent);
        let of_number = config.agent_of.iter();
        let of_number: BTreeMap<_, _> =
            of_number.filter_map(|(number, id)| Some((number.clone(), find(id)?))).collect();
        match default {
            Some(default) if errors.is_empty() => {
                let default = Arc::new(RwLock::new(default));
                Ok(Self { all, scenarios, default, of_number })
            }
            Some(_) | None => Err(errors),
        }
    }

    /// The agent that answers when this number of the server's is called.
    #[must_use]
    pub fn for_number(&self, number: &str) -> Arc<Agent> {
        let number = PhoneNumber::parse(number).ok();
        let own = number.and_then(|number| self.of_number.get(&number).cloned());
        own.unwrap_or_else(|| self.default())
    }

    /// The agent that answers calls to numbers without an agent of their own.
    #[must_use]
    pub fn default(&self) -> Arc<Agent> {
        Arc::clone(&self.default.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes another agent the default from the next call on; false if there is none of this id.
    #[must_use]
    pub fn set_default(&self, id: &str) -> bool {
        let Some(agent) = self.find(id) else { return false };
        *self.default.write().unwrap_or_else(PoisonError::into_inner) = agent;
        true
    }

    /// The agent of this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Arc<Agent>> {
        self.all.get(id).cloned()
    }

    /// The server's numbers that are assigned to the agent of this id, whichever agent is the
    /// default.
    pub fn numbers_of(&self, id: &str) -> impl Iterator<Item = &PhoneNumber> {
        let own = self.of_number.iter().filter(move |(_, agent)| agent.call.id == id);
        own.map(|(number, _)| number)
    }

    /// Every agent, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Agent)> {
        self.all.iter().map(|(id, agent)| (id.as_str(), agent.as_ref()))
    }

    /// Whether this number of the server's has an agent of its own.
    #[must_use]
    pub fn has_own_agent(&self, number: &PhoneNumber) -> bool {
        self.of_number.contains_key(number)
    }

    /// The scenario of this id.
    #[must_use]
    pub fn scenario(&self, id: &str) -> Option<Arc<Scenario>> {
        self.scenarios.get(id).cloned()
    }

    /// Every scenario, by id.
    pub fn scenarios(&self) -> impl Iterator<Item = &Scenario> {
        self.scenarios.values().map(AsRef::as_ref)
    }

    /// The agent of a call that began with this event: its scenario with the slots filled again, or
    /// the agent itself; the default agent if neither exists any more.
    #[must_use]
    pub fn of_start(&self, start: &EventBody, config: &Config) -> Arc<Agent> {
        let EventBody::SessionStart { agent, scenario, variables, companion, direction, .. } =
            start
        else {
            return self.default();
        };
        let scenario = scenario.as_ref().and_then(|id| self.scenario(id));
        let filled = scenario.and_then(|scenario| scenario.fill(variables, config).ok());
        if let Some(mut filled) = filled {
            if let Some(companion) = companion.as_ref().and_then(|id| self.find(id)) {
                Arc::make_mut(&mut filled).accompany(&companion);
            }
            return filled;
        }
        let agent = self.find(agent).unwrap_or_else(|| self.default());
        match direction {
            Direction::Inbound => agent,
            Direction::Outbound => calling(&agent),
        }
    }
}

/// The files of a folder, and the built-in ones that they do not replace.
fn files(
    built_in: &[(&str, &str)],
    scenario: bool,
    folder: Option<&Path>,
    errors: &mut Vec<AgentError>,
) -> Vec<File> {
    let own = folder.map_or_else(|| Ok(Vec::new()), |folder| files_of(folder, scenario));
    let mut all = own.unwrap_or_else(|error| {
        errors.push(error);
        Vec::new()
    });
    for (id, text) in built_in {
        if !all.iter().any(|own| own.id == *id) {
            let name = format!("{id}.toml (built in)");
            all.push(File { id: (*id).to_owned(), scenario, name, text: (*text).to_owned() });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    #[test]
    fn the_five_built_in_agents_can_be_read() {
        let config = Config::from_sources(Sources::default()).unwrap();
        let agents = Agents::load(&config).unwrap();
        let ids: Vec<_> = agents.iter().map(|(id, _)| id).collect();
        assert_eq!(ids, ["assistant", "hotline", "scheduler", "support", "surveyor"]);
        for (_, agent) in agents.iter() {
            assert!(agent.call.greeting.is_some());
            assert!(!agent.description.is_empty());
            assert!(agent.instructions.contains("[[end_call]]"));
        }
    }

    #[test]
    fn a_system_prompt_replaces_the_default_agents_instructions_only() {
        let environment = vec![("SYSTEM_PROMPT".into(), "Sell bread.".into())];
        let sources = Sources { environment, ..Sources::default() };
        let agents = Agents::load(&Config::from_sources(sources).unwrap()).unwrap();
        let about_bread: Vec<_> = agents
            .iter()
            .filter(|(_, agent)| agent.instructions.contains("Sell bread."))
            .map(|(id, _)| id)
            .collect();
        assert_eq!(about_bread, ["assistant"]);
    }

    #[test]
    fn own_agents_add_to_the_built_in_ones_and_are_found_by_number() {
        let folder = tempfile::tempdir().unwrap();
        let text = "name = 'Baker'\ninstructions = 'Sell bread.'\ncommands = ['end_call']\n";
        std::fs::write(folder.path().join("baker.toml"), text).unwrap();
        let file = format!(
            "[agents]\nfolder = '{}'\nnumbers = {{ '+15005550006' = 'baker' }}",
            folder.path().display()
        );
        let sources = Sources { file: Some(("phony.toml".into(), file)), ..Sources::default() };
        let agents = Agents::load(&Config::from_sources(sources).unwrap()).unwrap();
        assert_eq!(agents.for_number("+15005550006").name, "Baker");
        assert_eq!(agents.for_number("+15005550007").call.id, "assistant");
        assert!(!agents.for_number("+15005550006").instructions.contains("[[press"));
    }
}
