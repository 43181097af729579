//! The model and its voice.

use phony_call::Transport;
use phony_wire::openai::models;

use super::parse::Parsed;
use super::reader::Reader;

/// A kind of model, which decides how it is spoken to.
enum ModelKind {
    /// `gpt-realtime*`: text and speech.
    Realtime,
    /// `gpt-live*`: speech.
    Live,
    /// Any other: text.
    Text,
}

impl ModelKind {
    fn of(name: &str) -> Self {
        if name.starts_with("gpt-realtime") {
            Self::Realtime
        } else if name.starts_with("gpt-live") {
            Self::Live
        } else {
            Self::Text
        }
    }
}

/// The model and the voice; retired names are replaced, with a warning. A model that cannot be used
/// with the transport is a problem.
pub(super) fn model_and_voice(reader: &mut Reader, transport: Transport) -> (String, String) {
    let mut model = reader.or("openai.model", models::DEFAULT_MODEL.into(), model_name);
    if let Some(current) = models::replacement_of_retired(&model) {
        reader.warn(format!("OPENAI_MODEL: {model} is retired; {current} is used in its place"));
        model = current.to_owned();
    }
    if let Some(problem) = misfit(&ModelKind::of(&model), transport) {
        let example = format!("OPENAI_MODEL={}", models::DEFAULT_MODEL);
        reader.problem("openai.model", problem, &example);
    }
    let mut voice = reader.or("openai.voice", models::DEFAULT_VOICE.into(), voice_name);
    if let Some(current) = models::replacement_of_voice(&voice) {
        reader.warn(format!("OPENAI_VOICE: {voice} is retired; {current} is used in its place"));
        voice = current.to_owned();
    }
    (model, voice)
}

/// Why a model of this kind cannot be used.
fn misfit(kind: &ModelKind, transport: Transport) -> Option<&'static str> {
    match (kind, transport) {
        // Servers of one's own speak Realtime with models of any name.
        (ModelKind::Realtime, Transport::Relay | Transport::Media)
        | (ModelKind::Text, Transport::Relay) => None,
        (ModelKind::Live, Transport::Relay) => Some(
            "is a model of GPT-Live, which needs PHONY_TRANSPORT=media, and which this version \
             cannot use yet",
        ),
        (ModelKind::Live, Transport::Media) => {
            Some("is a model of GPT-Live, which this version cannot use yet")
        }
        (ModelKind::Text, Transport::Media) => {
            Some("is a text model, which needs PHONY_TRANSPORT=relay")
        }
    }
}

fn voice_name(value: &str) -> Parsed<String> {
    if models::VOICES.contains(&value) || models::replacement_of_voice(value).is_some() {
        Ok(value.to_owned())
    } else {
        Err(format!("is none of {}", models::VOICES.join(", ")))
    }
}

fn model_name(value: &str) -> Parsed<String> {
    let sane = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '/');
    if value.len() <= 100 && value.chars().all(sane) {
        Ok(value.to_owned())
    } else {
        Err("is not a model's name".into())
    }
}
