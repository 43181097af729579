//! Sends a request, again where that is safe, and classifies the response.

use std::time::Duration;

use phony_wire::twilio::rest::RestError;
use phony_wire::twilio::webhook::Form;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

use super::error::{CarrierError, NoClient};
use crate::http_client::no_answer;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const TRIES: u32 = 4;
/// The longest pause before the second attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// A longer `Retry-After` is left to the caller.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(10);
/// In bytes; a page of a thousand numbers has 2 MB.
const LARGEST_ANSWER: usize = 8 * 1024 * 1024;

/// The HTTP client, with the credentials of the account.
#[derive(Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    account_sid: String,
    auth_token: SecretString,
}

/// Whether a request that may have been carried out may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// It changes nothing.
    Reading,
    /// Carrying it out twice is harmless.
    Harmless,
    /// It must not be carried out twice.
    Never,
}

/// A successful response.
pub(super) struct Answer {
    pub(super) body: String,
    /// The `Date` header.
    pub(super) date: Option<String>,
}

/// A failed attempt.
struct Failed {
    failure: CarrierError,
    /// The request certainly was not carried out.
    undone: bool,
    /// Another attempt may succeed.
    passing: bool,
    retry_after: Option<Duration>,
}

impl Http {
    /// A client with timeouts and without redirects, which would send the credentials elsewhere.
    pub(super) fn new(
        base: &Url,
        timeout: Duration,
        account_sid: &str,
        auth_token: SecretString,
    ) -> Result<Self, NoClient> {
        // Another part of the process may have installed one already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_LIMIT.min(timeout))
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("phony/", env!("CARGO_PKG_VERSION")));
        // A server on this machine is never behind a proxy.
        let local = match base.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let builder = if local { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|error| NoClient::Http(no_answer(&error)))?;
        Ok(Self { client, account_sid: account_sid.to_owned(), auth_token })
    }

    pub(super) async fn get(&self, address: &str) -> Result<Answer, CarrierError> {
        let request = || self.client.request(Method::GET, address);
        self.send(request, Retry::Reading, &|| true).await
    }

    /// Posts a form, which is sent again only while `still` returns true.
    pub(super) async fn post_while(
        &self,
        address: &str,
        form: &Form,
        retry: Retry,
        still: &(dyn Fn() -> bool + Sync),
    ) -> Result<Answer, CarrierError> {
        let body = form.encode();
        let request = || {
            let request = self.client.request(Method::POST, address);
            let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            request.body(body.clone())
        };
        self.send(request, retry, still).await
    }

    async fn send(
        &self,
        request: impl Fn() -> RequestBuilder,
        retry: Retry,
        still: &(dyn Fn() -> bool + Sync),
    ) -> Result<Answer, CarrierError> {
        let mut tries = 0;
        // Once a request may have been carried out, a later 429 does not undo that.
        let mut unknown = None;
        loop {
            let token = self.auth_token.expose_secret();
            let request = request().basic_auth(&self.account_sid, Some(token));
            let Failed { failure, undone, passing, retry_after } = match once(request).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            tries += 1;
            let wait = retry_after.unwrap_or_else(|| pause(tries));
            if !undone && retry != Retry::Reading {
                unknown = Some(CarrierError::Unknown(failure.to_string()));
            }
            let repeat = passing && (undone || retry != Retry::Never);
            if !repeat || tries == TRIES || wait > LONGEST_RETRY_AFTER {
                return Err(if passing { unknown.unwrap_or(failure) } else { failure });
            }
            metrics::counter!("phony_twilio_api_retries_total").increment(1);
            tracing::debug!(event = "twilio_api_retry", tries, reason = %failure);
            tokio::time::sleep(wait).await;
            if !still() {
                return Err(unknown.unwrap_or(CarrierError::Withdrawn));
            }
        }
    }
}

async fn once(request: RequestBuilder) -> Result<Answer, Failed> {
    let mut response = request.send().await.map_err(|error| unanswered(&error))?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unanswered(&error))? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    if status.is_success() {
        return Ok(Answer { body, date: text_of(&headers, DATE.as_str()) });
    }
    Err(refused(status, &headers, &body))
}

/// There was no response, or an incomplete one.
fn unanswered(error: &reqwest::Error) -> Failed {
    Failed {
        failure: CarrierError::Unreachable(no_answer(error)),
        undone: error.is_connect() || error.is_builder(),
        passing: !error.is_builder(),
        retry_after: None,
    }
}

fn refused(status: StatusCode, headers: &HeaderMap, body: &str) -> Failed {
    let error = RestError::parse(status.as_u16(), body);
    let seconds = text_of(headers, RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
    let retry_after = seconds.map(Duration::from_secs);
    let (undone, passing) = if error.is_rate_limit() {
        (true, true)
    } else if status.is_server_error() {
        (false, true)
    } else {
        (true, false)
    };
    Failed { failure: CarrierError::Refused(error), undone, passing, retry_after }
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// A random part of a time that doubles with each attempt, so that many clients spread out.
fn pause(tries: u32) -> Duration {
    let most = FIRST_PAUSE.saturating_mul(1 << (tries - 1).min(8)).min(LONGEST_PAUSE);
    let mut random = [0xff; 2];
    // Without random bytes the pause is the longest one.
    getrandom::fill(&mut random).unwrap_or(());
    most.mul_f64(f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        for (tries, most) in [(1, 200), (2, 400), (3, 800), (40, 3000)] {
            assert!((0..50).all(|_| pause(tries) <= Duration::from_millis(most)));
        }
        assert!((0..50).any(|_| pause(3) > Duration::from_millis(200)));
    }

    #[test]
    fn refused_requests_and_those_of_unknown_result_are_told_apart() {
        let of = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            refused(status, &HeaderMap::new(), "{}")
        };
        assert!(of(429).undone && of(429).passing);
        assert!(of(400).undone && !of(400).passing);
        assert!(!of(503).undone && of(503).passing);
        assert!(matches!(of(404).failure, CarrierError::Refused(_)));
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "2".parse().unwrap());
        let failed = refused(StatusCode::TOO_MANY_REQUESTS, &headers, "");
        assert_eq!(failed.retry_after, Some(Duration::from_secs(2)));
    }
}
