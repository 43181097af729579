//! Makes a response of a `response.create`.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    brain::{Brain, Context, Reply, ToolCall},
    config::{AudioFormat, Config, full_format},
    error::ApiError,
    faults::Faults,
    ids::Ids,
    item::{Conversation, Item},
    options::AudioOptions,
    pace::Pace,
    plan::{Plan, PlanOptions},
    response::{ActiveResponse, Outcome},
    usage::{Piece, PromptCache},
};
use crate::voice::Voice;

/// The parameters of a `response.create`; those that are absent are the session's.
pub(super) struct Request<'a> {
    params: Option<&'a Value>,
}

/// Who answers, how fast, and which faults apply.
pub(super) struct ResponseSettings<'a> {
    /// The response's number since the server's start, from 0.
    pub(super) number: u64,
    pub(super) connection: u64,
    pub(super) brain: &'a Brain,
    pub(super) pace: Pace,
    pub(super) speech: &'a AudioOptions,
    pub(super) voice: &'a Voice,
    pub(super) faults: &'a Faults,
}

/// The parts of a session that a new response reads, and those that it changes.
pub(super) struct SessionParts<'a> {
    pub(super) config: &'a Config,
    pub(super) conversation: &'a Conversation,
    pub(super) cache: &'a mut PromptCache,
    pub(super) ids: &'a mut Ids,
}

impl<'a> Request<'a> {
    pub(super) fn read(params: Option<&'a Value>) -> Self {
        Self { params }
    }

    /// Refuses a response that cannot be made at present. `spoken` says that audio of the model has
    /// been sent, after which the voice is fixed.
    pub(super) fn check(
        &self,
        config: &Config,
        conversation: &Conversation,
        responses: &[ActiveResponse],
        spoken: bool,
    ) -> Result<(), ApiError> {
        if self.get("reasoning").is_some() && config.get("reasoning").is_null() {
            let message = "Reasoning is not supported by this model.".to_owned();
            return Err(ApiError::invalid("response.reasoning", message));
        }
        if self.get("prompt").is_some() {
            let message = "Reusable prompts have been shut down; send instructions.".to_owned();
            return Err(ApiError::invalid("response.prompt", message));
        }
        if spoken {
            let voice = self.get("audio").and_then(|audio| audio.pointer("/output/voice"));
            config.keep_voice(voice, "response.audio.output.voice")?;
        }
        let input = self.get("input").and_then(Value::as_array);
        for (index, item) in input.into_iter().flatten().enumerate() {
            if let Some(id) = reference(item)
                && conversation.item(id).is_none()
            {
                return Err(ApiError::invalid(
                    &format!("response.input[{index}].id"),
                    format!("Item with item_id '{id}' not found."),
                ));
            }
        }
        let active = responses.iter().find(|active| active.in_conversation && !active.finished);
        if let Some(active) = active.filter(|_| self.in_conversation()) {
            return Err(ApiError::request(
                "conversation_already_has_active_response",
                None,
                format!(
                    "Conversation already has an active response in progress: {}. Wait until the \
                     response is finished before creating a new one.",
                    active.id
                ),
            ));
        }
        Ok(())
    }

    /// Plans the whole response; its events are sent when they fall due.
    pub(super) fn plan(
        &self,
        now: Instant,
        session: SessionParts<'_>,
        settings: &ResponseSettings<'_>,
    ) -> ActiveResponse {
        let SessionParts { config, conversation, cache, ids } = session;
        let (connection, number) = (settings.connection, settings.number);
        let header = self.header(config, ids);
        let options = PlanOptions {
            in_conversation: self.in_conversation(),
            audio: spoken_format(&header),
            max_tokens: header["max_output_tokens"].as_u64(),
            first_token: settings
                .faults
                .first_token(connection, number)
                .unwrap_or(settings.pace.first_token),
            pace: settings.pace,
            speech: settings.speech,
            voice: settings.voice,
        };
        let (reply, pieces) = self.think(config, conversation, settings.brain);
        let input = cache.read(pieces);
        let mut outcome = Outcome::Completed;
        let plan = if let Some(created) = settings.faults.stall(connection, number) {
            Plan::stall(created)
        } else if let Some(code) = settings.faults.failure(connection, number) {
            outcome = Outcome::Failed(ApiError::of_code(&code));
            Plan::nothing(&options)
        } else {
            Plan::reply(reply, &options, ids)
        };
        if plan.cut {
            outcome = Outcome::OutOfTokens;
        }
        ActiveResponse {
            id: ids.response(),
            in_conversation: options.in_conversation,
            header,
            plan,
            outcome,
            input,
            breaks: settings.faults.response_break(connection, number),
            due: Some(now),
            emitted: 0,
            finished: false,
        }
    }

