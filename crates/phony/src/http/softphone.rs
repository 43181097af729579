//! `WS /softphone/ws`: a call from the page, without a telephone.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::Http;
use super::auth::Supervisor;
use crate::error::{ApiError, ErrorBody, ErrorCode};
use crate::runtime::websocket::Upgrade;

/// With whom to speak.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub(super) struct Wanted {
    /// The agent's id; the one that answers by default if absent.
    agent: Option<String>,
}

/// A call over this very socket, in which the page does what Twilio does: it sends the frames of
/// `ConversationRelay` that Twilio sends, and is sent those that Twilio is sent.
///
/// The first frame is `setup`, within 10 s; its `callSid` names the call (`CA` and 32 hexadecimal digits of the
/// page's own making, or empty). Closing with 1000 hangs up; after any other end the same `callSid`
/// brings the call back, for 30 s.
///
/// The server pings the socket every 10 s, and takes a page that leaves two pings in a row without an
/// answer for gone. A page that sends `{"type":"heartbeat"}` is answered with
/// `{"type":"heartbeat","timestamp":"…"}`, as on `/events/ws`, and gets one every 10 s from then on.
#[utoipa::path(
    get, path = "/softphone/ws", tag = "calls", params(Wanted),
    responses(
        (status = 101, description = "ConversationRelay frames, both ways"),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, description = "A page of another site", body = ErrorBody),
        (status = 503, description = "The server is stopping", body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn softphone(
    State(http): State<Http>,
    supervisor: Supervisor,
    Query(wanted): Query<Wanted>,
    upgrade: Result<Upgrade, ApiError>,
) -> Result<Response, ApiError> {
    let switchboard = supervisor.switchboard();
    let upgrade = upgrade?;
    let agent = wanted.agent.filter(|id| !id.is_empty());
    if agent.as_ref().is_some_and(|id| switchboard.agents.find(id).is_none()) {
        return Err(ApiError::field("agent", "is none of the agents"));
    }
    if switchboard.shutdown.drain.is_cancelled() {
        return Err(ApiError::new(ErrorCode::Unavailable, "the server is stopping"));
    }
    let switchboard = Arc::clone(&http.switchboard);
    let (softphone, tasks) = (switchboard.softphone.clone(), switchboard.calls.clone());
    Ok(upgrade
        .answer(&tasks, async move |socket| softphone.carry(switchboard, socket, agent).await))
}
