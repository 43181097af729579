//! Errors of the connection and of replies, in the call's terms.

use phony_call::{Fault, FromModel, TurnId, Usage};
use phony_wire::openai::realtime::{ApiError, Severity, of_close, of_error, of_http, of_response};
use serde_json::Value;

/// The longest message of the server that is passed on, in characters.
const LONGEST_MESSAGE: usize = 300;

/// An error of the connection or of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelError {
    /// What can be done about it.
    pub(crate) fault: Fault,
    /// The server's code, or one of the adapter's own.
    pub(crate) code: String,
    /// The server's message, unredacted: it may quote what was sent.
    pub(crate) message: String,
}

impl ModelError {
    /// The connection is lost, or as good as lost.
    pub(crate) fn lost(code: &str, message: impl Into<String>) -> Self {
        Self { fault: Fault::Lost, code: code.into(), message: message.into() }
    }

    /// An error that ends a connection, or keeps it from being opened.
    pub(crate) fn from_connection(error: &ApiError) -> Self {
        Self::new(of_error(error), Fault::Lost, error)
    }

    /// An error that fails a reply and leaves the connection usable.
    pub(crate) fn from_request(error: &ApiError) -> Self {
        Self::new(of_error(error), Fault::Passing, error)
    }

    /// The error of a failed response, if the server gives one.
    pub(crate) fn from_response(error: Option<&ApiError>) -> Self {
        let unnamed = ApiError::default();
        Self::new(of_response(error), Fault::Passing, error.unwrap_or(&unnamed))
    }

    /// The error that a close frame stands for.
    pub(crate) fn from_close(code: u16, reason: &str) -> Self {
        let fault = match of_close(code, reason) {
            Severity::Fatal => Fault::Fatal,
            Severity::RateLimited => Fault::Busy,
            Severity::Transient | Severity::SessionOver | Severity::Bug | Severity::Benign => {
                Fault::Lost
            }
        };
        Self { fault, code: format!("closed_{code}"), message: reason.into() }
    }

    /// A refused upgrade. Status 429 means both an exhausted quota and a busy server; the body
    /// tells which.
    pub(crate) fn from_http(status: u16, body: &[u8]) -> Self {
        let error = error_in(body);
        let fault = match (of_http(status), of_error(&error)) {
            (Severity::Fatal, _) | (_, Severity::Fatal) => Fault::Fatal,
            (Severity::RateLimited, _) => Fault::Busy,
            _ => Fault::Lost,
        };
        let code = if error.code.is_empty() { format!("http_{status}") } else { error.code };
        Self { fault, code, message: error.message }
    }

    /// The event for the call. `secret` is redacted, in case the server quotes it.
    pub(crate) fn into_event(
        self,
        turn: Option<TurnId>,
        usage: Option<Usage>,
        secret: &str,
    ) -> FromModel {
        let Self { fault, code, message } = self;
        let message = redacted(&message, secret);
        FromModel::Failed { turn, fault, code, message, usage }
    }

    /// The message to display, with `secret` redacted.
    pub(crate) fn displayed(&self, secret: &str) -> String {
        let message = redacted(&self.message, secret);
        if message.is_empty() { "it was refused without a word".to_owned() } else { message }
    }

    /// Counts and logs the error, without its message.
    pub(crate) fn report(&self, during: &'static str) {
        metrics::counter!("phony_model_errors_total", "kind" => during).increment(1);
        tracing::warn!(event = "model_trouble", during, code = self.code, fault = ?self.fault);
    }

    fn new(severity: Severity, otherwise: Fault, error: &ApiError) -> Self {
        let fault = match severity {
            Severity::Fatal => Fault::Fatal,
            Severity::RateLimited => Fault::Busy,
            Severity::SessionOver => Fault::Lost,
            Severity::Transient | Severity::Bug | Severity::Benign => otherwise,
        };
        let code = [&error.code, &error.kind].into_iter().find(|text| !text.is_empty());
        let code = code.map_or("unnamed", String::as_str).into();
        Self { fault, code, message: error.message.clone() }
    }
}

/// The `error` object of an HTTP response's body; empty if there is none.
fn error_in(body: &[u8]) -> ApiError {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &body["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    ApiError {
        kind: text("type"),
        code: text("code"),
        message: text("message"),
        ..ApiError::default()
    }
}

/// The message shortened, on one line and without keys, since it ends up in logs and on screens.
fn redacted(message: &str, secret: &str) -> String {
    let message =
        if secret.len() < 8 { message.to_owned() } else { message.replace(secret, "[key]") };
    let without_key =
        |word: &str| if word.contains("sk-") { "[key]".into() } else { word.to_owned() };
    let words: Vec<String> = message.split_whitespace().map(without_key).collect();
    words.join(" ").chars().take(LONGEST_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_alone_tells_a_refusal_from_a_busy_server() {
        let fault = |status| ModelError::from_http(status, b"").fault;
        assert_eq!([401, 403, 404, 400].map(fault), [Fault::Fatal; 4]);
        assert_eq!(fault(429), Fault::Busy);
        assert_eq!([408, 500, 503].map(fault), [Fault::Lost; 3]);
    }

    #[test]
    fn an_exhausted_quota_is_not_a_busy_server() {
        let body = br#"{"error":{"code":"insufficient_quota","message":"Pay first."}}"#;
        let error = ModelError::from_http(429, body);
        assert_eq!((error.fault, error.code.as_str()), (Fault::Fatal, "insufficient_quota"));
    }

    #[test]
    fn a_key_in_the_servers_message_is_redacted() {
        let quoted = redacted("Incorrect key: sk-abc123.\nYou sent topsecret99.", "topsecret99");
        assert_eq!(quoted, "Incorrect key: [key] You sent [key].");
        assert_eq!(redacted(&"x".repeat(1_000), "").len(), LONGEST_MESSAGE);
    }
}
