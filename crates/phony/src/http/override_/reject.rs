//! `POST /override/reject`.

use axum::Json;
use phony_call::{Action, CallSid, TurnId};

use super::super::auth::Supervisor;
use super::super::body::{Body, Fields, Read};
use super::{Done, act};
use crate::http::error::{ApiError, ErrorBody};

/// A refusal of a held reply.
#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in super::super) struct RejectOrder {
    /// The call.
    #[schema(value_type = String)]
    call_sid: CallSid,
    /// Up to 4 KB.
    reason: Option<String>,
    /// The held reply that is meant: the `turn` of its `pending_response`. If it has been decided
    /// on meanwhile, the answer is 409. Without it, whichever reply is held.
    #[schema(value_type = Option<u32>)]
    reply: Option<TurnId>,
}

impl Read for RejectOrder {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        let reply = fields.optional_number("reply")?.map(TurnId);
        Ok(Self { call_sid: fields.call()?, reason: fields.optional_words("reason")?, reply })
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
    let RejectOrder { call_sid, reason, reply } = order;
    act(&supervisor, &call_sid, Action::Reject { reason, reply }).await
}
