//! `POST /override/reject`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use phony_call::{Action, CallSid, TurnId};

use super::super::auth::Supervisor;
use super::super::body::{Body, Fields, Read};
use super::{Acknowledgement, act};
use crate::calls::Calls;
use crate::http::error::{ApiError, ErrorBody};

/// The rejection of a held reply.
#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in super::super) struct RejectRequest {
    /// The call.
    #[schema(value_type = String)]
    call_sid: CallSid,
    /// Up to 4 KB.
    reason: Option<String>,
    /// The held reply: the `turn` of its `pending_response`. If it was settled meanwhile, the
    /// response is 409. If absent, whichever reply is held.
    #[schema(value_type = Option<u32>)]
    reply: Option<TurnId>,
}

impl Read for RejectRequest {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        let reply = fields.optional_number("reply")?.map(TurnId);
        Ok(Self { call_sid: fields.call()?, reason: fields.optional_words("reason")?, reply })
    }
}

/// Drops a held reply; the AI tries again with the reason.
#[utoipa::path(
    post, path = "/override/reject", tag = "override", request_body = RejectRequest,
    responses(
        (status = 200, body = Acknowledgement),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 429, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in super::super) async fn reject(
    State(calls): State<Arc<Calls>>,
    supervisor: Supervisor,
    Body(request): Body<RejectRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    let RejectRequest { call_sid, reason, reply } = request;
    act(&calls, &supervisor, &call_sid, Action::Reject { reason, reply }).await
}
