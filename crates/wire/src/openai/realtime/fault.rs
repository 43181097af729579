//! What a failure means for a call (OpenAI Realtime guide, "Error handling"; the retry rules of
//! OpenAI's SDKs; codes seen on the wire).

use super::parts::ApiError;

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Retrying cannot help: no key, no money, no such model. The operator must be told.
    Fatal,
    /// Too many requests: retry after a pause.
    RateLimited,
    /// A failure of the server: retry at once, then reconnect.
    Transient,
    /// The session has ended; open a new one.
    SessionOver,
    /// Something wrong was sent; it had no effect, and the session continues.
    Bug,
    /// Two messages crossed on the way; nothing is lost.
    Benign,
}

/// What an `error` event or the error of a failed response means.
///
/// The code decides. Where it is empty, as in older errors, the message or the type does.
#[must_use]
pub fn of_error(error: &ApiError) -> Severity {
    match error.code.as_str() {
        "invalid_api_key"
        | "beta_api_shape_disabled"
        | "model_not_found"
        | "insufficient_quota"
        | "billing_hard_limit_reached"
        | "account_deactivated"
        | "invalid_organization"
        | "permission_denied" => Severity::Fatal,
        "rate_limit_exceeded" | "inference_rate_limit_exceeded" => Severity::RateLimited,
        "server_error" | "internal_error" => Severity::Transient,
        "session_expired" => Severity::SessionOver,
        "response_cancel_not_active"
        | "conversation_already_has_active_response"
        | "input_audio_buffer_commit_empty"
        | "item_retrieve_invalid_item_id"
        | "item_delete_invalid_item_id"
        | "item_truncate_invalid_item_id" => Severity::Benign,
        "invalid_value"
        | "missing_required_parameter"
        | "unknown_parameter"
        | "invalid_event"
        | "unsupported_content_type" => Severity::Bug,
        _ => by_words(error),
    }
}

/// What a failed response means. Without a reason, or with one that an `error` event would make a
/// mistake of the client, it may be retried.
#[must_use]
pub fn of_response(error: Option<&ApiError>) -> Severity {
    match error.map(of_error) {
        None | Some(Severity::Bug | Severity::Benign) => Severity::Transient,
        Some(severity) => severity,
    }
}

/// What a close code means; 1005 and 1006 stand for a socket that was lost without a code.
#[must_use]
pub fn of_close(code: u16, reason: &str) -> Severity {
    let says = |words: &str| reason.contains(words);
    if says("invalid_api_key") || says("insufficient_quota") || says("model_not_found") {
        return Severity::Fatal;
    }
    match code {
        1000 => Severity::SessionOver,
        1001 if says("maximum duration") || says("session_expired") => Severity::SessionOver,
        // Protocol error, unacceptable data, message too large: a mistake of the client.
        1002 | 1003 | 1007 | 1009 | 1010 => Severity::Bug,
        // Policy violation, and the range that OpenAI uses for refusals.
        1008 | 3000..=3999 => Severity::Fatal,
        _ => Severity::Transient,
    }
}

/// What an HTTP status means that answers a WebSocket upgrade.
#[must_use]
pub fn of_http(status: u16) -> Severity {
    match status {
        408 => Severity::Transient,
        429 => Severity::RateLimited,
        400..=499 => Severity::Fatal,
        _ => Severity::Transient,
    }
}

/// By message, then by type.
fn by_words(error: &ApiError) -> Severity {
    let begins = |words: &str| error.message.starts_with(words);
    if begins("Cancellation failed") || begins("Conversation already has an active response") {
        Severity::Benign
    } else if error.message.contains("maximum duration") {
        Severity::SessionOver
    } else if error.message.contains("is already shorter than") {
        Severity::Bug
    } else {
        match error.kind.as_str() {
            "authentication_error" | "permission_error" | "insufficient_quota" => Severity::Fatal,
            "rate_limit_error" | "rate_limit_exceeded" | "requests" | "tokens" => {
                Severity::RateLimited
            }
            "invalid_request_error" => Severity::Bug,
            _ => Severity::Transient,
        }
    }
}
