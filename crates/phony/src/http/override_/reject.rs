//! `POST /override/reject`.

use axum::Json;
use phony_call::{Action, CallSid};

use super::super::auth::Supervisor;
use super::super::body::{Body, Fields, Read};
use super::{Done, act};
use crate::error::{ApiError, ErrorBody};

/// A refusal of a held reply.
#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in super::super) struct RejectOrder {
    /// The call.
    #[schema(value_type = String)]
    call_sid: CallSid,
    /// Up to 4 KB.
    reason: Option<String>,
}

impl Read for RejectOrder {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        Ok(Self { call_sid: fields.call()?, reason: fields.optional_words("reason")? })
    }
}

/// Drops a held reply; the AI tries again with the reason.
#[utoipa::path(
    post, path = "/override/reject", tag = "override", request_body = RejectOrder,
    responses(
        (status = 200, body = Done),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 429, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in super::super) async fn reject(
    supervisor: Supervisor,
    Body(order): Body<RejectOrder>,
) -> Result<Json<Done>, ApiError> {
    act(&supervisor, &order.call_sid, Action::Reject(order.reason)).await
}
