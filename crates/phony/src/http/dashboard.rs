//! The dashboard, embedded in the binary.

use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

use super::AppState;
use crate::http::error::{ApiError, ErrorCode};

/// Path and content of every file, `index.html` always among them.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));

/// Allows content from this server alone, and nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .route("/", get(|| async { Redirect::to("/dashboard/") }))
        .route("/dashboard", get(|| async { Redirect::to("/dashboard/") }))
        .route("/dashboard/", get(|| async { page() }))
        .route("/dashboard/{*path}", get(file))
}

async fn file(Path(path): Path<String>) -> Result<Response, ApiError> {
    match FILES.iter().find(|(name, _)| *name == path) {
        Some((name, content)) => Ok(serve(name, content)),
        // The page routes such paths itself.
        None if !path.rsplit('/').next().unwrap_or_default().contains('.') => Ok(page()),
        None => Err(ApiError::new(ErrorCode::NotFound, "there is nothing at this address")),
    }
}

fn page() -> Response {
    let index = FILES.iter().find(|(name, _)| *name == "index.html");
    index.map_or_else(
        || "the dashboard was not built".into_response(),
        |(name, content)| serve(name, content),
    )
}

fn serve(name: &str, content: &'static [u8]) -> Response {
    // Names below assets/ contain a hash of the content.
    let cache = if name.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind_of(name))),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, content).into_response()
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
