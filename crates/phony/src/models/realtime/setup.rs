//! The session that the server is asked for, and what is left of it after a refusal.

use std::sync::Arc;
use std::time::Duration;

use phony_wire::openai::realtime::{
    ApiError, Audio, AudioFormat, AudioInput, AudioOutput, Clearable, MaxTokens, Modality,
    NoiseReduction, Session, Severity, Tool, ToolChoice, Transcription, TurnDetection as Detection,
    Voice, of_error,
};

use super::settings::{RealtimeSettings, SessionSettings, SpeechSettings};
use crate::agents::TurnDetection;

/// The parameter of the transcription.
const TRANSCRIPTION: &str = "session.audio.input.transcription";

/// What the server is asked for, beside the settings that every call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer {
    /// What a call can do without.
    extras: bool,
    /// The tools. The model can write the same commands in its text.
    tools: bool,
    transcription: bool,
}

impl Offer {
    /// Everything.
    pub(crate) fn new(session: &SessionSettings, transcribe: bool) -> Self {
        let transcription =
            session.speech.as_ref().is_some_and(|speech| speech.turns.transcription.is_some());
        Self { extras: true, tools: true, transcription: transcription && transcribe }
    }

    /// Whether transcripts are asked for.
    pub(crate) fn transcribes(self) -> bool {
        self.transcription
    }

    /// What to ask for after this refusal; `None` if nothing less will do.
    pub(crate) fn without(self, error: &ApiError) -> Option<Self> {
        if self.transcription && error.param.starts_with(TRANSCRIPTION) {
            transcription_refused(&error.code);
            return Some(Self { transcription: false, ..self });
        }
        if !self.extras || of_error(error) != Severity::Bug {
            return None;
        }
        metrics::counter!("phony_model_errors_total", "kind" => "session").increment(1);
        tracing::warn!(event = "model_session_reduced", code = error.code, param = error.param);
        let tools = !error.param.starts_with("session.tools");
        Some(Self { extras: false, tools, ..self })
    }

    /// The session to ask for.
    pub(crate) fn session(self, settings: &RealtimeSettings, session: &SessionSettings) -> Session {
        let tool = |tool: &Arc<crate::models::Tool>| Tool {
            name: tool.name.clone(),
            description: tool.description.clone(),
            parameters: tool.parameters.clone(),
        };
        let speech = session.speech.as_ref();
        let tools = self.tools.then(|| session.tools.iter().map(tool).collect());
        let max_output_tokens = settings.max_output_tokens.map(MaxTokens::Count);
        Session {
            output_modalities: Some([speech.map_or(Modality::Text, |_| Modality::Audio)]),
            instructions: Some(session.instructions.to_string()),
            audio: match speech {
                Some(speech) => Some(self.speech(session, speech)),
                None => self.extras.then(|| text(session)),
            },
            tools,
            tool_choice: self.extras.then_some(ToolChoice::Auto),
            max_output_tokens: max_output_tokens.filter(|_| self.extras),
            ..Session::default()
        }
    }

    /// Audio of a session that hears and speaks.
    fn speech(self, session: &SessionSettings, speech: &SpeechSettings) -> Audio {
        let noise_reduction =
            if self.extras { Clearable::Set(NoiseReduction::NearField) } else { Clearable::Keep };
        let transcription = if self.transcription {
            let (model, language) = (speech.turns.transcription.clone(), speech.language.clone());
            Clearable::Set(Transcription { model, language, ..Transcription::default() })
        } else {
            Clearable::Keep
        };
        let input = AudioInput {
            format: Some(AudioFormat::Pcmu),
            noise_reduction,
            transcription,
            turn_detection: Clearable::Set(detection(speech.turns.detection)),
        };
        let voice = session.voice.clone().filter(|_| self.extras).map(Voice::Name);
        let output = AudioOutput { format: Some(AudioFormat::Pcmu), voice, speed: None };
        Audio { input: Some(input), output: Some(output) }
    }
}

/// A change of the session that ends its transcripts.
pub(crate) fn without_transcription() -> Session {
    let input = AudioInput { transcription: Clearable::Clear, ..AudioInput::default() };
    Session { audio: Some(Audio { input: Some(input), output: None }), ..Session::default() }
}

/// Counts and logs that the server does not transcribe.
pub(crate) fn transcription_refused(code: &str) {
    metrics::counter!("phony_model_errors_total", "kind" => "transcription_refused").increment(1);
    tracing::warn!(event = "model_transcription_refused", code);
}

/// Audio of a text session: no turn detection, since the client begins every turn (OpenAI Realtime
/// guide, conversations).
fn text(session: &SessionSettings) -> Audio {
    let input = AudioInput { turn_detection: Clearable::Clear, ..AudioInput::default() };
    let voice = session.voice.clone().map(Voice::Name);
    let output = voice.map(|voice| AudioOutput { voice: Some(voice), ..AudioOutput::default() });
    Audio { input: Some(input), output }
}

/// The server only tells when the caller speaks: the call asks for replies and cuts them off
/// (decision 31). Every value is sent, since the server's defaults differ from its documents.
fn detection(detection: TurnDetection) -> Detection {
    let (create_response, interrupt_response) = (Some(false), Some(false));
    match detection {
        TurnDetection::Semantic { eagerness } => {
            let eagerness = Some(eagerness);
            Detection::SemanticVad { eagerness, create_response, interrupt_response }
        }
        TurnDetection::Server { threshold, prefix, silence } => {
            let millis = |length: Duration| u32::try_from(length.as_millis()).ok();
            Detection::ServerVad {
                threshold: Some(threshold),
                prefix_padding_ms: millis(prefix),
                silence_duration_ms: millis(silence),
                create_response,
                interrupt_response,
                idle_timeout_ms: Clearable::Clear,
            }
        }
    }
}
