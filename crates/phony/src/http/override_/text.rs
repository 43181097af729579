//! `POST /override/text`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use phony_call::{Action, CallSid, TurnId};

use super::super::auth::Supervisor;
use super::super::body::{Body, Fields, Read};
use super::{Acknowledgement, act};
use crate::calls::Calls;
use crate::http::error::{ApiError, ErrorBody};

/// Words to speak to the caller.
#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in super::super) struct TextRequest {
    /// The call.
    #[schema(value_type = String)]
    call_sid: CallSid,
    /// Up to 4 KB.
    text: String,
    /// The held reply to send, edited or not: the `turn` of its `pending_response`. If it was
    /// settled meanwhile, nothing is spoken and the response is 409.
    #[schema(value_type = Option<u32>)]
    reply: Option<TurnId>,
}

impl Read for TextRequest {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        let reply = fields.optional_number("reply")?.map(TurnId);
        Ok(Self { call_sid: fields.call()?, text: fields.words("text")?, reply })
    }
}

/// Speaks exactly these words to the caller now; also sends a held reply, edited or not.
#[utoipa::path(
    post, path = "/override/text", tag = "override", request_body = TextRequest,
    responses(
        (status = 200, body = Acknowledgement),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 429, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in super::super) async fn text(
    State(calls): State<Arc<Calls>>,
    supervisor: Supervisor,
    Body(request): Body<TextRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    let TextRequest { call_sid, text, reply } = request;
    act(&calls, &supervisor, &call_sid, Action::Say { text, reply }).await
}
