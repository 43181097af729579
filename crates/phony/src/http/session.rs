//! `GET /session`: the log-in of the request.

use axum::Json;
use phony_call::SupervisorId;
use serde::Serialize;

use super::auth::Supervisor;
use crate::http::error::ErrorBody;

/// A log-in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Session {
    /// The id, as in `holder` of calls and events.
    #[schema(value_type = String)]
    session: SupervisorId,
}

/// Returns the id of this log-in, by which a page knows whether it holds a takeover. All tabs of a
/// browser share one log-in, and so do all clients with the same token.
#[utoipa::path(
    get, path = "/session", tag = "session",
    responses(
        (status = 200, body = Session), (status = 401, body = ErrorBody),
        (status = 429, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn session(supervisor: Supervisor) -> Json<Session> {
    Json(Session { session: supervisor.id().clone() })
}
