//! The HTTP server's routes: the supervisors' API, the event socket, the dashboard, health checks,
//! and Twilio's webhooks.

mod agents;
mod auth;
mod backstop;
mod body;
mod calls;
mod dashboard;
mod doctor;
pub mod error;
mod events;
mod health;
mod login;
mod nodes;
mod openapi;
mod origin;
mod override_;
mod page;
mod place;
mod rate_limit;
mod session;
mod sessions;
mod softphone;
pub mod twilio;
mod upgrade;
mod viewers;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use auth::Auth;
pub(crate) use backstop::{answer_in_time, panicked};
pub use openapi::document;

use self::error::{ApiError, ErrorCode};
use self::rate_limit::Limits;
use self::viewers::Viewers;
use crate::agents::Agents;
use crate::app::App;
use crate::calls::Calls;
use crate::client::{Network, Scheme};
use crate::history::History;
use crate::listener;
use crate::outbound::Outbound;

/// The largest body of a request, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// The state of all handlers. A handler takes only the slice that it needs, such as
/// `State<Arc<Calls>>`.
#[derive(Debug, Clone)]
pub struct AppState {
    app: Arc<App>,
    auth: Arc<Auth>,
    limits: Arc<Limits>,
    findings: doctor::LastFindings,
    viewers: Arc<Viewers>,
    /// The OpenAPI document, made from all routes and therefore after them.
    document: Arc<OnceLock<Bytes>>,
}

impl AppState {
    /// The state of the handlers of a server.
    #[must_use]
    pub fn new(app: Arc<App>, auth: Arc<Auth>) -> Self {
        let limits = Arc::new(Limits::new(app.config.api_rate));
        let findings = doctor::LastFindings::default();
        let viewers = Viewers::of_descriptors(listener::descriptors());
        Self { app, auth, limits, findings, viewers, document: Arc::default() }
    }

    /// Whether a client at this address has the right token. After too many wrong ones, every
    /// request is refused, even with the right token, so that guesses cannot be told apart.
    fn is_right(&self, token: &str, from: Network) -> Result<bool, ApiError> {
        let now = (self.app.clock.now)();
        self.limits.may_show_token(from, now)?;
        let is_right = self.auth.is_token(token);
        if !is_right {
            self.limits.wrong_token(from, now);
        }
        Ok(is_right)
    }

    /// Sets the OpenAPI document.
    pub fn describe(&self, document: &OpenApi) {
        let document = serde_json::to_vec(document).unwrap_or_default();
        drop(self.document.set(document.into()));
    }
}

impl FromRef<AppState> for Arc<App> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.app)
    }
}

impl FromRef<AppState> for Arc<Calls> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.app.calls)
    }
}

impl FromRef<AppState> for Arc<Outbound> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.app.outbound)
    }
}

impl FromRef<AppState> for Arc<Agents> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.app.agents)
    }
}

impl FromRef<AppState> for History {
    fn from_ref(state: &AppState) -> Self {
        state.app.history.clone()
    }
}

/// The routes of the server.
pub fn routes(state: AppState) -> OpenApiRouter {
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
        .routes(routes!(login::log_in, login::link))
        .routes(routes!(login::log_out))
        .routes(routes!(session::session))
        .routes(routes!(login::check_session))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(doctor::doctor))
        .routes(routes!(nodes::nodes))
        .routes(routes!(openapi::openapi))
        .merge(dashboard::routes())
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn_with_state(state.clone(), origin::guard))
        .merge(twilio::routes())
        .with_state(state)
}

/// The response for unknown paths.
pub async fn not_found() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "there is nothing at this address")
}

/// The response for methods that a path does not support.
pub async fn method_not_allowed() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed, "this address has other methods")
}

/// The client of a request, and how its browser reaches the server.
#[derive(Debug, Clone, Copy)]
struct Client {
    network: Network,
    /// Whether cookies are sent over TLS only.
    secure: bool,
}

impl FromRequestParts<AppState> for Client {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let ConnectInfo(address) = ConnectInfo::<SocketAddr>::from_request_parts(parts, &())
            .await
            .map_err(|_| ApiError::new(ErrorCode::Internal, "the connection has no address"))?;
        let config = &state.app.config;
        let (peer, headers) = (address.ip(), &parts.headers);
        let network = config.trusted_proxies.client(peer, headers).into();
        let proxies = &config.trusted_proxies;
        let said = origin::page_scheme(headers).or_else(|| proxies.scheme(peer, headers));
        let secure = match said {
            Some(scheme) => scheme == Scheme::Https,
            // The public name is reached over TLS only.
            None => config.host.is_some() && !origin::is_address_without_tls(headers),
        };
        Ok(Self { network, secure })
    }
}
