//! The TwiML that the webhooks return.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use phony_call::{CallSid, Next, PhoneNumber};
use phony_wire::twilio::twiml::{
    Dial, DialOptions, Number, NumberOptions, Pause, Redirect, Relay, RelayOptions, Say,
    SayOptions, Stream, Twiml, Verb, WssUrl,
};

use crate::agents::Agent;
use crate::app::App;
use crate::calls::RingResponse;
use crate::config::{RelaySettings, Transport};

/// A TwiML document as a response.
pub(super) struct Document {
    twiml: Twiml,
    /// Whether to close the connection, so that the next request uses another one.
    parts: bool,
}

impl From<Twiml> for Document {
    fn from(twiml: Twiml) -> Self {
        Self { twiml, parts: false }
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, "text/xml; charset=utf-8")];
        let close = self.parts.then_some([(header::CONNECTION, "close")]);
        (kind, close, self.twiml.to_xml()).into_response()
    }
}

impl Document {
    /// An empty document.
    pub(super) fn empty() -> Self {
        Twiml::new().into()
    }

    /// Hangs up.
    pub(super) fn hang_up() -> Self {
        Twiml::new().then(Verb::Hangup).into()
    }

    /// Rejects an unanswered call as busy.
    pub(super) fn busy() -> Self {
        Twiml::new().then(Verb::Reject { reason: Some("busy".into()) }).into()
    }

    /// Speaks a sentence, then hangs up.
    pub(super) fn apology(app: &App, text: &str) -> Self {
        let language = Some(app.config.relay.language.clone());
        let options = SayOptions { language, ..SayOptions::default() };
        let say = Verb::Say(Say { text: text.to_owned(), options });
        Twiml::new().then(say).then(Verb::Hangup).into()
    }

    /// Redirects Twilio to the same URL, which may reach another server: at once the first time,
    /// then after a second.
    pub(super) fn come_again(app: &App, again: u32) -> Self {
        let authority = app.authority();
        let url = format!("https://{authority}/start_call?again={}", again + 1);
        let document = match again {
            0 => Twiml::new(),
            _ => Twiml::new().then(Verb::Pause(Pause { length_s: Some(1) })),
        };
        let twiml = document.then(Verb::Redirect(Redirect { url, method: None }));
        // A kept-alive connection would bring it here again, past any load balancer.
        Self { twiml, parts: true }
    }

    /// Connects the call to its next socket, with a token made for it alone. Hangs up if the call is
    /// gone.
    pub(super) async fn reconnect(app: &App, call: &CallSid) -> Self {
        let agent = app.calls.agent_by_record(call).await;
        match app.calls.next_token(call).await {
            Some(token) => Self::connect(app, token, agent.as_deref()),
            None => Self::hang_up(),
        }
    }

    /// The response to a ringing call.
    pub(super) fn of_ringing(app: &App, ringing: RingResponse) -> Self {
        match ringing {
            RingResponse::Connect { token, agent } => Self::connect(app, token, agent.as_deref()),
            RingResponse::Nothing => Self::empty(),
        }
    }

    fn connect(app: &App, token: String, agent: Option<&Agent>) -> Self {
        let authority = app.authority();
        let transport = agent.map_or(app.config.transport, |agent| agent.transport);
        let path = match transport {
            Transport::Relay => "/relay/ws",
            Transport::Media => "/media/ws",
        };
        let Ok(url) = WssUrl::new(format!("wss://{authority}{path}")) else {
            return Self::hang_up();
        };
        let verb = match transport {
            Transport::Relay => {
                let mut relay = Relay::new(url).parameter("token", token);
                relay.options = options(&app.config.relay);
                if let Some(agent) = agent {
                    speak_as(agent, &mut relay.options);
                }
                Verb::relay(relay, action(&authority))
            }
            Transport::Media => {
                Verb::stream(Stream::new(url).parameter("token", token), action(&authority))
            }
        };
        Twiml::new().then(verb).into()
    }

