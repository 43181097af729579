//! The errors of [`super::Calls`], by culprit. `http::error` maps them to responses.

use std::time::Duration;

use phony_call::Refused;

use crate::cluster::Unreached;
use crate::store::StoreError;

/// The server is stopping and takes no new calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server is stopping and takes no new calls")]
pub struct Draining;

/// Why a supervisor's action was not carried out, by culprit.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The call refuses the action in its present state.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The call has not ended, but no process has it at the moment.
    #[error("the call was lost and is not back yet")]
    Lost,
    /// The call's node cannot be reached, or there is no such call.
    #[error(transparent)]
    Unreached(#[from] Unreached),
    /// The store does not answer.
    #[error("the store does not answer: {}", .0.cause())]
    Store(#[from] StoreError),
}

/// A carrier's report that could not be delivered to its call yet.
#[derive(Debug, thiserror::Error)]
#[error("the report has not been passed on yet: {why}; send it again")]
pub struct ReportNotDelivered {
    /// The cause.
    pub(crate) why: String,
    /// When the carrier should send it again.
    pub(crate) again: Duration,
}
