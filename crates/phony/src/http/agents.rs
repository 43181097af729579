//! `GET /agents`, `GET /scenarios`, `PUT /agents/default`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use phony_call::Transfers;
use serde::Serialize;

use super::auth::Supervisor;
use super::body::{Body, Fields, Read};
use crate::agents::Agents;
use crate::http::error::{ApiError, ErrorBody};

/// All agents.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AgentList {
    agents: Vec<Agent>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Agent {
    id: String,
    name: String,
    description: String,
    greeting: Option<String>,
    commands: Vec<&'static str>,
    language: Option<String>,
    voice: Option<String>,
    /// The numbers whose calls it answers, whichever agent is the default.
    numbers: Vec<String>,
    /// Where its calls may be transferred besides ordinary numbers, the fallback first.
    transfer_targets: Vec<TransferTarget>,
    /// Whether it answers calls to numbers that have no agent of their own.
    default: bool,
}

/// A number that calls are transferred to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct TransferTarget {
    number: String,
}

/// All scenarios.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ScenarioList {
    scenarios: Vec<Scenario>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Scenario {
    id: String,
    name: String,
    description: String,
    /// The first words spoken, with the slots still in them.
    opening: Option<String>,
    slots: Vec<Slot>,
    /// Whether answering machines are detected.
    detect_machine: bool,
    /// Whether an answering machine is left a message.
    leaves_message: bool,
}

/// A placeholder in a scenario's texts.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Slot {
    name: String,
    /// The value if none is given; a slot without a default must be filled.
    default: Option<String>,
}

/// Lists the agents.
#[utoipa::path(
    get, path = "/agents", tag = "calls", operation_id = "list_agents",
    responses((status = 200, body = AgentList), (status = 401, body = ErrorBody)),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn list(_: Supervisor, State(agents): State<Arc<Agents>>) -> Json<AgentList> {
    let default = agents.default();
    let list = agents.iter().map(|(id, agent)| Agent {
        id: id.to_owned(),
        name: agent.name.clone(),
        description: agent.description.clone(),
        greeting: agent.call.greeting.clone(),
        commands: agent.call.commands.iter().map(|command| command.as_str()).collect(),
        language: agent.language.clone(),
        voice: agent.voice.clone(),
        numbers: agents.numbers_of(id).map(ToString::to_string).collect(),
        transfer_targets: targets(&agent.call.transfers),
        default: id == default.call.id,
    });
    Json(AgentList { agents: list.collect() })
}

fn targets(transfers: &Transfers) -> Vec<TransferTarget> {
    let listed =
        transfers.listed.iter().filter(|number| transfers.fallback.as_ref() != Some(number));
    let all = transfers.fallback.iter().chain(listed);
    all.map(|number| TransferTarget { number: number.to_string() }).collect()
}

/// The scenarios that outbound calls can follow.
#[utoipa::path(
    get, path = "/scenarios", tag = "calls", operation_id = "list_scenarios",
    responses((status = 200, body = ScenarioList), (status = 401, body = ErrorBody)),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn scenarios(
    _: Supervisor,
    State(agents): State<Arc<Agents>>,
) -> Json<ScenarioList> {
    let scenarios = agents.scenarios().map(|scenario| Scenario {
        id: scenario.id.clone(),
        name: scenario.name.clone(),
        description: scenario.description.clone(),
        opening: scenario.opening.clone(),
        slots: scenario
            .slots
            .iter()
            .map(|(name, default)| Slot { name: name.clone(), default: default.clone() })
            .collect(),
        detect_machine: scenario.detect_machine,
        leaves_message: scenario.leaves_message,
    });
    Json(ScenarioList { scenarios: scenarios.collect() })
}

/// The agent to make the default.
#[derive(Debug, utoipa::ToSchema)]
pub(super) struct SetDefaultAgent {
    /// The agent's id; `id` is accepted in its place.
    #[schema(example = "support")]
    agent: String,
}

impl Read for SetDefaultAgent {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        let agent = match fields.optional("agent")? {
            Some(agent) => agent,
            None => fields.optional("id")?.ok_or_else(|| ApiError::field("agent", "is missing"))?,
        };
        Ok(Self { agent: agent.to_owned() })
    }
}

/// The default agent.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DefaultAgent {
    /// The agent's id.
    default: String,
}

/// Makes an agent the default from the next call on, until the server stops.
#[utoipa::path(
    put, path = "/agents/default", tag = "calls", operation_id = "set_default_agent",
    request_body = SetDefaultAgent,
    responses(
        (status = 200, body = DefaultAgent),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn set_default(
    State(agents): State<Arc<Agents>>,
    _: Supervisor,
    Body(SetDefaultAgent { agent }): Body<SetDefaultAgent>,
) -> Result<Json<DefaultAgent>, ApiError> {
    if agents.set_default(&agent) {
        tracing::info!(agent, "another agent answers from now on");
        return Ok(Json(DefaultAgent { default: agent }));
    }
    let known: Vec<_> = agents.iter().map(|(id, _)| id).collect();
    Err(ApiError::field("agent", &format!("is none of {}", known.join(", "))))
}
