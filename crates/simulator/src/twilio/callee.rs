//! Who is called by the account, and how the call is answered.

use crate::callers::Caller;

/// Who is called by an outbound call or by `<Dial>`.
#[derive(Debug, Clone)]
pub struct Callee {
    /// How the call is answered, if it is.
    pub answers: Answers,
    /// Who speaks once the call is answered. Not used by `<Dial>`.
    pub caller: Caller,
    /// How long they talk to a caller connected by `<Dial>`, in milliseconds of the call.
    pub talks_ms: u64,
}

/// How a call is answered, if it is. Times are in milliseconds of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answers {
    /// A person answers.
    Person {
        /// How long it rings.
        after_ms: u64,
    },
    /// A machine answers.
    Machine {
        /// How long it rings.
        after_ms: u64,
        /// The result of answering-machine detection: `machine_start`, `machine_end_beep`, `fax`
        /// and others.
        kind: String,
        /// How long detection takes.
        detected_ms: u64,
    },
    /// The line is busy.
    Busy,
    /// Nobody answers before the timeout.
    Nobody,
    /// The call fails.
    Fails {
        /// The SIP response code, such as 404 or 603.
        sip_code: u64,
    },
}

impl Callee {
    /// A person who answers after two seconds: long enough for a client that polls to see the call
    /// ring, even at ten times the speed.
    #[must_use]
    pub fn person(caller: Caller) -> Self {
        Self { answers: Answers::Person { after_ms: 2_000 }, caller, talks_ms: 2_000 }
    }

    /// A callee who cannot be spoken to: busy, absent or out of reach.
    #[must_use]
    pub fn absent(answers: Answers) -> Self {
        Self { answers, caller: Caller::silent(), talks_ms: 0 }
    }
}
