//! `GET /calls` and what is below it.

use std::fmt::Write as _;

use axum::Json;
use axum::extract::{Path, Query};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use phony_call::{CallSid, Direction, EndReason, Event, EventBody};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::auth::Supervisor;
use crate::error::{ApiError, ErrorBody};
use crate::events::{Kept, Listed};
use crate::registry::Letter;

/// How many calls a page holds unless told otherwise, and at most.
const PAGE: (usize, usize) = (50, 200);

/// Which calls to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub(super) struct Filter {
    /// Only live ones, or only ended ones.
    live: Option<String>,
    /// A part of a number, an agent's id or a call's id.
    q: Option<String>,
    /// How many at most; 50 unless told otherwise, 200 at most.
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A page of calls, newest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Page {
    calls: Vec<Line>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// One call of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Line {
    call_sid: String,
    from: String,
    to: String,
    #[schema(value_type = String, example = "inbound")]
    direction: Direction,
    agent: String,
    carrier: String,
    /// RFC 3339, UTC.
    started_at: String,
    /// `live` or `ended`.
    status: &'static str,
    /// Once it has ended.
    duration_ms: Option<u64>,
    /// Why it ended.
    #[schema(value_type = Option<String>, example = "caller_hung_up")]
    end_reason: Option<EndReason>,
}

/// The calls there are, newest first.
#[utoipa::path(
    get, path = "/calls", tag = "calls", operation_id = "list_calls", params(Filter),
    responses(
        (status = 200, body = Page),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn list(
    supervisor: Supervisor,
    Query(filter): Query<Filter>,
) -> Result<Json<Page>, ApiError> {
    let live = match filter.live.as_deref() {
        None | Some("") => None,
        Some("true" | "1") => Some(true),
        Some("false" | "0") => Some(false),
        Some(_) => return Err(ApiError::field("live", "is neither true nor false")),
    };
    let limit = match filter.limit.as_deref() {
        None | Some("") => PAGE.0,
        Some(text) => match text.parse() {
            Ok(limit @ 1..) => std::cmp::min(limit, PAGE.1),
            Ok(0) | Err(_) => return Err(ApiError::field("limit", "is not a number from 1 on")),
        },
    };
    let wanted = filter.q.as_deref().unwrap_or_default().trim().to_lowercase();
    let lines = supervisor.switchboard().hub.list().into_iter().filter_map(line);
    let mut lines: Vec<_> = lines
        .filter(|line| live.is_none_or(|live| live == (line.status == "live")))
        .filter(|line| line.contains(&wanted))
        .collect();
    if let Some(cursor) = filter.cursor.as_deref().filter(|cursor| !cursor.is_empty()) {
        let at = lines.iter().position(|line| line.call_sid == cursor);
        let at = at.ok_or_else(|| ApiError::field("cursor", "is not known, or no longer"))?;
        lines.drain(..=at);
    }
    let more = lines.len() > limit;
    lines.truncate(limit);
    let next = lines.last().filter(|_| more).map(|line| line.call_sid.clone());
    Ok(Json(Page { calls: lines, next }))
}

/// Everything about one call.
#[utoipa::path(
    get, path = "/calls/{callSid}", tag = "calls",
    params(("callSid" = String, Path, description = "The call")),
    responses(
        (status = 200, description = "The call as it stands", body = Object),
        (status = 401, body = ErrorBody), (status = 404, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn show(
    supervisor: Supervisor,
    Path(call): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let call = CallSid::parse(&call).map_err(|_| ApiError::call_not_found())?;
    let live = match supervisor.switchboard().find(&call) {
        Some(handle) => handle.ask(Letter::Snapshot).await,
        None => None,
    };
    let is_live = live.is_some();
    let kept = || supervisor.switchboard().hub.kept(&call).and_then(|kept| kept.snapshot);
    let mut snapshot = live.or_else(kept).ok_or_else(ApiError::call_not_found)?;
    if let Value::Object(fields) = &mut snapshot {
        let status = if is_live { "live" } else { "ended" };
        fields.insert("status".into(), status.into());
        let latencies = supervisor.switchboard().hub.kept(&call).map(|kept| latencies(&kept));
        fields.insert("latencies".into(), latencies.into());
    }
    Ok(Json(snapshot))
}

/// In which form a transcript is wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub(super) struct Form {
    /// `json`, or `txt` for people.
    format: Option<String>,
}

/// Who said what, as it was heard.
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
pub(super) async fn transcript(
    supervisor: Supervisor,
    Path(call): Path<String>,
    Query(form): Query<Form>,
) -> Result<Response, ApiError> {
    let Json(snapshot) = show(supervisor, Path(call)).await?;
    let turns = snapshot.get("turns").cloned().unwrap_or_default();
    match form.format.as_deref() {
        None | Some("" | "json") => {
            let body = json!({ "callSid": snapshot.get("callSid"), "turns": turns });
            Ok(Json(body).into_response())
        }
        Some("txt") => {
            let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            Ok((kind, as_text(&turns)).into_response())
        }
        Some(_) => Err(ApiError::field("format", "is neither json nor txt")),
    }
}

impl Line {
    fn contains(&self, wanted: &str) -> bool {
        [&self.call_sid, &self.from, &self.to, &self.agent]
            .iter()
            .any(|text| text.to_lowercase().contains(wanted))
    }
}

fn line(listed: Listed) -> Option<Line> {
    let Event { body, call, at, .. } = listed.start;
    let EventBody::SessionStart { from, to, direction, agent, carrier, .. } = body else {
        return None;
    };
    let (duration_ms, end_reason) = match listed.end.map(|event| event.body) {
        Some(EventBody::SessionEnd { reason, duration_ms }) => (Some(duration_ms), Some(reason)),
        _ => (None, None),
    };
    Some(Line {
        call_sid: call.to_string(),
        from,
        to,
        direction,
        agent,
        carrier,
        started_at: at.to_string(),
        status: if end_reason.is_some() { "ended" } else { "live" },
        duration_ms,
        end_reason,
    })
}

/// The latencies that were measured, oldest first.
fn latencies(kept: &Kept) -> Vec<Value> {
    let wanted = kept.events.iter().filter(|event| event.contains("\"type\":\"latency\""));
    let parsed = wanted.filter_map(|event| serde_json::from_str::<Value>(event).ok());
    let latency = |event: Value| {
        (event["type"] == "latency")
            .then(|| json!({ "turn": event["turn"], "stage": event["stage"], "ms": event["ms"] }))
    };
    parsed.filter_map(latency).collect()
}

fn as_text(turns: &Value) -> String {
    let mut text = String::new();
    for turn in turns.as_array().into_iter().flatten() {
        let part = |name: &str| turn[name].as_str().unwrap_or_default();
        let time = part("at").get(11..19).unwrap_or_default();
        let cut = if turn["interrupted"] == true { " —" } else { "" };
        writeln!(text, "{time}  {}: {}{cut}", part("speaker"), part("text"))
            .expect("writing to a string cannot fail");
    }
    text
}
