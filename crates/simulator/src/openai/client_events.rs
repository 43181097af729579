//! The schemas of client events (OpenAI Realtime API reference, client events).

use phony_wire::openai::models::VOICES;

use super::schema::{Field, Schema, optional, required};

/// The eleven client events, told apart by `type`.
pub(super) const CLIENT_EVENT: Schema = Schema::Tagged(
    "type",
    &[
        ("session.update", &Schema::Object(&[EVENT_ID, required("session", &SESSION)])),
        ("input_audio_buffer.append", &Schema::Object(&[EVENT_ID, required("audio", &LONG_TEXT)])),
        ("input_audio_buffer.commit", &BARE),
        ("input_audio_buffer.clear", &BARE),
        (
            "conversation.item.create",
            &Schema::Object(&[
                EVENT_ID,
                optional("previous_item_id", &Schema::Null(&ID)),
                required("item", &ITEM),
            ]),
        ),
        ("conversation.item.retrieve", &OF_ITEM),
        ("conversation.item.delete", &OF_ITEM),
        (
            "conversation.item.truncate",
            &Schema::Object(&[
                EVENT_ID,
                required("item_id", &LONG_TEXT),
                required("content_index", &Schema::Int(0, i64::MAX)),
                required("audio_end_ms", &Schema::Int(0, i64::MAX)),
            ]),
        ),
        ("response.create", &Schema::Object(&[EVENT_ID, optional("response", &RESPONSE)])),
        ("response.cancel", &Schema::Object(&[EVENT_ID, optional("response_id", &LONG_TEXT)])),
        ("output_audio_buffer.clear", &BARE),
    ],
);

const EVENT_ID: Field = optional("event_id", &Schema::Text(512));
const BARE: Schema = Schema::Object(&[EVENT_ID]);
const OF_ITEM: Schema = Schema::Object(&[EVENT_ID, required("item_id", &LONG_TEXT)]);
const LONG_TEXT: Schema = Schema::Text(usize::MAX);
/// Ids chosen by clients have at most 32 characters.
const ID: Schema = Schema::Text(32);

/// The session of `session.update`. Transcription sessions are not supported.
const SESSION: Schema = Schema::Tagged(
    "type",
    &[(
        "realtime",
        &Schema::Object(&[
            // Accepted and ignored: the model is that of the URL.
            optional("model", &LONG_TEXT),
            optional("output_modalities", &MODALITIES),
            optional("instructions", &LONG_TEXT),
            optional(
                "audio",
                &Schema::Object(&[optional("input", &INPUT), optional("output", &OUTPUT)]),
            ),
            optional("tools", &TOOLS),
            optional("tool_choice", &TOOL_CHOICE),
            optional("parallel_tool_calls", &Schema::Bool),
            optional("reasoning", &REASONING),
            optional("max_output_tokens", &MAX_TOKENS),
            optional("truncation", &TRUNCATION),
            optional("tracing", &TRACING),
            optional("include", &Schema::Null(&INCLUDE)),
            optional("prompt", &PROMPT),
        ]),
    )],
);

const INPUT: Schema = Schema::Object(&[
    optional("format", &FORMAT),
    optional("transcription", &Schema::Null(&TRANSCRIPTION)),
    optional("noise_reduction", &Schema::Null(&NOISE_REDUCTION)),
    optional("turn_detection", &Schema::Null(&TURN_DETECTION)),
]);

const OUTPUT: Schema = Schema::Object(&[
    optional("format", &FORMAT),
    optional("voice", &VOICE),
    optional("speed", &Schema::Num(0.25, 1.5)),
]);

const FORMAT: Schema = Schema::Tagged(
    "type",
    &[
        ("audio/pcm", &Schema::Object(&[optional("rate", &Schema::Int(24_000, 24_000))])),
        ("audio/pcmu", &Schema::Object(&[])),
        ("audio/pcma", &Schema::Object(&[])),
    ],
);

const VOICE: Schema =
    Schema::Either(&Schema::OneOf(VOICES), &Schema::Object(&[required("id", &LONG_TEXT)]));

