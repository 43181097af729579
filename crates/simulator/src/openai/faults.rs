//! Faults: what can be made to go wrong, and when.

use std::{
    str::FromStr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A fault.
///
/// A fault can be written as text: its kind, then conditions after `@`.
///
/// | Text | Fault |
/// |---|---|
/// | `refuse:429` | the handshake is answered with that HTTP status |
/// | `error:invalid_api_key` | 101, then an `error` of that code, then a close without status |
/// | `error:invalid_api_key:3000` | the same, closed with that code |
/// | `drop:12` | the connection breaks in place of its server event 12 (from 0) |
/// | `drop:12:1011` | the same, with a close frame of that code |
/// | `drop-response:3` | the same, counting from the `response.created` of each response |
/// | `stall` | a response is accepted and nothing follows, not even `response.created` |
/// | `stall-created` | `response.created` follows, and nothing more |
/// | `fail:rate_limit_exceeded` | `response.done` with status `failed` |
/// | `fail-transcription` | `conversation.item.input_audio_transcription.failed` |
/// | `slow:4s` | the first token takes this long |
/// | `expire:30s` | `session_expired` and close 1001 after this long (`ms`, `s` or `m`) |
///
/// Conditions: `@connection=N` and `@response=N`, counted from 0 since the server's start, and
/// `@once`: `refuse:503@connection=0`, `fail:server_error@once`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Only on this connection, counted from 0 since the server's start.
    pub connection: Option<u64>,
    /// Only for this response, counted from 0 since the server's start. For faults of responses.
    pub response: Option<u64>,
    /// Only for the first connection or response that fits.
    pub once: bool,
}

/// What can go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The handshake is answered with this HTTP status and an error body.
    Refuse {
        /// HTTP status, 400 to 599.
        status: u16,
    },
    /// The upgrade succeeds, an `error` event of this code follows instead of `session.created`,
    /// then the socket closes (without a status where `close` is `None`).
    ErrorAtOpen {
        /// The error's code, such as `invalid_api_key`.
        code: String,
        /// The code of the close frame.
        close: Option<u16>,
    },
    /// The connection ends in place of the event `event`, counted from 0.
    Drop {
        /// The index of the first event that is not sent.
        event: u64,
        /// Which events are counted.
        of: Counted,
        /// The code of a close frame that is sent first; without it the connection just breaks.
        close: Option<u16>,
    },
    /// The response is accepted and never ends.
    Stall {
        /// Whether `response.created` is sent.
        created: bool,
    },
    /// `response.done` follows `response.created` with status `failed`. As at the service, the code
    /// of a `server_error` is null.
    Fail {
        /// The error's code, such as `rate_limit_exceeded`.
        code: String,
    },
    /// The transcription of the caller's audio fails.
    FailTranscription,
    /// The first token takes this long, instead of what the pace says.
    SlowFirstToken {
        /// From `response.created` to the first item.
        delay: Duration,
    },
    /// The session ends with `session_expired` and close 1001.
    Expire {
        /// Counted from `session.created`.
        after: Duration,
    },
}

/// Which events an event number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// All events of the socket; `session.created` is 0.
    Socket,
    /// The events of one response, `response.created` is 0 and `rate_limits.updated` the last.
    Response,
}

impl Fault {
    /// A fault that occurs every time.
    #[must_use]
    pub const fn always(kind: FaultKind) -> Self {
        Self { kind, connection: None, response: None, once: false }
    }

    /// A fault that occurs once.
    #[must_use]
    pub const fn once(kind: FaultKind) -> Self {
        Self { kind, connection: None, response: None, once: true }
    }

    /// Only on connection `number`, from 0.
    #[must_use]
    pub const fn on_connection(mut self, number: u64) -> Self {
        self.connection = Some(number);
        self
    }

    /// Only for response `number`, from 0.
    #[must_use]
    pub const fn on_response(mut self, number: u64) -> Self {
        self.response = Some(number);
        self
    }
}

/// A text that is not a fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a fault: {problem}; for example drop:12@connection=0 or fail:server_error@once"
)]
pub struct FaultError {
    text: String,
    problem: &'static str,
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let wrong = |problem| FaultError { text: text.to_owned(), problem };
        let mut parts = text.split('@');
        let kind = kind(parts.next().unwrap_or_default()).map_err(wrong)?;
        let mut fault = Self::always(kind);
        for condition in parts {
            match condition.split_once('=') {
                None if condition == "once" => fault.once = true,
                Some(("connection", number)) => {
                    fault.connection = Some(count(number).map_err(wrong)?);
                }
                Some(("response", number)) => fault.response = Some(count(number).map_err(wrong)?),
                _ => return Err(wrong("conditions are @connection=N, @response=N and @once")),
            }
        }
        if fault.response.is_some() && !fault.kind.is_of_a_response() {
            return Err(wrong("@response=N is for faults of a response"));
        }
        Ok(fault)
    }
}

impl FaultKind {
    fn is_of_a_response(&self) -> bool {
        match self {
            Self::Drop { of, .. } => *of == Counted::Response,
            Self::Stall { .. } | Self::Fail { .. } | Self::SlowFirstToken { .. } => true,
            Self::Refuse { .. }
            | Self::ErrorAtOpen { .. }
            | Self::FailTranscription
            | Self::Expire { .. } => false,
        }
    }
}

