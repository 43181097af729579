//! `POST /override/text`.

use axum::Json;
use phony_call::{Action, CallSid};

use super::super::auth::Supervisor;
use super::super::body::{Body, Fields, Read};
use super::{Done, act};
use crate::error::{ApiError, ErrorBody};

/// Words for the caller.
#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in super::super) struct TextOrder {
    /// The call.
    #[schema(value_type = String)]
    call_sid: CallSid,
    /// Up to 4 KB.
    text: String,
}

impl Read for TextOrder {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        Ok(Self { call_sid: fields.call()?, text: fields.words("text")? })
    }
}

/// Speaks to the caller now, exactly these words; also sends a held reply, as it is or edited.
#[utoipa::path(
    post, path = "/override/text", tag = "override", request_body = TextOrder,
    responses(
        (status = 200, body = Done),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 429, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in super::super) async fn text(
    supervisor: Supervisor,
    Body(order): Body<TextOrder>,
) -> Result<Json<Done>, ApiError> {
    act(&supervisor, &order.call_sid, Action::Say(order.text)).await
}
