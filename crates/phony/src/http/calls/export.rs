//! `GET /calls/export`.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;

use crate::history::{Export, FilterParams, Form, History};
use crate::http::auth::Supervisor;
use crate::http::error::{ApiError, ErrorBody};

/// The format of an export.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub(in crate::http) struct ExportForm {
    /// `jsonl`: one JSON object per line, with all details of a call; `csv`: a table of calls;
    /// `txt`: what was said.
    format: Option<String>,
}

/// Exports all calls that pass the filter, newest first.
#[utoipa::path(
    get, path = "/calls/export", tag = "calls", operation_id = "export_calls",
    params(FilterParams, ExportForm),
    responses(
        (status = 200, description = "JSON Lines, CSV or text", body = String),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in crate::http) async fn export(
    State(history): State<History>,
    _: Supervisor,
    Query(params): Query<FilterParams>,
    Query(form): Query<ExportForm>,
) -> Result<Response, ApiError> {
    let (form, kind) = match form.format.as_deref() {
        None | Some("" | "jsonl") => (Form::JsonLines, "application/jsonl"),
        Some("csv") => (Form::Csv, "text/csv; charset=utf-8"),
        Some("txt") => (Form::Text, "text/plain; charset=utf-8"),
        Some(_) => return Err(ApiError::field("format", "is none of jsonl, csv, txt")),
    };
    let mut export = Export::new(history, form, params.read()?);
    // Read first, so that an error of the store becomes an error response.
    let first = export.next().await.transpose()?;
    let parts = stream::unfold((first, export), async |(first, mut export)| {
        let part = match first {
            Some(part) => Ok(part),
            None => export.next().await?,
        };
        Some((part, (None, export)))
    });
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(parts)).into_response())
}