const TRANSCRIPTION: Schema = Schema::Object(&[
    optional(
        "model",
        &Schema::OneOf(&[
            "gpt-transcribe",
            "gpt-live-transcribe",
            "gpt-realtime-whisper",
            "whisper-1",
            "gpt-4o-transcribe",
            "gpt-4o-mini-transcribe",
            "gpt-4o-mini-transcribe-2025-12-15",
            "gpt-4o-transcribe-diarize",
        ]),
    ),
    optional("language", &LONG_TEXT),
    optional("languages", &Schema::List(&LONG_TEXT, 1, 100)),
    optional("keywords", &Schema::List(&LONG_TEXT, 0, 10_000)),
    optional("prompt", &LONG_TEXT),
    optional("delay", &EFFORT),
]);

const NOISE_REDUCTION: Schema = Schema::Object(&[
    required("type", &Schema::OneOf(&["near_field", "far_field"])),
    optional("strength", &Schema::Num(0.0, 1.0)),
]);

const TURN_DETECTION: Schema = Schema::Tagged(
    "type",
    &[
        (
            "server_vad",
            &Schema::Object(&[
                optional("threshold", &Schema::Num(0.0, 1.0)),
                optional("prefix_padding_ms", &Schema::Int(0, i64::MAX)),
                optional("silence_duration_ms", &Schema::Int(0, i64::MAX)),
                optional("create_response", &Schema::Bool),
                optional("interrupt_response", &Schema::Bool),
                optional("idle_timeout_ms", &Schema::Null(&Schema::Int(5_000, 30_000))),
            ]),
        ),
        (
            "semantic_vad",
            &Schema::Object(&[
                optional("eagerness", &Schema::OneOf(&["low", "medium", "high", "auto"])),
                optional("create_response", &Schema::Bool),
                optional("interrupt_response", &Schema::Bool),
            ]),
        ),
    ],
);

/// Text or audio, but not both.
const MODALITIES: Schema = Schema::List(&Schema::OneOf(&["text", "audio"]), 1, 1);

/// MCP tools, which OpenAI's servers run, are not supported.
const TOOLS: Schema = Schema::List(
    &Schema::Tagged(
        "type",
        &[(
            "function",
            &Schema::Object(&[
                required("name", &Schema::Text(64)),
                optional("description", &LONG_TEXT),
                optional("parameters", &Schema::Free),
            ]),
        )],
    ),
    0,
    128,
);

const TOOL_CHOICE: Schema = Schema::Either(
    &Schema::OneOf(&["auto", "none", "required"]),
    &Schema::Tagged("type", &[("function", &Schema::Object(&[required("name", &LONG_TEXT)]))]),
);

const EFFORT: Schema = Schema::OneOf(&["minimal", "low", "medium", "high", "xhigh"]);
const REASONING: Schema = Schema::Object(&[optional("effort", &EFFORT)]);
const MAX_TOKENS: Schema = Schema::Either(&Schema::Int(1, 32_000), &Schema::OneOf(&["inf"]));

const TRUNCATION: Schema = Schema::Either(
    &Schema::OneOf(&["auto", "disabled"]),
    &Schema::Tagged(
        "type",
        &[(
            "retention_ratio",
            &Schema::Object(&[
                required("retention_ratio", &Schema::Num(0.0, 1.0)),
                optional(
                    "token_limits",
                    &Schema::Object(&[optional("post_instructions", &Schema::Int(0, i64::MAX))]),
                ),
            ]),
        )],
    ),
);

const TRACING: Schema = Schema::Null(&Schema::Either(
    &Schema::OneOf(&["auto"]),
    &Schema::Object(&[
        optional("workflow_name", &LONG_TEXT),
        optional("group_id", &LONG_TEXT),
        optional("metadata", &Schema::Free),
    ]),
));

const INCLUDE: Schema =
    Schema::List(&Schema::OneOf(&["item.input_audio_transcription.logprobs"]), 0, 1);

const PROMPT: Schema = Schema::Null(&Schema::Object(&[
    required("id", &LONG_TEXT),
    optional("version", &Schema::Null(&LONG_TEXT)),
    optional("variables", &Schema::Null(&Schema::Free)),
]));

