//! `GET /calls/{callSid}/transcript`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::show::show;
use crate::app::App;
use crate::history;
use crate::http::auth::Supervisor;
use crate::http::error::{ApiError, ErrorBody};

/// The format of a transcript.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub(in crate::http) struct Form {
    /// `json`, or `txt` for plain text.
    format: Option<String>,
}

/// Returns who said what, as it was heard.
#[utoipa::path(
    get, path = "/calls/{callSid}/transcript", tag = "calls",
    params(("callSid" = String, Path, description = "The call"), Form),
    responses(
        (status = 200, description = "Turns, oldest first", body = Object),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in crate::http) async fn transcript(
    app: State<Arc<App>>,
    supervisor: Supervisor,
    Path(call): Path<String>,
    Query(form): Query<Form>,
) -> Result<Response, ApiError> {
    let Json(details) = show(app, supervisor, Path(call)).await?;
    if details["callSid"].is_null() {
        // An order that became no call.
        return Err(ApiError::call_not_found());
    }
    match form.format.as_deref() {
        None | Some("" | "json") => {
            let body = json!({ "callSid": details["callSid"], "turns": details["turns"] });
            Ok(Json(body).into_response())
        }
        Some("txt") => {
            let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            Ok((kind, history::transcript(&details)).into_response())
        }
        Some(_) => Err(ApiError::field("format", "is neither json nor txt")),
    }
}
