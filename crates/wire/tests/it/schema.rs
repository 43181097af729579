//! Every client event is valid by the official schema and has no property unknown to it.

use std::path::Path;

use jsonschema::Validator;
use serde_json::{Value, json};

use phony_wire::openai::realtime::{
    Audio, AudioFormat, AudioInput, AudioOutput, Clearable, ClientBody, ClientEvent, Conversation,
    Eagerness, Effort, Item, MaxTokens, Modality, NoiseReduction, Reasoning, ResponseAudio,
    ResponseParams, Session, Tool, ToolChoice, Transcription, Truncation, TurnDetection, Voice,
};

use crate::fixtures;

#[test]
fn every_event_we_can_build_is_known_to_the_schema() {
    let schema = Schema::load("realtime_client_event");
    for event in everything() {
        let text = event.to_json();
        let value: Value = serde_json::from_str(&text).expect("we write JSON");
        schema.check(&value).unwrap_or_else(|problem| panic!("{problem}\n{text}"));
    }
}

#[test]
fn our_events_are_those_of_the_fixtures() {
    let built: Vec<Value> = everything().iter().map(|event| parsed(&event.to_json())).collect();
    let schema = Schema::load("realtime_client_event");
    for (name, text) in fixtures::all("realtime/client") {
        let value = parsed(&text);
        schema.check(&value).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        assert!(built.contains(&value), "{name} is not among what we build");
    }
}

#[test]
fn the_server_fixtures_are_valid() {
    let schema = Schema::load("realtime_server_event");
    for (name, text) in fixtures::all("realtime/server") {
        let value = parsed(&text);
        schema.check_types(&value).unwrap_or_else(|problem| panic!("{name}: {problem}"));
    }
}

#[test]
fn the_walker_finds_what_the_schema_does_not_know() {
    let schema = Schema::load("realtime_client_event");
    for (wrong, place) in [
        (json!({"type": "response.cancel", "reason": "x"}), "/reason"),
        (
            json!({"type": "session.update", "session": {"type": "realtime", "voice": "alloy"}}),
            "/session/voice",
        ),
        (
            json!({"type": "session.update", "session": {"type": "realtime",
                "audio": {"input": {"format": {"type": "audio/pcmu", "rate": 8000}}}}}),
            "/session/audio/input/format/rate",
        ),
        (
            json!({"type": "session.update", "session": {"type": "realtime",
                "tools": [{"type": "function", "function": {"name": "x"}}]}}),
            "/session/tools/0/function",
        ),
        (
            json!({"type": "conversation.item.create", "item": {"type": "message", "role": "user",
                "content": [{"type": "input_text", "text": "x", "mood": "sad"}]}}),
            "/item/content/0/mood",
        ),
    ] {
        let problem = schema.check(&wrong).expect_err("it is wrong");
        assert!(problem.contains(place), "{problem}");
    }
    let unknown = json!({"type": "transcription_session.update"});
    assert!(schema.check(&unknown).is_err());
    let incomplete = json!({"type": "conversation.item.delete"});
    assert!(schema.check(&incomplete).is_err());
    let no_type = json!({"type": "session.update", "session": {"output_modalities": ["text"]}});
    assert!(schema.check(&no_type).is_err());
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("it is JSON")
}

