//! The OpenAPI document, made from the handlers.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};

use super::AppState;
use super::auth::{COOKIE, Supervisor};
use crate::http::error::{ApiError, ErrorBody, ErrorCode};

/// Returns this document: OpenAPI 3.1.
#[utoipa::path(
    get, path = "/openapi.json", tag = "health",
    responses((status = 200, body = Object), (status = 401, body = ErrorBody)),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn openapi(_supervisor: Supervisor, State(state): State<AppState>) -> Response {
    match state.document.get() {
        Some(document) => {
            ([(header::CONTENT_TYPE, "application/json")], document.clone()).into_response()
        }
        None => ApiError::new(ErrorCode::Unavailable, "the server starts").into_response(),
    }
}

/// Completes the document collected from the handlers.
#[must_use]
pub fn document(mut collected: OpenApi) -> OpenApi {
    let info = InfoBuilder::new()
        .title("Phony")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("An AI holds the telephone call, a human stays in charge."));
    let mut components = collected.components.take().unwrap_or_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    let cookie = ApiKey::Cookie(ApiKeyValue::new(COOKIE));
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    OpenApiBuilder::from(collected).info(info.build()).components(Some(components)).build()
}
