//! `DELETE /calls/{callSid}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use phony_call::CallSid;

use crate::calls::Calls;
use crate::history::{Deletion, History};
use crate::http::auth::Supervisor;
use crate::http::error::{ApiError, ErrorBody, ErrorCode};
use crate::http::override_::Acknowledgement;

/// Deletes a call that has ended: its events, what was said in it, and its entries in the search
/// index.
///
/// An order that became no call is deleted by its `orderId`.
#[utoipa::path(
    delete, path = "/calls/{callSid}", tag = "calls", operation_id = "delete_call",
    params(("callSid" = String, Path, description = "The call")),
    responses(
        (status = 200, body = Acknowledgement),
        (status = 401, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, description = "The call is live", body = ErrorBody),
        (status = 503, description = "The store does not answer", body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in crate::http) async fn delete(
    State(calls): State<Arc<Calls>>,
    State(history): State<History>,
    _: Supervisor,
    Path(call): Path<String>,
) -> Result<Json<Acknowledgement>, ApiError> {
    let call = CallSid::parse(&call).map_err(|_| ApiError::call_not_found())?;
    if calls.find(&call).is_some() {
        return Err(is_live());
    }
    match history.delete(&call).await? {
        Deletion::Done => {
            tracing::info!(callSid = %call, "a supervisor deleted the call");
            Ok(Acknowledgement::ok())
        }
        Deletion::Unknown => Err(ApiError::call_not_found()),
        Deletion::Live => Err(is_live()),
    }
}

fn is_live() -> ApiError {
    ApiError::new(ErrorCode::Conflict, "the call is live; end it first")
}
