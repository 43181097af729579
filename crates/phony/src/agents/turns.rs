//! How the turns of a conversation are told apart where the model hears: the table `[turns]` of an
//! agent's file.

use std::time::Duration;

pub use phony_wire::openai::realtime::Eagerness;

use super::error::AgentError;
use super::file::{self, File};

/// The default model that transcribes what the caller says.
pub const TRANSCRIPTION: &str = "gpt-transcribe";

/// The defaults of detection by silence, which are OpenAI's.
const THRESHOLD: f64 = 0.5;
const PREFIX: Duration = Duration::from_millis(300);
const SILENCE: Duration = Duration::from_millis(500);

/// The longest silence, sound before speech, or speech that is ignored.
const LONGEST: Duration = Duration::from_secs(10);

/// How a model that hears finds out that the caller has finished, and who writes down what was said.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnSettings {
    /// How the end of a turn is detected.
    pub detection: TurnDetection,
    /// The model that transcribes what the caller says; nobody does if absent.
    pub transcription: Option<String>,
}

/// How the end of the caller's turn is detected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TurnDetection {
    /// By what was said.
    Semantic {
        /// How soon the model replies.
        eagerness: Eagerness,
    },
    /// By silence.
    Server {
        /// How loud speech must be, from 0 to 1.
        threshold: f64,
        /// How much sound before the detected beginning belongs to it.
        prefix: Duration,
        /// The silence that ends the turn.
        silence: Duration,
    },
}

impl Default for TurnSettings {
    fn default() -> Self {
        let detection = TurnDetection::Semantic { eagerness: Eagerness::default() };
        Self { detection, transcription: Some(TRANSCRIPTION.into()) }
    }
}

impl TurnSettings {
    /// Checks the table of a file.
    pub(super) fn of(file: &File, turns: &file::Turns) -> Result<Self, AgentError> {
        let detection = match turns.detection.as_deref().unwrap_or("semantic") {
            "semantic" => {
                let keys = [
                    ("threshold", turns.threshold.is_some()),
                    ("prefix", turns.prefix.is_some()),
                    ("silence", turns.silence.is_some()),
                ];
                refuse_set(file, &keys, "server")?;
                TurnDetection::Semantic { eagerness: eagerness(file, turns.eagerness.as_deref())? }
            }
            "server" => {
                refuse_set(file, &[("eagerness", turns.eagerness.is_some())], "semantic")?;
                let threshold = turns.threshold.unwrap_or(THRESHOLD);
                if !(0.0..=1.0).contains(&threshold) {
                    let problem = "`turns.threshold` is not a number from 0 to 1, such as 0.5";
                    return Err(file.wrong(problem));
                }
                TurnDetection::Server {
                    threshold,
                    prefix: length(file, "prefix", turns.prefix)?.unwrap_or(PREFIX),
                    silence: length(file, "silence", turns.silence)?.unwrap_or(SILENCE),
                }
            }
            _ => {
                let problem = "`turns.detection` is none of `semantic`, `server`";
                return Err(file.wrong(problem));
            }
        };
        let transcription = match turns.transcription.as_deref().unwrap_or(TRANSCRIPTION).trim() {
            "none" => None,
            "" => {
                let problem = format!(
                    "`turns.transcription` is empty; it is a model such as {TRANSCRIPTION}, or \
                     `none`"
                );
                return Err(file.wrong(problem));
            }
            model => Some(model.to_owned()),
        };
        Ok(Self { detection, transcription })
    }
}

/// How long the caller must speak before the agent is cut off.
pub(super) fn interrupt_after(file: &File, turns: &file::Turns) -> Result<Duration, AgentError> {
    Ok(length(file, "interrupt_after", turns.interrupt_after)?.unwrap_or_default())
}

fn eagerness(file: &File, name: Option<&str>) -> Result<Eagerness, AgentError> {
    let Some(name) = name else { return Ok(Eagerness::default()) };
    let known = Eagerness::ALL.into_iter().find(|eagerness| eagerness.as_str() == name);
    let names = Eagerness::ALL.map(Eagerness::as_str).join(", ");
    known.ok_or_else(|| file.wrong(format!("`turns.eagerness` is none of {names}")))
}

