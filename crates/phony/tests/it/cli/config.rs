//! The layers of configuration, and what is said about wrong ones.

use phony::config::{Config, ConfigError, Sources, Transport, VARIABLES};
use secrecy::ExposeSecret as _;

fn environment(pairs: &[(&str, &str)]) -> Sources {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Sources { environment: pairs.collect(), ..Sources::default() }
}

fn refused(sources: Sources) -> String {
    let error: ConfigError = Config::from_sources(sources).unwrap_err();
    error.to_string()
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let config = Config::from_sources(Sources::default()).unwrap();
    assert_eq!(config.host, None);
    assert_eq!(config.port, 24187);
    assert_eq!(config.bind.to_string(), "127.0.0.1");
    assert_eq!(config.openai.model, "gpt-realtime-2.1");
    assert_eq!(config.openai.voice, "alloy");
    assert_eq!(config.openai.base_url.as_str(), "https://api.openai.com/v1");
    assert_eq!(config.agent, "assistant");
    assert_eq!(config.transport, Transport::Relay);
    assert_eq!((config.dialing.rate, config.api_rate), (60, 600));
    assert!(!config.require_supervisor_feedback && !config.log.debug);
    assert!(config.warnings.is_empty());
}

#[test]
fn later_layers_win() {
    let mut sources = environment(&[("OPENAI_VOICE", "cedar")]);
    sources.file = Some((
        "phony.toml".into(),
        "port = 1\nagent = 'support'\n[openai]\nvoice = 'ash'\n[policy]\nsilence = '20s'\n".into(),
    ));
    sources.dotenv = Some("PORT=2\nOPENAI_VOICE=echo\nHOST=\n".into());
    sources.flags = vec![("port", "3".into())];
    let config = Config::from_sources(sources).unwrap();
    assert_eq!(config.port, 3);
    assert_eq!(config.openai.voice, "cedar");
    assert_eq!(config.agent, "support");
    assert_eq!(config.policy.silence.as_secs(), 20);
}

#[test]
fn a_wrong_value_is_named_explained_and_shown_right() {
    for (name, value) in [
        ("PORT", "many"),
        ("HOST", "https://phony.example.com/"),
        ("HOST", "x86_64-conda-linux-gnu"),
        ("OPENAI_VOICE", "bass"),
        ("TRANSFER_NUMBER", "911"),
        ("TWILIO_ACCOUNT_SID", "AC1"),
        ("REQUIRE_SUPERVISOR_FEEDBACK", "perhaps"),
        ("PHONY_TRANSPORT", "pigeon"),
        ("PHONY_CALLING_HOURS", "always"),
        ("OPENAI_BASE_URL", "ftp://files.example"),
        ("PHONY_ADMIN_TOKEN", "abc1234"),
        ("PHONY_BIND", "everywhere"),
    ] {
        let message = refused(environment(&[(name, value)]));
        assert!(message.contains(&format!("{name} (environment)")), "{message}");
        assert!(message.contains(&format!("example: {name}=")), "{message}");
        assert!(!message.contains(value), "values are never repeated: {message}");
    }
}

#[test]
fn the_transport_is_set_in_the_environment_or_in_the_file() {
    let config = Config::from_sources(environment(&[("PHONY_TRANSPORT", "media")])).unwrap();
    assert_eq!((config.transport, config.warnings.len()), (Transport::Media, 0));
    let file = Some(("phony.toml".to_owned(), "transport = 'media'\n".to_owned()));
    let config = Config::from_sources(Sources { file, ..Sources::default() }).unwrap();
    assert_eq!(config.transport, Transport::Media);
}

