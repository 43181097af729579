//! The settings and events of the agent's voice.

/// The pace of the voice. Times are in milliseconds of the call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) chars_per_second: f64,
    /// From the first token to the first sound.
    pub(crate) first_sound_ms: u64,
    /// From `sendDigits` on a silent line to the first tone.
    pub(crate) digits_ms: u64,
    /// How long the voice waits for more text of an open reply.
    pub(crate) hold_ms: u64,
    /// The length of a recording.
    pub(crate) play_ms: u64,
}

/// The caller's input that may interrupt the voice, or that is reported during it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Input {
    None,
    Dtmf,
    Speech,
    #[default]
    Any,
}

impl Input {
    pub(crate) fn has(self, other: Self) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::Dtmf | Self::Speech => self == other,
        }
    }
}

/// What was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// Speech.
    Speech,
    /// Tones of the keypad; the text holds the digits.
    Digits,
    /// A recording; the text holds its URL.
    Recording,
}

/// What the far end heard in one stretch: a clause, digits or a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) kind: Heard,
    pub(crate) text: String,
    pub(crate) from_ms: u64,
    pub(crate) until_ms: u64,
    /// Whether it was cut off before the end of its item.
    pub(crate) cut: bool,
    /// Whether Twilio reports it as played: an interrupted clause is in `interrupt` instead.
    pub(crate) told: bool,
}

/// An event of the voice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SpeechEvent {
    Started { at_ms: u64 },
    Stopped { at_ms: u64 },
    Played(Piece),
}

/// How much was heard of the item that the caller interrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) utterance: String,
    pub(crate) duration_ms: u64,
}

/// The settings of one message; `None` keeps those of the item.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flags {
    pub(crate) interruptible: Option<bool>,
    pub(crate) preemptible: Option<bool>,
}

impl Flags {
    pub(super) fn input(self) -> Option<Input> {
        self.interruptible.map(|yes| if yes { Input::Any } else { Input::None })
    }
}
