//! `POST /override/whisper`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use phony_call::{Action, CallSid};

use super::super::auth::Supervisor;
use super::super::body::{Body, Fields, Read};
use super::{Acknowledgement, act};
use crate::calls::Calls;
use crate::http::error::{ApiError, ErrorBody};

/// Guidance for the AI.
#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in super::super) struct WhisperRequest {
    /// The call.
    #[schema(value_type = String)]
    call_sid: CallSid,
    /// Up to 4 KB.
    text: String,
}

impl Read for WhisperRequest {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        Ok(Self { call_sid: fields.call()?, text: fields.words("text")? })
    }
}

/// Gives the AI guidance, which is never spoken itself.
#[utoipa::path(
    post, path = "/override/whisper", tag = "override", request_body = WhisperRequest,
    responses(
        (status = 200, body = Acknowledgement),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 429, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in super::super) async fn whisper(
    State(calls): State<Arc<Calls>>,
    supervisor: Supervisor,
    Body(request): Body<WhisperRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    act(&calls, &supervisor, &request.call_sid, Action::Whisper(request.text)).await
}
