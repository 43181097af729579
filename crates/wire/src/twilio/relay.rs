//! ConversationRelay: the frames of its WebSocket, both directions.
//!
//! Twilio does the speech: it sends what the caller said and speaks what it is sent. Every frame is
//! one JSON object in a text frame, told apart by `type`. Source: Twilio, "ConversationRelay
//! WebSocket messages"; the `info` frames are those subscribed to by the TwiML attribute `events`
//! (Twilio, "TwiML Voice: `<ConversationRelay>`").

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::json::{self, Fields};
use crate::{BadFrame, Problem};

/// A frame from Twilio to the application.
///
/// [`FromTwilio::parse`] is what a server uses; [`FromTwilio::write`] is for a stand-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromTwilio {
    /// The first frame of every session.
    Setup(Box<Setup>),
    /// What the caller said.
    Prompt {
        /// The transcript. With partial prompts it is cumulative: each frame repeats the last.
        voice_prompt: String,
        /// Language of the transcript, BCP 47 (`en-US`), or the primary tag alone (`en`).
        lang: String,
        /// Whether the utterance is final. Absent on the wire counts as final.
        last: bool,
    },
    /// One key press of the caller.
    Dtmf {
        /// `0`–`9`, `*` or `#`.
        digit: String,
    },
    /// The caller interrupted the agent: everything queued at Twilio has been dropped.
    Interrupt {
        /// Exactly what was heard of the utterance being spoken.
        utterance_until_interrupt: String,
        /// Time from the utterance's start to the interruption, in milliseconds.
        duration_until_interrupt_ms: Option<u64>,
    },
    /// Twilio could not use a frame of the application, or a provider failed.
    Error {
        /// Free text; may hold an error code.
        description: String,
    },
    /// A report that the TwiML subscribed to.
    Info(Info),
    /// An unknown kind, to be counted and ignored.
    Other {
        /// The value of `type`.
        kind: String,
    },
}

/// Who is calling whom: the first frame of a session. Absent values are empty strings, as Twilio
/// itself sends them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Setup {
    /// This session: `VX` and 32 hexadecimal digits. A call may have several, one after another.
    pub session_id: String,
    /// The account: `AC…`.
    pub account_sid: String,
    /// The call that made this one, if one did.
    pub parent_call_sid: String,
    /// The call: `CA…`.
    pub call_sid: String,
    /// Caller: E.164, `client:…` or `sip:…`.
    pub from: String,
    /// Called: E.164, `client:…` or `sip:…`.
    pub to: String,
    /// The number that forwarded the call here, where the carrier says so.
    pub forwarded_from: String,
    /// `PSTN` and others.
    pub call_type: String,
    /// Name from a caller-name lookup.
    pub caller_name: String,
    /// `inbound`, or a word that begins with `outbound`, in any case of letters.
    pub direction: String,
    /// State of the call in capitals: `RINGING`, `IN_PROGRESS`.
    pub call_status: String,
    /// The `<Parameter>` elements of the TwiML. Values that are not strings keep their JSON text.
    pub custom_parameters: BTreeMap<String, String>,
}

/// A report of the relay about speech.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Info {
    /// The agent's speech began or ended.
    AgentSpeaking {
        /// Whether it began.
        on: bool,
        /// Unix time in milliseconds, where Twilio says it.
        ts: Option<u64>,
    },
    /// The caller's speech began or ended.
    ClientSpeaking {
        /// Whether it began.
        on: bool,
        /// Unix time in milliseconds, where Twilio says it.
        ts: Option<u64>,
    },
    /// A clause has been played to its end, or digits have been sent: proof that it was heard.
    TokensPlayed {
        /// The text of the clause, or the digits.
        text: String,
    },
    /// A report of another name.
    Other {
        /// The value of `name`.
        name: String,
        /// The value of `value`: text as it is, anything else as JSON, empty if there is none.
        value: String,
    },
}

impl FromTwilio {
    /// Reads a frame. Only `type` is required; see the crate's rules.
    pub fn parse(text: &str) -> Result<Self, BadFrame> {
        let fields = Fields::parse(text)?;
        let kind = fields.kind("type")?;
        Ok(match kind.as_ref() {
            "setup" => Self::Setup(Box::new(Setup::read(&fields))),
            "prompt" => Self::Prompt {
                voice_prompt: fields.string_or_empty("voicePrompt"),
                lang: fields.string_or_empty("lang"),
                last: fields.boolean("last").unwrap_or(true),
            },
            "dtmf" => Self::Dtmf { digit: fields.string_or_empty("digit") },
            "interrupt" => Self::Interrupt {
                utterance_until_interrupt: fields.string_or_empty("utteranceUntilInterrupt"),
                duration_until_interrupt_ms: fields.whole("durationUntilInterruptMs"),
            },
            "error" => Self::Error { description: fields.string_or_empty("description") },
            "info" => Self::Info(Info::read(&fields)),
            _ => Self::Other { kind: kind.into_owned() },
        })
    }

