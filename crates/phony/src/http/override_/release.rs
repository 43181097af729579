//! `POST /override/release`.

use axum::Json;
use phony_call::Action;

use super::super::auth::Supervisor;
use super::super::body::Body;
use super::{CallOrder, Done, act};
use crate::http::error::{ApiError, ErrorBody};

/// Lets the AI go on, knowing what was said.
#[utoipa::path(
    post, path = "/override/release", tag = "override", request_body = CallOrder,
    responses(
        (status = 200, body = Done),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 429, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in super::super) async fn release(
    supervisor: Supervisor,
    Body(order): Body<CallOrder>,
) -> Result<Json<Done>, ApiError> {
    act(&supervisor, &order.call_sid, Action::Release).await
}
