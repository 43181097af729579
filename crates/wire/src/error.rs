//! Errors of messages.

/// A message that cannot be used.
///
/// No variant holds more of the message than the name of its kind, truncated: a frame may hold a
/// caller's words, and errors end up in logs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// The text is not JSON, or not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// The key that tells messages apart is missing or not a string.
    #[error("no text under the key `{key}`")]
    NoKind {
        /// The key: `type` or `event`.
        key: &'static str,
    },
    /// Only from the strict parsers: a kind that the receiver does not know.
    #[error("unknown kind of message: {kind}")]
    UnknownKind {
        /// The kind, at most 40 characters of it.
        kind: String,
    },
    /// Only from the strict parsers: a required field that is missing, or a field of a wrong type.
    #[error("{field} of a `{kind}` message {problem}")]
    Field {
        /// The kind of the message.
        kind: &'static str,
        /// The field, as it is spelt on the wire.
        field: &'static str,
        /// What is wrong with it.
        problem: Problem,
    },
    /// A payload that is not base64.
    #[error("the audio is not base64")]
    NotBase64,
}

/// What is wrong with one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// It is required and missing.
    Missing,
    /// It has another type.
    WrongType,
    /// Its type is right but its value is not.
    WrongValue,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::WrongType => "has a wrong type",
            Self::WrongValue => "has a wrong value",
        })
    }
}

impl BadFrame {
    /// An unknown kind, truncated for a log line.
    pub(crate) fn unknown_kind(kind: &str) -> Self {
        Self::UnknownKind { kind: kind.chars().take(40).collect() }
    }
}
