//! Messages for the errors of HTTP clients.

use std::error::Error as _;

/// Why a request had no response, without its URL, which may hold a secret.
pub(crate) fn no_answer(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause = error.source();
    let mut last = None;
    while let Some(inner) = cause {
        last = Some(inner.to_string());
        cause = inner.source();
    }
    last.unwrap_or_else(|| "the request failed".to_owned())
}
