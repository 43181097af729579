//! What goes into the voice, and what comes out of it.

/// How fast the voice is. Times in milliseconds of the call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) chars_per_second: f64,
    /// From the first token to the first sound.
    pub(crate) first_sound_ms: u64,
    /// From a `sendDigits` on an idle line to the first tone.
    pub(crate) digits_ms: u64,
    /// How long an open reply may stay without new text before the voice gives up waiting.
    pub(crate) hold_ms: u64,
    /// How long a recording lasts, once.
    pub(crate) play_ms: u64,
}

/// Who may cut the voice off.
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

/// What kind of thing was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// Speech.
    Speech,
    /// Tones; the text holds the digits.
    Digits,
    /// A recording; the text holds its URL.
    Recording,
}

/// One stretch that the far end heard: a clause, a string of digits, a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) kind: Heard,
    pub(crate) text: String,
    pub(crate) from_ms: u64,
    pub(crate) until_ms: u64,
    /// Whether more of the item was to follow when it was cut off.
    pub(crate) cut: bool,
    /// Whether Twilio reports it as played: an interrupted clause is told by `interrupt` instead.
    pub(crate) told: bool,
}

/// What the voice did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SpeechEvent {
    Started { at_ms: u64 },
    Stopped { at_ms: u64 },
    Played(Piece),
}

/// How far the item was heard that the caller cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) utterance: String,
    pub(crate) duration_ms: u64,
}

/// One message's settings; `None` leaves what the item has.
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
