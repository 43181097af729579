//! The REST API, version 2010-04-01: its routes, and who may use it.
//!
//! Source: Twilio's `OpenAPI` description of the API, "Call resource" and "API responses".

mod answers;
mod calls;
mod numbers;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phony_wire::twilio::rest::Balance;
use serde_json::json;
use subtle::ConstantTimeEq as _;

use self::answers::{error, gateway_error, not_found_at, reply};
use super::clock;
use super::fault::Fault;
use super::network::Network;

/// The largest request body, in bytes.
const LARGEST_BODY: usize = 64 * 1024;

pub(crate) fn router(net: Arc<Network>) -> Router {
    let accounts = "/2010-04-01/Accounts/{account}";
    let at = |rest: &str| format!("{accounts}/{rest}");
    Router::new()
        .route("/2010-04-01/Accounts/{file}", get(account))
        .route(&at("Calls.json"), get(calls::list).post(calls::create))
        .route(&at("Calls/{file}"), get(calls::fetch_one).post(calls::update))
        .route(&at("IncomingPhoneNumbers.json"), get(numbers::list).post(numbers::buy))
        .route(
            &at("IncomingPhoneNumbers/{file}"),
            get(numbers::fetch_one).post(numbers::update).delete(numbers::release),
        )
        .route(&at("Balance.json"), get(balance))
        .route(&at("AvailablePhoneNumbers/{country}/{file}"), get(numbers::available))
        .fallback(|request: Request| async move { not_found_at(request.uri().path()) })
        .layer(middleware::from_fn_with_state(Arc::clone(&net), guard))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(net)
}

/// Refuses requests without the account's credentials, and applies planned faults.
async fn guard(State(net): State<Arc<Network>>, request: Request, inner: Next) -> Response {
    if !authorized(&net, request.headers()) || !own_account(&net, request.uri().path()) {
        let mut answer = error(401, 20003, "Authenticate");
        let challenge = header::HeaderValue::from_static("Basic realm=\"Twilio API\"");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        return answer;
    }
    let general = |fault: &Fault| !matches!(fault, Fault::CreateFails { .. });
    match net.take_fault(general) {
        Some(Fault::TooManyRequests) => {
            let mut answer = error(429, 20429, "Too Many Requests");
            let seconds = header::HeaderValue::from_static("1");
            answer.headers_mut().insert(header::RETRY_AFTER, seconds);
            answer
        }
        Some(_) => gateway_error(),
        None => inner.run(request).await,
    }
}

fn authorized(net: &Network, headers: &HeaderMap) -> bool {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok());
    let wanted = format!("{}:{}", net.options.account_sid, net.options.auth_token);
    given.is_some_and(|given| given.ct_eq(wanted.as_bytes()).into())
}

fn own_account(net: &Network, path: &str) -> bool {
    let mut parts = path.split('/').skip(2);
    parts.next() != Some("Accounts")
        || parts.next().is_some_and(|account| {
            account.strip_suffix(".json").unwrap_or(account) == net.options.account_sid
        })
}

async fn account(State(net): State<Arc<Network>>) -> Response {
    let sid = &net.options.account_sid;
    reply(
        StatusCode::OK,
        &json!({
            "sid": sid, "auth_token": net.options.auth_token,
            "friendly_name": "Phone network stand-in", "status": "active",
            "type": "Full", "owner_account_sid": sid, "uri": format!("/2010-04-01/Accounts/{sid}.json"),
            "date_created": clock::rfc2822(clock::date()),
            "date_updated": clock::rfc2822(clock::date()), "subresource_uris": {},
        }),
    )
}

async fn balance(State(net): State<Arc<Network>>) -> Response {
    let account_sid = net.options.account_sid.clone();
    let balance = Balance { account_sid, balance: "20.00".to_owned(), currency: "USD".to_owned() };
    reply(StatusCode::OK, &json!(balance))
}
