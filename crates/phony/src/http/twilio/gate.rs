//! Authentication of Twilio: signed requests.
//!
//! A signature covers the URL as it was given to Twilio, so the URL is rebuilt from the
//! configuration and the raw request line, never from forwarded headers (Twilio, "Webhooks
//! security"). Only while no public host is configured does the request's own `Host` count, since
//! the server is then reachable from this machine alone.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, OriginalUri, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use phony_wire::twilio::signature;
use phony_wire::twilio::webhook::Form;
use secrecy::ExposeSecret as _;

use crate::app::App;
use crate::http::AppState;
use crate::http::error::{ApiError, ErrorCode};

/// A form that Twilio signed.
#[derive(Debug)]
pub(super) struct Signed(pub(super) Form);

impl FromRequest<AppState> for Signed {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let target = target(&parts);
        let headers = parts.headers.clone();
        let body = Bytes::from_request(Request::from_parts(parts, body), &())
            .await
            .map_err(|rejection| unreadable(&rejection))?;
        let form = Form::parse(&body);
        let verify = |token: &str, signature: &str| {
            let urls = webhook_urls(&state.app, &headers, &target);
            urls.iter().any(|url| signature::verify_form(token, signature, url, form.pairs()))
        };
        check(&state.app, &headers, verify)?;
        Ok(Self(form))
    }
}

/// A WebSocket upgrade that Twilio signed.
#[derive(Debug)]
pub(super) struct SignedUpgrade;

impl FromRequestParts<AppState> for SignedUpgrade {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let target = target(parts);
        let verify = |token: &str, signature: &str| {
            let hosts = hosts(&state.app, &parts.headers);
            let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
            signature::verify_upgrade(token, signature, &hosts, &target).is_some()
        };
        check(&state.app, &parts.headers, verify)?;
        Ok(Self)
    }
}

fn check(
    app: &App,
    headers: &HeaderMap,
    verify: impl FnOnce(&str, &str) -> bool,
) -> Result<(), ApiError> {
    let twilio = &app.config.twilio;
    if twilio.insecure_no_signatures {
        return Ok(());
    }
    let refused = |why: &'static str| {
        metrics::counter!("phony_carrier_requests_refused_total").increment(1);
        tracing::warn!(why, "a carrier request was refused");
        Err(ApiError::new(ErrorCode::Forbidden, why))
    };
    let Some(token) = &twilio.auth_token else {
        return refused("TWILIO_AUTH_TOKEN is not set, so nothing can be verified");
    };
    let signature = headers.get(signature::HEADER).and_then(|value| value.to_str().ok());
    match signature {
        None => refused("the request is not signed"),
        Some(signature) if verify(token.expose_secret(), signature) => Ok(()),
        Some(_) => refused("the signature does not fit the request"),
    }
}

/// The names under which Twilio may know this server.
fn hosts(app: &App, headers: &HeaderMap) -> Vec<String> {
    let mut hosts = vec![app.authority()];
    if app.config.host.is_none() {
        hosts.push(format!("127.0.0.1:{}", app.port));
        let own = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        hosts
            .extend(own.filter(|host| !hosts.iter().any(|known| known == host)).map(str::to_owned));
    }
    hosts
}

fn webhook_urls(app: &App, headers: &HeaderMap, target: &str) -> Vec<String> {
    let schemes: &[&str] = if app.config.host.is_some() { &["https"] } else { &["https", "http"] };
    let hosts = hosts(app, headers);
    let urls = hosts
        .iter()
        .flat_map(|host| schemes.iter().map(move |scheme| format!("{scheme}://{host}{target}")));
    urls.collect()
}

/// Path and query, exactly as in the request line.
fn target(parts: &Parts) -> String {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string)
}

fn unreadable(rejection: &BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        ApiError::new(ErrorCode::TooLarge, "the body is larger than 64 KB")
    } else {
        ApiError::new(ErrorCode::InvalidRequest, "the body could not be read")
    }
}
