//! The layers of settings, found and read as text.

use std::io;
use std::path::{Path, PathBuf};

use super::dotenv;
use super::error::ConfigError;
use super::variables::VARIABLES;
use crate::data_dir::explained_alone;

/// The variable that names the configuration file.
const CONFIG_FILE: &str = "PHONY_CONFIG";

/// Settings given on the command line.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// Keys and values, such as `port` and `8080`.
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
    /// The layers as this process finds them. A file given by name must exist; `phony.toml` and
    /// `.env` in the working folder need not.
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

/// The default data folder: the platform's usual place for application data.
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

/// The environment of this process. A variable of this program's that is not UTF-8 is an error;
/// others that are not are ignored.
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

pub(super) fn parse_dotenv(text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    dotenv::parse(text).map_err(|errors| ConfigError {
        problems: errors.iter().map(|error| format!("  .env, {error}")).collect(),
    })
}

/// Whether an environment variable is one of this program's.
pub(super) fn is_known(name: &str) -> bool {
    name == CONFIG_FILE || VARIABLES.iter().any(|variable| variable.name == name)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    text(path, bytes)
}

/// An error that names the file and the remedy.
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
        // Only a missing file is optional; an unreadable one is an error.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}