    /// The brain's reply, and the pieces of the prompt that it has read.
    fn think(
        &self,
        config: &Config,
        conversation: &Conversation,
        brain: &Brain,
    ) -> (Reply, Vec<Piece>) {
        let own = self.get("input").and_then(Value::as_array);
        let own: Option<Vec<Item>> = own.map(|input| {
            let items = input.iter().map(|item| match reference(item) {
                Some(id) => conversation.item(id).cloned(),
                None => Some(Item::read(item, String::new)),
            });
            items.flatten().collect()
        });
        let items = own.as_deref().unwrap_or_else(|| conversation.items());
        let tools = self.get("tools").unwrap_or_else(|| config.get("tools"));
        let choice = self.get("tool_choice").unwrap_or_else(|| config.get("tool_choice"));
        let instructions = self.instructions().unwrap_or_else(|| config.instructions());
        let context = Context {
            response_instructions: self.instructions(),
            instructions,
            items,
            tools: if *choice == "none" { Vec::new() } else { names(tools) },
        };
        let mut reply = brain.reply(&context);
        apply_tool_choice(choice, &context.tools, &mut reply);
        let head = [instructions.to_owned(), tools.to_string()];
        let head = head.iter().map(|text| Piece::text(text));
        let pieces = head.chain(items.iter().map(Piece::item)).collect();
        (reply, pieces)
    }

    /// The fields of the response object that are known before it begins.
    fn header(&self, config: &Config, ids: &Ids) -> Value {
        let or_session = |name| self.get(name).unwrap_or_else(|| config.get(name)).clone();
        let output = self.get("audio").and_then(|audio| audio.get("output"));
        let of_output = |name| {
            let own = output.and_then(|output| output.get(name));
            own.unwrap_or_else(|| &config.output()[name]).clone()
        };
        let voice = of_output("voice");
        // A custom voice is shown by its id.
        let voice = voice.get("id").unwrap_or(&voice);
        let conversation = self.in_conversation().then(|| ids.conversation());
        json!({
            "object": "realtime.response",
            "conversation_id": conversation,
            "output_modalities": or_session("output_modalities"),
            "max_output_tokens": or_session("max_output_tokens"),
            "audio": {"output": {"format": full_format(&of_output("format")), "voice": voice}},
            "metadata": self.get("metadata"),
        })
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.params?.get(name).filter(|value| !value.is_null())
    }

    /// Whether the response writes to the default conversation.
    fn in_conversation(&self) -> bool {
        self.get("conversation").and_then(Value::as_str) != Some("none")
    }

    fn instructions(&self) -> Option<&'a str> {
        self.get("instructions")?.as_str()
    }
}

/// The format of the model's audio; `None` in text mode.
fn spoken_format(header: &Value) -> Option<AudioFormat> {
    let spoken = header["output_modalities"][0] == "audio";
    spoken.then(|| AudioFormat::read(&header["audio"]["output"]["format"]))
}

/// Changes a reply that `tool_choice` does not allow.
fn apply_tool_choice(choice: &Value, tools: &[&str], reply: &mut Reply) {
    if *choice == "none" {
        reply.calls.clear();
    }
    let demanded = match choice.get("name").and_then(Value::as_str) {
        Some(name) => Some(name),
        None if *choice == "required" => tools.first().copied(),
        None => None,
    };
    if let Some(name) = demanded
        && reply.calls.is_empty()
    {
        *reply = Reply::call(ToolCall { name: name.to_owned(), arguments: "{}".to_owned() });
    }
}

fn names(tools: &Value) -> Vec<&str> {
    let tools = tools.as_array().into_iter().flatten();
    tools.filter_map(|tool| tool.get("name")?.as_str()).collect()
}

/// The id in an `item_reference`.
fn reference(item: &Value) -> Option<&str> {
    (item.get("type")? == "item_reference").then(|| item.get("id")?.as_str()).flatten()
}
