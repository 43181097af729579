//! `POST /override/dtmf`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use phony_call::{Action, CallSid, Digits};

use super::super::auth::Supervisor;
use super::super::body::{Body, Fields, Read};
use super::{Acknowledgement, act};
use crate::calls::Calls;
use crate::http::error::{ApiError, ErrorBody};

/// Keys to press.
#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in super::super) struct DtmfRequest {
    /// The call.
    #[schema(value_type = String)]
    call_sid: CallSid,
    /// One of `0-9 * #`. The field `digits` in its place takes several, and `w` for a pause of 500
    /// ms.
    #[schema(value_type = String, example = "5")]
    digit: Digits,
}

impl Read for DtmfRequest {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        let call_sid = fields.call()?;
        let (name, keys) = match (fields.optional("digits")?, fields.optional("digit")?) {
            (Some(digits), _) => ("digits", digits),
            (None, Some(digit)) if digit.chars().count() == 1 => ("digit", digit),
            (None, Some(_)) => return Err(ApiError::field("digit", "is not one key")),
            (None, None) => return Err(ApiError::field("digit", "is missing")),
        };
        let digit =
            Digits::parse(keys).map_err(|error| ApiError::field(name, &format!("is {error}")))?;
        Ok(Self { call_sid, digit })
    }
}

/// Presses keys.
#[utoipa::path(
    post, path = "/override/dtmf", tag = "override", request_body = DtmfRequest,
    responses(
        (status = 200, body = Acknowledgement),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 429, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in super::super) async fn dtmf(
    State(calls): State<Arc<Calls>>,
    supervisor: Supervisor,
    Body(request): Body<DtmfRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    act(&calls, &supervisor, &request.call_sid, Action::Press(request.digit)).await
}