/// Every kind of event, and every setting in it at least once.
fn everything() -> Vec<ClientEvent<'static>> {
    let mut events = vec![
        ClientEvent::new("cfg_1", ClientBody::session(text_session())),
        ClientEvent::new("cfg_1", ClientBody::session(audio_session())),
        ClientEvent::new("c9", create(Some("item_A"), user(Some("u_0007"), "Hello?"))),
        ClientEvent::new(
            "d2",
            create(
                Some("item_U"),
                Item::Assistant {
                    id: Some("item_B_h1".into()),
                    text: "Your balance is forty-five dol".into(),
                },
            ),
        ),
        ClientEvent::new("s1", create(Some("root"), Item::System { id: None, text: "x".into() })),
        ClientEvent::new(
            "f1",
            create(
                None,
                Item::FunctionCall {
                    id: Some("fc_1".into()),
                    call_id: "call_1".into(),
                    name: "end_call".into(),
                    arguments: "{}".into(),
                },
            ),
        ),
        ClientEvent::new(
            "fo1",
            create(
                None,
                Item::FunctionCallOutput {
                    id: None,
                    call_id: "call_1".into(),
                    output: r#"{"ok":true}"#.into(),
                },
            ),
        ),
        ClientEvent::new("c12", ClientBody::ItemDelete { item_id: "item_B".into() }),
        ClientEvent::new("c10", ClientBody::ItemRetrieve { item_id: "item_A".into() }),
        ClientEvent::new(
            "c11",
            ClientBody::ItemTruncate {
                item_id: "item_B".into(),
                content_index: 0,
                audio_end_ms: 1500,
            },
        ),
        ClientEvent::new("c13", ClientBody::respond()),
        ClientEvent::new("r2", ClientBody::respond_with(apart())),
        ClientEvent::new("r3", ClientBody::respond_with(every_parameter())),
        ClientEvent::new("c14", ClientBody::ResponseCancel { response_id: Some("resp_1".into()) }),
        ClientEvent::from(ClientBody::ResponseCancel { response_id: None }),
        ClientEvent::from(ClientBody::InputAudioAppend { audio: "/v7+/g==".into() }),
        ClientEvent::new("c7", ClientBody::InputAudioCommit),
        ClientEvent::new("c8", ClientBody::InputAudioClear),
    ];
    events.extend(settings().into_iter().map(|session| ClientBody::session(session).into()));
    events
}

fn create(after: Option<&'static str>, item: Item<'static>) -> ClientBody<'static> {
    ClientBody::ItemCreate { previous_item_id: after.map(Into::into), item }
}

fn user(id: Option<&'static str>, text: &'static str) -> Item<'static> {
    Item::User { id: id.map(Into::into), text: text.into() }
}

fn tool() -> Tool {
    Tool {
        name: "end_call".to_owned(),
        description: "Hang up.".to_owned(),
        parameters: json!({ "type": "object", "properties": {}, "required": [] }),
    }
}

fn text_session() -> Session {
    let input = AudioInput { turn_detection: Clearable::Clear, ..AudioInput::default() };
    Session {
        output_modalities: Some([Modality::Text]),
        instructions: Some("Spoken style.".to_owned()),
        audio: Some(Audio { input: Some(input), output: None }),
        tools: Some(vec![tool()]),
        tool_choice: Some(ToolChoice::Auto),
        ..Session::default()
    }
}

fn audio_session() -> Session {
    let transcription = Transcription {
        model: Some("gpt-transcribe".to_owned()),
        language: Some("en".to_owned()),
        ..Transcription::default()
    };
    let turn_detection = TurnDetection::ServerVad {
        threshold: Some(0.5),
        prefix_padding_ms: Some(300),
        silence_duration_ms: Some(500),
        create_response: Some(true),
        interrupt_response: Some(true),
        idle_timeout_ms: Clearable::Clear,
    };
    let input = AudioInput {
        format: Some(AudioFormat::Pcmu),
        noise_reduction: Clearable::Set(NoiseReduction::NearField),
        transcription: Clearable::Set(transcription),
        turn_detection: Clearable::Set(turn_detection),
    };
    let output = AudioOutput {
        format: Some(AudioFormat::Pcmu),
        voice: Some(Voice::Name("marin".to_owned())),
        speed: Some(1.0),
    };
    Session {
        output_modalities: Some([Modality::Audio]),
        instructions: Some("You are helpful.".to_owned()),
        audio: Some(Audio { input: Some(input), output: Some(output) }),
        tools: Some(Vec::new()),
        tool_choice: Some(ToolChoice::Auto),
        parallel_tool_calls: None,
        reasoning: Some(Reasoning { effort: Effort::Low }),
        max_output_tokens: Some(MaxTokens::Count(2048)),
        truncation: Some(Truncation::Ratio {
            retention_ratio: 0.8,
            post_instructions: Some(24_000),
        }),
    }
}

