//! `phony example`: prints the contents of `.env.example` and `.envrc.example`.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::ValueEnum;

use crate::config::{VARIABLES, Variable};

/// The format of the file.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Form {
    /// A `.env` file, as the server and Compose read it.
    Env,
    /// An `.envrc` file, as direnv reads it.
    Envrc,
}

/// Prints every variable with its meaning, commented out.
pub(super) fn run(form: Form) -> anyhow::Result<()> {
    write!(std::io::stdout(), "{}", text(form))?;
    Ok(())
}

/// The contents of the file.
pub(super) fn text(form: Form) -> String {
    let (head, before) = match form {
        Form::Env => (
            "# Copy this file to .env and take the # off what you set. Real environment variables \
             win over it.\n",
            "",
        ),
        Form::Envrc => (
            "# Copy this file to .envrc, take the # off what you set, then: direnv allow\n",
            "export ",
        ),
    };
    let mut text = head.to_owned();
    for Variable { name, example, meaning, .. } in VARIABLES {
        // A secret has no example: its value is left empty, and the comment describes it.
        let secret = example.strip_prefix('<').and_then(|example| example.strip_suffix('>'));
        let meaning = match secret {
            Some(what) => format!("{meaning} ({what})"),
            None => (*meaning).to_owned(),
        };
        // Unquoted values must not contain spaces.
        let plain = |c: char| c.is_ascii_alphanumeric() || "+-._:/".contains(c);
        let value = match secret {
            Some(_) => String::new(),
            None if example.chars().all(plain) => (*example).to_owned(),
            None => format!("'{example}'"),
        };
        write!(text, "\n# {meaning}\n#{before}{name}={value}\n")
            .expect("writing to a string cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};

    /// With every comment taken off, the file must be one that the server can read.
    #[test]
    fn every_variable_is_there_once_and_its_example_is_right() {
        let text = text(Form::Env);
        let lines: Vec<_> = text.lines().filter_map(|line| line.strip_prefix('#')).collect();
        let set = lines.iter().filter(|line| !line.starts_with(' ')).copied();
        let set: Vec<_> = set.collect();
        assert_eq!(set.len(), VARIABLES.len());
        let names: Vec<_> = set.iter().filter_map(|line| line.split('=').next()).collect();
        assert_eq!(names, VARIABLES.iter().map(|variable| variable.name).collect::<Vec<_>>());
        let dotenv = set.join("\n");
        let sources = Sources { dotenv: Some(dotenv), ..Sources::default() };
        let config = Config::from_sources(sources);
        assert!(config.is_ok(), "{config:?}");
    }

    #[test]
    fn the_committed_files_are_made_from_the_code() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (name, form) in [(".env.example", Form::Env), (".envrc.example", Form::Envrc)] {
            let committed = std::fs::read_to_string(root.join(name)).unwrap_or_default();
            assert!(committed == text(form), "{name} is not up to date: make gen");
        }
    }

    #[test]
    fn compose_passes_every_variable_on_but_those_that_the_image_sets() {
        let own =
            ["PHONY_BIND", "PHONY_DATA_DIR", "PHONY_INSECURE_NO_SIGNATURES", "PORT", "REDIS_URL"];
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let compose = std::fs::read_to_string(root.join("docker-compose.yml")).unwrap();
        let list = compose.split("&environment\n").nth(1).unwrap().lines();
        let mut passed: Vec<_> =
            list.map_while(|line| line.strip_prefix("    ")?.strip_suffix(':')).collect();
        let mut known: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
        known.retain(|name| !own.contains(name));
        known.sort_unstable();
        passed.sort_unstable();
        assert_eq!(passed, known);
    }
}
