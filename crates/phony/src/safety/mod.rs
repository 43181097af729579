//! The rules of outbound calls: consent, numbers, the do-not-call list, calling hours, costs and
//! limits. Owns what they remember, in the data folder. `outbound` asks [`Safety::allow`] before
//! every call, and its answer is in the [ledger] before anything is dialled; the actors of calls
//! report events.
//!
//! Which numbers are never dialled is decided by the core ([`phony_call::check_dialled`]), for
//! transfers as well, and so is what happens to a live call that costs too much.

pub mod dial_limits;
pub mod do_not_call;
pub mod hours;
pub mod ledger;
pub mod spend;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use phony_call::{
    Budget, CallSid, CommandName, Event, EventBody, NotDialled, PhoneNumber, check_dialled,
};
use tokio_util::task::TaskTracker;

use self::dial_limits::DialLimits;
use self::do_not_call::{DoNotCall, DoNotCallEntry};
use self::ledger::{Entry, EntryKind, Ledger};
use self::spend::Spend;
use crate::clock::Clock;
use crate::config::Config;
use crate::data_dir::make_folder;

/// The rules, and what they remember.
#[derive(Debug)]
pub struct Safety {
    /// The record of every attempt.
    pub ledger: Ledger,
    /// The numbers that must not be called.
    pub do_not_call: Arc<DoNotCall>,
    /// The limits on live calls and on calls a minute.
    pub dial_limits: DialLimits,
    /// The day's costs.
    pub spend: Arc<Spend>,
    pub(crate) clock: Clock,
    tasks: TaskTracker,
}

/// A rule that forbids a call.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Forbidden {
    /// The order does not state that the callee agrees.
    #[error("an outbound call needs `consent: true`: somebody must know that the callee agrees")]
    Consent,
    /// The number is one that is never dialled.
    #[error("{0}")]
    Number(#[from] NotDialled),
    /// The callee does not want to be called.
    #[error("the number is on the do-not-call list")]
    DoNotCall,
    /// It is outside the calling hours.
    #[error("{0}")]
    Hours(#[from] hours::NotNow),
    /// The day's budget is spent.
    #[error("the day's budget for outbound calls is spent: about ${spent:.2}")]
    Spend {
        /// US dollars.
        spent: f64,
    },
}

impl Forbidden {
    /// The rule's name in the API.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Number(why) => why.rule(),
            Self::DoNotCall => "do_not_call",
            Self::Hours(_) => "calling_hours",
            Self::Spend { .. } => "spend",
        }
    }
}

/// A request to dial a number.
#[derive(Debug, Clone, Copy)]
pub struct DialRequest<'a> {
    /// The number.
    pub number: &'a PhoneNumber,
    /// Whether the order states that the callee agrees.
    pub consent: bool,
    /// Whether the calling hours are ignored.
    pub at_any_hour: bool,
}

impl Safety {
    /// Opens the rules of a configuration, and what they remember in its data folder.
    pub fn open(config: &Config, clock: Clock, tasks: TaskTracker) -> io::Result<Self> {
        let folder = &config.data_dir;
        make_folder(folder)?;
        let dialing = &config.dialing;
        let limits = (dialing.day_soft, dialing.day_hard);
        let spend = Spend::open(folder, config.policy.prices.minute, limits)?;
        let do_not_call = DoNotCall::of(folder);
        do_not_call.restore(ledger::do_not_call_entries(folder)?);
        do_not_call.keep();
        Ok(Self {
            ledger: Ledger::open(folder, (clock.wall)())?,
            do_not_call: Arc::new(do_not_call),
            dial_limits: DialLimits::new(dialing.rate, dialing.concurrent),
            spend: Arc::new(spend),
            clock,
            tasks,
        })
    }

    /// Rules without a memory, for a server that is only described (`phony openapi`).
    #[must_use]
    pub fn closed(config: &Config, clock: Clock) -> Self {
        let nowhere = Path::new("");
        Self {
            ledger: Ledger::closed(),
            do_not_call: Arc::new(DoNotCall::of(nowhere)),
            dial_limits: DialLimits::new(config.dialing.rate, config.dialing.concurrent),
            spend: Arc::new(Spend::closed()),
            clock,
            tasks: TaskTracker::new(),
        }
    }

    /// Whether a call may be placed; if not, the first rule that forbids it.
    pub fn allow(&self, request: DialRequest<'_>, config: &Config) -> Result<(), Forbidden> {
        let DialRequest { number, consent, at_any_hour } = request;
        if !consent {
            return Err(Forbidden::Consent);
        }
        check_dialled(number, config.dialing.countries())?;
        let listed = self.do_not_call.contains(number).unwrap_or_else(|error| {
            tracing::error!(%error, "the do-not-call list cannot be read: nobody is called");
            true
        });
        if listed {
            return Err(Forbidden::DoNotCall);
        }
        let wall = (self.clock.wall)();
        if !at_any_hour {
            hours::may_call(number, wall, config.dialing.hours)?;
        }
        match self.spend.budget((self.clock.now)(), wall) {
            (Some(Budget::Spent), spent) => Err(Forbidden::Spend { spent }),
            (Some(Budget::Low) | None, _) => Ok(()),
        }
    }

    /// Takes note of an event of an outbound call. Never waits.
    pub fn observe(&self, event: &Event, now: Instant) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "few events concern the rules")]
        match &event.body {
            EventBody::Connected { .. } => self.spend.begun(&event.call, now),
            EventBody::Usage { cost_usd, .. } => self.spend.used(*cost_usd, event.at),
            EventBody::SessionEnd { .. } => self.spend.ended(&event.call, now, event.at),
            EventBody::CommandExecuted { command: CommandName::DoNotCall, value, .. } => {
                self.add_to_do_not_call(value, event);
            }
            _ => {}
        }
    }

    /// An outbound call has left this node, which stops counting its costs.
    pub fn call_left(&self, call: &CallSid) {
        self.spend.ended(call, (self.clock.now)(), (self.clock.wall)());
    }

    /// The callee has asked not to be called again.
    fn add_to_do_not_call(&self, number: &str, event: &Event) {
        let Ok(number) = PhoneNumber::parse(number) else {
            return tracing::warn!(callSid = %event.call, "who is not to be called has no number");
        };
        let entry = DoNotCallEntry { number, listed: true, at: event.at, by: "callee".into() };
        self.ledger.note(Entry {
            to: entry.number.to_string(),
            call_sid: Some(event.call.to_string()),
            reason: Some("the callee asked not to be called again".into()),
            ..Entry::new(event.at, EntryKind::DoNotCall, "callee")
        });
        self.do_not_call.set(entry);
        let list = Arc::clone(&self.do_not_call);
        // If it cannot be written now, it is tried again every second.
        self.tasks.spawn_blocking(move || list.keep());
    }
}
