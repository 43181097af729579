//! Who is called by the account, and how the call is answered.

use crate::callers::Caller;

/// Who is rung by an outbound call, or by `<Dial>`.
#[derive(Debug, Clone)]
pub struct Callee {
    /// What happens when it rings.
    pub answers: Answers,
    /// Who speaks once it is answered.
    pub caller: Caller,
    /// How long it talks to a caller whom `<Dial>` connected, in milliseconds.
    pub talks_ms: u64,
}

/// What happens when a number rings. Times in milliseconds of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answers {
    /// A person answers.
    Person {
        /// After so long.
        after_ms: u64,
    },
    /// A machine answers.
    Machine {
        /// After so long.
        after_ms: u64,
        /// What detection says in the end: `machine_start`, `machine_end_beep`, `fax` and others.
        kind: String,
        /// How long detection takes.
        detected_ms: u64,
    },
    /// It is engaged.
    Busy,
    /// It rings until the time is up.
    Nobody,
    /// The call cannot be put through.
    Fails {
        /// The far end's answer in terms of SIP: 404, 603.
        sip_code: u64,
    },
}

impl Callee {
    /// A person who answers after two seconds: long enough that whoever follows the call sees it ring,
    /// even at ten times the speed.
    #[must_use]
    pub fn person(caller: Caller) -> Self {
        Self { answers: Answers::Person { after_ms: 2_000 }, caller, talks_ms: 2_000 }
    }

    /// Nobody to speak with: engaged, absent or not to be reached.
    #[must_use]
    pub fn absent(answers: Answers) -> Self {
        Self { answers, caller: Caller::silent(), talks_ms: 0 }
    }
}