fn kind(text: &str) -> Result<FaultKind, &'static str> {
    let mut words = text.split(':');
    let name = words.next().unwrap_or_default();
    let (first, second) = (words.next(), words.next());
    if words.next().is_some() {
        return Err("too many colons");
    }
    let kind = match (name, first, second) {
        ("refuse", Some(status), None) => {
            let status = status.parse().ok().filter(|status| (400..=599).contains(status));
            FaultKind::Refuse { status: status.ok_or("the status must be 400 to 599")? }
        }
        ("error", Some(code), close) => {
            FaultKind::ErrorAtOpen { code: code.to_owned(), close: close_code(close)? }
        }
        ("drop", Some(event), close) => {
            FaultKind::Drop { event: count(event)?, of: Counted::Socket, close: close_code(close)? }
        }
        ("drop-response", Some(event), close) => FaultKind::Drop {
            event: count(event)?,
            of: Counted::Response,
            close: close_code(close)?,
        },
        ("stall", None, None) => FaultKind::Stall { created: false },
        ("stall-created", None, None) => FaultKind::Stall { created: true },
        ("fail", Some(code), None) => FaultKind::Fail { code: code.to_owned() },
        ("fail-transcription", None, None) => FaultKind::FailTranscription,
        ("slow", Some(delay), None) => FaultKind::SlowFirstToken { delay: duration(delay)? },
        ("expire", Some(after), None) => FaultKind::Expire { after: duration(after)? },
        _ => {
            return Err(
                "kinds are refuse, error, drop, drop-response, stall, stall-created, fail, \
                 fail-transcription, slow, expire",
            );
        }
    };
    Ok(kind)
}

fn count(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "a number counts from 0")
}

fn close_code(text: Option<&str>) -> Result<Option<u16>, &'static str> {
    let Some(text) = text else { return Ok(None) };
    let code = text.parse().ok().filter(|code| (1000..=4999).contains(code));
    code.map(Some).ok_or("a close code is 1000 to 4999")
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let number: u32 = number.parse().map_err(|_| "a time is 250ms, 4s or 5m")?;
    let number = u64::from(number);
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        _ => Err("a time is 250ms, 4s or 5m"),
    }
}

/// Where and how a socket breaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Break {
    pub(super) event: u64,
    pub(super) close: Option<u16>,
}

/// The faults of a running server.
#[derive(Debug)]
pub(super) struct Faults {
    armed: Mutex<Vec<Fault>>,
}

impl Faults {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        Self { armed: Mutex::new(faults) }
    }

    pub(super) fn add(&self, fault: Fault) {
        self.lock().push(fault);
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    pub(super) fn refusal(&self, connection: u64) -> Option<u16> {
        self.take(connection, None, |kind| {
            if let FaultKind::Refuse { status } = kind { Some(*status) } else { None }
        })
    }

    pub(super) fn error_at_open(&self, connection: u64) -> Option<(String, Option<u16>)> {
        self.take(connection, None, |kind| {
            if let FaultKind::ErrorAtOpen { code, close } = kind {
                Some((code.clone(), *close))
            } else {
                None
            }
        })
    }

    pub(super) fn socket_break(&self, connection: u64) -> Option<Break> {
        self.take(connection, None, |kind| {
            if let FaultKind::Drop { event, of: Counted::Socket, close } = kind {
                Some(Break { event: *event, close: *close })
            } else {
                None
            }
        })
    }

    pub(super) fn expiry(&self, connection: u64) -> Option<Duration> {
        self.take(connection, None, |kind| {
            if let FaultKind::Expire { after } = kind { Some(*after) } else { None }
        })
    }

    pub(super) fn response_break(&self, connection: u64, response: u64) -> Option<Break> {
        self.take(connection, Some(response), |kind| {
            if let FaultKind::Drop { event, of: Counted::Response, close } = kind {
                Some(Break { event: *event, close: *close })
            } else {
                None
            }
        })
    }

    /// Whether a response that stalls sends `response.created`; `None` if it does not stall.
    pub(super) fn stall(&self, connection: u64, response: u64) -> Option<bool> {
        self.take(connection, Some(response), |kind| {
            if let FaultKind::Stall { created } = kind { Some(*created) } else { None }
        })
    }

    pub(super) fn failure(&self, connection: u64, response: u64) -> Option<String> {
        self.take(connection, Some(response), |kind| {
            if let FaultKind::Fail { code } = kind { Some(code.clone()) } else { None }
        })
    }

    pub(super) fn transcription_fails(&self, connection: u64) -> bool {
        let pick = |kind: &FaultKind| (*kind == FaultKind::FailTranscription).then_some(());
        self.take(connection, None, pick).is_some()
    }

    pub(super) fn first_token(&self, connection: u64, response: u64) -> Option<Duration> {
        self.take(connection, Some(response), |kind| {
            if let FaultKind::SlowFirstToken { delay } = kind { Some(*delay) } else { None }
        })
    }

    /// Picks the first fault that fits, and removes it if it occurs once.
    fn take<T>(
        &self,
        connection: u64,
        response: Option<u64>,
        pick: impl Fn(&FaultKind) -> Option<T>,
    ) -> Option<T> {
        let mut armed = self.lock();
        let (place, found) = armed.iter().enumerate().find_map(|(place, fault)| {
            let here = fault.connection.is_none_or(|number| number == connection)
                && (fault.response.is_none() || fault.response == response);
            here.then(|| pick(&fault.kind)).flatten().map(|found| (place, found))
        })?;
        if armed[place].once {
            armed.remove(place);
        }
        Some(found)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
