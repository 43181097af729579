//! `WS /media/ws`: the socket of Media Streams, attached to its call.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use phony_call::CallSid;
use phony_wire::twilio::media::Start;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::gate::SignedUpgrade;
use super::relay::hang_up_after;
use crate::app::App;
use crate::calls::registry::Handle;
use crate::carriers::twilio::media::{first_frame, line};
use crate::carriers::twilio::socket::refuse;
use crate::config::Transport;
use crate::http::error::ErrorBody;
use crate::runtime::websocket::{PendingSocket, Upgrade};

/// The socket of Media Streams.
#[utoipa::path(
    get, path = "/media/ws", tag = "carrier",
    responses(
        (status = 101, description = "Frames of Media Streams, both ways"),
        (status = 400, description = "Not a WebSocket upgrade", body = ErrorBody),
        (status = 403, description = "Not signed by Twilio", body = ErrorBody),
    )
)]
pub(super) async fn media(
    State(app): State<Arc<App>>,
    _signed: SignedUpgrade,
    upgrade: Upgrade,
) -> Response {
    let tasks = app.calls.tasks().clone();
    upgrade.answer(&tasks, move |socket| serve(socket, app))
}

async fn serve(mut pending: PendingSocket, app: Arc<App>) {
    let kill = app.shutdown.kill.clone();
    let first = first_frame(&mut pending, &kill).await;
    let admitted = match &first {
        Some(start) => admit(&app, start).await,
        None => None,
    };
    let (Some(start), Some((handle, call))) = (first, admitted) else {
        metrics::counter!("phony_media_sockets_refused_total").increment(1);
        tracing::warn!("a stream's socket without the token of its call was refused");
        return refuse(pending, CloseCode::Policy, "no valid token").await;
    };
    let after = hang_up_after(&app, &call);
    let Some(place) = handle.reserve().await else {
        return refuse(pending, CloseCode::Policy, "the call is over").await;
    };
    place.attach(line(pending.socket, start.stream_sid, kill, after));
    tracing::debug!(callSid = %call, "media socket up");
}

/// The call that the socket belongs to: the one that its token was made for.
async fn admit(app: &App, start: &Start) -> Option<(Handle, CallSid)> {
    let token = start.custom_parameters.get("token")?;
    let call = CallSid::parse(&start.call_sid).ok()?;
    if !is_telephone_sound(start) {
        tracing::warn!(callSid = %call, "a stream carries other sound than 8 kHz mu-law");
        return None;
    }
    // A call that hears text has no use for sound.
    if app.calls.agent_of(&call).is_some_and(|agent| agent.transport != Transport::Media) {
        return None;
    }
    // A stream does not say who calls whom, so a call that is unknown here cannot begin.
    let handle = app.calls.attach(&call, token, None).await?;
    Some((handle, call))
}

/// Whether the sound is as the call takes it, as far as the frame tells.
fn is_telephone_sound(start: &Start) -> bool {
    matches!(start.encoding.as_str(), "audio/x-mulaw" | "")
        && matches!(start.sample_rate, Some(8000) | None)
        && matches!(start.channels, Some(1) | None)
}
