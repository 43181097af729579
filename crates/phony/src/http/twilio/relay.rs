//! `WS /relay/ws`: the socket of ConversationRelay, attached to its call.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use phony_call::{CallSid, Direction, Identity, LegId, Next, recorded_party};
use phony_wire::twilio::relay::Setup;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::gate::SignedUpgrade;
use crate::app::App;
use crate::calls::registry::Handle;
use crate::carriers::TWILIO;
use crate::carriers::twilio::relay::{Peer, first_frame, line};
use crate::carriers::twilio::socket::{Departure, refuse};
use crate::config::Transport;
use crate::http::error::ErrorBody;
use crate::runtime::websocket::{PendingSocket, Upgrade};

/// The socket of ConversationRelay.
#[utoipa::path(
    get, path = "/relay/ws", tag = "carrier",
    responses(
        (status = 101, description = "ConversationRelay frames, both ways"),
        (status = 400, description = "Not a WebSocket upgrade", body = ErrorBody),
        (status = 403, description = "Not signed by Twilio", body = ErrorBody),
    )
)]
pub(super) async fn relay(
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
        Some(setup) => admit(&app, setup).await,
        None => None,
    };
    let session = first.as_ref().and_then(|setup| LegId::parse(&setup.session_id).ok());
    let Some((handle, call)) = admitted else {
        metrics::counter!("phony_relay_sockets_refused_total").increment(1);
        if first.is_some() {
            tracing::warn!("a relay socket without the token of its call was refused");
        } else {
            // The doctor does this to see whether sockets get through.
            tracing::debug!("a relay socket that named no call was closed");
        }
        return refuse(pending, CloseCode::Policy, "no valid token").await;
    };
    let after = hang_up_after(&app, &call);
    let Some(place) = handle.reserve().await else {
        return refuse(pending, CloseCode::Policy, "the call is over").await;
    };
    place.attach(line(pending.socket, (Peer::Carrier, session), kill, after));
    tracing::debug!(callSid = %call, "relay socket up");
}

/// What follows the end of a line. A carrier that was not told to hang up over the socket is told by
/// REST, which may take longer than the call's own task lasts.
pub(super) fn hang_up_after(
    app: &App,
    call: &CallSid,
) -> impl FnOnce(Option<Departure>) -> std::future::Ready<()> + Send + use<> {
    let (calls, call) = (Arc::clone(&app.calls), call.clone());
    move |left| {
        if let Some(Departure { next: Next::HangUp, clean: false }) = left {
            calls.hang_up_in_background(&call);
        }
        std::future::ready(())
    }
}

/// The call that the socket belongs to: the one that its token was made for.
async fn admit(app: &App, setup: &Setup) -> Option<(Handle, CallSid)> {
    let token = setup.custom_parameters.get("token")?;
    let call = CallSid::parse(&setup.call_sid).ok()?;
    // A call that hears sound has no use for words.
    if app.calls.agent_of(&call).is_some_and(|agent| agent.transport != Transport::Relay) {
        return None;
    }
    let inbound = (setup.direction == "inbound").then(|| Identity {
        sid: call.clone(),
        from: recorded_party(&setup.from),
        to: recorded_party(&setup.to),
        direction: Direction::Inbound,
        carrier: TWILIO.into(),
    });
    let handle = app.calls.attach(&call, token, inbound).await?;
    Some((handle, call))
}
