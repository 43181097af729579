//! `GET /calls`.

use axum::Json;
use axum::extract::{Query, State};
use phony_call::{Direction, EndReason};
use serde::{Deserialize, Serialize};

use crate::history::{self, FilterParams, History, ListQuery, Listing, Match, UnplacedOrder};
use crate::http::auth::Supervisor;
use crate::http::error::{ApiError, ErrorBody};

/// The default number of calls on a page, and the maximum.
const PAGE: (usize, usize) = (50, 200);

/// Which page of the list to return.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub(in crate::http) struct PageParams {
    /// The most calls on the page: 50 by default, at most 200.
    limit: Option<String>,
    /// `next` of the previous page.
    cursor: Option<String>,
}

/// A page of calls, newest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::http) struct CallPage {
    calls: Vec<CallSummary>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
    /// Whether the store does not answer, so that calls are missing that are not live here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    incomplete: bool,
}

/// One call in a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct CallSummary {
    /// Null for an order that became no call.
    call_sid: Option<String>,
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
    /// The carrier's status (`queued`, `ringing`, `in-progress`, `completed`, `busy`, `no-answer`,
    /// `failed`, `canceled`) if it is known, else `live` or `ended`. For an order that became no
    /// call `refused`, `failed` or `unknown`.
    status: String,
    /// Whether the call is live.
    live: bool,
    /// Once it has ended.
    duration_ms: Option<u64>,
    /// Why it ended.
    #[schema(value_type = Option<String>, example = "caller_hung_up")]
    end_reason: Option<EndReason>,
    /// Utterances of either side.
    turns: u32,
    /// Cost of the model, in US dollars.
    cost_usd: f64,
    /// Where the words of `q` were said first.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    place: Option<SearchMatch>,
    /// For an order that became no call: its id, by which it is shown and deleted as a call is by
    /// its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "OR0123456789abcdef")]
    order_id: Option<String>,
    /// For an order that became no call: its scenario.
    #[serde(skip_serializing_if = "Option::is_none")]
    scenario: Option<String>,
    /// For an order that became no call: the rule that forbade it, or the kind of failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "do_not_call")]
    rule: Option<String>,
    /// For an order that became no call: the reason in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// For an order that became no call: who gave it, as in the ledger: a fingerprint of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "token:0011aabb")]
    by: Option<String>,
    /// For an order that became no call: the name of who gave it, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<String>,
}

/// A match of the words of `q`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct SearchMatch {
    /// The number of the event with the words.
    seq: u64,
    /// An excerpt around the words.
    text: String,
}

/// Lists calls, newest first.
#[utoipa::path(
    get, path = "/calls", tag = "calls", operation_id = "list_calls", params(FilterParams, PageParams),
    responses(
        (status = 200, body = CallPage),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(in crate::http) async fn list(
    State(history): State<History>,
    _: Supervisor,
    Query(params): Query<FilterParams>,
    Query(page): Query<PageParams>,
) -> Result<Json<CallPage>, ApiError> {
    let filter = params.read()?;
    let limit = match given(page.limit.as_ref()) {
        None => PAGE.0,
        Some(text) => match text.parse() {
            Ok(limit @ 1..) => std::cmp::min(limit, PAGE.1),
            Ok(0) | Err(_) => return Err(ApiError::field("limit", "is not a number from 1 on")),
        },
    };
    let cursor = given(page.cursor.as_ref()).map(str::parse).transpose();
    let after = cursor.map_err(|_| ApiError::field("cursor", "is not `next` of a page"))?;
    let wanted = ListQuery { filter, after, limit };
    let listing = history.list(&wanted).await;
    Ok(Json(CallPage {
        next: listing.next.as_ref().map(ToString::to_string),
        incomplete: listing.incomplete,
        calls: summaries(listing),
    }))
}

/// Empty parameters count as missing.
fn given(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// Calls, and orders among them, newest first.
fn summaries(listing: Listing) -> Vec<CallSummary> {
    let calls = listing.calls.into_iter();
    let calls = calls.map(|(summary, place)| (summary.cursor(), CallSummary::new(summary, place)));
    let orders = listing.orders.into_iter();
    let orders = orders.map(|order| (order.cursor(), CallSummary::unplaced(order)));
    let mut summaries: Vec<_> = calls.chain(orders).collect();
    summaries.sort_by(|(a, _), (b, _)| b.cmp(a));
    summaries.into_iter().map(|(_, summary)| summary).collect()
}

impl CallSummary {
    /// An order that became no call, with the fields of a call.
    fn unplaced(order: UnplacedOrder) -> Self {
        let at = order.at.to_string();
        Self {
            call_sid: None,
            from: order.from.unwrap_or_default(),
            to: order.to,
            direction: Direction::Outbound,
            agent: order.agent.unwrap_or_default(),
            carrier: "twilio".to_owned(),
            started_at: at.clone(),
            ended_at: Some(at),
            status: order.outcome.as_str().to_owned(),
            live: false,
            duration_ms: None,
            end_reason: None,
            turns: 0,
            cost_usd: 0.0,
            place: None,
            order_id: Some(order.id.to_string()),
            scenario: order.scenario,
            rule: order.rule,
            reason: Some(order.reason),
            by: Some(order.by),
            who: order.who,
        }
    }

    fn new(summary: history::CallSummary, place: Option<Match>) -> Self {
        let is_live = summary.end.is_none();
        let state = if is_live { "live" } else { "ended" };
        Self {
            call_sid: Some(summary.sid.to_string()),
            from: summary.from,
            to: summary.to,
            direction: summary.direction,
            agent: summary.agent,
            carrier: summary.carrier,
            started_at: summary.started.to_string(),
            ended_at: summary.end.map(|end| end.at.to_string()),
            status: summary.status.unwrap_or_else(|| state.to_owned()),
            live: is_live,
            duration_ms: summary.end.map(|end| end.duration_ms),
            end_reason: summary.end.map(|end| end.reason),
            turns: summary.turns,
            cost_usd: summary.cost_usd,
            place: place.map(|Match { seq, text }| SearchMatch { seq, text }),
            order_id: None,
            scenario: None,
            rule: None,
            reason: None,
            by: None,
            who: None,
        }
    }
}
