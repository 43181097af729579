//! The verbs.

use super::TwimlError;
use super::attribute::{BadAttribute, attributes};
use super::element::Element;
use super::relay::{Relay, Stream};

/// One step of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Connects the call to a WebSocket until it closes.
    Connect(Connect),
    /// Connects the caller to another party.
    Dial(Dial),
    /// Speaks.
    Say(Say),
    /// Plays a recording, or presses keys.
    Play(Play),
    /// Waits.
    Pause(Pause),
    /// Hangs up.
    Hangup,
    /// Refuses a call that has not been answered; only as the first verb.
    Reject {
        /// `rejected` or `busy`.
        reason: Option<String>,
    },
    /// Continues with another document.
    Redirect(Redirect),
    /// Starts recording and continues at once.
    StartRecording(Recording),
}

/// `<Connect>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// Requested for TwiML when the session has ended. Without it a lost socket ends the call.
    pub action: Option<String>,
    /// `GET` or `POST`, the default.
    pub method: Option<String>,
    /// What the call is connected to.
    pub to: ConnectTo,
}

/// What `<Connect>` connects a call to. Twilio allows only one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectTo {
    /// `<ConversationRelay>`.
    Relay(Box<Relay>),
    /// `<Stream>`.
    Stream(Box<Stream>),
}

attributes! {
    /// `<Dial>` and its attributes; see [`Verb::Dial`] for the numbers.
    pub struct DialOptions {
        /// Requested for TwiML when the dialled leg has ended; without it the next verb follows.
        action: String = "action",
        /// `GET` or `POST`, the default.
        method: String = "method",
        /// How long it rings, in seconds.
        timeout_s: u32 = "timeout",
        /// The longest the connection may last, in seconds.
        time_limit_s: u32 = "timeLimit",
        /// The caller ID shown to the called party.
        caller_id: String = "callerId",
        /// Whether the caller hears ringing until the called party answers.
        answer_on_bridge: bool = "answerOnBridge",
        /// Whether `*` ends the connection.
        hangup_on_star: bool = "hangupOnStar",
        /// Whether several numbers ring one after another.
        sequential: bool = "sequential",
        /// `record-from-answer` and others.
        record: String = "record",
        /// Country whose ringing tone is played.
        ring_tone: String = "ringTone",
    }
}

/// `<Dial>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dial {
    /// Its attributes.
    pub options: DialOptions,
    /// Whom to ring, all at once unless `sequential`.
    pub numbers: Vec<Number>,
}

/// `<Number>` within `<Dial>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Number {
    /// E.164.
    pub number: String,
    /// Its attributes.
    pub options: NumberOptions,
}

attributes! {
    /// The attributes of `<Number>`.
    pub struct NumberOptions {
        /// Keys pressed when the called party answers.
        send_digits: String = "sendDigits",
        /// TwiML for the called party before the two are connected.
        url: String = "url",
        /// `GET` or `POST`, the default.
        method: String = "method",
        /// Receives status callbacks of the leg.
        status_callback: String = "statusCallback",
        /// The events to report, separated by spaces.
        status_callback_event: String = "statusCallbackEvent",
        /// `GET` or `POST`, the default.
        status_callback_method: String = "statusCallbackMethod",
    }
}

/// `<Say>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Say {
    /// What is said.
    pub text: String,
    /// Its attributes.
    pub options: SayOptions,
}

attributes! {
    /// The attributes of `<Say>`.
    pub struct SayOptions {
        /// A voice, such as `Polly.Joanna-Neural`.
        voice: String = "voice",
        /// BCP 47.
        language: String = "language",
        /// How many times; 0 for ever.
        times: u32 = "loop",
    }
}

/// `<Play>`: a recording, or keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Play {
    /// Where the recording is; empty when keys are pressed.
    pub url: String,
    /// Keys to press: `0`–`9`, `*`, `#`, `w` for half a second.
    pub digits: Option<String>,
    /// How many times; 0 for ever.
    pub times: Option<u32>,
}

/// `<Pause>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pause {
    /// Seconds; one if absent.
    pub length_s: Option<u32>,
}

/// `<Redirect>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redirect {
    /// Where the next document is.
    pub url: String,
    /// `GET` or `POST`, the default.
    pub method: Option<String>,
}

attributes! {
    /// `<Recording>` within `<Start>`: the only way to record a call with a relay (Twilio, "TwiML
    /// Voice: `<Recording>`").
    pub struct Recording {
        /// A name to stop it by.
        name: String = "name",
        /// Receives a callback when the recording is available.
        status_callback: String = "recordingStatusCallback",
        /// `GET` or `POST`, the default.
        status_callback_method: String = "recordingStatusCallbackMethod",
        /// `in-progress`, `completed`, `absent`, separated by spaces.
        status_callback_event: String = "recordingStatusCallbackEvent",
        /// `trim-silence` or `do-not-trim`.
        trim: String = "trim",
        /// `inbound`, `outbound` or `both`.
        track: String = "track",
        /// `mono` or `dual`.
        channels: String = "channels",
    }
}

impl Verb {
    /// `<Connect>` to a relay.
    #[must_use]
    pub fn relay(relay: Relay, action: impl Into<String>) -> Self {
        let to = ConnectTo::Relay(Box::new(relay));
        Self::Connect(Connect { action: Some(action.into()), method: None, to })
    }

    /// `<Connect>` to a stream.
    #[must_use]
    pub fn stream(stream: Stream, action: impl Into<String>) -> Self {
        let to = ConnectTo::Stream(Box::new(stream));
        Self::Connect(Connect { action: Some(action.into()), method: None, to })
    }

