//! `WS /softphone/ws`: a call from the dashboard, which acts as the telephone and as Twilio.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use phony_call::{CallSid, Direction, EndStatus, Identity};
use phony_wire::twilio::relay::Setup;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::AppState;
use super::auth::Supervisor;
use crate::app::App;
use crate::calls::registry::{CallMessage, Handle};
use crate::carriers::SOFTPHONE;
use crate::carriers::twilio::relay::{Peer, first_frame, line};
use crate::carriers::twilio::socket::{Departure, refuse};
use crate::http::error::{ApiError, ErrorBody, ErrorCode};
use crate::runtime::websocket::{PendingSocket, Upgrade};
use crate::token;

/// Which agent answers.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub(super) struct SoftphoneParams {
    /// The agent's id; the default agent if absent.
    agent: Option<String>,
}

/// Holds a call over this socket, with the page in the role of Twilio: both sides send the frames
/// of `ConversationRelay` as they do with Twilio.
///
/// The first frame is `setup`, within 10 s; its `callSid` names the call (`CA` and 32 hexadecimal
/// digits that the page chooses, or empty). Closing with 1000 hangs up; after any other end of the
/// socket, the same `callSid` resumes the call within 30 s.
///
/// The server pings the socket every 10 s, and closes it if a page leaves two pings in a row
/// unanswered. A page that sends `{"type":"heartbeat"}` is answered with
/// `{"type":"heartbeat","timestamp":"…"}`, as on `/events/ws`, and gets one every 10 s from then
/// on.
#[utoipa::path(
    get, path = "/softphone/ws", tag = "calls", params(SoftphoneParams),
    responses(
        (status = 101, description = "ConversationRelay frames, both ways"),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, description = "A page of another site", body = ErrorBody),
        (status = 503, description = "The server is stopping", body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn softphone(
    State(state): State<AppState>,
    _: Supervisor,
    Query(params): Query<SoftphoneParams>,
    upgrade: Result<Upgrade, ApiError>,
) -> Result<Response, ApiError> {
    let app = state.app;
    let upgrade = upgrade?;
    let agent = params.agent.filter(|id| !id.is_empty());
    if agent.as_ref().is_some_and(|id| app.agents.find(id).is_none()) {
        return Err(ApiError::field("agent", "is none of the agents"));
    }
    if app.shutdown.drain.is_cancelled() {
        return Err(ApiError::new(ErrorCode::Unavailable, "the server is stopping"));
    }
    let tasks = app.calls.tasks().clone();
    Ok(upgrade.answer(&tasks, async move |socket| carry(app, socket, agent).await))
}

/// Carries a call over the socket until it ends; `agent` answers, if it is a new call.
///
/// The page names its call in `callSid` of `setup`, so that it can resume it if the socket is lost
/// or the server restarts; a call without an id is given one.
async fn carry(app: Arc<App>, mut pending: PendingSocket, agent: Option<String>) {
    let kill = app.shutdown.kill.clone();
    let Some(setup) = first_frame(&mut pending, &kill).await else {
        return refuse(pending, CloseCode::Policy, "the first frame must be setup").await;
    };
    let (handle, call) = match call_of(&app, &setup, agent.as_deref()).await {
        Ok(found) => found,
        Err((code, reason)) => return refuse(pending, code, reason).await,
    };
    let call_itself = handle.clone();
    let after = move |left: Option<Departure>| async move {
        if left.is_some() {
            // No carrier will ask how the call goes on: it has ended, or was transferred, which
            // ends it on a softphone.
            call_itself.send(CallMessage::Over(EndStatus::Completed)).await;
        }
    };
    let Some(place) = handle.reserve().await else {
        return refuse(pending, CloseCode::Policy, "the call is over").await;
    };
    place.attach(line(pending.socket, (Peer::Page, None), kill, after));
    tracing::debug!(callSid = %call, "softphone up");
}

/// The call that the socket carries: a new one, or one whose socket was lost.
async fn call_of(
    app: &App,
    setup: &Setup,
    agent: Option<&str>,
) -> Result<(Handle, CallSid), (CloseCode, &'static str)> {
    let refused = |reason| (CloseCode::Policy, reason);
    let call = if setup.call_sid.is_empty() {
        CallSid::parse(&format!("CA{}", &token::random()[..32]))
    } else {
        CallSid::parse(&setup.call_sid)
    };
    let call = call.map_err(|_| refused("callSid is not a call's id"))?;
    let known = app.history.summary(&call).await.map_err(|error| {
        tracing::warn!(callSid = %call, %error, "a softphone's call could not be looked up");
        (CloseCode::Again, "the store does not answer; try again")
    })?;
    if let Some(summary) = known {
        if summary.carrier != SOFTPHONE {
            return Err(refused("this call has a carrier of its own"));
        }
        // The call may be here, on another node or of a dead process: from now on it is here.
        let handle = app.calls.resume(&call).await;
        return Ok((handle.ok_or_else(|| refused("the call is over"))?, call));
    }
    let identity = Identity {
        sid: call.clone(),
        from: SOFTPHONE.into(),
        to: app
            .our_number("", "", Direction::Inbound)
            .map_or_else(|| SOFTPHONE.to_owned(), |number| number.to_string()),
        direction: Direction::Inbound,
        carrier: SOFTPHONE.into(),
    };
    let agent = agent.or_else(|| setup.custom_parameters.get("agent").map(String::as_str));
    app.calls
        .open(identity, agent)
        .map_err(|_| (CloseCode::Restart, "the server is stopping and takes no new calls"))?;
    let handle = app.calls.find(&call).ok_or_else(|| refused("the call is over"))?;
    Ok((handle, call))
}
