//! What the service answers to a request that it does not take.

use serde_json::{Value, json};

/// One refusal: the body of an `error` event, or of an HTTP error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    kind: &'static str,
    code: Option<String>,
    message: String,
    param: Option<String>,
}

impl ApiError {
    /// The caller's mistake; `param` is the path of the field that is wrong.
    pub(super) fn request(code: &str, param: impl Into<Option<String>>, message: String) -> Self {
        Self {
            kind: "invalid_request_error",
            code: Some(code.to_owned()),
            message,
            param: param.into(),
        }
    }

    pub(super) fn invalid(param: &str, message: String) -> Self {
        Self::request("invalid_value", param.to_owned(), message)
    }

    pub(super) fn missing(param: &str) -> Self {
        Self::request(
            "missing_required_parameter",
            param.to_owned(),
            format!("Missing required parameter: '{param}'."),
        )
    }

    pub(super) fn unknown(param: &str) -> Self {
        Self::request(
            "unknown_parameter",
            param.to_owned(),
            format!("Unknown parameter: '{param}'."),
        )
    }

    /// A refusal known by its code alone, with the kind and words that go with it.
    pub(super) fn of_code(code: &str) -> Self {
        let (kind, message) = describe(code);
        // Trouble of the service itself comes without a code (OpenAI Realtime guide, errors).
        let code = (code != "server_error").then(|| code.to_owned());
        Self { kind, code, message: message.to_owned(), param: None }
    }

    /// The `error` object; `event_id` is that of the client's event, if it had one.
    pub(super) fn object(&self, event_id: Option<&str>) -> Value {
        json!({
            "type": self.kind,
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "event_id": event_id,
        })
    }

    /// The body of an HTTP answer.
    pub(super) fn body(&self) -> Value {
        json!({"error": {
            "message": self.message, "type": self.kind, "param": self.param, "code": self.code,
        }})
    }

    /// The `error` of a failed response's `status_details`.
    pub(super) fn status_details(&self) -> Value {
        json!({
            "type": "failed",
            "error": {"type": self.kind, "code": self.code, "message": self.message},
        })
    }
}

fn describe(code: &str) -> (&'static str, &'static str) {
    match code {
        "invalid_api_key" => ("invalid_request_error", "Incorrect API key provided."),
        "insufficient_quota" => (
            "insufficient_quota",
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        "billing_hard_limit_reached" => {
            ("billing_limit_user_error", "Billing hard limit has been reached.")
        }
        "account_deactivated" => {
            ("invalid_request_error", "The account behind this key is no longer active.")
        }
        "rate_limit_exceeded" => {
            ("invalid_request_error", "Rate limit reached. Please try again in a moment.")
        }
        "inference_rate_limit_exceeded" => {
            ("invalid_request_error", "Inference rate limit reached. Please try again.")
        }
        "model_not_found" => {
            ("invalid_request_error", "The model does not exist or you do not have access to it.")
        }
        "session_expired" => {
            ("invalid_request_error", "Your session hit the maximum duration of 60 minutes.")
        }
        "beta_api_shape_disabled" => (
            "invalid_request_error",
            "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
        ),
        "server_error" => {
            ("server_error", "The server had an error while processing your request.")
        }
        _ => ("invalid_request_error", "The request was refused."),
    }
}
