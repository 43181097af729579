//! Why an order became no call. `http::error` maps it to a response, the ledger and the list of
//! orders use its names.

use std::time::Duration;

use phony_call::NotDialled;

use crate::agents::BadVariables;
use crate::carriers::twilio::rest::{CarrierError, NoClient};
use crate::safety::Forbidden;
use crate::safety::dial_limits::TooMany;
use crate::store::StoreError;

/// Why an order became no call, by culprit.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// A field of the order is missing or wrong.
    #[error("`{field}` {problem}")]
    Field {
        /// Its name in the API.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The order names an agent or a scenario that does not exist.
    #[error("`{field}` is none of {}: `{id}`", known.join(", "))]
    NoSuch {
        /// `agent` or `scenario`.
        field: &'static str,
        /// What the order names, without control characters, at most 64 characters.
        id: String,
        /// What exists.
        known: Vec<String>,
    },
    /// The variables do not fit the scenario.
    #[error("{}", misfit(.0))]
    Variables(BadVariables),
    /// A rule forbids the call.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// Too many calls at once, or in a minute.
    #[error(transparent)]
    TooMany(TooMany),
    /// The `Idempotency-Key` was used for another order.
    #[error("this Idempotency-Key was used for another order")]
    OtherOrder,
    /// The same order is being carried out.
    #[error("the same order is being carried out; ask again under the same key")]
    InProgress,
    /// Another order for the number is being placed.
    #[error(
        "another order for this number is still being placed, and this one was not carried out: \
         order the call again later"
    )]
    NumberBusy,
    /// The client went away before the order's turn, and gave no key. Only the ledger and the list
    /// of orders tell of it.
    #[error(
        "whoever ordered the call was gone before its turn came, and gave no Idempotency-Key under \
         which they could have heard of it"
    )]
    ClientGone,
    /// The server is stopping.
    #[error("the server is stopping and places no calls")]
    Stopping,
    /// Redis does not answer, so the do-not-call list and the limits of all nodes are unknown.
    #[error(
        "the shared store does not answer, and with it the do-not-call list and the limits of all \
         servers: nobody is called until it does"
    )]
    Unshared,
    /// The ledger cannot be written.
    #[error("{0}, so nobody is called; look after the data folder")]
    Ledger(String),
    /// The store does not answer.
    #[error("the store does not answer: {}", .0.cause())]
    Store(#[from] StoreError),
    /// There is no account at the carrier to call with.
    #[error(transparent)]
    NoCarrier(NoClient),
    /// The carrier did not place the call, or did not say whether it did.
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    /// An earlier attempt may have placed a call, and looking for it failed.
    #[error(transparent)]
    Uncertain(Box<Self>),
    /// The task that carried out the order panicked.
    #[error("the order was not carried out")]
    Panicked,
}

impl PlaceError {
    /// Whether a call may have been placed all the same.
    #[must_use]
    pub fn is_uncertain(&self) -> bool {
        matches!(self, Self::Uncertain(_) | Self::Carrier(CarrierError::Unknown(_)))
    }

    /// What forbade the call, as the ledger and the list of orders name it: the rule, or the kind
    /// of error.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if let Some(rule) = self.rule() {
            return rule;
        }
        match self {
            Self::Field { .. } | Self::NoSuch { .. } | Self::Variables(_) => "invalid_request",
            Self::OtherOrder => "conflict",
            Self::NoCarrier(_) | Self::Carrier(_) => "twilio_error",
            Self::Panicked => "internal",
            Self::Uncertain(why) => why.name(),
            Self::Forbidden(_) => "refused",
            Self::TooMany(_) => "rate_limited",
            Self::InProgress
            | Self::NumberBusy
            | Self::ClientGone
            | Self::Stopping
            | Self::Unshared
            | Self::Ledger(_)
            | Self::Store(_) => "unavailable",
        }
    }

    /// The rule that forbids the call, as the API names it.
    #[must_use]
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Forbidden(why) => Some(why.rule()),
            Self::TooMany(TooMany::Rate { .. }) => Some("dial_rate"),
            Self::TooMany(TooMany::Concurrent { .. }) => Some("concurrent_calls"),
            Self::NumberBusy => Some("number_busy"),
            Self::ClientGone => Some("client_gone"),
            Self::Uncertain(why) => why.rule(),
            Self::Field { .. }
            | Self::NoSuch { .. }
            | Self::Variables(_)
            | Self::OtherOrder
            | Self::InProgress
            | Self::Stopping
            | Self::Unshared
            | Self::Ledger(_)
            | Self::Store(_)
            | Self::NoCarrier(_)
            | Self::Carrier(_)
            | Self::Panicked => None,
        }
    }

    /// When another try makes sense, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany(TooMany::Rate { wait, .. }) => Some(*wait),
            Self::TooMany(TooMany::Concurrent { .. }) | Self::NumberBusy => {
                Some(Duration::from_secs(10))
            }
            Self::InProgress => Some(Duration::from_secs(5)),
            Self::Uncertain(why) => why.retry_after(),
            Self::Field { .. }
            | Self::NoSuch { .. }
            | Self::Variables(_)
            | Self::Forbidden(_)
            | Self::OtherOrder
            | Self::ClientGone
            | Self::Stopping
            | Self::Unshared
            | Self::Ledger(_)
            | Self::Store(_)
            | Self::NoCarrier(_)
            | Self::Carrier(_)
            | Self::Panicked => None,
        }
    }
}

impl From<NotDialled> for PlaceError {
    fn from(why: NotDialled) -> Self {
        Forbidden::Number(why).into()
    }
}

fn misfit(bad: &BadVariables) -> String {
    let BadVariables { missing, unknown, unfit } = bad;
    let parts = [("missing", missing), ("unknown", unknown), ("not fit to be spoken", unfit)];
    let parts = parts.iter().filter(|(_, names)| !names.is_empty());
    let parts: Vec<_> =
        parts.map(|(what, names)| format!("{what}: {}", names.join(", "))).collect();
    format!("`variables` do not fit the scenario; {}", parts.join("; "))
}
