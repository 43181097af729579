//! Identifiers and numbers that are validated once, when they are parsed.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A value of the wrong form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not a call's id: 1 to 64 letters, digits, `:`, `_` or `-`.
    #[error("not a call id (1 to 64 letters, digits, ':', '_' or '-')")]
    CallSid,
    /// Not an id of a supervisor: 1 to 64 letters, digits, `_` or `-`.
    #[error("not a supervisor's id (1 to 64 letters, digits, '_' or '-')")]
    SupervisorId,
    /// Not an id of a line or a dialled leg: 1 to 64 letters, digits, `:`, `_` or `-`.
    #[error("not an id of a line (1 to 64 letters, digits, ':', '_' or '-')")]
    LegId,
    /// Not a telephone number in E.164 form.
    #[error("not an E.164 telephone number such as +15005550006")]
    PhoneNumber,
    /// Not a telephone number, but a placeholder that carriers send for a withheld one.
    #[error("what carriers send in place of a withheld number; nobody can be called there")]
    Withheld,
    /// Not a sequence of telephone keys.
    #[error("not telephone keys (1 to 64 of 0-9 * # and w for half a second of pause)")]
    Digits,
}

/// The carrier's name for a call, such as Twilio's `CA` and 32 hexadecimal digits.
///
/// Other carriers use other alphabets, so the form is not checked beyond what is safe in a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct CallSid(Arc<str>);

impl CallSid {
    /// Reads an id as the carrier wrote it.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let sane = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-');
        if (1..=64).contains(&text.len()) && text.bytes().all(sane) {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::CallSid)
        }
    }

    /// The id as the carrier wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CallSid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The carrier's name for a connection to the caller, or for a leg that it dialled on a call's
/// behalf, such as Twilio's `VX` or `CA` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LegId(Arc<str>);

impl LegId {
    /// Reads an id as the carrier wrote it.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let sane = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-');
        if (1..=64).contains(&text.len()) && text.bytes().all(sane) {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::LegId)
        }
    }

    /// The id as the carrier wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for LegId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A log-in of a supervisor: all tabs of one browser share it, and so do all users of one token. It
/// is not a secret: nobody can log in with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SupervisorId(Arc<str>);

impl SupervisorId {
    /// Reads 1 to 64 letters, digits, `_` and `-`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let sane = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if (1..=64).contains(&text.len()) && text.bytes().all(sane) {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::SupervisorId)
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SupervisorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SupervisorId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// One request to the model and the reply to it, counted from 1 within a call.
///
/// A retry is a new turn, so that late words of the failed attempt can be recognised.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TurnId(pub u32);

impl TurnId {
    /// The turn after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for TurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One utterance of the caller that the model has heard by itself, counted from 1 within a call.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UtteranceId(pub u32);

/// The id of an item of the conversation: unique within the call, and never reused for other
/// content.
///
/// As text it has at most 32 characters, all of them lower-case letters, digits or `_`, which is
/// the limit of item ids in OpenAI's Realtime API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ItemId {
    kind: ItemKind,
    part: u32,
    of: u64,
}

/// What an item was made from, and thus what its numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemKind {
    /// The stored event of this number; the part is its place in the conversation.
    Entry,
    /// Keys since the event of this number; the part is how many.
    Keys,
    /// The tool call in the event of this number.
    ToolCall,
    /// The result of a tool call.
    ToolResult,
    /// A result that is still pending, as of the event of this number.
    Pending,
    /// A hint for the turn of this number only.
    Hint,
    /// What failed attempts of the turn of this number have said.
    SaidBefore,
}

impl ItemKind {
    const ALL: [Self; 7] = [
        Self::Entry,
        Self::Keys,
        Self::ToolCall,
        Self::ToolResult,
        Self::Pending,
        Self::Hint,
        Self::SaidBefore,
    ];

    fn letter(self) -> char {
        match self {
            Self::Entry => 'e',
            Self::Keys => 'k',
            Self::ToolCall => 'c',
            Self::ToolResult => 'r',
            Self::Pending => 'p',
            Self::Hint => 'h',
            Self::SaidBefore => 's',
        }
    }
}

impl ItemId {
    /// The id of an item of this kind: `of` is the number of an event or a turn.
    #[must_use]
    pub fn new(kind: ItemKind, of: u64, part: u32) -> Self {
        Self { kind, part, of }
    }

    /// Reads an id as `Display` writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let first = text.chars().next()?;
        let kind = ItemKind::ALL.into_iter().find(|kind| kind.letter() == first)?;
        let (of, part) = text[first.len_utf8()..].split_once('_')?;
        let id = Self { kind, of: of.parse().ok()?, part: part.parse().ok()? };
        // A number has many spellings, an id only one.
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}_{}", self.kind.letter(), self.of, self.part)
    }
}

/// A party's address with all but its last four characters hidden, for logs.
#[must_use]
pub fn masked(address: &str) -> String {
    let shown: String =
        address.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
    if address.chars().count() <= 4 { "…".into() } else { format!("…{shown}") }
}

/// Keys to press: `0-9 * #`, and `w` for half a second of pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Digits(Arc<str>);

impl Digits {
    /// The most keys that one command may press.
    pub const MAX: usize = 64;

    /// Reads a sequence of keys; spaces and commas are dropped, and `W` is read as `w`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut keys = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '0'..='9' | '*' | '#' | 'w' => keys.push(c),
                'W' => keys.push('w'),
                ' ' | ',' => {}
                _ => return Err(Invalid::Digits),
            }
        }
        if (1..=Self::MAX).contains(&keys.len()) && keys.bytes().any(|b| b != b'w') {
            Ok(Self(keys.into()))
        } else {
            Err(Invalid::Digits)
        }
    }

    /// The keys, one character each.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Digits {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_keys_and_pauses_only() {
        assert_eq!(Digits::parse("1 2w3#").unwrap().as_str(), "12w3#");
        for text in ["", "w", "a", "12;34", &"1".repeat(65)] {
            assert_eq!(Digits::parse(text), Err(Invalid::Digits), "{text}");
        }
    }

    #[test]
    fn an_items_name_is_short_and_can_be_read_back() {
        for kind in ItemKind::ALL {
            for (of, part) in [(0, 0), (12, 3), (u64::MAX, u32::MAX)] {
                let id = ItemId::new(kind, of, part);
                let text = id.to_string();
                assert!(text.len() <= 32, "{text}");
                assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{text}");
                assert_eq!(ItemId::parse(&text), Some(id));
            }
        }
        for text in ["", "e", "e1", "e_1", "e1_", "x1_1", "e01_1", "e+1_1", "e1_1 ", "é1_1"] {
            assert_eq!(ItemId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_call_id_is_safe_in_a_path() {
        assert!(CallSid::parse("CA0123456789abcdef0123456789abcdef").is_ok());
        for text in ["", "../x", "a b", "é", &"a".repeat(65)] {
            assert_eq!(CallSid::parse(text), Err(Invalid::CallSid), "{text}");
        }
    }
}
