//! Scenarios of outbound calls. A scenario is an agent whose texts have slots, which are filled
//! when a call is placed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::agent::{Agent, build};
use super::error::AgentError;
use super::file::{File, Persona};
use crate::config::Config;

/// The longest text that a slot takes, in characters.
const LONGEST: usize = 200;

/// What an outbound call is for, and how the agent conducts it.
#[derive(Debug)]
pub struct Scenario {
    /// Its id, such as `survey`.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// Its purpose, in a sentence.
    pub description: String,
    /// The opening line, with its slots.
    pub opening: Option<String>,
    /// The slots of its texts and their defaults; a slot without a default must be filled.
    pub slots: BTreeMap<String, Option<String>>,
    /// Example values of slots, for demonstrations.
    pub examples: BTreeMap<String, String>,
    /// Whether to detect answering machines.
    pub detect_machine: bool,
    /// Whether an answering machine is left a message.
    pub leaves_message: bool,
    file: File,
}

/// Variables that do not fit a scenario's slots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BadVariables {
    /// Slots that must be filled and are not.
    pub missing: Vec<String>,
    /// Names that the scenario does not know.
    pub unknown: Vec<String>,
    /// Values that cannot be spoken: too long, or with control characters or brackets in them.
    pub unfit: Vec<String>,
}

impl Scenario {
    pub(super) fn read(file: File, config: &Config) -> Result<Self, AgentError> {
        let persona = file.parse()?;
        let texts = [&persona.greeting, &persona.voicemail];
        let texts = texts.into_iter().flatten().chain([&persona.instructions]);
        let mut slots = BTreeMap::new();
        for text in texts {
            slots.extend(slots_in(text).into_iter().map(|slot| (slot, None)));
        }
        for (slot, value) in persona.slots.clone().unwrap_or_default() {
            let Some(known) = slots.get_mut(&slot) else {
                return Err(file.wrong(format!(
                    "`slots.{slot}`: no text has {{{slot}}} in it; there are: {}",
                    slots.keys().cloned().collect::<Vec<_>>().join(", ")
                )));
            };
            *known = Some(value);
        }
        let examples = persona.examples.clone().unwrap_or_default();
        if let Some(slot) = examples.keys().find(|slot| !slots.contains_key(*slot)) {
            return Err(file.wrong(format!("`examples.{slot}`: no text has {{{slot}}} in it")));
        }
        // Errors outside the texts must show now, not when somebody is called.
        build(&file, file.parse()?, config)?;
        Ok(Self {
            id: file.id.clone(),
            name: persona.name,
            description: persona.description,
            opening: persona.greeting,
            slots,
            examples,
            detect_machine: persona.detect_machine.unwrap_or(false),
            leaves_message: persona.voicemail.is_some(),
            file,
        })
    }

    /// The agent of this scenario, with the slots filled.
    pub fn fill(
        &self,
        variables: &BTreeMap<String, String>,
        config: &Config,
    ) -> Result<Arc<Agent>, BadVariables> {
        let mut bad = BadVariables::default();
        for name in variables.keys().filter(|name| !self.slots.contains_key(*name)) {
            bad.unknown.push(name.clone());
        }
        let mut values = BTreeMap::new();
        for (slot, default) in &self.slots {
            let given = variables.get(slot).map(|value| value.trim()).filter(|v| !v.is_empty());
            match given.or(default.as_deref()) {
                None => bad.missing.push(slot.clone()),
                Some(value) if !fits_slot(value) => bad.unfit.push(slot.clone()),
                Some(value) => drop(values.insert(slot.as_str(), value)),
            }
        }
        if bad != BadVariables::default() {
            return Err(bad);
        }
        // The file was parsed when it was loaded.
        let persona = self.file.parse().ok();
        let agent = persona.and_then(|persona| {
            let persona = Persona {
                instructions: filled(&persona.instructions, &values),
                greeting: persona.greeting.as_deref().map(|text| filled(text, &values)),
                voicemail: persona.voicemail.as_deref().map(|text| filled(text, &values)),
                ..persona
            };
            build(&self.file, persona, config).ok()
        });
        let mut agent = agent.unwrap_or_else(|| unreachable!("a scenario that was read can be"));
        let call = Arc::make_mut(&mut agent.call);
        call.scenario = Some(self.id.clone());
        call.variables = variables.clone();
        Ok(Arc::new(agent))
    }
}

/// Whether a value can be part of a sentence: at most 200 characters, without control characters,
/// brackets or braces.
pub(crate) fn fits_slot(value: &str) -> bool {
    let sane = |c: char| !c.is_control() && !matches!(c, '[' | ']' | '{' | '}' | '<' | '>');
    value.chars().count() <= LONGEST && value.chars().all(sane)
}

/// The names in braces, as in `{name}`.
fn slots_in(text: &str) -> BTreeSet<String> {
    let parts = text.split('{').skip(1).filter_map(|part| Some(part.split_once('}')?.0));
    parts.filter(|name| is_name(name)).map(str::to_owned).collect()
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The text with its slots filled, in one pass: a value is never looked through for slots.
fn filled(text: &str, values: &BTreeMap<&str, &str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let slot = after.split_once('}').and_then(|(name, rest)| Some((values.get(name)?, rest)));
        if let Some((value, behind)) = slot {
            out.push_str(value);
            rest = behind;
        } else {
            out.push('{');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_filled_once_and_values_are_not_looked_through() {
        let values = BTreeMap::from([("a", "{b}"), ("b", "two")]);
        assert_eq!(filled("{a} and {b}, {c} {", &values), "{b} and two, {c} {");
        assert_eq!(slots_in("{a} {not a slot} {b_2} {} {"), ["a", "b_2"].map(String::from).into());
    }
}
