//! JSON bodies, read field by field so that an error can name the field that is wrong.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use phony_call::CallSid;
use serde_json::{Map, Value};

use super::AppState;
use crate::http::error::{ApiError, ErrorCode};

/// The longest text that is spoken or given to the model, in bytes.
pub(super) const TEXT_LIMIT: usize = 4096;

/// A body of type `T`.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

/// A type that is read from the fields of a body.
pub(super) trait Read: Sized {
    fn read(fields: &Fields) -> Result<Self, ApiError>;
}

impl<T: Read> FromRequest<AppState> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            let why = "the body must be JSON, sent with Content-Type: application/json";
            return Err(ApiError::new(ErrorCode::InvalidRequest, why));
        }
        let bytes = bytes(request, state).await?;
        let value = serde_json::from_slice(&bytes)
            .map_err(|_| ApiError::new(ErrorCode::InvalidRequest, "the body is not JSON"))?;
        let Value::Object(fields) = value else {
            return Err(ApiError::new(ErrorCode::InvalidRequest, "the body is not a JSON object"));
        };
        T::read(&Fields(fields)).map(Self)
    }
}

/// Whether the `Content-Type` is JSON. Browsers let a page send some other types to a foreign
/// server without a preflight request.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    is_kind(headers, "application/json")
}

/// Whether the `Content-Type` is of this kind, whatever its parameters.
pub(super) fn is_kind(headers: &HeaderMap, wanted: &str) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(wanted))
}

/// Reads the whole body, up to `BODY_LIMIT`.
pub(super) async fn bytes(request: Request, state: &AppState) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            ApiError::new(ErrorCode::TooLarge, "the body is larger than 64 KB")
        } else {
            ApiError::new(ErrorCode::InvalidRequest, "the body could not be read")
        }
    })
}

/// The fields of a body.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// The `callSid`, which is required.
    pub(super) fn call(&self) -> Result<CallSid, ApiError> {
        let text = self.required("callSid")?;
        CallSid::parse(text).map_err(|error| ApiError::field("callSid", &format!("is {error}")))
    }

    /// A text of up to 4 KB, not blank and without control characters.
    pub(super) fn words(&self, name: &'static str) -> Result<String, ApiError> {
        let text = self.required(name)?.trim();
        if text.is_empty() {
            return Err(ApiError::field(name, "is empty"));
        }
        if text.len() > TEXT_LIMIT {
            let error = ApiError::field(name, "is longer than 4 KB");
            return Err(ApiError { code: ErrorCode::TooLarge, ..error });
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err(ApiError::field(name, "has control characters in it"));
        }
        Ok(text.to_owned())
    }

    /// As [`Fields::words`], but may be missing or `null`, or blank.
    pub(super) fn optional_words(&self, name: &'static str) -> Result<Option<String>, ApiError> {
        match self.optional(name)? {
            Some(text) if !text.trim().is_empty() => self.words(name).map(Some),
            Some(_) | None => Ok(None),
        }
    }

    /// A whole number from 0 on; may be missing or `null`.
    pub(super) fn optional_number<N: TryFrom<u64>>(
        &self,
        name: &'static str,
    ) -> Result<Option<N>, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let number = value.as_u64().and_then(|number| N::try_from(number).ok());
                number.map(Some).ok_or_else(|| ApiError::field(name, "is not a whole number"))
            }
        }
    }

    /// A boolean; may be missing or `null`.
    pub(super) fn flag(&self, name: &'static str) -> Result<Option<bool>, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(ApiError::field(name, "is neither true nor false")),
        }
    }

    /// A field of any type.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(super) fn required(&self, name: &'static str) -> Result<&str, ApiError> {
        self.optional(name)?.ok_or_else(|| ApiError::field(name, "is missing"))
    }

    pub(super) fn optional(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::field(name, "is not a text")),
        }
    }
}
