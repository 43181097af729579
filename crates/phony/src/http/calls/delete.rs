//! `DELETE /calls/{callSid}`.

use axum::Json;
use axum::extract::Path;
use phony_call::CallSid;

use crate::history::Deletion;
use crate::http::auth::Supervisor;
use crate::http::error::{ApiError, ErrorBody, ErrorCode};
use crate::http::override_::Done;

/// Deletes a call that has ended: its record, what was said in it, and all that is found by it.
///
/// An order that became no call is deleted by its `orderId`.
#[utoipa::path(
    delete, path = "/calls/{callSid}", tag = "calls", operation_id = "delete_call",
    params(("callSid" = String, Path, description = "The call")),
    responses(
        (status = 200, body = Done),
        (status = 401, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, description = "The call is live", body = ErrorBody),
        (status = 503, description = "The store does not answer", body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in crate::http) async fn delete(
    supervisor: Supervisor,
    Path(call): Path<String>,
) -> Result<Json<Done>, ApiError> {
    let call = CallSid::parse(&call).map_err(|_| ApiError::call_not_found())?;
    let switchboard = supervisor.switchboard();
    if switchboard.find(&call).is_some() {
        return Err(is_live());
    }
    match switchboard.history.delete(&call).await? {
        Deletion::Done => {
            tracing::info!(callSid = %call, "a supervisor deleted the call");
            Ok(Done::ok())
        }
        Deletion::Unknown => Err(ApiError::call_not_found()),
        Deletion::Live => Err(is_live()),
    }
}

fn is_live() -> ApiError {
    ApiError::new(ErrorCode::Conflict, "the call is live; end it first")
}
