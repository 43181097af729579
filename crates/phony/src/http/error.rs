//! Errors as HTTP clients see them: `{"error":{"code":…,"message":…,"details":…}}`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use phony_call::{NotDialled, NotHungUp, Refused};
use serde::Serialize;
use serde_json::{Value, json};

use crate::agents::BadVariables;
use crate::calls::{ActError, ReportNotDelivered};
use crate::carriers::twilio::rest::CarrierError;
use crate::cluster::Unreached;
use crate::history::InvalidFilter;
use crate::outbound::PlaceError;
use crate::store::StoreError;

/// The kind of an error, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// 400: not JSON, or a field is missing or wrong; `details` names it.
    InvalidRequest,
    /// 401: no token, or a wrong one.
    Unauthorized,
    /// 403: an unsigned request or a foreign origin.
    Forbidden,
    /// 404: no call with this id.
    CallNotFound,
    /// 404: no such path.
    NotFound,
    /// 405: the path does not support the method.
    MethodNotAllowed,
    /// 409: the state of the call does not allow this.
    Conflict,
    /// 413: the body or a text is too long.
    TooLarge,
    /// 422: a safety rule forbids it.
    Refused,
    /// 429: too many requests; `Retry-After` says how long to wait.
    RateLimited,
    /// 500: a bug in the server.
    Internal,
    /// 502: Twilio refused or failed.
    TwilioError,
    /// 502: the model's provider refused or failed.
    OpenaiError,
    /// 503: the server is stopping, not set up, or cannot reach its store.
    Unavailable,
}

/// An error response.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The kind, for programs.
    pub code: ErrorCode,
    /// What is wrong and what to do, for people.
    pub message: String,
    /// Details for programs, such as `{"field":"text"}`.
    pub details: Option<Value>,
    /// Seconds after which a retry makes sense.
    pub retry_after: Option<u64>,
}

/// The body of an error response.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ErrorDetail {
    code: ErrorCode,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
}

impl ApiError {
    /// An error with a message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, retry_after: None }
    }

    /// A field that is missing or wrong.
    #[must_use]
    pub fn field(name: &str, problem: &str) -> Self {
        let details = json!({ "field": name, "problem": problem });
        let message = format!("`{name}` {problem}");
        Self { details: Some(details), ..Self::new(ErrorCode::InvalidRequest, message) }
    }

    /// No call with this id.
    #[must_use]
    pub fn call_not_found() -> Self {
        Self::new(ErrorCode::CallNotFound, "there is no call of this id")
    }

    /// A call that has not ended, but is on no node at the moment.
    #[must_use]
    pub fn lost() -> Self {
        Self::new(ErrorCode::Conflict, "the call was lost and is not back yet")
    }

    fn status(&self) -> StatusCode {
        match self.code {
            ErrorCode::InvalidRequest => StatusCode::BAD_REQUEST,
            ErrorCode::Unauthorized => StatusCode::UNAUTHORIZED,
            ErrorCode::Forbidden => StatusCode::FORBIDDEN,
            ErrorCode::CallNotFound | ErrorCode::NotFound => StatusCode::NOT_FOUND,
            ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ErrorCode::Conflict => StatusCode::CONFLICT,
            ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::TwilioError | ErrorCode::OpenaiError => StatusCode::BAD_GATEWAY,
            ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The call is being ended all the same: `details` has `retried` besides the fields of a
/// [`CarrierError`].
impl From<NotHungUp> for ApiError {
    fn from(why: NotHungUp) -> Self {
        let outcome = if why.unknown { "unknown" } else { "failed" };
        let mut details = json!({ "outcome": outcome, "retried": true });
        if let Some(code) = why.code {
            details["code"] = code.into();
        }
        let message = Refused::NotHungUp(why).to_string();
        Self { details: Some(details), ..Self::new(ErrorCode::TwilioError, message) }
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        if let Refused::NotHungUp(why) = refused {
            return why.into();
        }
        let code = match refused {
            Refused::Forbidden(_) => ErrorCode::Refused,
            Refused::NotHungUp(_) => ErrorCode::TwilioError,
            Refused::NotConnected
            | Refused::LineLost
            | Refused::Ending
            | Refused::NoQuestion
            | Refused::OtherQuestion
            | Refused::NoReply
            | Refused::OtherReply
            | Refused::AlreadyTakenOver
            | Refused::NotTakenOver => ErrorCode::Conflict,
        };
        Self::new(code, refused.to_string())
    }
}

impl From<InvalidFilter> for ApiError {
    fn from(error: InvalidFilter) -> Self {
        Self::field(error.field, &error.problem)
    }
}

impl From<ActError> for ApiError {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Refused(refused) => refused.into(),
            ActError::Lost => Self::new(ErrorCode::Conflict, error.to_string()),
            ActError::Unreached(unreached) => unreached.into(),
            ActError::Store(error) => error.into(),
        }
    }
}

impl From<ReportNotDelivered> for ApiError {
    fn from(error: ReportNotDelivered) -> Self {
        let retry_after = Some(error.again.as_secs());
        Self { retry_after, ..Self::new(ErrorCode::Unavailable, error.to_string()) }
    }
}