    /// `<Say>` with the account's voice.
    #[must_use]
    pub fn say(text: impl Into<String>) -> Self {
        Self::Say(Say { text: text.into(), options: SayOptions::default() })
    }

    /// `<Dial>` to one number, with `answerOnBridge`, so that the caller hears it ring.
    #[must_use]
    pub fn dial(number: impl Into<String>, action: impl Into<String>) -> Self {
        let options = DialOptions {
            action: Some(action.into()),
            answer_on_bridge: Some(true),
            ..DialOptions::default()
        };
        let number = Number { number: number.into(), options: NumberOptions::default() };
        Self::Dial(Dial { options, numbers: vec![number] })
    }

    pub(super) fn to_element(&self) -> Element {
        match self {
            Self::Connect(connect) => {
                let mut element = Element::new("Connect");
                element.set("action", connect.action.as_ref());
                element.set("method", connect.method.as_ref());
                element.children.push(match &connect.to {
                    ConnectTo::Relay(relay) => relay.to_element(),
                    ConnectTo::Stream(stream) => stream.to_element(),
                });
                element
            }
            Self::Dial(dial) => dial.to_element(),
            Self::Say(say) => {
                let mut element = Element::new("Say");
                say.options.put(&mut element);
                element.text.clone_from(&say.text);
                element
            }
            Self::Play(play) => {
                let mut element = Element::new("Play");
                element.set("loop", play.times.as_ref());
                element.set("digits", play.digits.as_ref());
                element.text.clone_from(&play.url);
                element
            }
            Self::Pause(pause) => {
                let mut element = Element::new("Pause");
                element.set("length", pause.length_s.as_ref());
                element
            }
            Self::Hangup => Element::new("Hangup"),
            Self::Reject { reason } => {
                let mut element = Element::new("Reject");
                element.set("reason", reason.as_ref());
                element
            }
            Self::Redirect(redirect) => {
                let mut element = Element::new("Redirect");
                element.set("method", redirect.method.as_ref());
                element.text.clone_from(&redirect.url);
                element
            }
            Self::StartRecording(recording) => {
                let mut element = Element::new("Recording");
                recording.put(&mut element);
                let mut start = Element::new("Start");
                start.children.push(element);
                start
            }
        }
    }

    /// Reads a verb; `None` if it is unknown.
    pub(super) fn from_element(
        mut element: Element,
        unknown: &mut Vec<String>,
    ) -> Result<Option<Self>, TwimlError> {
        let text = element.text.trim().to_owned();
        let verb = match element.name.as_str() {
            "Connect" => Connect::from_element(&mut element, unknown)?.map(Self::Connect),
            "Dial" => Some(Self::Dial(Dial::from_element(&mut element, unknown))),
            "Say" => Some(Self::Say(Say { text, options: SayOptions::take(&mut element) })),
            "Play" => Some(Self::Play(Play {
                url: text,
                digits: element.take("digits"),
                times: element.take("loop"),
            })),
            "Pause" => Some(Self::Pause(Pause { length_s: element.take("length") })),
            "Hangup" => Some(Self::Hangup),
            "Reject" => Some(Self::Reject { reason: element.take("reason") }),
            "Redirect" => {
                Some(Self::Redirect(Redirect { url: text, method: element.take("method") }))
            }
            "Start" => element.take_children("Recording").pop().map(|mut child| {
                let recording = Recording::take(&mut child);
                child.report(unknown);
                Self::StartRecording(recording)
            }),
            _ => None,
        };
        if verb.is_none() {
            unknown.push(element.name.clone());
        }
        element.report(unknown);
        Ok(verb)
    }
}

impl Connect {
    /// `None` if its target is unknown.
    fn from_element(
        element: &mut Element,
        unknown: &mut Vec<String>,
    ) -> Result<Option<Self>, TwimlError> {
        let action = element.take("action");
        let method = element.take("method");
        let to = if let Some(relay) = element.take_children("ConversationRelay").pop() {
            ConnectTo::Relay(Box::new(Relay::from_element(relay, unknown)?))
        } else if let Some(stream) = element.take_children("Stream").pop() {
            ConnectTo::Stream(Box::new(Stream::from_element(stream, unknown)?))
        } else {
            return Ok(None);
        };
        Ok(Some(Self { action, method, to }))
    }
}

impl Dial {
    fn to_element(&self) -> Element {
        let mut element = Element::new("Dial");
        self.options.put(&mut element);
        element.children.extend(self.numbers.iter().map(|number| {
            let mut element = Element::new("Number");
            number.options.put(&mut element);
            element.text.clone_from(&number.number);
            element
        }));
        element
    }

    fn from_element(element: &mut Element, unknown: &mut Vec<String>) -> Self {
        let options = DialOptions::take(element);
        let mut numbers = Vec::new();
        // A number may also stand in <Dial> itself.
        let bare = element.text.trim();
        if !bare.is_empty() {
            numbers.push(Number { number: bare.to_owned(), options: NumberOptions::default() });
        }
        for mut child in element.take_children("Number") {
            let options = NumberOptions::take(&mut child);
            numbers.push(Number { number: child.text.trim().to_owned(), options });
            child.report(unknown);
        }
        Self { options, numbers }
    }
}

impl From<Connect> for Verb {
    fn from(connect: Connect) -> Self {
        Self::Connect(connect)
    }
}

impl From<Dial> for Verb {
    fn from(dial: Dial) -> Self {
        Self::Dial(dial)
    }
}
