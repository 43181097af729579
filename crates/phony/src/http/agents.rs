//! `GET /agents`, `GET /scenarios`, `PUT /agents/default`.

use axum::Json;
use phony_call::Transfers;
use serde::Serialize;

use super::auth::Supervisor;
use super::body::{Body, Fields, Read};
use crate::http::error::{ApiError, ErrorBody};

/// The agents there are.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct List {
    agents: Vec<Described>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Described {
    id: String,
    name: String,
    description: String,
    greeting: Option<String>,
    commands: Vec<&'static str>,
    language: Option<String>,
    voice: Option<String>,
    /// The numbers whose calls it answers, whoever answers by default.
    numbers: Vec<String>,
    /// Where its calls may be transferred besides ordinary numbers, the usual one first.
    transfer_targets: Vec<Target>,
    /// Whether it answers calls to numbers that have no agent of their own.
    default: bool,
}

/// A number that calls are transferred to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Target {
    number: String,
}

/// The scenarios there are.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Scenarios {
    scenarios: Vec<Errand>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Errand {
    id: String,
    name: String,
    description: String,
    /// What is said first, with the slots in it.
    opening: Option<String>,
    slots: Vec<Slot>,
    /// Whether it is found out if a machine answers.
    detect_machine: bool,
    /// Whether a machine is left a message.
    leaves_message: bool,
}

/// A place in a scenario's texts.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Slot {
    name: String,
    /// What stands there if it is not filled; a slot without must be.
    default: Option<String>,
}

/// Who can hold a call.
#[utoipa::path(
    get, path = "/agents", tag = "calls", operation_id = "list_agents",
    responses((status = 200, body = List), (status = 401, body = ErrorBody)),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn list(supervisor: Supervisor) -> Json<List> {
    let agents = &supervisor.switchboard().agents;
    let default = agents.default();
    let described = agents.iter().map(|(id, agent)| Described {
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
    Json(List { agents: described.collect() })
}

fn targets(transfers: &Transfers) -> Vec<Target> {
    let listed =
        transfers.listed.iter().filter(|number| transfers.fallback.as_ref() != Some(number));
    let all = transfers.fallback.iter().chain(listed);
    all.map(|number| Target { number: number.to_string() }).collect()
}

/// On which errands people can be called.
#[utoipa::path(
    get, path = "/scenarios", tag = "calls", operation_id = "list_scenarios",
    responses((status = 200, body = Scenarios), (status = 401, body = ErrorBody)),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn scenarios(supervisor: Supervisor) -> Json<Scenarios> {
    let scenarios = supervisor.switchboard().agents.scenarios().map(|scenario| Errand {
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
    Json(Scenarios { scenarios: scenarios.collect() })
}

/// Who shall answer.
#[derive(Debug, utoipa::ToSchema)]
pub(super) struct DefaultAgent {
    /// The agent's id; `id` is read in its place.
    #[schema(example = "support")]
    agent: String,
}

impl Read for DefaultAgent {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        let agent = match fields.optional("agent")? {
            Some(agent) => agent,
            None => fields.optional("id")?.ok_or_else(|| ApiError::field("agent", "is missing"))?,
        };
        Ok(Self { agent: agent.to_owned() })
    }
}

/// Who answers from now on.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Default {
    /// The agent's id.
    default: String,
}

/// Lets another agent answer from the next call on, until the server stops.
#[utoipa::path(
    put, path = "/agents/default", tag = "calls", operation_id = "set_default_agent",
    request_body = DefaultAgent,
    responses(
        (status = 200, body = Default),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    ),
    security(("token" = []), ("cookie" = []))
)]
pub(super) async fn set_default(
    supervisor: Supervisor,
    Body(DefaultAgent { agent }): Body<DefaultAgent>,
) -> Result<Json<Default>, ApiError> {
    let agents = &supervisor.switchboard().agents;
    if agents.set_default(&agent) {
        tracing::info!(agent, "another agent answers from now on");
        return Ok(Json(Default { default: agent }));
    }
    let known: Vec<_> = agents.iter().map(|(id, _)| id).collect();
    Err(ApiError::field("agent", &format!("is none of {}", known.join(", "))))
}
