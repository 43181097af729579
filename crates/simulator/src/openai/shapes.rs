//! The shapes of everything that a client may send (OpenAI Realtime API reference, client events).

use phony_wire::openai::models::VOICES;

use super::shape::{Field, Shape, optional, required};

/// The eleven events of a client, told apart by `type`.
pub(super) const CLIENT_EVENT: Shape = Shape::Tagged(
    "type",
    &[
        ("session.update", &Shape::Object(&[EVENT_ID, required("session", &SESSION)])),
        ("input_audio_buffer.append", &Shape::Object(&[EVENT_ID, required("audio", &LONG_TEXT)])),
        ("input_audio_buffer.commit", &BARE),
        ("input_audio_buffer.clear", &BARE),
        (
            "conversation.item.create",
            &Shape::Object(&[
                EVENT_ID,
                optional("previous_item_id", &Shape::Null(&ID)),
                required("item", &ITEM),
            ]),
        ),
        ("conversation.item.retrieve", &OF_ITEM),
        ("conversation.item.delete", &OF_ITEM),
        (
            "conversation.item.truncate",
            &Shape::Object(&[
                EVENT_ID,
                required("item_id", &LONG_TEXT),
                required("content_index", &Shape::Int(0, i64::MAX)),
                required("audio_end_ms", &Shape::Int(0, i64::MAX)),
            ]),
        ),
        ("response.create", &Shape::Object(&[EVENT_ID, optional("response", &RESPONSE)])),
        ("response.cancel", &Shape::Object(&[EVENT_ID, optional("response_id", &LONG_TEXT)])),
        ("output_audio_buffer.clear", &BARE),
    ],
);

const EVENT_ID: Field = optional("event_id", &Shape::Text(512));
const BARE: Shape = Shape::Object(&[EVENT_ID]);
const OF_ITEM: Shape = Shape::Object(&[EVENT_ID, required("item_id", &LONG_TEXT)]);
const LONG_TEXT: Shape = Shape::Text(usize::MAX);
/// Ids that clients choose are kept to 32 characters.
const ID: Shape = Shape::Text(32);

/// The session of `session.update`. Only the conversation kind exists here.
const SESSION: Shape = Shape::Tagged(
    "type",
    &[(
        "realtime",
        &Shape::Object(&[
            // Taken and ignored: the model is that of the URL.
            optional("model", &LONG_TEXT),
            optional("output_modalities", &MODALITIES),
            optional("instructions", &LONG_TEXT),
            optional(
                "audio",
                &Shape::Object(&[optional("input", &INPUT), optional("output", &OUTPUT)]),
            ),
            optional("tools", &TOOLS),
            optional("tool_choice", &TOOL_CHOICE),
            optional("parallel_tool_calls", &Shape::Bool),
            optional("reasoning", &REASONING),
            optional("max_output_tokens", &MAX_TOKENS),
            optional("truncation", &TRUNCATION),
            optional("tracing", &TRACING),
            optional("include", &Shape::Null(&INCLUDE)),
            optional("prompt", &PROMPT),
        ]),
    )],
);

const INPUT: Shape = Shape::Object(&[
    optional("format", &FORMAT),
    optional("transcription", &Shape::Null(&TRANSCRIPTION)),
    optional("noise_reduction", &Shape::Null(&NOISE_REDUCTION)),
    optional("turn_detection", &Shape::Null(&TURN_DETECTION)),
]);

const OUTPUT: Shape = Shape::Object(&[
    optional("format", &FORMAT),
    optional("voice", &VOICE),
    optional("speed", &Shape::Num(0.25, 1.5)),
]);

const FORMAT: Shape = Shape::Tagged(
    "type",
    &[
        ("audio/pcm", &Shape::Object(&[optional("rate", &Shape::Int(24_000, 24_000))])),
        ("audio/pcmu", &Shape::Object(&[])),
        ("audio/pcma", &Shape::Object(&[])),
    ],
);

