//! The model and its voice.

use phony_wire::openai::models;

use super::parse::Parsed;
use super::reader::Reader;

/// The model and the voice; retired names are replaced, with a warning.
pub(super) fn model_and_voice(reader: &mut Reader) -> (String, String) {
    let mut model = reader.or("openai.model", models::DEFAULT_MODEL.into(), model_name);
    if let Some(current) = models::replacement_of_retired(&model) {
        reader.warn(format!("OPENAI_MODEL: {model} is retired; {current} is used in its place"));
        model = current.to_owned();
    }
    let mut voice = reader.or("openai.voice", models::DEFAULT_VOICE.into(), voice_name);
    if let Some(current) = models::replacement_of_voice(&voice) {
        reader.warn(format!("OPENAI_VOICE: {voice} is retired; {current} is used in its place"));
        voice = current.to_owned();
    }
    (model, voice)
}

fn voice_name(value: &str) -> Parsed<String> {
    if models::VOICES.contains(&value) || models::replacement_of_voice(value).is_some() {
        Ok(value.to_owned())
    } else {
        Err(format!("is none of {}", models::VOICES.join(", ")))
    }
}

fn model_name(value: &str) -> Parsed<String> {
    let sane = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    if value.len() <= 100 && value.chars().all(sane) {
        Ok(value.to_owned())
    } else {
        Err("is not a model's name".into())
    }
}
