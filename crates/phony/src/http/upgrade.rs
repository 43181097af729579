//! WebSocket upgrades as an argument of handlers; other requests are refused with 400.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::error::{ApiError, ErrorCode};
use crate::runtime::websocket::Upgrade;

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let why = "this address is for WebSocket upgrades";
        Self::of(parts).ok_or_else(|| ApiError::new(ErrorCode::InvalidRequest, why))
    }
}
