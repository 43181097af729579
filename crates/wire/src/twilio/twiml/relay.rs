//! `<ConversationRelay>` and `<Stream>`: a call's speech or audio over a WebSocket.

use super::TwimlError;
use super::attribute::{BadAttribute, Inputs, attributes};
use super::element::Element;

/// A URL that begins with `wss://`, kept as it is written because Twilio signs its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WssUrl(String);

impl WssUrl {
    ///     /// Checks a URL. Twilio refuses `ws://`. Queries are best avoided, as Twilio signs them in more
    /// than one way.
    pub fn new(url: impl Into<String>) -> Result<Self, TwimlError> {
        Self::of(url.into(), "ConversationRelay")
    }

    /// The address as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(url: String, element: &'static str) -> Result<Self, TwimlError> {
        // The parser drops spaces and control characters, which the signature covers.
        let clean = !url.contains(|c: char| c.is_whitespace() || c.is_control());
        let whole = url::Url::parse(&url).is_ok_and(|url| url.has_host());
        let usable = url.starts_with("wss://") && clean && whole;
        if usable { Ok(Self(url)) } else { Err(TwimlError::Url { element }) }
    }
}

/// `<ConversationRelay>`: Twilio does the speech, the socket carries text (Twilio, "TwiML Voice:
/// `<ConversationRelay>`").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Where Twilio opens the socket.
    pub url: WssUrl,
    /// Everything else that can be set.
    pub options: RelayOptions,
    /// What `setup.customParameters` will hold, in order.
    pub parameters: Vec<(String, String)>,
    /// Settings for other languages that the session may switch to.
    pub languages: Vec<Language>,
}

impl Relay {
    /// A relay with Twilio's default settings.
    #[must_use]
    pub fn new(url: WssUrl) -> Self {
        Self {
            url,
            options: RelayOptions::default(),
            parameters: Vec::new(),
            languages: Vec::new(),
        }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    pub(super) fn to_element(&self) -> Element {
        let mut element = Element::new("ConversationRelay");
        element.set("url", Some(&self.url.0));
        self.options.put(&mut element);
        element.children.extend(self.languages.iter().map(|language| {
            let mut element = Element::new("Language");
            language.put(&mut element);
            element
        }));
        element.children.extend(parameter_elements(&self.parameters));
        element
    }

    pub(super) fn from_element(
        mut element: Element,
        unknown: &mut Vec<String>,
    ) -> Result<Self, TwimlError> {
        let url = WssUrl::of(element.take("url").unwrap_or_default(), "ConversationRelay")?;
        let options = RelayOptions::take(&mut element);
        let mut languages = Vec::new();
        for mut child in element.take_children("Language") {
            languages.push(Language::take(&mut child));
            child.report(unknown);
        }
        let parameters = take_parameters(&mut element, unknown);
        element.report(unknown);
        Ok(Self { url, options, parameters, languages })
    }
}

attributes! {
    /// The attributes of `<ConversationRelay>` besides `url`; absent ones have Twilio's defaults.
    pub struct RelayOptions {
        /// Spoken at the start of every session of the call.
        welcome_greeting: String = "welcomeGreeting",
        /// What stops the greeting; any input by default.
        welcome_greeting_interruptible: Inputs = "welcomeGreetingInterruptible",
        /// Language spoken and heard, BCP 47; `en-US` by default.
        language: String = "language",
        /// Language spoken, if another.
        tts_language: String = "ttsLanguage",
        /// Language heard, if another; `multi` detects it.
        transcription_language: String = "transcriptionLanguage",
        /// `ElevenLabs` (the default), `Google` or `Amazon`.
        tts_provider: String = "ttsProvider",
        /// A voice of that provider.
        voice: String = "voice",
        /// `Deepgram` or `Google`; the default depends on the account.
        transcription_provider: String = "transcriptionProvider",
        /// A model of that provider.
        speech_model: String = "speechModel",
        /// Certainty from which a turn has ended, 0.5 to 0.9; only with the model `flux`.
        eot_threshold: String = "eotThreshold",
        /// Certainty from which a turn has probably ended, 0.3 to 0.9.
        eager_eot_threshold: String = "eagerEotThreshold",
        /// Whether prompts come before they are final.
        partial_prompts: bool = "partialPrompts",
        /// Whether an unfinished prompt is reported when the caller hangs up.
        partial_prompt_on_hangup: bool = "partialPromptOnHangup",
        /// `turn-state`, `prompt-segments`.
        include_in_prompt: String = "includeInPrompt",
        /// Twilio's own detection of turns.
        turn_detection: bool = "turnDetection",
        /// Silence before a prompt is final: `auto` or 600 to 5000, in milliseconds.
        speech_timeout: String = "speechTimeout",
        /// The older name of `asrSmartFormat`.
        deepgram_smart_format: bool = "deepgramSmartFormat",
        /// Whether numbers, dates and the like are written as such.
        asr_smart_format: bool = "asrSmartFormat",
        /// Noise reduction before transcription.
        background_noise_reduction: String = "backgroundNoiseReduction",
        /// Whether profanity is masked.
        profanity_filter: bool = "profanityFilter",
        /// Phrases to expect, separated by commas.
        hints: String = "hints",
        /// What stops speech; any input by default.
        interruptible: Inputs = "interruptible",
        /// `low`, `medium` or `high`, the default.
        interrupt_sensitivity: String = "interruptSensitivity",
        /// Whether backchannel sounds such as «mm hm» are ignored.
        ignore_backchannel: bool = "ignoreBackchannel",
        /// Which input is reported while the agent speaks; none by default.
        report_input_during_agent_speech: Inputs = "reportInputDuringAgentSpeech",
        /// Whether echoes of the agent's voice are removed from prompts.
        echo_prompt_filtering: bool = "echoPromptFiltering",
        /// Whether a later reply may preempt an earlier one.
        preemptible: bool = "preemptible",
        /// Whether keys are reported.
        dtmf_detection: bool = "dtmfDetection",
        /// `speaker-events`, `tokens-played`, `config-updated`, separated by spaces.
        events: String = "events",
        /// `debugging`.
        debug: String = "debug",
        /// The older name of `ttsTextNormalization`.
        elevenlabs_text_normalization: String = "elevenlabsTextNormalization",
        /// `auto`, `on` or `off`.
        tts_text_normalization: String = "ttsTextNormalization",
        /// Whether text is normalised by the rules of its language.
        tts_language_text_normalization: bool = "ttsLanguageTextNormalization",
        /// Whether Twilio opens the socket again after it was lost.
        application_reconnect: bool = "applicationReconnect",
        /// A Conversational Intelligence service.
        intelligence_service: String = "intelligenceService",
        /// A Conversation Orchestrator configuration.
        conversation_configuration: String = "conversationConfiguration",
        /// A Conversation Orchestrator conversation.
        conversation_id: String = "conversationId",
        /// Name of the caller for Twilio's other products.
        customer_name: String = "customerName",
    }
}

attributes! {
    /// `<Language>`: settings for a language that the session may change to. What is absent is as
    /// in the relay.
    pub struct Language {
        /// BCP 47, or `multi`. Required.
        code: String = "code",
        /// `ElevenLabs`, `Google` or `Amazon`.
        tts_provider: String = "ttsProvider",
        /// A voice of that provider.
        voice: String = "voice",
        /// `Deepgram` or `Google`.
        transcription_provider: String = "transcriptionProvider",
        /// A model of that provider.
        speech_model: String = "speechModel",
        /// Phrases to expect, separated by commas.
        hints: String = "hints",
        /// Whether numbers, dates and the like are written as such.
        asr_smart_format: bool = "asrSmartFormat",
        /// `auto`, `on` or `off`.
        tts_text_normalization: String = "ttsTextNormalization",
        /// Whether text is normalised by the rules of its language.
        tts_language_text_normalization: bool = "ttsLanguageTextNormalization",
    }
}

/// `<Stream>` within `<Connect>`: the call's audio, both ways (Twilio, "TwiML Voice: `<Stream>`").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Where Twilio opens the socket. Twilio drops a query.
    pub url: WssUrl,
    /// A name, unique in the call.
    pub name: Option<String>,
    /// Receives a status callback when the stream starts, stops or fails.
    pub status_callback: Option<String>,
    /// `GET` or `POST`, the default.
    pub status_callback_method: Option<String>,
    /// What `start.customParameters` will hold, in order; at most 500 characters a pair.
    pub parameters: Vec<(String, String)>,
}

