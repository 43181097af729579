//! `GET /calls`.

use axum::Json;
use axum::extract::Query;
use phony_call::{Direction, EndReason};
use serde::{Deserialize, Serialize};

use crate::error::{ApiError, ErrorBody};
use crate::history::{CallLine, Match, Wanted, Which};
use crate::http::auth::Supervisor;

/// How many calls a page holds unless told otherwise, and at most.
const PAGE: (usize, usize) = (50, 200);

/// Which part of the list is wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub(in crate::http) struct Part {
    /// How many at most; 50 unless told otherwise, 200 at most.
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A page of calls, newest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::http) struct Page {
    calls: Vec<Line>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
    /// The store does not answer: calls are missing that are not live here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    incomplete: bool,
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
    /// Once it has ended.
    ended_at: Option<String>,
    /// The carrier's word (`queued`, `ringing`, `in-progress`, `completed`, `busy`, `no-answer`,
    /// `failed`, `canceled`) where it was told, else `live` or `ended`.
    status: String,
    /// Whether it goes on.
    live: bool,
    /// Once it has ended.
    duration_ms: Option<u64>,
    /// Why it ended.
    #[schema(value_type = Option<String>, example = "caller_hung_up")]
    end_reason: Option<EndReason>,
    /// How many utterances were heard, of either side.
    turns: u32,
    /// What the model cost.
    cost_usd: f64,
    /// Where the words of `q` were said first.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
}

/// Where words were said.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Place {
    /// The number of the event, which is that of the turn.
    seq: u64,
    /// The words around it.
    text: String,
}

/// The calls there are, newest first.
#[utoipa::path(
    get, path = "/calls", tag = "calls", operation_id = "list_calls", params(Which, Part),
    responses(
        (status = 200, body = Page),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in crate::http) async fn list(
    supervisor: Supervisor,
    Query(which): Query<Which>,
    Query(part): Query<Part>,
) -> Result<Json<Page>, ApiError> {
    let filter = which.read()?;
    let limit = match given(part.limit.as_ref()) {
        None => PAGE.0,
        Some(text) => match text.parse() {
            Ok(limit @ 1..) => std::cmp::min(limit, PAGE.1),
            Ok(0) | Err(_) => return Err(ApiError::field("limit", "is not a number from 1 on")),
        },
    };
    let cursor = given(part.cursor.as_ref()).map(str::parse).transpose();
    let after = cursor.map_err(|_| ApiError::field("cursor", "is not `next` of a page"))?;
    let wanted = Wanted { filter, after, limit };
    let listing = supervisor.switchboard().history.list(&wanted).await;
    Ok(Json(Page {
        calls: listing.calls.into_iter().map(|(line, place)| Line::new(line, place)).collect(),
        next: listing.next.map(|next| next.to_string()),
        incomplete: listing.incomplete,
    }))
}

/// What is empty is not given.
fn given(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

impl Line {
    fn new(line: CallLine, place: Option<Match>) -> Self {
        let is_live = line.end.is_none();
        let state = if is_live { "live" } else { "ended" };
        Self {
            call_sid: line.sid.to_string(),
            from: line.from,
            to: line.to,
            direction: line.direction,
            agent: line.agent,
            carrier: line.carrier,
            started_at: line.started.to_string(),
            ended_at: line.end.map(|end| end.at.to_string()),
            status: line.status.unwrap_or_else(|| state.to_owned()),
            live: is_live,
            duration_ms: line.end.map(|end| end.duration_ms),
            end_reason: line.end.map(|end| end.reason),
            turns: line.turns,
            cost_usd: line.cost_usd,
            place: place.map(|Match { seq, text }| Place { seq, text }),
        }
    }
}
