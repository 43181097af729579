//! The tools that every model is given: the in-band commands as functions.

use std::sync::Arc;

use serde_json::{Value, json};

/// A function that a model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// When to call it, for the model.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

/// The tools: `press`, `transfer`, `end_call`, `request_user` and `do_not_call`.
#[must_use]
pub fn call_tools() -> Vec<Arc<Tool>> {
    let text = |description: &str| json!({"type": "string", "description": description});
    vec![
        tool(
            "press",
            "Press keys on the telephone, for example when a recorded menu asks for a number.",
            &json!({"digits": text("The keys: 0-9, * and #; w waits half a second.")}),
            &["digits"],
        ),
        tool(
            "transfer",
            "Put the caller through to a person. Say one short line first.",
            &json!({"number": text(
                "Where to, in E.164 form such as +15005550006. Leave it out for the usual number.",
            )}),
            &[],
        ),
        tool(
            "end_call",
            "Hang up. Only after saying goodbye, or when the caller has nothing more to say.",
            &json!({}),
            &[],
        ),
        tool(
            "request_user",
            "Ask the human supervisor for something you do not know or may not decide. Tell the \
             caller that you are checking; the answer may take a while.",
            &json!({"prompt": text("The question.")}),
            &["prompt"],
        ),
        tool(
            "do_not_call",
            "Put this person's number on the list of those that are never called again. Use it as \
             soon as they ask for that, in any words, and tell them that it is done.",
            &json!({}),
            &[],
        ),
    ]
}

fn tool(name: &str, description: &str, properties: &Value, required: &[&str]) -> Arc<Tool> {
    let parameters = json!({"type": "object", "properties": properties, "required": required});
    Arc::new(Tool { name: name.into(), description: description.into(), parameters })
}