    /// Appends the frame as Twilio writes it, keys in its order.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Setup(setup) => json::append(out, &Tagged { kind: "setup", rest: setup }),
            Self::Prompt { voice_prompt, lang, last } => {
                json::append(out, &TwilioSays::Prompt { voice_prompt, lang, last: *last });
            }
            Self::Dtmf { digit } => json::append(out, &TwilioSays::Dtmf { digit }),
            Self::Interrupt { utterance_until_interrupt, duration_until_interrupt_ms } => {
                json::append(
                    out,
                    &TwilioSays::Interrupt {
                        utterance_until_interrupt,
                        duration_until_interrupt_ms: *duration_until_interrupt_ms,
                    },
                );
            }
            Self::Error { description } => json::append(out, &TwilioSays::Error { description }),
            Self::Info(info) => json::append(out, &info.says()),
            Self::Other { kind } => json::append(out, &Tagged { kind, rest: Empty {} }),
        }
    }

    /// The frame as Twilio writes it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(128);
        self.write(&mut out);
        out
    }
}

impl Setup {
    fn read(fields: &Fields<'_>) -> Self {
        let text = |name| fields.string_or_empty(name);
        let custom = fields.object("customParameters");
        Self {
            session_id: text("sessionId"),
            account_sid: text("accountSid"),
            parent_call_sid: text("parentCallSid"),
            call_sid: text("callSid"),
            from: text("from"),
            to: text("to"),
            forwarded_from: text("forwardedFrom"),
            call_type: text("callType"),
            caller_name: text("callerName"),
            direction: text("direction"),
            call_status: text("callStatus"),
            custom_parameters: custom.to_strings(),
        }
    }

    /// Whether the application placed the call.
    #[must_use]
    pub fn is_outbound(&self) -> bool {
        self.direction.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("outbound"))
    }
}

impl Info {
    fn read(fields: &Fields<'_>) -> Self {
        let name = fields.text_or_empty("name");
        let on = || {
            let value = fields.text("value")?;
            let yes = ["on", "true", "1"].iter().any(|yes| value.eq_ignore_ascii_case(yes));
            let no = ["off", "false", "0"].iter().any(|no| value.eq_ignore_ascii_case(no));
            (yes || no).then_some(yes)
        };
        let ts = fields.whole("ts");
        match (name.as_ref(), on()) {
            ("agentSpeaking", Some(on)) => Self::AgentSpeaking { on, ts },
            ("clientSpeaking", Some(on)) => Self::ClientSpeaking { on, ts },
            ("tokensPlayed", _) => Self::TokensPlayed { text: fields.string_or_empty("value") },
            _ => {
                let json = || fields.raw("value").unwrap_or_default().to_owned();
                let value = fields.string("value").unwrap_or_else(json);
                Self::Other { name: name.into_owned(), value }
            }
        }
    }

    fn says(&self) -> TwilioSays<'_> {
        let (name, value, ts) = match self {
            Self::AgentSpeaking { on, ts } => ("agentSpeaking", on_off(*on), *ts),
            Self::ClientSpeaking { on, ts } => ("clientSpeaking", on_off(*on), *ts),
            Self::TokensPlayed { text } => ("tokensPlayed", text.as_str(), None),
            Self::Other { name, value } => (name.as_str(), value.as_str(), None),
        };
        TwilioSays::Info { name, value, ts }
    }
}

/// A frame from the application to Twilio.
///
/// [`ToTwilio::write`] is what a server uses; [`ToTwilio::parse`] is for a stand-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ToTwilio<'a> {
    /// Text to speak. Speech begins with the first tokens; it does not wait for the last.
    Text {
        /// The text with its own spaces. May be empty to close a reply.
        token: Cow<'a, str>,
        /// Whether the reply ends here.
        last: bool,
        /// Language of this token, BCP 47; the session's if absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        lang: Option<Cow<'a, str>>,
        /// Whether the caller may interrupt it; the session's setting if absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        interruptible: Option<bool>,
        /// Whether a later reply may preempt it; the session's setting if absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        preemptible: Option<bool>,
    },
    /// A recording to play, in the same queue as text.
    Play {
        /// Its URL.
        source: Cow<'a, str>,
        /// How many times.
        #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
        times: Option<u32>,
        /// Whether a later reply may preempt it.
        #[serde(skip_serializing_if = "Option::is_none")]
        preemptible: Option<bool>,
        /// Whether the caller may interrupt it.
        #[serde(skip_serializing_if = "Option::is_none")]
        interruptible: Option<bool>,
    },
    /// Keys to press, in the same queue as text.
    SendDigits {
        /// `0`–`9`, `*`, `#`, and `w` for a pause of half a second.
        digits: Cow<'a, str>,
    },
    /// A change of language.
    Language {
        /// Language to speak, BCP 47.
        #[serde(skip_serializing_if = "Option::is_none")]
        tts_language: Option<Cow<'a, str>>,
        /// Language to listen for, BCP 47.
        #[serde(skip_serializing_if = "Option::is_none")]
        transcription_language: Option<Cow<'a, str>>,
    },
    /// The end of the session, not of the call: the `action` URL decides what comes next.
    End {
        /// Passed to the `action` URL unchanged.
        #[serde(skip_serializing_if = "Option::is_none")]
        handoff_data: Option<Cow<'a, str>>,
    },
}

