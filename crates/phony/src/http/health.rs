//! Liveness, readiness and metrics.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;

use super::AppState;
use super::auth::Supervisor;
use crate::http::error::{ApiError, ErrorBody, ErrorCode};
use crate::telemetry;

/// The liveness of the server.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    /// Always `ok`.
    status: &'static str,
    /// Seconds since the start.
    uptime: u64,
    /// Live calls.
    active_calls: usize,
}

/// Whether the server is alive.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = Health)))]
pub(super) async fn healthz(State(state): State<AppState>) -> Json<Health> {
    let app = &state.app;
    let uptime = (app.clock.now)().saturating_duration_since(app.started);
    let active_calls = app.calls.count();
    Json(Health { status: "ok", uptime: uptime.as_secs(), active_calls })
}

/// The readiness of the server.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Readiness {
    /// Always `ready`.
    status: &'static str,
}

/// Whether the server can take calls.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses(
        (status = 200, body = Readiness),
        (status = 503, description = "Stopping, not set up for calls, or calls are not kept", body = ErrorBody),
    )
)]
pub(super) async fn readyz(State(state): State<AppState>) -> Result<Json<Readiness>, ApiError> {
    match state.app.not_ready() {
        None => Ok(Json(Readiness { status: "ready" })),
        Some(reason) => Err(ApiError::new(ErrorCode::Unavailable, reason)),
    }
}

/// Metrics for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses(
        (status = 200, description = "Prometheus text", body = String, content_type = "text/plain"),
        (status = 401, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn metrics(_supervisor: Supervisor) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, telemetry::metrics_handle().render())
}