fn length(
    file: &File,
    key: &str,
    length: Option<Duration>,
) -> Result<Option<Duration>, AgentError> {
    match length {
        Some(length) if length > LONGEST => {
            Err(file.wrong(format!("`turns.{key}` is longer than 10 s; usual is `300ms`")))
        }
        length => Ok(length),
    }
}

/// Refuses keys that belong to the other kind of detection.
fn refuse_set(file: &File, keys: &[(&str, bool)], belongs: &str) -> Result<(), AgentError> {
    match keys.iter().find(|(_, is_set)| *is_set) {
        Some((key, _)) => {
            Err(file.wrong(format!("`turns.{key}` needs `detection = \"{belongs}\"`")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use phony_call::Traits;

    use super::*;
    use crate::agents::{Agent, Agents, in_words};
    use crate::config::{Config, Sources, Transport};

    fn read(more: &str) -> Result<Agent, String> {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("name = 'A'\ninstructions = 'Talk.'\n{more}");
        std::fs::write(folder.path().join("a.toml"), text).unwrap();
        let file = format!("[agents]\nfolder = '{}'\n", folder.path().display());
        let sources = Sources { file: Some(("phony.toml".into(), file)), ..Sources::default() };
        let agents = Agents::load(&Config::from_sources(sources).unwrap());
        agents.map(|agents| (*agents.find("a").unwrap()).clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_agent_of_the_relay_reads_and_one_of_media_hears() {
        let agent = read("").unwrap();
        assert_eq!((agent.transport, agent.call.traits), (Transport::Relay, Traits::Text));
        assert_eq!(agent.turns, TurnSettings::default());
        let agent = read("transport = 'media'\n[turns]\ninterrupt_after = '250ms'\n").unwrap();
        assert_eq!((agent.transport, agent.call.traits), (Transport::Media, Traits::Speech));
        assert_eq!(agent.call.interrupt_after, Duration::from_millis(250));
        let on_softphone = in_words(&agent);
        assert_eq!(on_softphone.transport, Transport::Relay);
        assert_eq!(on_softphone.call.traits, Traits::Text);
    }

    #[test]
    fn turns_are_detected_as_the_file_says() {
        let turns = |table: &str| read(&format!("[turns]\n{table}")).unwrap().turns;
        let eager = turns("eagerness = 'high'\ntranscription = 'none'\n");
        let detection = TurnDetection::Semantic { eagerness: Eagerness::High };
        assert_eq!(eager, TurnSettings { detection, transcription: None });
        let by_silence = turns("detection = 'server'\nthreshold = 0.7\nsilence = '1s'\n");
        let detection = TurnDetection::Server {
            threshold: 0.7,
            prefix: Duration::from_millis(300),
            silence: Duration::from_secs(1),
        };
        assert_eq!(
            by_silence,
            TurnSettings { detection, transcription: Some("gpt-transcribe".into()) }
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        for (table, told) in [
            ("detection = 'guess'", "`semantic`, `server`"),
            ("eagerness = 'very'", "low, medium, high, auto"),
            ("threshold = 0.5", "`turns.threshold` needs `detection = \"server\"`"),
            ("detection = 'server'\neagerness = 'low'", "needs `detection = \"semantic\"`"),
            ("detection = 'server'\nthreshold = 7.0", "from 0 to 1"),
            ("detection = 'server'\nsilence = '1m'", "`turns.silence` is longer than 10 s"),
            ("interrupt_after = '1h'", "`turns.interrupt_after` is longer than 10 s"),
            ("interrupt_after = 'soon'", "`turns.interrupt_after`"),
            ("transcription = ''", "`none`"),
            ("colour = 1", "unknown field `colour`"),
        ] {
            let message = read(&format!("[turns]\n{table}\n")).unwrap_err();
            assert!(message.contains(told) && message.contains("a.toml"), "{message}");
        }
        let message = read("transport = 'pigeon'\n").unwrap_err();
        assert!(message.contains("allowed are `relay`, `media`"), "{message}");
    }
}
