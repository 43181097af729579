//! One request and its answer: sent, sent again where that does no harm, classified.

use std::time::Duration;

use phony_wire::twilio::rest::RestError;
use phony_wire::twilio::webhook::Form;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::ExposeSecret as _;
use url::{Host, Url};

use super::{CarrierError, NoClient, RestClient};
use crate::http_client::no_answer;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const TRIES: u32 = 4;
/// Before the second try at most; twice as long before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// A longer wait than this is the caller's to decide.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(10);
/// The most of an answer that is read: a page of a thousand numbers has 2 MB.
const LARGEST_ANSWER: usize = 8 * 1024 * 1024;

/// Whether a request may be sent again when it may have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It changes nothing.
    Reading,
    /// It does no harm twice.
    Harmless,
    /// It would be done twice.
    Never,
}

/// A success.
pub(super) struct Answer {
    pub(super) body: String,
    /// The `Date` header.
    pub(super) date: Option<String>,
}

/// A try that was not a success.
struct Failed {
    failure: CarrierError,
    /// Certainly not carried out.
    undone: bool,
    /// Another try may go better.
    passing: bool,
    retry_after: Option<Duration>,
}

/// A client with limits of time, without redirects, which would carry the credentials elsewhere.
pub(super) fn client(base: &Url, patience: Duration) -> Result<reqwest::Client, NoClient> {
    // Another part of the process may have chosen already.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_LIMIT.min(patience))
        .timeout(patience)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("phony/", env!("CARGO_PKG_VERSION")));
    // A stand-in on this machine is never behind a proxy.
    let local = match base.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let builder = if local { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| NoClient::Http(no_answer(&error)))
}

impl RestClient {
    pub(super) async fn get(&self, address: &str) -> Result<Answer, CarrierError> {
        let request = || self.http.request(Method::GET, address);
        self.exchange(request, Again::Reading, &|| true).await
    }

    pub(super) async fn post(
        &self,
        path: &str,
        form: Form,
        again: Again,
    ) -> Result<Answer, CarrierError> {
        self.post_while(path, form, again, &|| true).await
    }

    /// The same; `still` is asked before each further try.
    pub(super) async fn post_while(
        &self,
        path: &str,
        form: Form,
        again: Again,
        still: &(dyn Fn() -> bool + Sync),
    ) -> Result<Answer, CarrierError> {
        let (address, body) = (self.address(path), form.encode());
        let request = || {
            let request = self.http.request(Method::POST, &address);
            let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            request.body(body.clone())
        };
        self.exchange(request, again, still).await
    }

    async fn exchange(
        &self,
        request: impl Fn() -> RequestBuilder,
        again: Again,
        still: &(dyn Fn() -> bool + Sync),
    ) -> Result<Answer, CarrierError> {
        let mut tries = 0;
        // Once a request may have been carried out, a later 429 does not undo that.
        let mut doubt = None;
        loop {
            let token = self.auth_token.expose_secret();
            let request = request().basic_auth(&self.account_sid, Some(token));
            let Failed { failure, undone, passing, retry_after } = match once(request).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            tries += 1;
            let wait = retry_after.unwrap_or_else(|| pause(tries));
            if !undone && again != Again::Reading {
                doubt = Some(CarrierError::Unknown(failure.to_string()));
            }
            let repeat = passing && (undone || again != Again::Never);
            if !repeat || tries == TRIES || wait > LONGEST_RETRY_AFTER {
                return Err(if passing { doubt.unwrap_or(failure) } else { failure });
            }
            metrics::counter!("phony_twilio_api_retries_total").increment(1);
            tracing::debug!(event = "twilio_api_retry", tries, reason = %failure);
            tokio::time::sleep(wait).await;
            if !still() {
                return Err(doubt.unwrap_or(CarrierError::Withdrawn));
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

/// No answer, or none that was whole.
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

/// A random part of a time that doubles with each try, so that many do not come back at once.
fn pause(tries: u32) -> Duration {
    let most = FIRST_PAUSE.saturating_mul(1 << (tries - 1).min(8)).min(LONGEST_PAUSE);
    let mut random = [0xff; 2];
    // Without randomness the pause is the longest one.
    getrandom::fill(&mut random).unwrap_or(());
    most.mul_f64(f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_but_not_without_end() {
        for (tries, most) in [(1, 200), (2, 400), (3, 800), (40, 3000)] {
            assert!((0..50).all(|_| pause(tries) <= Duration::from_millis(most)));
        }
        assert!((0..50).any(|_| pause(3) > Duration::from_millis(200)));
    }

    #[test]
    fn what_was_refused_and_what_may_have_been_done_are_told_apart() {
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
