//! `POST /override/release`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use phony_call::Action;

use super::super::auth::Supervisor;
use super::super::body::Body;
use super::{Acknowledgement, ActionRequest, act};
use crate::calls::Calls;
use crate::http::error::{ApiError, ErrorBody};

/// Hands the call back to the AI, which knows what was said.
#[utoipa::path(
    post, path = "/override/release", tag = "override", request_body = ActionRequest,
    responses(
        (status = 200, body = Acknowledgement),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 429, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in super::super) async fn release(
    State(calls): State<Arc<Calls>>,
    supervisor: Supervisor,
    Body(request): Body<ActionRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    act(&calls, &supervisor, &request.call_sid, Action::Release).await
}
