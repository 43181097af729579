//! What a supervisor does to a live call. The call decides; one endpoint, one file.

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
use crate::cluster::SupervisorAction;
use crate::http::error::ApiError;

/// `{"status":"ok"}`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Done {
    /// Always `ok`.
    status: &'static str,
}

impl Done {
    pub(super) fn ok() -> Json<Self> {
        Json(Self { status: "ok" })
    }
}

/// A request that names nothing but its call.
#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct CallOrder {
    /// The call.
    #[schema(value_type = String)]
    call_sid: CallSid,
}

impl Read for CallOrder {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        Ok(Self { call_sid: fields.call()? })
    }
}

/// Gives an action to its call, and waits for the call's word.
async fn act(
    supervisor: &Supervisor,
    call: &CallSid,
    action: Action,
) -> Result<Json<Done>, ApiError> {
    let order = SupervisorAction { action, by: Some(supervisor.id().clone()) };
    supervisor.switchboard().act(call, order).await?;
    Ok(Done::ok())
}
