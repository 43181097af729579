//! Twilio's webhooks: a call starts, a session ends, a call changes its status (Twilio, "TwiML for
//! Programmable Voice: request parameters").

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use phony_call::{
    Answerer, CallSid, Direction, EndStatus, Identity, LegEnd, LegId, LegReport, Parting,
    PhoneNumber, Phrases, Progress, recorded_party,
};
use phony_wire::twilio::webhook::{
    AnsweredBy, CallStatus, CallStatusUpdate, DialResult, DialStatus, Form, SessionEnd,
    SessionStatus, VoiceRequest,
};
use serde::Deserialize;

use super::documents::Document;
use super::gate::Signed;
use crate::app::App;
use crate::calls::{Draining, RingResponse};
use crate::carriers::TWILIO;
use crate::cluster::Report;
use crate::http::error::{ApiError, ErrorBody};
use crate::outbound::CallLocation;

/// The query of a webhook's URL, which the signature covers.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The id of the agent that answers, if not the one of the number.
    agent: Option<String>,
}

/// The additional query of an outbound call's URL.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// How many times the carrier was redirected.
    #[serde(default)]
    again: u32,
}

/// How many times the carrier is redirected for an outbound call that is unknown to this server
/// while Redis does not answer. Before long a load balancer sends it to another server, or Redis is
/// back.
const COME_AGAIN: u32 = 8;

/// An inbound call to one of the configured numbers.
#[utoipa::path(
    post, path = "/receive_call", tag = "carrier", params(Wanted),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "TwiML that connects the call", content_type = "text/xml"),
        (status = 400, description = "No call is named", body = ErrorBody),
        (status = 403, description = "Not signed by Twilio", body = ErrorBody),
    )
)]
pub(super) async fn receive_call(
    State(app): State<Arc<App>>,
    Query(wanted): Query<Wanted>,
    Signed(form): Signed,
) -> Result<Document, ApiError> {
    answer(&app, &wanted, &form, Direction::Inbound).await
}

/// An outbound call was answered.
#[utoipa::path(
    post, path = "/start_call", tag = "carrier", params(Wanted, Asked),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "TwiML that connects the call", content_type = "text/xml"),
        (status = 400, description = "No call is named", body = ErrorBody),
        (status = 403, description = "Not signed by Twilio", body = ErrorBody),
    )
)]
pub(super) async fn start_call(
    State(app): State<Arc<App>>,
    Query(wanted): Query<Wanted>,
    Query(asked): Query<Asked>,
    Signed(form): Signed,
) -> Result<Document, ApiError> {
    let call = call_of(&form)?;
    if VoiceRequest::from_form(&form).call_status.is_final() {
        return Ok(Document::empty());
    }
    // It may arrive before the response to the request that placed the call, and at another server.
    match app.outbound.locate(&call, &VoiceRequest::from_form(&form).to).await {
        CallLocation::Here => {
            let ringing = app.calls.ring_here(&call).await.unwrap_or(RingResponse::Nothing);
            Ok(Document::of_ringing(&app, ringing))
        }
        CallLocation::Elsewhere(agent) => {
            let ringing = app.calls.ring_elsewhere(&call, agent).await;
            Ok(Document::of_ringing(&app, ringing))
        }
        CallLocation::Ended => Ok(Document::hang_up()),
        CallLocation::Unknown => answer(&app, &wanted, &form, Direction::Outbound).await,
        // The agent and the scenario are not known here.
        CallLocation::Unreachable if asked.again < COME_AGAIN => {
            let again = asked.again;
            tracing::warn!(callSid = %call, again, "an outbound call is not known here; Twilio is told to ask again");
            Ok(Document::come_again(&app, again))
        }
        CallLocation::Unreachable => {
            Ok(Document::apology(&app, &Phrases::default().apology_goodbye))
        }
    }
}

/// A relay session, a stream or a dialled leg has ended: says how the call goes on.
#[utoipa::path(
    post, path = "/call_ended", tag = "carrier",
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "TwiML that says how it goes on", content_type = "text/xml"),
        (status = 400, description = "No call is named", body = ErrorBody),
        (status = 403, description = "Not signed by Twilio", body = ErrorBody),
    )
)]
pub(super) async fn call_ended(
    State(app): State<Arc<App>>,
    Signed(form): Signed,
) -> Result<Document, ApiError> {
    let call = call_of(&form)?;
    let report = leg_report(&form);
    let caller_id = our_number(&app, &form);
    let session = SessionEnd::from_form(&form);
    let known = app.calls.leg_ended(&call, &report).await;
    let end = report.end;
    tracing::info!(
        callSid = %call, ?end, known = known.is_some(), code = session.error_code,
        "the carrier asks how the call goes on"
    );
    Ok(match known {
        Some(next) => Document::of_next(&app, &call, &next, caller_id.as_ref()).await,
        None if app.calls.was_ended(&call).await => of_ended(&end),
        None => of_unknown(&app, &end, caller_id.as_ref()),
    })
}

