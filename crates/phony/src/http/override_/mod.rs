//! The actions of supervisors on live calls, one file per endpoint. The call decides whether to
//! accept.

mod clarification;
mod dtmf;
mod end;
mod reject;
mod release;
mod takeover;
mod text;
mod transfer;
mod whisper;

use axum::Json;
use phony_call::{Action, CallSid};
use serde::Serialize;

pub(super) use clarification::*;
pub(super) use dtmf::*;
pub(super) use end::*;
pub(super) use reject::*;
pub(super) use release::*;
pub(super) use takeover::*;
pub(super) use text::*;
pub(super) use transfer::*;
pub(super) use whisper::*;

use super::auth::Supervisor;
use super::body::{Fields, Read};
use crate::calls::Calls;
use crate::cluster::SupervisorAction;
use crate::http::error::ApiError;

/// The response to a request that was carried out.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Acknowledgement {
    /// Always `ok`.
    status: &'static str,
}

impl Acknowledgement {
    pub(super) fn ok() -> Json<Self> {
        Json(Self { status: "ok" })
    }
}

/// An action without parameters.
#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct ActionRequest {
    /// The call.
    #[schema(value_type = String)]
    call_sid: CallSid,
}

impl Read for ActionRequest {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        Ok(Self { call_sid: fields.call()? })
    }
}

/// Sends an action to its call, and waits until it is accepted or refused.
async fn act(
    calls: &Calls,
    supervisor: &Supervisor,
    call: &CallSid,
    action: Action,
) -> Result<Json<Acknowledgement>, ApiError> {
    let action = SupervisorAction { action, by: Some(supervisor.id().clone()) };
    calls.act(call, action).await?;
    Ok(Acknowledgement::ok())
}
