//! The softphone: a supervisor's web page in the place of a telephone and of Twilio at once.
//!
//! The page speaks the frames of `ConversationRelay` as Twilio does: `setup`, what was typed or
//! understood, how much of a reply has been played. Who may open such a socket is not decided here.

use std::sync::Arc;

use phony_call::{CallSid, Direction, EndStatus, Identity};
use phony_wire::twilio::relay::Setup;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::SOFTPHONE as CARRIER;
use super::twilio::relay::{FarEnd, Left, Line, first_frame, refuse};
use crate::registry::{CallMessage, Handle};
use crate::runtime::websocket::Newcomer;
use crate::switchboard::Switchboard;
use crate::token;

/// Carries a call over the socket until it ends; `agent` answers, if it is a new call.
///
/// The page names its call in `callSid` of `setup`, so that it can come back to it when the socket
/// is lost or the server started again; a call without a name is given one.
pub async fn carry(switchboard: Arc<Switchboard>, mut newcomer: Newcomer, agent: Option<String>) {
    let kill = switchboard.shutdown.kill.clone();
    let Some(setup) = first_frame(&mut newcomer, &kill).await else {
        return refuse(newcomer, CloseCode::Policy, "the first frame must be setup").await;
    };
    let (handle, call) = match place(&switchboard, &setup, agent.as_deref()).await {
        Ok(place) => place,
        Err((code, reason)) => return refuse(newcomer, code, reason).await,
    };
    let call_itself = handle.clone();
    let after = move |left: Option<Left>| async move {
        if left.is_some() {
            // There is no network behind it that would ask how the call goes on: it has ended, or
            // it has been transferred, which a softphone can only be told.
            call_itself.send(CallMessage::Over(EndStatus::Completed)).await;
        }
    };
    if Line::attach(newcomer.socket, (FarEnd::Page, None), &handle, kill, after).await {
        tracing::debug!(callSid = %call, "softphone up");
    }
}

/// The call that the socket carries: a new one, or one whose socket was lost.
async fn place(
    switchboard: &Switchboard,
    setup: &Setup,
    agent: Option<&str>,
) -> Result<(Handle, CallSid), (CloseCode, &'static str)> {
    let refused = |reason| (CloseCode::Policy, reason);
    let call = if setup.call_sid.is_empty() {
        CallSid::parse(&format!("CA{}", &token::random()[..32]))
    } else {
        CallSid::parse(&setup.call_sid)
    };
    let call = call.map_err(|_| refused("callSid is not a call's id"))?;
    let known = switchboard.history.line(&call).await.map_err(|error| {
        tracing::warn!(callSid = %call, %error, "a softphone's call could not be looked up");
        (CloseCode::Again, "the store does not answer; try again")
    })?;
    if let Some(line) = known {
        if line.carrier != CARRIER {
            return Err(refused("this call has a carrier of its own"));
        }
        // Here, or in a process that is gone, or on another node: from now on it is here.
        let handle = switchboard.adopt(&call).await;
        return Ok((handle.ok_or_else(|| refused("the call is over"))?, call));
    }
    let identity = Identity {
        sid: call.clone(),
        from: CARRIER.into(),
        to: switchboard
            .our_number("", "", Direction::Inbound)
            .map_or_else(|| CARRIER.to_owned(), |number| number.to_string()),
        direction: Direction::Inbound,
        carrier: CARRIER.into(),
    };
    let agent = agent.or_else(|| setup.custom_parameters.get("agent").map(String::as_str));
    switchboard
        .take(identity, agent)
        .map_err(|_| (CloseCode::Restart, "the server is stopping and takes no new calls"))?;
    let handle = switchboard.find(&call).ok_or_else(|| refused("the call is over"))?;
    Ok((handle, call))
}