#[test]
fn a_model_that_cannot_be_used_stops_the_start_with_what_to_set() {
    for (model, transport, needs) in [
        ("gpt-live-1", "relay", "PHONY_TRANSPORT=media"),
        ("gpt-live-1", "media", "cannot use yet"),
        ("small:24b", "media", "PHONY_TRANSPORT=relay"),
    ] {
        let set = [("OPENAI_MODEL", model), ("PHONY_TRANSPORT", transport)];
        let message = refused(environment(&set));
        for part in [needs, "OPENAI_MODEL (environment)", "example: OPENAI_MODEL=gpt-realtime"] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    for (model, transport) in
        [("gpt-realtime-9", "relay"), ("gpt-realtime-9", "media"), ("small:24b", "relay")]
    {
        let set = [("OPENAI_MODEL", model), ("PHONY_TRANSPORT", transport)];
        assert!(Config::from_sources(environment(&set)).is_ok());
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let mut sources = environment(&[("PORT", "x"), ("PHONY_DIAL_RATE", "y")]);
    sources.file = Some(("phony.toml".into(), "colour = 'red'\n[policy]\nsilence = 4\n".into()));
    let message = refused(sources);
    for part in ["PORT", "PHONY_DIAL_RATE", "`colour` in phony.toml", "`policy.silence`"] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_broken_file_is_told_by_its_line_and_not_quoted() {
    let text = "port = 1\nadmin_token = secret-without-quotes\n";
    let sources = Sources { file: Some(("my.toml".into(), text.into())), ..Sources::default() };
    let message = refused(sources);
    assert!(message.contains("my.toml, line 2"), "{message}");
    assert!(!message.contains("secret-without"), "{message}");
}

fn dotenv(text: &str) -> Sources {
    Sources { dotenv: Some(text.to_owned()), ..Sources::default() }
}

#[test]
fn a_comment_in_dotenv_is_no_password_and_no_prompt() {
    let text = "PHONY_ADMIN_TOKEN= #set-me-later\nSYSTEM_PROMPT=   # none yet\n";
    let config = Config::from_sources(dotenv(text)).unwrap();
    assert!(config.admin_token.is_none());
    assert_eq!(config.system_prompt, None);
}

#[test]
fn dotenv_files_of_other_tools_are_read_as_those_tools_do() {
    let text = "\u{feff}PORT=1\r\nexport\tPHONY_API_RATE=7\r\nSYSTEM_PROMPT=\"You answer.\nBe kind.\n\
                Ask.\"\r\n";
    let config = Config::from_sources(dotenv(text)).unwrap();
    assert_eq!((config.port, config.api_rate), (1, 7));
    assert_eq!(config.system_prompt.as_deref(), Some("You answer.\nBe kind.\nAsk."));
}

#[test]
fn a_line_of_dotenv_that_cannot_be_read_stops_the_start() {
    let message = refused(dotenv("PORT=1\n\nOPENAI_API_KEY: s3cret\nHOST 'x\n"));
    for part in [".env, line 3", ".env, line 4", "NAME=value"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(!message.contains("s3cret"), "{message}");
}

#[test]
fn a_misspelt_variable_in_dotenv_is_told() {
    let config =
        Config::from_sources(dotenv("PHONY_ADMIN_TOKN=x\nOTHER=y\nPHONY_CONFIG=\n")).unwrap();
    let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
    assert!(warning.contains("PHONY_ADMIN_TOKN"), "{warning}");
}

#[test]
fn retired_names_are_replaced_with_a_warning() {
    let sources =
        environment(&[("OPENAI_MODEL", "gpt-4o-realtime-preview"), ("OPENAI_VOICE", "fable")]);
    let config = Config::from_sources(sources).unwrap();
    assert_eq!(config.openai.model, "gpt-realtime-2.1");
    assert_eq!(config.openai.voice, "ballad");
    assert_eq!(config.warnings.len(), 2);
}

#[test]
fn a_public_server_must_check_signatures() {
    let message =
        refused(environment(&[("HOST", "a.example"), ("PHONY_INSECURE_NO_SIGNATURES", "1")]));
    assert!(message.contains("PHONY_INSECURE_NO_SIGNATURES"), "{message}");
    let local = environment(&[("HOST", "localhost"), ("PHONY_INSECURE_NO_SIGNATURES", "1")]);
    assert!(Config::from_sources(local).is_ok());
    let public = Config::from_sources(environment(&[("HOST", "a.example")])).unwrap();
    assert_eq!(public.bind.to_string(), "0.0.0.0");
}

#[test]
fn secrets_are_kept_out_of_debug_output() {
    let sources = environment(&[("TWILIO_AUTH_TOKEN", "s3cret-t"), ("OPENAI_API_KEY", "s3cret-k")]);
    let config = Config::from_sources(sources).unwrap();
    assert_eq!(config.twilio.auth_token.as_ref().unwrap().expose_secret(), "s3cret-t");
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn every_example_of_a_variable_is_right_itself() {
    for variable in VARIABLES.iter().filter(|variable| !variable.example.starts_with('<')) {
        let config = Config::from_sources(environment(&[(variable.name, variable.example)]));
        assert!(config.is_ok(), "{}: {config:?}", variable.name);
    }
}

#[test]
fn every_variable_is_explained() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let document = std::fs::read_to_string(path).unwrap();
    for variable in VARIABLES {
        let line = format!("| `{}` |", variable.name);
        let line = document.lines().find(|known| known.starts_with(&line));
        assert!(line.is_some_and(|line| line.contains(variable.meaning)), "{}", variable.name);
    }
}
