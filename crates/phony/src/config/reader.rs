//! Reads settings by key from the layers, and collects what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::error::ConfigError;
use super::parse::Parsed;
use super::source::{Sources, is_known, parse_dotenv};
use super::variables::{VARIABLES, Variable};

/// Gives out values by key, and collects what is wrong.
pub(super) struct Reader {
    figment: Figment,
    asked: BTreeSet<&'static str>,
    problems: Vec<String>,
    warnings: Vec<String>,
    file: Option<(String, Dict)>,
}

impl Reader {
    pub(super) fn new(sources: Sources) -> Result<Self, ConfigError> {
        let mut figment = Figment::new();
        let mut kept = None;
        if let Some((name, text)) = sources.file {
            let table = parse_toml(&name, &text)?;
            kept = Some((name.clone(), table.clone()));
            figment = figment.merge(Layer { name, table });
        }
        let of_variables = |pairs: Vec<(String, String)>| {
            let known = pairs.into_iter().filter_map(|(name, value)| {
                let variable = VARIABLES.iter().find(|variable| variable.name == name)?;
                Some((variable.key, value))
            });
            table_of(known)
        };
        let mut warnings = Vec::new();
        if let Some(text) = sources.dotenv {
            let pairs = parse_dotenv(&text)?;
            warnings.extend(pairs.iter().filter_map(|(name, _)| unknown_in_dotenv(name)));
            let table = of_variables(pairs);
            figment = figment.merge(Layer { name: ".env".into(), table });
        }
        let table = of_variables(sources.environment);
        figment = figment.merge(Layer { name: "environment".into(), table });
        let table = table_of(sources.flags.into_iter());
        figment = figment.merge(Layer { name: "command line".into(), table });
        Ok(Self { figment, asked: BTreeSet::new(), problems: Vec::new(), warnings, file: kept })
    }

    /// The value under `key`, or nothing if it is not set, empty or wrong.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) -> Option<T> {
        self.asked.insert(key);
        let value = self.figment.find_value(key).ok()?;
        let Some(text) = text_of(&value) else {
            self.problem(key, "must be a single value", &example(key));
            return None;
        };
        match parse(&text) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problem(key, &problem, &example(key));
                None
            }
        }
    }

    /// The value under `key`, or `default`.
    pub(super) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) -> T {
        self.read(key, parse).unwrap_or(default)
    }

    /// Replaces `target` if `key` is set.
    pub(super) fn set<T>(
        &mut self,
        key: &'static str,
        target: &mut T,
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) {
        if let Some(value) = self.read(key, parse) {
            *target = value;
        }
    }

    /// The table under `key`, its keys and values parsed.
    pub(super) fn map<K: Ord, V>(
        &mut self,
        key: &'static str,
        parse_key: impl Fn(&str) -> Parsed<K>,
        parse_value: impl Fn(&str) -> Parsed<V>,
    ) -> BTreeMap<K, V> {
        self.asked.insert(key);
        let mut map = BTreeMap::new();
        let Ok(value) = self.figment.find_value(key) else { return map };
        let Some(table) = value.as_dict() else {
            self.problem(key, "must be a table", &example(key));
            return map;
        };
        for (name, value) in table {
            let text = text_of(value).ok_or_else(|| "has a value of a wrong type".to_owned());
            let pair = parse_key(name).and_then(|k| Ok((k, parse_value(&text?)?)));
            match pair {
                Ok((k, v)) => drop(map.insert(k, v)),
                Err(problem) => self.problem(key, &problem, &example(key)),
            }
        }
        map
    }

    pub(super) fn problem(&mut self, key: &'static str, problem: &str, example: &str) {
        let name = self.name_of(key);
        self.problems.push(format!("  {name} {problem}; example: {example}"));
    }

    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    pub(super) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Every problem found; also keys of the file that mean nothing.
    pub(super) fn finish(mut self) -> Result<(), ConfigError> {
        if let Some((file, table)) = &self.file {
            let mut unknown = Vec::new();
            find_unknown(table, "", &self.asked, &mut unknown);
            let lines = unknown.into_iter().map(|key| {
                format!("  `{key}` in {file} is not a setting; the guide lists all there are")
            });
            self.problems.extend(lines);
        }
        let problems = self.problems;
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }

    /// How the person who set `key` knows it.
    fn name_of(&self, key: &str) -> String {
        let variable = variable(key).map(|variable| variable.name);
        let layer = self
            .figment
            .find_metadata(key)
            .map(|metadata| metadata.name.to_string())
            .unwrap_or_default();
        match (variable, layer.as_str()) {
            (Some(name), "environment" | ".env") => format!("{name} ({layer})"),
            (_, "command line") => format!("--{}", key.replace(['_', '.'], "-")),
            (Some(name), "") => name.to_owned(),
            (None, "") => format!("`{key}`"),
            _ => format!("`{key}` in {layer}"),
        }
    }
}

