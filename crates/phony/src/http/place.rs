//! `POST /calls`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::auth::Supervisor;
use super::body::{Body, Fields, Read};
use crate::http::error::{ApiError, ErrorBody, ErrorCode};
use crate::outbound::{Order, Outbound, Requester};

/// The header that makes a repeated request return the first call.
const KEY: &str = "Idempotency-Key";
/// The header of a response that returns the first call.
const REPLAY: HeaderName = HeaderName::from_static("idempotent-replay");
/// The most variables of a request.
const VARIABLES: usize = 50;

/// Whom to call, and with which scenario.
#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
pub(super) struct CallRequest {
    /// The number to call, in any usual notation.
    #[schema(example = "+1 (415) 555-2671")]
    to: String,
    /// Must be true: confirms that the callee has agreed to be called.
    consent: bool,
    /// The scenario's id.
    #[schema(example = "survey")]
    scenario: Option<String>,
    /// The agent that speaks if there is no scenario; with a scenario, the one that lends it voice
    /// and language.
    agent: Option<String>,
    /// The number to call from; `TWILIO_PHONE_NUMBER` if absent.
    from: Option<String>,
    /// The values of the slots in the scenario's texts.
    variables: Option<BTreeMap<String, String>>,
    /// Ignores the calling hours; recorded in the ledger.
    ignore_calling_hours: Option<bool>,
    /// Whether to detect answering machines; as in the scenario if absent.
    detect_machine: Option<bool>,
}

/// A placed call.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlacedCall {
    call_sid: String,
    /// `queued` at first. In the response to a repeat, the current status of the call, or `deleted`
    /// if the call was deleted.
    #[schema(example = "queued")]
    status: String,
}

/// The order in a body.
#[derive(Debug)]
pub(super) struct Ordered(Order);

impl Read for Ordered {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        let text = |name| -> Result<Option<String>, ApiError> {
            Ok(fields.optional(name)?.filter(|text| !text.is_empty()).map(str::to_owned))
        };
        Ok(Self(Order {
            to: fields.required("to")?.to_owned(),
            from: text("from")?,
            scenario: text("scenario")?,
            agent: text("agent")?,
            variables: variables(fields)?,
            consent: fields.flag("consent")?.unwrap_or(false),
            ignore_calling_hours: fields.flag("ignoreCallingHours")?.unwrap_or(false),
            detect_machine: fields.flag("detectMachine")?,
        }))
    }
}

/// Places a call. Every order, carried out or not, is recorded in the ledger.
#[utoipa::path(
    post, path = "/calls", tag = "calls", operation_id = "place_call",
    request_body = CallRequest,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "A repeat of the same order under the same key returns the first call")),
    responses(
        (status = 201, body = PlacedCall, headers(("Idempotent-Replay" = String,
            description = "`true` if an earlier order under the same key has placed the call"))),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 409, description = "The key was used for another order", body = ErrorBody),
        (status = 413, body = ErrorBody),
        (status = 422, description = "A rule forbids it: `details.rule`", body = ErrorBody),
        (status = 429, body = ErrorBody),
        (status = 502, description = "Twilio did not do it: `details`", body = ErrorBody),
        (status = 503, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn place(
    State(outbound): State<Arc<Outbound>>,
    supervisor: Supervisor,
    headers: HeaderMap,
    Body(Ordered(order)): Body<Ordered>,
) -> Result<(StatusCode, HeaderMap, Json<PlacedCall>), ApiError> {
    let key = key_of(&headers)?;
    let requester =
        Requester { by: supervisor.fingerprint(), who: Some(supervisor.name().to_owned()) };
    let dialled = outbound.place(order, requester, key).await?;
    let mut headers = HeaderMap::new();
    if dialled.is_replay {
        headers.insert(REPLAY, HeaderValue::from_static("true"));
    }
    let placed = PlacedCall { call_sid: dialled.call.to_string(), status: dialled.status };
    Ok((StatusCode::CREATED, headers, Json(placed)))
}

fn key_of(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(key) = headers.get(KEY) else { return Ok(None) };
    let key = key.to_str().ok().map(str::trim).filter(|key| (1..=255).contains(&key.len()));
    let wrong = || {
        let message = "Idempotency-Key must be 1 to 255 visible characters";
        ApiError::new(ErrorCode::InvalidRequest, message)
    };
    key.map(Some).ok_or_else(wrong)
}

fn variables(fields: &Fields) -> Result<BTreeMap<String, String>, ApiError> {
    let given = match fields.value("variables") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(given)) if given.len() <= VARIABLES => given,
        Some(Value::Object(_)) => return Err(ApiError::field("variables", "are too many")),
        Some(_) => return Err(ApiError::field("variables", "is not an object")),
    };
    let pairs = given.iter().map(|(name, value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                return Err(ApiError::field(&format!("variables.{name}"), "is not a text"));
            }
        };
        Ok((name.clone(), text))
    });
    pairs.collect()
}
