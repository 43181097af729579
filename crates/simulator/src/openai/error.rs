//! The service's errors.

use serde_json::{Value, json};

/// An error of the service, as an `error` event or the body of an HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    kind: &'static str,
    code: Option<String>,
    message: String,
    param: Option<String>,
}

impl ApiError {
    /// A mistake of the client; `param` is the path of the wrong field.
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

    /// The error of this code, with its type and message.
    pub(super) fn of_code(code: &str) -> Self {
        let (kind, message) = describe(code);
        // The service's own failures have no code (OpenAI Realtime guide, errors).
        let code = (code != "server_error").then(|| code.to_owned());
        Self { kind, code, message: message.to_owned(), param: None }
    }

    /// The object in an `error` event; `event_id` is that of the client's event, if it had one.
    pub(super) fn object(&self, event_id: Option<&str>) -> Value {
        json!({
            "type": self.kind,
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "event_id": event_id,
        })
    }

    /// The body of an HTTP response.
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
