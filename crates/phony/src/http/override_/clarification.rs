//! `POST /override/clarification`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use phony_call::{Action, CallSid};

use super::super::auth::Supervisor;
use super::super::body::{Body, Fields, Read};
use super::{Acknowledgement, act};
use crate::calls::Calls;
use crate::http::error::{ApiError, ErrorBody};

/// An answer to a question of the AI.
#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in super::super) struct ClarificationRequest {
    /// The call.
    #[schema(value_type = String)]
    call_sid: CallSid,
    /// Up to 4 KB.
    response: String,
    /// The question: the `seq` of its `query`. If it was answered meanwhile, or another question
    /// comes first, the response is 409. If absent, whichever question is pending.
    query: Option<u64>,
}

impl Read for ClarificationRequest {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        let query = fields.optional_number("query")?;
        Ok(Self { call_sid: fields.call()?, response: fields.words("response")?, query })
    }
}

/// Answers the AI's pending question.
#[utoipa::path(
    post, path = "/override/clarification", tag = "override", request_body = ClarificationRequest,
    responses(
        (status = 200, body = Acknowledgement),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 429, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in super::super) async fn clarification(
    State(calls): State<Arc<Calls>>,
    supervisor: Supervisor,
    Body(request): Body<ClarificationRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    let ClarificationRequest { call_sid, response: text, query } = request;
    act(&calls, &supervisor, &call_sid, Action::Answer { text, query }).await
}
