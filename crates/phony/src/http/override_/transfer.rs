//! `POST /override/transfer`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use phony_call::{Action, CallSid, NotDialled, PhoneNumber, Unreadable};

use super::super::auth::Supervisor;
use super::super::body::{Body, Fields, Read};
use super::{Acknowledgement, act};
use crate::calls::Calls;
use crate::http::error::{ApiError, ErrorBody};

/// Where to transfer the call.
#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in super::super) struct TransferRequest {
    /// The call.
    #[schema(value_type = String)]
    call_sid: CallSid,
    /// E.164; `number` is accepted in its place.
    #[schema(value_type = String, example = "+15005550006")]
    target: PhoneNumber,
}

impl Read for TransferRequest {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        let call_sid = fields.call()?;
        let (name, number) = match (fields.optional("target")?, fields.optional("number")?) {
            (Some(target), _) => ("target", target),
            (None, Some(number)) => ("number", number),
            (None, None) => return Err(ApiError::field("target", "is missing")),
        };
        let target = PhoneNumber::parse(number).map_err(|error| {
            match PhoneNumber::typed(number, None) {
                // A valid number that a rule forbids, as in an order to call somebody.
                Err(Unreadable::Never(why @ (NotDialled::Withheld | NotDialled::Emergency))) => {
                    why.into()
                }
                Ok(_) | Err(_) => ApiError::field(name, &format!("is {error}")),
            }
        })?;
        Ok(Self { call_sid, target })
    }
}

/// Transfers the call.
#[utoipa::path(
    post, path = "/override/transfer", tag = "override", request_body = TransferRequest,
    responses(
        (status = 200, body = Acknowledgement),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 429, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in super::super) async fn transfer(
    State(calls): State<Arc<Calls>>,
    supervisor: Supervisor,
    Body(request): Body<TransferRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    act(&calls, &supervisor, &request.call_sid, Action::Transfer(request.target)).await
}