/// What the two sessions above do not use.
fn settings() -> Vec<Session> {
    let mut sessions = vec![
        Session::default(),
        Session { instructions: Some(String::new()), ..Session::default() },
        Session { parallel_tool_calls: Some(true), ..Session::default() },
        Session { max_output_tokens: Some(MaxTokens::Inf), ..Session::default() },
        Session { audio: Some(Audio::default()), ..Session::default() },
    ];
    let ratio = Truncation::Ratio { retention_ratio: 0.5, post_instructions: None };
    for truncation in [Truncation::Auto, Truncation::Disabled, ratio] {
        sessions.push(Session { truncation: Some(truncation), ..Session::default() });
    }
    let function = ToolChoice::Function { name: "end_call".to_owned() };
    for choice in [ToolChoice::None, ToolChoice::Required, function] {
        sessions.push(Session { tool_choice: Some(choice), ..Session::default() });
    }
    for effort in [Effort::Minimal, Effort::Medium, Effort::High, Effort::Xhigh] {
        sessions.push(Session { reasoning: Some(Reasoning { effort }), ..Session::default() });
    }
    let mut inputs = vec![AudioInput {
        noise_reduction: Clearable::Clear,
        transcription: Clearable::Clear,
        ..AudioInput::default()
    }];
    for format in [AudioFormat::Pcm, AudioFormat::Pcma] {
        inputs.push(AudioInput { format: Some(format), ..AudioInput::default() });
    }
    inputs.push(AudioInput {
        noise_reduction: Clearable::Set(NoiseReduction::FarField),
        transcription: Clearable::Set(Transcription {
            keywords: Some(vec!["Phony".to_owned()]),
            prompt: Some("A bank.".to_owned()),
            ..Transcription::default()
        }),
        ..AudioInput::default()
    });
    for eagerness in [Eagerness::Low, Eagerness::Medium, Eagerness::High, Eagerness::Auto] {
        inputs.push(AudioInput {
            turn_detection: Clearable::Set(TurnDetection::SemanticVad {
                eagerness: Some(eagerness),
                create_response: Some(false),
                interrupt_response: Some(false),
            }),
            ..AudioInput::default()
        });
    }
    inputs.push(AudioInput {
        turn_detection: Clearable::Set(TurnDetection::ServerVad {
            threshold: None,
            prefix_padding_ms: None,
            silence_duration_ms: Some(200),
            create_response: None,
            interrupt_response: None,
            idle_timeout_ms: Clearable::Set(6000),
        }),
        ..AudioInput::default()
    });
    sessions.extend(inputs.into_iter().map(|input| Session {
        audio: Some(Audio { input: Some(input), output: None }),
        ..Session::default()
    }));
    let voice = Voice::Custom { id: "voice_1234".to_owned() };
    let output = AudioOutput { voice: Some(voice), ..AudioOutput::default() };
    sessions.push(Session {
        audio: Some(Audio { input: None, output: Some(output) }),
        ..Session::default()
    });
    sessions
}

fn apart() -> ResponseParams<'static> {
    ResponseParams {
        conversation: Some(Conversation::None),
        input: Some(vec![user(None, "Summarise.")]),
        instructions: Some("Summarise the call so far in one sentence.".into()),
        output_modalities: Some([Modality::Text]),
        tools: Some(Vec::new()),
        tool_choice: Some(ToolChoice::None),
        metadata: [("purpose".to_owned(), "summary".to_owned())].into(),
        ..ResponseParams::default()
    }
}

fn every_parameter() -> ResponseParams<'static> {
    ResponseParams {
        conversation: Some(Conversation::Auto),
        input: Some(Vec::new()),
        instructions: Some("Say exactly: Please hold.".into()),
        output_modalities: Some([Modality::Audio]),
        audio: Some(ResponseAudio {
            format: Some(AudioFormat::Pcmu),
            voice: Some(Voice::Name("cedar".to_owned())),
        }),
        tools: Some(vec![tool()]),
        tool_choice: Some(ToolChoice::Function { name: "end_call".to_owned() }),
        parallel_tool_calls: Some(false),
        reasoning: Some(Reasoning { effort: Effort::Low }),
        max_output_tokens: Some(MaxTokens::Inf),
        metadata: [("turn".to_owned(), "1".to_owned())].into(),
    }
}

