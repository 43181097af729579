//! `POST /override/end`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use phony_call::Action;

use super::super::auth::Supervisor;
use super::super::body::Body;
use super::{Acknowledgement, ActionRequest, act};
use crate::calls::Calls;
use crate::http::error::{ApiError, ErrorBody};

/// Hangs up, whatever the call is doing. If there is no line, because the call rings, was lost or
/// was transferred, the carrier is asked to end it; if that fails, the response is 502, and the
/// request is repeated until the call is over.
#[utoipa::path(
    post, path = "/override/end", tag = "override", request_body = ActionRequest,
    responses(
        (status = 200, body = Acknowledgement),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 429, body = ErrorBody), (status = 502, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in super::super) async fn end(
    State(calls): State<Arc<Calls>>,
    supervisor: Supervisor,
    Body(request): Body<ActionRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    act(&calls, &supervisor, &request.call_sid, Action::End).await
}
