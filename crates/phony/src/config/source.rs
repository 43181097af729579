//! The layers of settings, and a reader that remembers where each value came from.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::ConfigError;
use super::dotenv;
use super::parse::Parsed;
use super::tables::{VARIABLES, Variable};
use crate::data_dir::explained_alone;

/// Names the configuration file.
const CONFIG_FILE: &str = "PHONY_CONFIG";

/// Settings given on the command line.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// Key and value, such as `port` and `8080`.
    pub values: Vec<(&'static str, String)>,
}

/// The layers, as text.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration file's name and content.
    pub file: Option<(String, String)>,
    /// The content of `.env`.
    pub dotenv: Option<String>,
    /// Names and values of environment variables.
    pub environment: Vec<(String, String)>,
    /// The command line.
    pub flags: Vec<(&'static str, String)>,
}

impl Sources {
    /// The layers as this process finds them. A file that is named must be there; `phony.toml`
    /// and `.env` in the working folder need not.
    pub fn of_process(flags: Flags) -> Result<Self, ConfigError> {
        let environment = environment()?;
        let dotenv = read_optional(Path::new(".env"))?;
        let in_environment = || value_of(&environment, CONFIG_FILE).map(PathBuf::from);
        let in_dotenv = || -> Result<Option<PathBuf>, ConfigError> {
            let pairs = dotenv.as_deref().map(parse_dotenv).transpose()?;
            Ok(value_of(&pairs.unwrap_or_default(), CONFIG_FILE).map(PathBuf::from))
        };
        let named = match flags.config.or_else(in_environment) {
            None => in_dotenv()?,
            named => named,
        };
        let file = match &named {
            Some(path) => Some((path.display().to_string(), read(path)?)),
            None => read_optional(Path::new("phony.toml"))?.map(|text| ("phony.toml".into(), text)),
        };
        Ok(Self { file, dotenv, environment, flags: flags.values })
    }
}

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

/// Where data is kept if nothing is said: the platform's place for it.
pub(super) fn data_dir() -> PathBuf {
    let folder = platform_variable;
    let base = if cfg!(windows) {
        folder("APPDATA")
    } else if cfg!(target_os = "macos") {
        folder("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        folder("XDG_DATA_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/share")))
    };
    base.map_or_else(|| PathBuf::from("phony-data"), |base| base.join("phony"))
}

/// The environment of this process. A setting of ours that is not text is an error; what else is
/// not text is somebody else's.
fn environment() -> Result<Vec<(String, String)>, ConfigError> {
    let (mut pairs, mut problems) = (Vec::new(), Vec::new());
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => pairs.push((name, value)),
            Err(_) if is_known(&name) => {
                problems.push(format!("  {name} (environment) is not UTF-8 text; set it again"));
            }
            Err(_) => {}
        }
    }
    if problems.is_empty() { Ok(pairs) } else { Err(ConfigError { problems }) }
}

/// A variable of the platform, such as the home folder.
fn platform_variable(name: &str) -> Option<PathBuf> {
    let mut variables = std::env::vars_os();
    let (_, value) = variables.find(|(known, value)| known == name && !value.is_empty())?;
    Some(value.into())
}

fn value_of(pairs: &[(String, String)], wanted: &str) -> Option<String> {
    let found = pairs.iter().rev().find(|(name, value)| name == wanted && !value.is_empty());
    found.map(|(_, value)| value.clone())
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

fn parse_dotenv(text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    dotenv::parse(text).map_err(|errors| ConfigError {
        problems: errors.iter().map(|error| format!("  .env, {error}")).collect(),
    })
}

/// A name in `.env` that was probably meant for this program. Other programs read the file, too, so
/// it is no error.
fn unknown_in_dotenv(name: &str) -> Option<String> {
    let unknown = name.starts_with("PHONY_") && !is_known(name);
    unknown.then(|| format!("{name} in .env is no variable of Phony's and does nothing"))
}

fn is_known(name: &str) -> bool {
    name == CONFIG_FILE || VARIABLES.iter().any(|variable| variable.name == name)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    text(path, bytes)
}

/// Which file it is, and what helps.
fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    let error = explained_alone(path, error);
    ConfigError { problems: vec![format!("  cannot be read: {error}")] }
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, ConfigError> {
    let problem = |problem: String| ConfigError {
        problems: vec![format!("  {}: {problem}", path.display())],
    };
    String::from_utf8(bytes).map_err(|error| {
        let read = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = read.split(|byte| *byte == b'\n').count();
        problem(format!("line {line}: is not UTF-8 text; save the file as UTF-8"))
    })
}

fn read_optional(path: &Path) -> Result<Option<String>, ConfigError> {
    match std::fs::read(path) {
        Ok(bytes) => text(path, bytes).map(Some),
        // Only what is not there is done without.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}
