//! `GET /doctor`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tokio::sync::Mutex;

use super::AppState;
use super::auth::Supervisor;
use crate::app::App;
use crate::doctor::{self, Doctor, Finding};
use crate::http::error::ErrorBody;

/// How long findings are shown again before everything is looked at anew: each look asks Twilio,
/// the model and the public name.
const FRESH: Duration = Duration::from_secs(15);

/// The last findings, and when they were made.
pub(super) type LastFindings = Arc<Mutex<Option<(Instant, Vec<Finding>)>>>;

/// The server's health.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DoctorReport {
    /// What was looked at, and what came of it.
    findings: Vec<Finding>,
    versions: Versions,
    limits: Limits,
    node: NodeInfo,
}

/// What runs.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Versions {
    /// The server's version.
    phony: &'static str,
    /// The model's name.
    model: String,
}

/// What is allowed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Limits {
    /// Outbound calls a minute; 0 for no limit.
    dial_rate: u32,
    /// Supervisors' requests a minute, per token and per address; 0 for no limit.
    api_rate: u32,
    /// When outbound calls may start, `HH:MM-HH:MM` in the callee's time; `off` for any.
    calling_hours: String,
    /// The longest call, in seconds.
    max_call_seconds: u64,
    /// Whether every reply waits for a supervisor.
    require_supervisor_feedback: bool,
}

/// Where it runs.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct NodeInfo {
    /// The name in every URL given to the carrier.
    host: String,
    /// The port that is listened on.
    port: u16,
    /// The data folder.
    data_dir: String,
    /// `embedded`, or `redis` where several nodes share it.
    store: &'static str,
    /// The operating system and the processor.
    platform: String,
    /// Processors that can be used.
    cpus: usize,
    /// Seconds since the start.
    uptime: u64,
    /// Calls that are live.
    active_calls: usize,
}

/// What keeps calls from working, and what to do about it. Looks at everything, the way out
/// included, so it takes seconds; findings of the last moments are shown again.
#[utoipa::path(
    get, path = "/doctor", tag = "health",
    responses((status = 200, body = DoctorReport), (status = 401, body = ErrorBody)),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn doctor(_: Supervisor, State(state): State<AppState>) -> Json<DoctorReport> {
    let app = &*state.app;
    let mut last = state.findings.lock().await;
    let now = (app.clock.now)();
    let findings = match &*last {
        Some((at, findings)) if now.saturating_duration_since(*at) < FRESH => findings.clone(),
        _ => {
            let doctor = Doctor::new(&app.config, app.clock.wall);
            let findings = Box::pin(doctor.examine()).await;
            *last = Some(((app.clock.now)(), findings.clone()));
            findings
        }
    };
    drop(last);
    Json(report(app, with_list_of_now(app, findings).await))
}

/// The findings, with what the do-not-call list is like at this moment: what was said and could not
/// be written is known to the server alone, and nobody shall wait to be told.
async fn with_list_of_now(app: &App, mut findings: Vec<Finding>) -> Vec<Finding> {
    let list = Arc::clone(&app.safety.do_not_call);
    let folder = app.config.data_dir.clone();
    let now = tokio::task::spawn_blocking(move || match list.trouble() {
        Some(trouble) => doctor::do_not_call_fails(trouble),
        None => doctor::do_not_call(&folder),
    });
    if let Ok(now) = now.await {
        findings.retain(|finding| finding.id != now.id);
        findings.push(now);
    }
    findings
}

fn report(app: &App, findings: Vec<Finding>) -> DoctorReport {
    let config = &app.config;
    let uptime = (app.clock.now)().saturating_duration_since(app.started);
    DoctorReport {
        findings,
        versions: Versions { phony: env!("CARGO_PKG_VERSION"), model: config.openai.model.clone() },
        limits: Limits {
            dial_rate: config.dialing.rate,
            api_rate: config.api_rate,
            calling_hours: config.dialing.hours.to_string(),
            max_call_seconds: config.policy.max_call.as_secs(),
            require_supervisor_feedback: config.require_supervisor_feedback,
        },
        node: NodeInfo {
            host: app.authority(),
            port: app.port,
            data_dir: config.data_dir.display().to_string(),
            store: if config.redis_url.is_some() { "redis" } else { "embedded" },
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            uptime: uptime.as_secs(),
            active_calls: app.calls.count(),
        },
    }
}