/// The parameters of `response.create`.
const RESPONSE: Schema = Schema::Object(&[
    optional("output_modalities", &MODALITIES),
    optional("instructions", &LONG_TEXT),
    optional(
        "audio",
        &Schema::Object(&[optional(
            "output",
            &Schema::Object(&[optional("format", &FORMAT), optional("voice", &VOICE)]),
        )]),
    ),
    optional("tools", &TOOLS),
    optional("tool_choice", &TOOL_CHOICE),
    optional("parallel_tool_calls", &Schema::Bool),
    optional("reasoning", &REASONING),
    optional("max_output_tokens", &MAX_TOKENS),
    optional("conversation", &Schema::OneOf(&["auto", "none"])),
    optional("metadata", &Schema::Null(&Schema::Metadata)),
    optional("prompt", &PROMPT),
    optional("input", &Schema::List(&INPUT_ITEM, 0, 100_000)),
]);

/// An item that a client may create.
const ITEM: Schema = Schema::Tagged(
    "type",
    &[("message", &MESSAGE), ("function_call", &CALL), ("function_call_output", &CALL_OUTPUT)],
);

/// An item in a response's own input, which may also refer to one of the conversation.
const INPUT_ITEM: Schema = Schema::Tagged(
    "type",
    &[
        ("message", &MESSAGE),
        ("function_call", &CALL),
        ("function_call_output", &CALL_OUTPUT),
        ("item_reference", &Schema::Object(&[required("id", &ID)])),
    ],
);

const OBJECT: Field = optional("object", &Schema::OneOf(&["realtime.item"]));
const STATUS: Field =
    optional("status", &Schema::OneOf(&["completed", "incomplete", "in_progress"]));

const MESSAGE: Schema = Schema::Tagged(
    "role",
    &[
        (
            "system",
            &Schema::Object(&[
                optional("id", &ID),
                OBJECT,
                STATUS,
                required("content", &SYSTEM_CONTENT),
            ]),
        ),
        (
            "user",
            &Schema::Object(&[
                optional("id", &ID),
                OBJECT,
                STATUS,
                required("content", &USER_CONTENT),
            ]),
        ),
        (
            "assistant",
            &Schema::Object(&[
                optional("id", &ID),
                OBJECT,
                STATUS,
                required("content", &ASSISTANT_CONTENT),
            ]),
        ),
    ],
);

const INPUT_TEXT: Schema = Schema::Object(&[required("text", &LONG_TEXT)]);

const SYSTEM_CONTENT: Schema =
    Schema::List(&Schema::Tagged("type", &[("input_text", &INPUT_TEXT)]), 1, 100);

const USER_CONTENT: Schema = Schema::List(
    &Schema::Tagged(
        "type",
        &[
            ("input_text", &INPUT_TEXT),
            (
                "input_audio",
                &Schema::Object(&[
                    required("audio", &LONG_TEXT),
                    optional("transcript", &Schema::Null(&LONG_TEXT)),
                ]),
            ),
            (
                "input_image",
                &Schema::Object(&[
                    required("image_url", &LONG_TEXT),
                    optional("detail", &Schema::OneOf(&["auto", "low", "high"])),
                ]),
            ),
        ],
    ),
    1,
    100,
);

const ASSISTANT_CONTENT: Schema = Schema::List(
    &Schema::Tagged(
        "type",
        &[
            ("output_text", &INPUT_TEXT),
            // Clients cannot create audio of the model; they give its text instead.
            ("output_audio", &INPUT_TEXT),
        ],
    ),
    1,
    100,
);

const CALL: Schema = Schema::Object(&[
    optional("id", &ID),
    OBJECT,
    STATUS,
    optional("call_id", &ID),
    required("name", &LONG_TEXT),
    required("arguments", &LONG_TEXT),
]);

const CALL_OUTPUT: Schema = Schema::Object(&[
    optional("id", &ID),
    OBJECT,
    STATUS,
    required("call_id", &ID),
    required("output", &LONG_TEXT),
]);