impl Stream {
    /// A stream with Twilio's default settings.
    #[must_use]
    pub fn new(url: WssUrl) -> Self {
        Self {
            url,
            name: None,
            status_callback: None,
            status_callback_method: None,
            parameters: Vec::new(),
        }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    pub(super) fn to_element(&self) -> Element {
        let mut element = Element::new("Stream");
        element.set("url", Some(&self.url.0));
        element.set("name", self.name.as_ref());
        element.set("statusCallback", self.status_callback.as_ref());
        element.set("statusCallbackMethod", self.status_callback_method.as_ref());
        element.children = parameter_elements(&self.parameters).collect();
        element
    }

    pub(super) fn from_element(
        mut element: Element,
        unknown: &mut Vec<String>,
    ) -> Result<Self, TwimlError> {
        let stream = Self {
            url: WssUrl::of(element.take("url").unwrap_or_default(), "Stream")?,
            name: element.take("name"),
            status_callback: element.take("statusCallback"),
            status_callback_method: element.take("statusCallbackMethod"),
            parameters: take_parameters(&mut element, unknown),
        };
        element.report(unknown);
        Ok(stream)
    }
}

fn parameter_elements(parameters: &[(String, String)]) -> impl Iterator<Item = Element> {
    parameters.iter().map(|(name, value)| {
        let mut element = Element::new("Parameter");
        element.set("name", Some(name));
        element.set("value", Some(value));
        element
    })
}

fn take_parameters(element: &mut Element, unknown: &mut Vec<String>) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    for mut child in element.take_children("Parameter") {
        let pair =
            (child.take("name").unwrap_or_default(), child.take("value").unwrap_or_default());
        parameters.push(pair);
        child.report(unknown);
    }
    parameters
}