impl<'a> ToTwilio<'a> {
    /// A token of a reply, with the session's settings.
    pub fn text(token: impl Into<Cow<'a, str>>, last: bool) -> Self {
        let token = token.into();
        Self::Text { token, last, lang: None, interruptible: None, preemptible: None }
    }

    /// Appends the frame.
    pub fn write(&self, out: &mut String) {
        json::append(out, self);
    }

    /// The frame as text.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::to_string(self)
    }
}

impl ToTwilio<'static> {
    /// Reads a frame as strictly as Twilio: a kind it does not know, a required field that is
    /// missing and a field of a wrong type are errors, which Twilio reports as 64107 (Twilio,
    /// "Error 64107: invalid message received"). Fields it does not know are ignored.
    pub fn parse(text: &str) -> Result<Self, BadFrame> {
        let fields = Fields::parse(text)?;
        let kind = fields.kind("type")?;
        Ok(match kind.as_ref() {
            "text" => {
                let strict = Strict { kind: "text", fields };
                Self::Text {
                    token: strict.required("token")?,
                    last: strict.boolean("last")?.unwrap_or(false),
                    lang: strict.text("lang")?,
                    interruptible: strict.boolean("interruptible")?,
                    preemptible: strict.boolean("preemptible")?,
                }
            }
            "play" => {
                let strict = Strict { kind: "play", fields };
                Self::Play {
                    source: strict.required("source")?,
                    times: strict.count("loop")?,
                    preemptible: strict.boolean("preemptible")?,
                    interruptible: strict.boolean("interruptible")?,
                }
            }
            "sendDigits" => {
                let strict = Strict { kind: "sendDigits", fields };
                let digits = strict.required("digits")?;
                let fits = |c: char| c.is_ascii_digit() || matches!(c, 'w' | '#' | '*');
                if !digits.chars().all(fits) {
                    return Err(strict.problem("digits", Problem::WrongValue));
                }
                Self::SendDigits { digits }
            }
            "language" => {
                let strict = Strict { kind: "language", fields };
                let tts_language = strict.text("ttsLanguage")?;
                let transcription_language = strict.text("transcriptionLanguage")?;
                if tts_language.is_none() && transcription_language.is_none() {
                    return Err(strict.problem("ttsLanguage", Problem::Missing));
                }
                Self::Language { tts_language, transcription_language }
            }
            "end" => {
                let strict = Strict { kind: "end", fields };
                Self::End { handoff_data: strict.text("handoffData")? }
            }
            unknown => return Err(BadFrame::unknown_kind(unknown)),
        })
    }
}

/// Fields read strictly; `null` counts as absent.
struct Strict<'a> {
    kind: &'static str,
    fields: Fields<'a>,
}

impl Strict<'_> {
    fn required(&self, field: &'static str) -> Result<Cow<'static, str>, BadFrame> {
        self.text(field)?.ok_or_else(|| self.problem(field, Problem::Missing))
    }

    fn text(&self, field: &'static str) -> Result<Option<Cow<'static, str>>, BadFrame> {
        match self.fields.raw(field) {
            None => Ok(None),
            Some(raw) if raw.starts_with('"') => Ok(self.fields.string(field).map(Cow::Owned)),
            Some(_) => Err(self.problem(field, Problem::WrongType)),
        }
    }

    fn boolean(&self, field: &'static str) -> Result<Option<bool>, BadFrame> {
        match self.fields.raw(field) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(self.problem(field, Problem::WrongType)),
        }
    }

    fn count(&self, field: &'static str) -> Result<Option<u32>, BadFrame> {
        let Some(raw) = self.fields.raw(field) else { return Ok(None) };
        raw.parse().map(Some).map_err(|_| self.problem(field, Problem::WrongType))
    }

    fn problem(&self, field: &'static str, problem: Problem) -> BadFrame {
        BadFrame::Field { kind: self.kind, field, problem }
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// Twilio's own frames, keys in the order of its documentation.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum TwilioSays<'a> {
    Prompt {
        voice_prompt: &'a str,
        lang: &'a str,
        last: bool,
    },
    Dtmf {
        digit: &'a str,
    },
    Interrupt {
        utterance_until_interrupt: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        duration_until_interrupt_ms: Option<u64>,
    },
    Error {
        description: &'a str,
    },
    Info {
        name: &'a str,
        value: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        ts: Option<u64>,
    },
}

#[derive(Serialize)]
struct Tagged<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
struct Empty {}