    /// Connects the caller to another number.
    pub(super) fn dial(
        app: &App,
        target: &PhoneNumber,
        caller_id: Option<&PhoneNumber>,
        ring: std::time::Duration,
        limit: std::time::Duration,
    ) -> Self {
        let seconds = |length: std::time::Duration| u32::try_from(length.as_secs()).ok();
        let options = DialOptions {
            action: Some(action(&app.authority())),
            timeout_s: seconds(ring),
            time_limit_s: seconds(limit),
            caller_id: caller_id.map(ToString::to_string),
            answer_on_bridge: Some(true),
            ..DialOptions::default()
        };
        let number = Number { number: target.to_string(), options: NumberOptions::default() };
        Twiml::new().then(Verb::Dial(Dial { options, numbers: vec![number] })).into()
    }

    /// The document for how a call goes on.
    pub(super) async fn of_next(
        app: &App,
        call: &CallSid,
        next: &Next,
        caller_id: Option<&PhoneNumber>,
    ) -> Self {
        match next {
            Next::HangUp => Self::hang_up(),
            Next::Dial { target, ring, limit } => Self::dial(app, target, caller_id, *ring, *limit),
            Next::Reconnect => Self::reconnect(app, call).await,
            Next::Apologise { text } => Self::apology(app, text),
            Next::Nothing => Self::empty(),
        }
    }
}

fn action(authority: &str) -> String {
    format!("https://{authority}/call_ended")
}

/// The agent's own language, and its own voice with the voice's provider.
fn speak_as(agent: &Agent, options: &mut RelayOptions) {
    if let Some(language) = &agent.language {
        options.language = Some(language.clone());
        if agent.line_voice().is_none() {
            // The configured voice speaks the configured language.
            options.voice = None;
        }
    }
    if let Some(voice) = agent.line_voice() {
        options.voice = Some(voice.clone());
    }
    if let Some(provider) = &agent.tts_provider {
        options.tts_provider = Some(provider.clone());
    }
}

/// Without a greeting: the call sends it over the socket, so that it knows what was heard.
fn options(settings: &RelaySettings) -> RelayOptions {
    RelayOptions {
        language: Some(settings.language.clone()),
        tts_provider: Some(settings.tts_provider.clone()),
        voice: settings.voice.clone(),
        transcription_provider: Some(settings.transcription_provider.clone()),
        speech_model: settings.speech_model.clone(),
        interruptible: Some(settings.interruptible),
        interrupt_sensitivity: settings.interrupt_sensitivity.clone(),
        report_input_during_agent_speech: Some(settings.report_input_during_agent_speech),
        dtmf_detection: Some(settings.dtmf_detection),
        ignore_backchannel: settings.ignore_backchannel,
        partial_prompts: settings.partial_prompts,
        speech_timeout: settings.speech_timeout.clone(),
        hints: settings.hints.clone(),
        events: Some(settings.events.clone()),
        ..RelayOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::Agents;
    use crate::config::{Config, Sources};

    #[test]
    fn an_agent_speaks_with_its_own_voice_in_its_own_language() {
        let folder = tempfile::tempdir().unwrap();
        let write = |id: &str, more: &str| {
            let text = format!("name = 'A'\ninstructions = 'Talk.'\n{more}");
            std::fs::write(folder.path().join(format!("{id}.toml")), text).unwrap();
        };
        write("own", "language = 'de-DE'\nvoice = 'de-DE-Wavenet-A'\ntts_provider = 'Google'\n");
        write("tongue", "language = 'fr-FR'\n");
        write("model", "voice = 'cedar'\n");
        let file = format!(
            "[agents]\nfolder = '{}'\n[relay]\nvoice = 'configured'\n",
            folder.path().display()
        );
        let sources = Sources { file: Some(("phony.toml".into(), file)), ..Sources::default() };
        let config = Config::from_sources(sources).unwrap();
        let agents = Agents::load(&config).unwrap();
        let spoken = |id: &str| {
            let mut relay = options(&config.relay);
            speak_as(&agents.find(id).unwrap(), &mut relay);
            let text = |text: Option<String>| text.unwrap_or_default();
            (text(relay.language), text(relay.voice), text(relay.tts_provider))
        };
        let own = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(spoken("own"), own("de-DE", "de-DE-Wavenet-A", "Google"));
        assert_eq!(spoken("tongue"), own("fr-FR", "", "ElevenLabs"));
        assert_eq!(spoken("model"), own("en-US", "configured", "ElevenLabs"));
    }
}