impl From<Unreached> for ApiError {
    fn from(unreached: Unreached) -> Self {
        match unreached {
            Unreached::Unknown => Self::call_not_found(),
            Unreached::Ended => Self::new(ErrorCode::Conflict, unreached.to_string()),
            Unreached::Uncertain => {
                let details = json!({ "outcome": "unknown" });
                let message = unreached.to_string();
                Self { details: Some(details), ..Self::new(ErrorCode::Unavailable, message) }
            }
            Unreached::Silent | Unreached::Moving | Unreached::NoRedis => {
                Self::new(ErrorCode::Unavailable, unreached.to_string())
            }
        }
    }
}

/// 502 `TWILIO_ERROR`; `details` has `status`, `code`, `moreInfo`, `advice`, and `outcome`, which
/// is `unknown` if the request may have been carried out.
impl From<CarrierError> for ApiError {
    fn from(failure: CarrierError) -> Self {
        let mut details = json!({ "outcome": "failed" });
        let mut set = |name: &str, value| details[name] = value;
        if let Some(advice) = failure.advice() {
            set("advice", json!(advice));
        }
        match &failure {
            CarrierError::Refused(error) => {
                set("status", json!(error.status));
                if let Some(code) = error.code {
                    set("code", json!(code));
                }
                if !error.more_info.is_empty() {
                    set("moreInfo", json!(error.more_info));
                }
            }
            CarrierError::Unreachable(_) | CarrierError::Withdrawn => {}
            CarrierError::Unknown(_) => set("outcome", json!("unknown")),
        }
        Self { details: Some(details), ..Self::new(ErrorCode::TwilioError, failure.to_string()) }
    }
}

/// `details` has `rule` if a rule forbids the call, `field` and `problem` if the order is invalid,
/// and `outcome`, which is `unknown` if a call may have been placed.
impl From<PlaceError> for ApiError {
    fn from(error: PlaceError) -> Self {
        let message = error.to_string();
        let retry_after = error.retry_after().map(|wait| wait.as_secs().max(1));
        let rule = error.rule().map(|rule| json!({ "rule": rule }));
        let of = |code, details| Self { code, message: message.clone(), details, retry_after };
        match error {
            PlaceError::Field { field, problem } => Self::field(field, &problem),
            PlaceError::NoSuch { field, known, .. } => {
                let problem = format!("is none of {}", known.join(", "));
                let details = json!({ "field": field, "problem": problem, "allowed": known });
                of(ErrorCode::InvalidRequest, Some(details))
            }
            PlaceError::Variables(BadVariables { missing, unknown, unfit }) => {
                let details = json!({
                    "field": "variables", "problem": "do not fit the scenario",
                    "missing": missing, "unknown": unknown, "unfit": unfit,
                });
                of(ErrorCode::InvalidRequest, Some(details))
            }
            PlaceError::Forbidden(_) => of(ErrorCode::Refused, rule),
            PlaceError::TooMany(_) => of(ErrorCode::RateLimited, rule),
            PlaceError::OtherOrder => of(ErrorCode::Conflict, None),
            PlaceError::InProgress
            | PlaceError::NumberBusy
            | PlaceError::ClientGone
            | PlaceError::Stopping
            | PlaceError::Unshared
            | PlaceError::Ledger(_) => of(ErrorCode::Unavailable, rule),
            PlaceError::NoCarrier(_) => of(ErrorCode::TwilioError, None),
            PlaceError::Store(error) => error.into(),
            PlaceError::Carrier(error) => error.into(),
            PlaceError::Uncertain(error) => {
                let mut error = Self::from(*error);
                let details = error.details.get_or_insert_with(|| json!({}));
                details["outcome"] = json!("unknown");
                error
            }
            PlaceError::Panicked => of(ErrorCode::Internal, None),
        }
    }
}

/// 422 with `details.rule`, as for an order.
impl From<NotDialled> for ApiError {
    fn from(why: NotDialled) -> Self {
        PlaceError::from(why).into()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::debug!(error = error.chain(), "the store does not answer");
        Self::new(ErrorCode::Unavailable, format!("the store does not answer: {}", error.cause()))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let Self { code, message, details, retry_after } = self;
        let body = ErrorBody { error: ErrorDetail { code, message, details } };
        let mut response = (status, Json(body)).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if code == ErrorCode::Unauthorized {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use phony_wire::twilio::rest::RestError;

    use super::*;

    #[test]
    fn a_carrier_error_says_what_happened_and_what_to_do() {
        let error = RestError {
            status: 400,
            code: Some(21215),
            message: "not allowed".into(),
            more_info: "https://t.example/21215".into(),
        };
        let error = ApiError::from(CarrierError::Refused(error));
        let details = error.details.unwrap();
        assert_eq!(details["code"], 21215);
        assert_eq!(details["status"], 400);
        assert_eq!(details["moreInfo"], "https://t.example/21215");
        assert_eq!(details["outcome"], "failed");
        assert!(details["advice"].as_str().unwrap().contains("Geographic Permissions"));
        let error = ApiError::from(CarrierError::Unknown("no answer".into()));
        assert_eq!(error.details.unwrap()["outcome"], "unknown");
    }
}