const VOICE: Shape =
    Shape::Either(&Shape::OneOf(VOICES), &Shape::Object(&[required("id", &LONG_TEXT)]));

const TRANSCRIPTION: Shape = Shape::Object(&[
    optional(
        "model",
        &Shape::OneOf(&[
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
    optional("languages", &Shape::List(&LONG_TEXT, 1, 100)),
    optional("keywords", &Shape::List(&LONG_TEXT, 0, 10_000)),
    optional("prompt", &LONG_TEXT),
    optional("delay", &EFFORT),
]);

const NOISE_REDUCTION: Shape = Shape::Object(&[
    required("type", &Shape::OneOf(&["near_field", "far_field"])),
    optional("strength", &Shape::Num(0.0, 1.0)),
]);

const TURN_DETECTION: Shape = Shape::Tagged(
    "type",
    &[
        (
            "server_vad",
            &Shape::Object(&[
                optional("threshold", &Shape::Num(0.0, 1.0)),
                optional("prefix_padding_ms", &Shape::Int(0, i64::MAX)),
                optional("silence_duration_ms", &Shape::Int(0, i64::MAX)),
                optional("create_response", &Shape::Bool),
                optional("interrupt_response", &Shape::Bool),
                optional("idle_timeout_ms", &Shape::Null(&Shape::Int(5_000, 30_000))),
            ]),
        ),
        (
            "semantic_vad",
            &Shape::Object(&[
                optional("eagerness", &Shape::OneOf(&["low", "medium", "high", "auto"])),
                optional("create_response", &Shape::Bool),
                optional("interrupt_response", &Shape::Bool),
            ]),
        ),
    ],
);

/// One of the two, never both.
const MODALITIES: Shape = Shape::List(&Shape::OneOf(&["text", "audio"]), 1, 1);

/// Tools that OpenAI's servers would run (`mcp`) are not part of the stand-in.
const TOOLS: Shape = Shape::List(
    &Shape::Tagged(
        "type",
        &[(
            "function",
            &Shape::Object(&[
                required("name", &Shape::Text(64)),
                optional("description", &LONG_TEXT),
                optional("parameters", &Shape::Free),
            ]),
        )],
    ),
    0,
    128,
);

const TOOL_CHOICE: Shape = Shape::Either(
    &Shape::OneOf(&["auto", "none", "required"]),
    &Shape::Tagged("type", &[("function", &Shape::Object(&[required("name", &LONG_TEXT)]))]),
);

const EFFORT: Shape = Shape::OneOf(&["minimal", "low", "medium", "high", "xhigh"]);
const REASONING: Shape = Shape::Object(&[optional("effort", &EFFORT)]);
const MAX_TOKENS: Shape = Shape::Either(&Shape::Int(1, 32_000), &Shape::OneOf(&["inf"]));

const TRUNCATION: Shape = Shape::Either(
    &Shape::OneOf(&["auto", "disabled"]),
    &Shape::Tagged(
        "type",
        &[(
            "retention_ratio",
            &Shape::Object(&[
                required("retention_ratio", &Shape::Num(0.0, 1.0)),
                optional(
                    "token_limits",
                    &Shape::Object(&[optional("post_instructions", &Shape::Int(0, i64::MAX))]),
                ),
            ]),
        )],
    ),
);

const TRACING: Shape = Shape::Null(&Shape::Either(
    &Shape::OneOf(&["auto"]),
    &Shape::Object(&[
        optional("workflow_name", &LONG_TEXT),
        optional("group_id", &LONG_TEXT),
        optional("metadata", &Shape::Free),
    ]),
));

const INCLUDE: Shape =
    Shape::List(&Shape::OneOf(&["item.input_audio_transcription.logprobs"]), 0, 1);

const PROMPT: Shape = Shape::Null(&Shape::Object(&[
    required("id", &LONG_TEXT),
    optional("version", &Shape::Null(&LONG_TEXT)),
    optional("variables", &Shape::Null(&Shape::Free)),
]));

/// What `response.create` may say about one response.
const RESPONSE: Shape = Shape::Object(&[
    optional("output_modalities", &MODALITIES),
    optional("instructions", &LONG_TEXT),
    optional(
        "audio",
        &Shape::Object(&[optional(
            "output",
            &Shape::Object(&[optional("format", &FORMAT), optional("voice", &VOICE)]),
        )]),
    ),
    optional("tools", &TOOLS),
    optional("tool_choice", &TOOL_CHOICE),
    optional("parallel_tool_calls", &Shape::Bool),
    optional("reasoning", &REASONING),
    optional("max_output_tokens", &MAX_TOKENS),
    optional("conversation", &Shape::OneOf(&["auto", "none"])),
    optional("metadata", &Shape::Null(&Shape::Metadata)),
    optional("prompt", &PROMPT),
    optional("input", &Shape::List(&INPUT_ITEM, 0, 100_000)),
]);

/// An item that a client may create.
const ITEM: Shape = Shape::Tagged(
    "type",
    &[("message", &MESSAGE), ("function_call", &CALL), ("function_call_output", &CALL_OUTPUT)],
);

/// An item in a response's own input, which may also point at one of the conversation.
const INPUT_ITEM: Shape = Shape::Tagged(
    "type",
    &[
        ("message", &MESSAGE),
        ("function_call", &CALL),
        ("function_call_output", &CALL_OUTPUT),
        ("item_reference", &Shape::Object(&[required("id", &ID)])),
    ],
);

const OBJECT: Field = optional("object", &Shape::OneOf(&["realtime.item"]));
const STATUS: Field =
    optional("status", &Shape::OneOf(&["completed", "incomplete", "in_progress"]));

const MESSAGE: Shape = Shape::Tagged(
    "role",
    &[
        (
            "system",
            &Shape::Object(&[
                optional("id", &ID),
                OBJECT,
                STATUS,
                required("content", &SYSTEM_CONTENT),
            ]),
        ),
        (
            "user",
            &Shape::Object(&[
                optional("id", &ID),
                OBJECT,
                STATUS,
                required("content", &USER_CONTENT),
            ]),
        ),
        (
            "assistant",
            &Shape::Object(&[
                optional("id", &ID),
                OBJECT,
                STATUS,
                required("content", &ASSISTANT_CONTENT),
            ]),
        ),
    ],
);

const INPUT_TEXT: Shape = Shape::Object(&[required("text", &LONG_TEXT)]);

const SYSTEM_CONTENT: Shape =
    Shape::List(&Shape::Tagged("type", &[("input_text", &INPUT_TEXT)]), 1, 100);

const USER_CONTENT: Shape = Shape::List(
    &Shape::Tagged(
        "type",
        &[
            ("input_text", &INPUT_TEXT),
            (
                "input_audio",
                &Shape::Object(&[
                    required("audio", &LONG_TEXT),
                    optional("transcript", &Shape::Null(&LONG_TEXT)),
                ]),
            ),
            (
                "input_image",
                &Shape::Object(&[
                    required("image_url", &LONG_TEXT),
                    optional("detail", &Shape::OneOf(&["auto", "low", "high"])),
                ]),
            ),
        ],
    ),
    1,
    100,
);

const ASSISTANT_CONTENT: Shape = Shape::List(
    &Shape::Tagged(
        "type",
        &[
            ("output_text", &INPUT_TEXT),
            // Clients cannot create the model's audio: the service asks for its text instead.
            ("output_audio", &INPUT_TEXT),
        ],
    ),
    1,
    100,
);

const CALL: Shape = Shape::Object(&[
    optional("id", &ID),
    OBJECT,
    STATUS,
    optional("call_id", &ID),
    required("name", &LONG_TEXT),
    required("arguments", &LONG_TEXT),
]);

const CALL_OUTPUT: Shape = Shape::Object(&[
    optional("id", &ID),
    OBJECT,
    STATUS,
    required("call_id", &ID),
    required("output", &LONG_TEXT),
]);
