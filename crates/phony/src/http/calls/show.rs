//! `GET /calls/{callSid}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use phony_call::{CallSid, Owner};
use serde_json::Value;

use crate::app::App;
use crate::calls::registry::CallMessage;
use crate::history;
use crate::http::auth::Supervisor;
use crate::http::error::{ApiError, ErrorBody};

/// Returns all details of one call.
///
/// Parties, agent, times, `status`, `live`, `endReason`; `turns` with what was said and heard, each
/// with its `latency` by stage; `commands` and `overrides` with who issued them; `latencies`,
/// `errors`, `usage`, `costUsd`; for a live call also what it is doing and waiting for. For the
/// `orderId` of an order that became no call, what the list shows of it.
#[utoipa::path(
    get, path = "/calls/{callSid}", tag = "calls",
    params(("callSid" = String, Path, description = "The call")),
    responses(
        (status = 200, description = "The call as it stands", body = Object),
        (status = 401, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 503, description = "The store does not answer", body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in crate::http) async fn show(
    State(app): State<Arc<App>>,
    _: Supervisor,
    Path(call): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let call = CallSid::parse(&call).map_err(|_| ApiError::call_not_found())?;
    let snapshot = match app.calls.find(&call) {
        Some(handle) => handle.ask(CallMessage::Snapshot).await,
        None => None,
    };
    let history = &app.history;
    let Some(summary) = history.summary(&call).await? else {
        let order = history.order(&call).await?.ok_or_else(ApiError::call_not_found)?;
        return Ok(Json(order.document()));
    };
    let events = history.events(&call, 0).await?.ok_or_else(ApiError::call_not_found)?;
    let owner = if app.cluster.is_some() { Owner::OtherNode } else { Owner::Nobody };
    let details = history::details(&summary, snapshot, &events, owner);
    Ok(Json(details.ok_or_else(ApiError::call_not_found)?))
}