/// A call has changed its status.
#[utoipa::path(
    post, path = "/call_status", tag = "carrier",
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 204, description = "Taken note of"),
        (status = 400, description = "No call is named", body = ErrorBody),
        (status = 403, description = "Not signed by Twilio", body = ErrorBody),
        (status = 503, description = "Not passed on yet to the server that has the call", body = ErrorBody),
    )
)]
pub(super) async fn call_status(
    State(app): State<Arc<App>>,
    Signed(form): Signed,
) -> Result<StatusCode, ApiError> {
    let call = call_of(&form)?;
    let update = CallStatusUpdate::from_form(&form);
    tracing::debug!(
        callSid = %call, status = %update.call_status, answered_by = %update.answered_by,
        "call status"
    );
    if update.direction.starts_with("outbound") {
        app.outbound.locate(&call, &update.to).await;
    }
    // Reports about a call that has ended change nothing.
    let answered = answerer(&update.answered_by).map(Report::AnsweredBy);
    let got_to = match (end_status(&update.call_status), progress(&update.call_status)) {
        (Some(status), _) => Some(Report::Over(status)),
        (None, Some(progress)) => Some(Report::Progress(progress)),
        (None, None) => None,
    };
    let mut told = Ok(());
    for report in [answered, got_to].into_iter().flatten() {
        told = told.and(app.calls.deliver(&call, report).await);
    }
    told.map(|()| StatusCode::NO_CONTENT).map_err(ApiError::from)
}

async fn answer(
    app: &App,
    wanted: &Wanted,
    form: &Form,
    direction: Direction,
) -> Result<Document, ApiError> {
    let call = call_of(form)?;
    let request = VoiceRequest::from_form(form);
    if request.call_status.is_final() {
        tracing::info!(callSid = %call, status = %request.call_status, "nobody is there any more");
        return Ok(Document::empty());
    }
    if !request.error_code.is_empty()
        && let Some(document) = after_failure(app, &call, form).await?
    {
        return Ok(document);
    }
    let identity = Identity {
        sid: call,
        from: recorded_party(&request.from),
        to: recorded_party(&request.to),
        direction,
        carrier: TWILIO.into(),
    };
    match app.calls.ring(identity, wanted.agent.as_deref()).await {
        Ok(ringing) => Ok(Document::of_ringing(app, ringing)),
        Err(Draining) => Ok(Document::busy()),
    }
}

/// The document after a response to the carrier was lost (Twilio, `VoiceFallbackUrl`): a call that
/// is already connected, on this node or another, goes on. `None` for a call that is not connected.
async fn after_failure(
    app: &App,
    call: &CallSid,
    form: &Form,
) -> Result<Option<Document>, ApiError> {
    // Not connected yet: the same document as before.
    if app.calls.has_connected(call) == Some(false) {
        return Ok(None);
    }
    // The request does not say which line was lost.
    let report = LegReport { end: LegEnd::Failed, leg: None };
    let next = app.calls.leg_ended(call, &report).await;
    tracing::warn!(callSid = %call, known = next.is_some(), "an answer was lost");
    if let Some(next) = next {
        let caller_id = our_number(app, form);
        return Ok(Some(Document::of_next(app, call, &next, caller_id.as_ref()).await));
    }
    let summary = app.history.summary(call).await?;
    Ok(summary.filter(|summary| summary.end.is_some()).map(|_| Document::hang_up()))
}

fn call_of(form: &Form) -> Result<CallSid, ApiError> {
    let sid = form.get("CallSid").ok_or_else(|| ApiError::field("CallSid", "is missing"))?;
    CallSid::parse(sid).map_err(|error| ApiError::field("CallSid", &format!("is {error}")))
}

/// Why the carrier asks how a call goes on, and which session, stream or dialled leg has ended.
fn leg_report(form: &Form) -> LegReport {
    let end = leg_end(form);
    let leg = match &end {
        LegEnd::Dialled { .. } => form.get("DialCallSid"),
        LegEnd::Completed | LegEnd::Left(_) | LegEnd::Failed => {
            form.get("SessionId").or_else(|| form.get("StreamSid"))
        }
    };
    LegReport { end, leg: leg.and_then(|leg| LegId::parse(leg).ok()) }
}

