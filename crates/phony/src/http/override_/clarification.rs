//! `POST /override/clarification`.

use axum::Json;
use phony_call::{Action, CallSid};

use super::super::auth::Supervisor;
use super::super::body::{Body, Fields, Read};
use super::{Done, act};
use crate::http::error::{ApiError, ErrorBody};

/// An answer for the AI.
#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in super::super) struct ClarificationOrder {
    /// The call.
    #[schema(value_type = String)]
    call_sid: CallSid,
    /// Up to 4 KB.
    response: String,
    /// The question that is meant: the `seq` of its `query`. If it has been answered meanwhile, or
    /// another one comes first, the answer is 409. Without it, whichever question waits.
    query: Option<u64>,
}

impl Read for ClarificationOrder {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        let query = fields.optional_number("query")?;
        Ok(Self { call_sid: fields.call()?, response: fields.words("response")?, query })
    }
}

/// Answers the AI's pending question.
#[utoipa::path(
    post, path = "/override/clarification", tag = "override", request_body = ClarificationOrder,
    responses(
        (status = 200, body = Done),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 429, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in super::super) async fn clarification(
    supervisor: Supervisor,
    Body(order): Body<ClarificationOrder>,
) -> Result<Json<Done>, ApiError> {
    let ClarificationOrder { call_sid, response: text, query } = order;
    act(&supervisor, &call_sid, Action::Answer { text, query }).await
}
