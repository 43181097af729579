//! `GET /agents`.

use axum::Json;
use serde::Serialize;

use super::auth::Supervisor;
use crate::error::ErrorBody;

/// The agents there are.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct List {
    agents: Vec<Described>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Described {
    id: String,
    name: String,
    greeting: Option<String>,
    commands: Vec<&'static str>,
    /// Whether it answers calls to numbers that have no agent of their own.
    default: bool,
}

/// Who can hold a call.
#[utoipa::path(
    get, path = "/agents", tag = "calls", operation_id = "list_agents",
    responses((status = 200, body = List), (status = 401, body = ErrorBody)),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn list(supervisor: Supervisor) -> Json<List> {
    let switchboard = supervisor.switchboard();
    let described = switchboard.agents.iter().map(|(id, agent)| Described {
        id: id.to_owned(),
        name: agent.name.clone(),
        greeting: agent.call.greeting.clone(),
        commands: agent.call.commands.iter().map(|command| command.as_str()).collect(),
        default: id == switchboard.config.agent,
    });
    Json(List { agents: described.collect() })
}
