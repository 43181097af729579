//! The endpoints for Twilio: webhooks, and the sockets of relay sessions and streams.
//!
//! Everything that comes from Twilio is signed with the account's auth token, sockets too, and is
//! refused with 403 otherwise. A socket must also bring the single-use token that the TwiML of its
//! call handed out.

mod documents;
mod gate;
mod media;
mod relay;
mod webhooks;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;

/// The largest body of a webhook, in bytes. Twilio sends about 2 KB.
const BODY_LIMIT: usize = 64 * 1024;

/// The routes for Twilio.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(webhooks::receive_call))
        .routes(routes!(webhooks::start_call))
        .routes(routes!(webhooks::call_ended))
        .routes(routes!(webhooks::call_status))
        .routes(routes!(relay::relay))
        .routes(routes!(media::media))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}
