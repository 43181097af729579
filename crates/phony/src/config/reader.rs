//! Reads settings by key from the layers, and collects what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::error::ConfigError;
use super::parse::Parsed;
use super::source::{Sources, is_known, parse_dotenv};
use super::variables::{VARIABLES, Variable};

/// Parses settings by key, and collects problems.
pub(super) struct Reader {
    /// Later layers win.
    layers: Vec<Layer>,
    asked: BTreeSet<&'static str>,
    problems: Vec<String>,
    warnings: Vec<String>,
}

/// The settings of one source.
struct Layer {
    source: Source,
    table: Table,
}

/// Where a setting comes from.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// The configuration file, with its path.
    File(String),
    Dotenv,
    Environment,
    CommandLine,
}

impl Reader {
    pub(super) fn new(sources: Sources) -> Result<Self, ConfigError> {
        let (mut layers, mut warnings) = (Vec::new(), Vec::new());
        if let Some((name, text)) = sources.file {
            let table = parse_toml(&name, &text)?;
            layers.push(Layer { source: Source::File(name), table });
        }
        if let Some(text) = sources.dotenv {
            let pairs = parse_dotenv(&text)?;
            warnings.extend(pairs.iter().filter_map(|(name, _)| unknown_in_dotenv(name)));
            layers.push(Layer { source: Source::Dotenv, table: table_of(keyed(pairs)) });
        }
        let table = table_of(keyed(sources.environment));
        layers.push(Layer { source: Source::Environment, table });
        let table = table_of(sources.flags.into_iter());
        layers.push(Layer { source: Source::CommandLine, table });
        Ok(Self { layers, asked: BTreeSet::new(), problems: Vec::new(), warnings })
    }

    /// The value of `key`; nothing if it is not set or is wrong.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) -> Option<T> {
        self.asked.insert(key);
        let (_, value) = self.find(key)?;
        let text = text_of(value).ok_or_else(|| "must be a single value".to_owned());
        match text.and_then(|text| parse(&text)) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problem(key, &problem, &example(key));
                None
            }
        }
    }

    /// The value of `key`, or `default`.
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

    /// The table of `key`, with its keys and values parsed.
    pub(super) fn map<K: Ord, V>(
        &mut self,
        key: &'static str,
        parse_key: impl Fn(&str) -> Parsed<K>,
        parse_value: impl Fn(&str) -> Parsed<V>,
    ) -> BTreeMap<K, V> {
        self.asked.insert(key);
        let mut map = BTreeMap::new();
        let Some((_, value)) = self.find(key) else { return map };
        let Some(table) = value.as_table().cloned() else {
            self.problem(key, "must be a table", &example(key));
            return map;
        };
        for (name, value) in &table {
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

    /// All problems found, among them keys of the file that are no settings.
    pub(super) fn finish(mut self) -> Result<(), ConfigError> {
        for Layer { source, table } in &self.layers {
            let Source::File(file) = source else { continue };
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

    /// The value that wins, and its source. A dotted key names a setting of a section.
    fn find(&self, key: &str) -> Option<(&Source, &Value)> {
        self.layers.iter().rev().find_map(|Layer { source, table }| {
            let value = match key.split_once('.') {
                None => table.get(key)?,
                Some((section, name)) => table.get(section)?.get(name)?,
            };
            Some((source, value))
        })
    }

    /// The name of a setting, as the person who set it knows it.
    fn name_of(&self, key: &str) -> String {
        let variable = variable(key).map(|variable| variable.name);
        match (variable, self.find(key).map(|(source, _)| source)) {
            (Some(name), Some(Source::Environment)) => format!("{name} (environment)"),
            (Some(name), Some(Source::Dotenv)) => format!("{name} (.env)"),
            (_, Some(Source::CommandLine)) => format!("--{}", key.replace(['_', '.'], "-")),
            (_, Some(Source::File(file))) => format!("`{key}` in {file}"),
            (Some(name), None) => name.to_owned(),
            // Only variables can be set in the environment and in `.env`.
            (None, _) => format!("`{key}`"),
        }
    }
}

fn variable(key: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.key == key)
}

/// A valid setting, as a person would write it.
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

/// The settings among environment variables, by key.
fn keyed(pairs: Vec<(String, String)>) -> impl Iterator<Item = (&'static str, String)> {
    pairs.into_iter().filter_map(|(name, value)| {
        let variable = VARIABLES.iter().find(|variable| variable.name == name)?;
        Some((variable.key, value))
    })
}

/// Nests dotted keys. Empty values count as not set.
fn table_of(pairs: impl Iterator<Item = (&'static str, String)>) -> Table {
    let mut table = Table::new();
    for (key, value) in pairs.filter(|(_, value)| !value.trim().is_empty()) {
        let (section, name) = match key.split_once('.') {
            None => (&mut table, key),
            Some((section, name)) => {
                let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
                let Value::Table(section) = section else { continue };
                (section, name)
            }
        };
        section.insert(name.to_owned(), Value::String(value));
    }
    table
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Boolean(yes) => Some(yes.to_string()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Datetime(_) | Value::Table(_) | Value::Array(_) => None,
    }
}

fn find_unknown(
    table: &Table,
    prefix: &str,
    asked: &BTreeSet<&'static str>,
    unknown: &mut Vec<String>,
) {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        if asked.contains(key.as_str()) {
            continue;
        }
        match value.as_table() {
            Some(section) if !section.is_empty() => {
                find_unknown(section, &format!("{key}."), asked, unknown);
            }
            Some(_) | None => unknown.push(key),
        }
    }
}

/// Parses a file. The TOML parser's message quotes the line, which may contain a secret, so only
/// the line's number is reported.
fn parse_toml(name: &str, text: &str) -> Result<Table, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let line = text[..text.floor_char_boundary(at)].matches('\n').count() + 1;
        ConfigError { problems: vec![format!("  {name}, line {line}: not TOML")] }
    })
}

/// A warning about a name in `.env` that was probably meant for this program. It is no error, since
/// other programs read the file too.
fn unknown_in_dotenv(name: &str) -> Option<String> {
    let unknown = name.starts_with("PHONY_") && !is_known(name);
    unknown.then(|| format!("{name} in .env is no variable of Phony's and does nothing"))
}
