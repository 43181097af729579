//! The section `[relay]`: the attributes of `<ConversationRelay>`.

use phony_wire::twilio::twiml::Inputs;

use super::parse::{self, Parsed};
use super::reader::Reader;

/// The attributes of `<ConversationRelay>` that can be set, in the section `[relay]`. `None`
/// leaves the attribute out, so that Twilio's default holds (Twilio, "TwiML Voice:
/// `<ConversationRelay>`").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaySettings {
    /// Language of both directions, BCP 47.
    pub language: String,
    /// The provider of speech synthesis: `ElevenLabs`, `Google` or `Amazon`.
    pub tts_provider: String,
    /// The provider's name of a voice; its default voice if absent.
    pub voice: Option<String>,
    /// The provider of speech recognition: `Deepgram` or `Google`.
    pub transcription_provider: String,
    /// The provider's recognition model; its default if absent.
    pub speech_model: Option<String>,
    /// The kinds of input that interrupt the agent.
    pub interruptible: Inputs,
    /// The kinds of input that are reported while the agent speaks.
    pub report_input_during_agent_speech: Inputs,
    /// `low`, `medium` or `high`.
    pub interrupt_sensitivity: Option<String>,
    /// Whether key presses are reported.
    pub dtmf_detection: bool,
    /// Whether interjections such as "uh-huh" are ignored.
    pub ignore_backchannel: Option<bool>,
    /// Whether partial transcripts are sent.
    pub partial_prompts: Option<bool>,
    /// The silence after which an utterance is final: `auto`, or 600 to 5000 milliseconds.
    pub speech_timeout: Option<String>,
    /// Phrases that recognition should expect, separated by commas.
    pub hints: Option<String>,
    /// The reports to subscribe to, separated by spaces.
    pub events: String,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            language: "en-US".into(),
            tts_provider: "ElevenLabs".into(),
            voice: None,
            transcription_provider: "Deepgram".into(),
            speech_model: None,
            interruptible: Inputs::Any,
            report_input_during_agent_speech: Inputs::Any,
            interrupt_sensitivity: None,
            dtmf_detection: true,
            ignore_backchannel: None,
            partial_prompts: None,
            speech_timeout: None,
            hints: None,
            events: "speaker-events tokens-played".into(),
        }
    }
}

impl RelaySettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut relay = Self::default();
        reader.set("relay.language", &mut relay.language, parse::text);
        reader.set("relay.tts_provider", &mut relay.tts_provider, parse::text);
        relay.voice = reader.read("relay.voice", parse::text);
        reader.set("relay.transcription_provider", &mut relay.transcription_provider, parse::text);
        relay.speech_model = reader.read("relay.speech_model", parse::text);
        reader.set("relay.interruptible", &mut relay.interruptible, input_kinds);
        reader.set(
            "relay.report_input_during_agent_speech",
            &mut relay.report_input_during_agent_speech,
            input_kinds,
        );
        relay.interrupt_sensitivity =
            reader.read("relay.interrupt_sensitivity", one_of(&["low", "medium", "high"]));
        reader.set("relay.dtmf_detection", &mut relay.dtmf_detection, parse::boolean);
        relay.ignore_backchannel = reader.read("relay.ignore_backchannel", parse::boolean);
        relay.partial_prompts = reader.read("relay.partial_prompts", parse::boolean);
        relay.speech_timeout = reader.read("relay.speech_timeout", speech_timeout);
        relay.hints = reader.read("relay.hints", parse::text);
        reader.set("relay.events", &mut relay.events, parse::text);
        relay
    }
}

fn input_kinds(value: &str) -> Parsed<Inputs> {
    match value {
        "none" => Ok(Inputs::None),
        "dtmf" => Ok(Inputs::Dtmf),
        "speech" => Ok(Inputs::Speech),
        "any" => Ok(Inputs::Any),
        _ => Err("is none of none, dtmf, speech, any".into()),
    }
}

fn speech_timeout(value: &str) -> Parsed<String> {
    let fits = value == "auto" || value.parse().is_ok_and(|ms: u32| (600..=5000).contains(&ms));
    if fits { Ok(value.into()) } else { Err("is neither auto nor 600 to 5000 milliseconds".into()) }
}

fn one_of(words: &'static [&'static str]) -> impl Fn(&str) -> Parsed<String> {
    move |value| {
        if words.contains(&value) {
            Ok(value.to_owned())
        } else {
            Err(format!("is none of {}", words.join(", ")))
        }
    }
}
