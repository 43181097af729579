//! The supervisors' side: the API, the event socket, the dashboard, health.

mod agents;
mod auth;
mod body;
mod calls;
mod dashboard;
mod doctor;
mod events;
mod health;
mod limit;
mod login;
mod nodes;
mod openapi;
mod override_;
mod place;
mod session;
mod softphone;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts};
use axum::http::request::Parts;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use auth::Auth;
pub use openapi::document;

use crate::error::{ApiError, ErrorCode};
use crate::switchboard::Switchboard;
use limit::Limits;

/// The most that a request's body may hold.
const BODY_LIMIT: usize = 64 * 1024;

/// What every handler reaches.
#[derive(Debug, Clone)]
pub struct Http {
    switchboard: Arc<Switchboard>,
    auth: Arc<Auth>,
    limits: Arc<Limits>,
    findings: doctor::Kept,
    /// Made from all routes, and therefore after them.
    document: Arc<OnceLock<Bytes>>,
}

impl Http {
    /// The supervisors' side of a switchboard.
    #[must_use]
    pub fn new(switchboard: Arc<Switchboard>, auth: Arc<Auth>) -> Self {
        let limits = Arc::new(Limits::new(switchboard.config.api_rate));
        let findings = doctor::Kept::default();
        Self { switchboard, auth, limits, findings, document: Arc::default() }
    }

    /// Sets the description of all routes.
    pub fn describe(&self, document: &OpenApi) {
        let document = serde_json::to_vec(document).unwrap_or_default();
        drop(self.document.set(document.into()));
    }
}

/// The routes of the supervisors' side.
pub fn routes(http: Http) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(override_::text))
        .routes(routes!(override_::dtmf))
        .routes(routes!(override_::end))
        .routes(routes!(override_::transfer))
        .routes(routes!(override_::clarification))
        .routes(routes!(override_::whisper))
        .routes(routes!(override_::takeover))
        .routes(routes!(override_::release))
        .routes(routes!(override_::reject))
        .routes(routes!(calls::list))
        .routes(routes!(calls::export))
        .routes(routes!(calls::show, calls::delete))
        .routes(routes!(calls::transcript))
        .routes(routes!(place::place))
        .routes(routes!(agents::list))
        .routes(routes!(agents::scenarios))
        .routes(routes!(agents::set_default))
        .routes(routes!(events::events))
        .routes(routes!(softphone::softphone))
        .routes(routes!(login::log_in, login::redeem))
        .routes(routes!(login::log_out))
        .routes(routes!(session::session))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(doctor::doctor))
        .routes(routes!(nodes::nodes))
        .routes(routes!(openapi::openapi))
        .merge(dashboard::routes())
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(http)
}

/// The answer for paths that are none.
pub async fn not_found() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "there is nothing at this address")
}

/// The answer for a method that a path has not.
pub async fn method_not_allowed() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed, "this address has other methods")
}

/// The address a request comes from.
#[derive(Debug, Clone, Copy)]
struct Peer(std::net::IpAddr);

impl FromRequestParts<Http> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Http) -> Result<Self, ApiError> {
        let ConnectInfo(address) = ConnectInfo::<SocketAddr>::from_request_parts(parts, &())
            .await
            .map_err(|_| ApiError::new(ErrorCode::Internal, "the connection has no address"))?;
        Ok(Self(address.ip()))
    }
}