fn variable(key: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.key == key)
}

/// A right value, in the form in which a person would write it.
fn example(key: &str) -> String {
    match variable(key) {
        Some(variable) => format!("{}={}", variable.name, variable.example),
        None => match key.rsplit_once('.') {
            Some(("policy", name)) => format!("[policy] {name} = \"4s\", or a plain number"),
            Some(("store", "max_age")) => "[store] max_age = \"90d\"".into(),
            Some(("store", _)) => "[store] max_size = \"20GB\"".into(),
            Some(("dialing", "countries")) => "[dialing] countries = \"US, CA\"".into(),
            Some(("dialing", "ring")) => "[dialing] ring = \"30s\"".into(),
            Some(("spend", name)) => format!("[spend] {name} = 10"),
            Some(("prices", name)) => format!("[prices] {name} = 4.0"),
            Some(("agents", "numbers")) => "[agents.numbers] \"+15005550006\" = \"support\"".into(),
            Some((section, name)) => format!("[{section}] {name} = \"…\", as the guide shows"),
            None => format!("{key} = \"30s\""),
        },
    }
}

/// One layer of settings under its name.
struct Layer {
    name: String,
    table: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.table.clone())]))
    }
}

/// Nests dotted keys. Empty values count as not set.
fn table_of<'a>(pairs: impl Iterator<Item = (&'a str, String)>) -> Dict {
    let mut table = Dict::new();
    for (key, value) in pairs.filter(|(_, value)| !value.trim().is_empty()) {
        match key.split_once('.') {
            None => drop(table.insert(key.to_owned(), Value::from(value))),
            Some((section, name)) => {
                let section =
                    table.entry(section.to_owned()).or_insert_with(|| Value::from(Dict::new()));
                if let Value::Dict(_, section) = section {
                    section.insert(name.to_owned(), Value::from(value));
                }
            }
        }
    }
    table
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.trim().to_owned()),
        Value::Char(_, c) => Some(c.to_string()),
        Value::Bool(_, yes) => Some(yes.to_string()),
        Value::Num(_, number) => {
            let whole = number.to_i128().map(|n| n.to_string());
            whole
                .or_else(|| number.to_u128().map(|n| n.to_string()))
                .or_else(|| number.to_f64().map(|n| n.to_string()))
        }
        Value::Empty(..) | Value::Dict(..) | Value::Array(..) => None,
    }
}

fn find_unknown(
    table: &Dict,
    prefix: &str,
    asked: &BTreeSet<&'static str>,
    unknown: &mut Vec<String>,
) {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        if asked.contains(key.as_str()) {
            continue;
        }
        match value {
            Value::Dict(_, inner) if !inner.is_empty() => {
                find_unknown(inner, &format!("{key}."), asked, unknown);
            }
            Value::Dict(..)
            | Value::String(..)
            | Value::Char(..)
            | Value::Bool(..)
            | Value::Num(..)
            | Value::Empty(..)
            | Value::Array(..) => unknown.push(key),
        }
    }
}

/// The parser's own message quotes the line, which may hold a secret; ours says where it is.
fn parse_toml(name: &str, text: &str) -> Result<Dict, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let line = text[..text.floor_char_boundary(at)].matches('\n').count() + 1;
        ConfigError { problems: vec![format!("  {name}, line {line}: not TOML")] }
    })
}

/// A name in `.env` that was probably meant for this program. Other programs read the file, too, so
/// it is no error.
fn unknown_in_dotenv(name: &str) -> Option<String> {
    let unknown = name.starts_with("PHONY_") && !is_known(name);
    unknown.then(|| format!("{name} in .env is no variable of Phony's and does nothing"))
}
