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

/// How long findings are reused, since each examination makes requests to Twilio, the model's
/// provider and the public name.
const FRESH: Duration = Duration::from_secs(15);

/// The last findings, and when they were made.
pub(super) type LastFindings = Arc<Mutex<Option<(Instant, Vec<Finding>)>>>;

/// The report of the doctor.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DoctorReport {
    /// What was examined, and the results.
    findings: Vec<Finding>,
    versions: Versions,
    limits: Limits,
    node: NodeInfo,
}

/// The versions in use.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Versions {
    /// The server's version.
    phony: &'static str,
    /// The model's name.
    model: String,
}

/// The configured limits.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Limits {
    /// Outbound calls per minute; 0 for no limit.
    dial_rate: u32,
    /// Supervisors' requests per minute, per token and per address; 0 for no limit.
    api_rate: u32,
    /// When outbound calls may start, `HH:MM-HH:MM` in the callee's time; `off` for any.
    calling_hours: String,
    /// The longest call, in seconds.
    max_call_seconds: u64,
    /// Whether every reply waits for a supervisor.
    require_supervisor_feedback: bool,
}

/// The server and its machine.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct NodeInfo {
    /// The host name in every URL given to the carrier.
    host: String,
    /// The port that the server listens on.
    port: u16,
    /// The data folder.
    data_dir: String,
    /// `embedded`, or `redis` if several nodes share it.
    store: &'static str,
    /// The operating system and the processor.
    platform: String,
    /// Processors available to the server.
    cpus: usize,
    /// Seconds since the start.
    uptime: u64,
    /// Live calls.
    active_calls: usize,
}

/// Reports what keeps calls from working, and what to do about it. It examines everything,
/// including connections to the outside, which takes seconds; recent findings are reused.
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
    Json(report(app, with_current_do_not_call(app, findings).await))
}

/// Replaces the finding about the do-not-call list by its current state: only the running server
/// knows of entries that could not be written, which must be reported at once.
async fn with_current_do_not_call(app: &App, mut findings: Vec<Finding>) -> Vec<Finding> {
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
