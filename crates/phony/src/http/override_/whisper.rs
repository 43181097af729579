//! `POST /override/whisper`.

use axum::Json;
use phony_call::{Action, CallSid};

use super::super::auth::Supervisor;
use super::super::body::{Body, Fields, Read};
use super::{Done, act};
use crate::http::error::{ApiError, ErrorBody};

/// Guidance for the AI.
#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in super::super) struct WhisperOrder {
    /// The call.
    #[schema(value_type = String)]
    call_sid: CallSid,
    /// Up to 4 KB.
    text: String,
}

impl Read for WhisperOrder {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        Ok(Self { call_sid: fields.call()?, text: fields.words("text")? })
    }
}

/// Guides the AI; never spoken itself.
#[utoipa::path(
    post, path = "/override/whisper", tag = "override", request_body = WhisperOrder,
    responses(
        (status = 200, body = Done),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 429, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in super::super) async fn whisper(
    supervisor: Supervisor,
    Body(order): Body<WhisperOrder>,
) -> Result<Json<Done>, ApiError> {
    act(&supervisor, &order.call_sid, Action::Whisper(order.text)).await
}