/// An official schema, and a walk over it that allows no unknown property.
struct Schema {
    root: Value,
    validator: Validator,
}

impl Schema {
    fn load(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas");
        let text = std::fs::read_to_string(folder.join(format!("{name}.schema.json")));
        let root = parsed(&text.expect("the schema is part of the project"));
        let validator = jsonschema::validator_for(&root).expect("the schema is a schema");
        Self { root, validator }
    }

    /// Valid, and without anything unknown.
    fn check(&self, value: &Value) -> Result<(), String> {
        self.check_types(value)?;
        let mut best: Option<Vec<String>> = None;
        for schema in self.alternatives(&self.root, value) {
            let unknown = self.unknown(schema, value, "");
            if best.as_ref().is_none_or(|best| unknown.len() < best.len()) {
                best = Some(unknown);
            }
        }
        match best {
            Some(unknown) if unknown.is_empty() => Ok(()),
            Some(unknown) => Err(format!("unknown to the schema: {unknown:?}")),
            None => Err("no such event".to_owned()),
        }
    }

    fn check_types(&self, value: &Value) -> Result<(), String> {
        self.validator
            .validate(value)
            .map_err(|error| format!("{}: {error}", error.instance_path()))
    }

    /// The places of properties that this schema does not name.
    fn unknown(&self, schema: &Value, value: &Value, place: &str) -> Vec<String> {
        match value {
            Value::Object(members) => {
                let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
                    // A free object, such as the parameters of a tool or metadata.
                    return Vec::new();
                };
                let mut unknown = Vec::new();
                for (name, member) in members {
                    let place = format!("{place}/{name}");
                    match properties.get(name) {
                        Some(schema) => unknown.extend(self.nearest(schema, member, &place)),
                        None => unknown.push(place),
                    }
                }
                unknown
            }
            Value::Array(elements) => {
                let Some(schema) = schema.get("items") else { return Vec::new() };
                let element =
                    |(at, element)| self.nearest(schema, element, &format!("{place}/{at}"));
                elements.iter().enumerate().flat_map(element).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        }
    }

    /// As [`Schema::unknown`], by the alternative that fits best.
    fn nearest(&self, schema: &Value, value: &Value, place: &str) -> Vec<String> {
        let alternatives = self.alternatives(schema, value).into_iter();
        let unknown = alternatives.map(|schema| self.unknown(schema, value, place));
        unknown.min_by_key(Vec::len).unwrap_or_else(|| vec![format!("{place} fits nothing")])
    }

    /// The schemas without alternatives that a value may be meant for: of its shape, and of its
    /// `type` if it has one.
    fn alternatives<'a>(&'a self, schema: &'a Value, value: &Value) -> Vec<&'a Value> {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').expect("references stay in the file");
            let target = self.root.pointer(pointer).expect("references lead somewhere");
            return self.alternatives(target, value);
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(options) = schema.get(key).and_then(Value::as_array) {
                return options
                    .iter()
                    .flat_map(|option| self.alternatives(option, value))
                    .collect();
            }
        }
        let shape = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let fits_shape = match schema.get("type").and_then(Value::as_str) {
            None => true,
            Some("integer") => shape == "number",
            Some(other) => other == shape,
        };
        let named = schema.pointer("/properties/type");
        let fits_type = match (named, value.get("type")) {
            (Some(named), Some(kind)) => self.allows(named, kind),
            _ => true,
        };
        if fits_shape && fits_type { vec![schema] } else { Vec::new() }
    }

    /// Whether a schema of one word allows this word.
    fn allows(&self, schema: &Value, word: &Value) -> bool {
        self.alternatives(schema, word).iter().any(|schema| {
            let constant = schema.get("const").is_none_or(|constant| constant == word);
            let listed = schema.get("enum").and_then(Value::as_array);
            constant && listed.is_none_or(|words| words.contains(word))
        })
    }
}
