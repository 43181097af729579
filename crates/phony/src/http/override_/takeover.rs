//! `POST /override/takeover`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use phony_call::Action;

use super::super::auth::Supervisor;
use super::super::body::Body;
use super::{Acknowledgement, ActionRequest, act};
use crate::calls::Calls;
use crate::http::error::{ApiError, ErrorBody};

/// Silences the AI; a human speaks through `/override/text`.
///
/// The supervisor holds the takeover, and counts as present with an open `/events/ws` or by sending
/// requests. If they are absent, the others are alerted after 20 s and the AI goes on after 60 s. A
/// takeover held by another supervisor passes to this one.
#[utoipa::path(
    post, path = "/override/takeover", tag = "override", request_body = ActionRequest,
    responses(
        (status = 200, body = Acknowledgement),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 429, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in super::super) async fn takeover(
    State(calls): State<Arc<Calls>>,
    supervisor: Supervisor,
    Body(request): Body<ActionRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    act(&calls, &supervisor, &request.call_sid, Action::TakeOver).await
}