fn leg_end(form: &Form) -> LegEnd {
    let session = SessionEnd::from_form(form);
    let dial = DialResult::from_form(form);
    // Whatever else has ended: a caller who has hung up does not come back.
    let caller_left = session.call_status.is_final();
    if !dial.dial_call_status.as_str().is_empty() {
        let answered = dial.dial_bridged.unwrap_or(matches!(
            dial.dial_call_status,
            DialStatus::Completed | DialStatus::Answered
        ));
        let outcome = dial.dial_call_status.as_str().to_owned();
        return LegEnd::Dialled { answered, outcome, caller_left };
    }
    match session.session_status {
        _ if caller_left => LegEnd::Completed,
        SessionStatus::Completed => LegEnd::Completed,
        SessionStatus::Ended => LegEnd::Left(parting(&session.handoff_data)),
        // A stream's end has no status: whether the call left it, the call itself knows.
        SessionStatus::Failed | SessionStatus::Other(_) => LegEnd::Failed,
    }
}

/// The data of the `end` frame of a relay session, which Twilio returns when the session has ended.
#[derive(Debug, Deserialize)]
struct Handoff {
    reason: String,
    target: Option<PhoneNumber>,
}

fn parting(handoff_data: &str) -> Parting {
    let Ok(handoff) = serde_json::from_str::<Handoff>(handoff_data) else { return Parting::Unsaid };
    match (handoff.reason.as_str(), handoff.target) {
        ("transfer", Some(target)) => Parting::Transfer(target),
        ("reconnect", _) => Parting::Return,
        ("hangup", _) => Parting::HangUp,
        _ => Parting::Unsaid,
    }
}

/// The document for an unknown call: the frame that ended its session may say how it goes on.
/// Otherwise the call is hung up, so that the caller is not left in silence.
fn of_unknown(app: &App, end: &LegEnd, caller_id: Option<&PhoneNumber>) -> Document {
    let policy = &app.config.policy;
    match end {
        LegEnd::Completed | LegEnd::Dialled { caller_left: true, .. } => Document::empty(),
        LegEnd::Failed => Document::apology(app, &Phrases::default().apology_goodbye),
        LegEnd::Left(Parting::Transfer(target)) => {
            Document::dial(app, target, caller_id, policy.ring, policy.max_call)
        }
        LegEnd::Left(_) | LegEnd::Dialled { .. } => Document::hang_up(),
    }
}

/// The document for a call that has ended: hangs up.
fn of_ended(end: &LegEnd) -> Document {
    match end {
        LegEnd::Completed | LegEnd::Dialled { caller_left: true, .. } => Document::empty(),
        LegEnd::Failed | LegEnd::Left(_) | LegEnd::Dialled { .. } => Document::hang_up(),
    }
}

fn our_number(app: &App, form: &Form) -> Option<PhoneNumber> {
    let request = VoiceRequest::from_form(form);
    let outbound = request.direction.starts_with("outbound");
    let direction = if outbound { Direction::Outbound } else { Direction::Inbound };
    app.our_number(&request.from, &request.to, direction)
}

/// Who answered, if the report says so.
fn answerer(by: &AnsweredBy) -> Option<Answerer> {
    match by {
        AnsweredBy::Human => Some(Answerer::Human),
        AnsweredBy::MachineStart => Some(Answerer::Machine),
        AnsweredBy::MachineEndBeep
        | AnsweredBy::MachineEndSilence
        | AnsweredBy::MachineEndOther => Some(Answerer::MachineReady),
        AnsweredBy::Fax => Some(Answerer::Fax),
        AnsweredBy::Unknown => Some(Answerer::Unknown),
        AnsweredBy::Other(_) if by.is_machine() => Some(Answerer::Machine),
        AnsweredBy::Other(_) => None,
    }
}

fn progress(status: &CallStatus) -> Option<Progress> {
    match status {
        CallStatus::Queued | CallStatus::Initiated => Some(Progress::Queued),
        CallStatus::Ringing => Some(Progress::Ringing),
        CallStatus::InProgress => Some(Progress::InProgress),
        CallStatus::Completed
        | CallStatus::Busy
        | CallStatus::NoAnswer
        | CallStatus::Failed
        | CallStatus::Canceled
        | CallStatus::Other(_) => None,
    }
}

fn end_status(status: &CallStatus) -> Option<EndStatus> {
    match status {
        CallStatus::Completed => Some(EndStatus::Completed),
        CallStatus::Busy => Some(EndStatus::Busy),
        CallStatus::NoAnswer => Some(EndStatus::NoAnswer),
        CallStatus::Failed => Some(EndStatus::Failed),
        CallStatus::Canceled => Some(EndStatus::Canceled),
        CallStatus::Queued
        | CallStatus::Initiated
        | CallStatus::Ringing
        | CallStatus::InProgress
        | CallStatus::Other(_) => None,
    }
}
