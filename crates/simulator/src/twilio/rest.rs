//! The REST API, version 2010-04-01: who may use it, its errors and its pages, and calls.
//!
//! Source: Twilio's `OpenAPI` description of the API, "Call resource" and "API responses".

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, RawForm, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use phony_wire::twilio::rest::{Balance, CreateCall, ListCalls, RestError, UpdateCall};
use phony_wire::twilio::webhook::{CallStatus, Form};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use super::calls::{CallCell, Control, Source, lock};
use super::network::Network;
use super::numbers::{self, extend, is_e164, national};
use super::{bridge, clock, ringing};

const LARGEST_BODY: usize = 64 * 1024;
const LONGEST_TWIML: usize = 4000;
const LARGEST_PAGE: usize = 1000;
const DEFAULT_PAGE: usize = 50;
/// How long a change of a call may take until it is seen in the answer, on the clock.
const SEEN_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);

/// Something that goes wrong with the API, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The next request is answered with 429, code 20429; nothing is done.
    TooManyRequests,
    /// The next request is answered with 500 and a page that is not JSON; nothing is done.
    ServerError,
    /// The next call is answered with 500; it is placed all the same if `call_exists`.
    CreateFails {
        /// Whether the call is placed.
        call_exists: bool,
    },
}

pub(crate) fn router(net: Arc<Network>) -> Router {
    let accounts = "/2010-04-01/Accounts/{account}";
    let at = |rest: &str| format!("{accounts}/{rest}");
    Router::new()
        .route("/2010-04-01/Accounts/{file}", get(account))
        .route(&at("Calls.json"), get(list_calls).post(create_call))
        .route(&at("Calls/{file}"), get(fetch_call).post(update_call))
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

/// Refuses whoever does not know the account's secret, and lets planned faults happen.
async fn guard(State(net): State<Arc<Network>>, request: Request, inner: Next) -> Response {
    if !authorized(&net, request.headers()) || !own_account(&net, request.uri().path()) {
        let mut answer = error(401, 20003, "Authenticate");
        let challenge = header::HeaderValue::from_static("Basic realm=\"Twilio API\"");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        return answer;
    }
    let general = |fault: &Fault| !matches!(fault, Fault::CreateFails { .. });
    match take_fault(&net, general) {
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

fn take_fault(net: &Network, kind: impl Fn(&Fault) -> bool) -> Option<Fault> {
    let mut faults = lock(&net.faults);
    let index = faults.iter().position(kind)?;
    faults.remove(index)
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

async fn create_call(State(net): State<Arc<Network>>, RawForm(body): RawForm) -> Response {
    let create = CreateCall::from_form(&Form::parse(&body));
    if let Some(refused) = refuse_call(&net, &create) {
        return refused;
    }
    let fault = take_fault(&net, |fault| matches!(fault, Fault::CreateFails { .. }));
    if matches!(fault, Some(Fault::CreateFails { call_exists: false })) {
        return gateway_error();
    }
    let (cell, control) = net.create(&create.from, &create.to, "outbound-api");
    let answer = reply(StatusCode::CREATED, &call_json(&net, &cell));
    let callee = match net.callee(&create.to) {
        Some(callee) => callee,
        None => bridge::to_own_number(&net, &create.from, &create.to)
            .unwrap_or_else(|| net.options.callee.clone()),
    };
    let ringing = ringing::outbound(Arc::clone(&net), cell, control, create, callee);
    net.tracker.spawn(ringing);
    if fault.is_some() { gateway_error() } else { answer }
}

fn refuse_call(net: &Network, create: &CreateCall) -> Option<Response> {
    let named = |address: &str| address.starts_with("sip:") || address.starts_with("client:");
    let absent = |text: &Option<String>| text.as_ref().is_none_or(String::is_empty);
    let wrong_url = |url: &String| !(url.starts_with("http://") || url.starts_with("https://"));
    let (code, message) = if create.to.is_empty() {
        (21201, "No 'To' number is specified")
    } else if !is_e164(&create.to) && !named(&create.to) {
        (21211, "Invalid 'To' Phone Number")
    } else if create.from.is_empty() {
        (21213, "No 'From' number is specified")
    } else if !named(&create.from) && net.number(&create.from).is_none() {
        (21210, "The source phone number provided is not yet verified for your account")
    } else if absent(&create.url) && absent(&create.twiml) {
        (21205, "Url parameter is required")
    } else if create.url.as_ref().is_some_and(wrong_url) {
        (21205, "Url is not a valid URL")
    } else if create.twiml.as_ref().is_some_and(|twiml| twiml.chars().count() > LONGEST_TWIML) {
        (32018, "Twiml is longer than 4000 characters")
    } else {
        return None;
    };
    Some(error(400, code, message))
}

async fn fetch_call(
    State(net): State<Arc<Network>>,
    Path((_, file)): Path<(String, String)>,
) -> Response {
    let sid = file.strip_suffix(".json").unwrap_or(&file);
    let cell = lock(&net.calls).get(sid);
    cell.map_or_else(
        || not_found("Calls", sid),
        |cell| reply(StatusCode::OK, &call_json(&net, &cell)),
    )
}

async fn update_call(
    State(net): State<Arc<Network>>,
    Path((_, file)): Path<(String, String)>,
    RawForm(body): RawForm,
) -> Response {
    let sid = file.strip_suffix(".json").unwrap_or(&file);
    let update = UpdateCall::from_form(&Form::parse(&body));
    let Some(cell) = lock(&net.calls).get(sid) else { return not_found("Calls", sid) };
    let status = cell.status();
    let wish = match update.status.as_deref() {
        Some("completed" | "canceled") if status.is_final() => return not_found("Calls", sid),
        Some("completed") => Some(Control::Complete),
        Some("canceled") if status == CallStatus::InProgress => {
            return error(400, 21220, "Call is in-progress. Cannot cancel.");
        }
        Some("canceled") => Some(Control::Cancel),
        Some(_) => return error(400, 20001, "Status must be 'canceled' or 'completed'"),
        None => match (update.url, update.twiml) {
            (Some(_), Some(_)) => return error(400, 20001, "Url and Twiml exclude each other"),
            (None, None) => None,
            _ if status != CallStatus::InProgress => {
                return error(400, 21220, "Call is not in-progress. Cannot redirect.");
            }
            (None, Some(twiml)) if twiml.chars().count() > LONGEST_TWIML => {
                return error(400, 32018, "Twiml is longer than 4000 characters");
            }
            (None, Some(twiml)) => Some(Control::Redirect(Source::Inline(twiml))),
            (Some(url), None) => {
                let method = update.method.unwrap_or_else(|| "POST".to_owned());
                Some(Control::Redirect(Source::Url { url, method }))
            }
        },
    };
    if let Some(seconds) = update.time_limit_s {
        send(&cell, Control::TimeLimit { seconds }).await;
    }
    let ends = matches!(wish, Some(Control::Complete | Control::Cancel));
    if let Some(wish) = wish {
        send(&cell, wish).await;
    }
    if ends {
        until_over(&cell).await;
    }
    reply(StatusCode::OK, &call_json(&net, &cell))
}

/// A call that has ended meanwhile needs no orders.
async fn send(cell: &CallCell, control: Control) {
    drop(cell.control.send(control).await);
}

/// Waits until the state of the call is a final one, but not for long.
async fn until_over(cell: &CallCell) {
    let over = async {
        loop {
            let changed = cell.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if cell.status().is_final() {
                return;
            }
            changed.await;
        }
    };
    drop(tokio::time::timeout(SEEN_WITHIN, over).await);
}

async fn list_calls(
    State(net): State<Arc<Network>>,
    Path(account_sid): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let form = Form::parse(query.unwrap_or_default().as_bytes());
    let filter = ListCalls::from_form(&form);
    let after = filter.start_time_from.as_deref().and_then(instant);
    let before = form.get("StartTime<").and_then(instant);
    let cells: Vec<_> = lock(&net.calls).oldest_first().rev().cloned().collect();
    let found = cells.iter().filter(|cell| {
        let (from, to) = cell.read(|record| (record.from.clone(), record.to.clone()));
        filter.to.as_ref().is_none_or(|wanted| *wanted == to)
            && filter.from.as_ref().is_none_or(|wanted| *wanted == from)
            && filter.status.as_ref().is_none_or(|wanted| cell.status().as_str() == wanted)
            && after.is_none_or(|after| cell.began() >= after)
            && before.is_none_or(|before| cell.began() <= before)
    });
    let found = found.map(|cell| call_json(&net, cell)).collect();
    let path = format!("/2010-04-01/Accounts/{account_sid}/Calls.json");
    page("calls", found, &Paging::of(&form), &path, &form)
}

/// A time of a filter: a date, or a date and a time.
fn instant(text: &str) -> Option<Timestamp> {
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
    text.parse().ok().or_else(|| day().map(|day| day.timestamp()))
}

/// The resource with the fields that the API also has and no client of ours reads.
fn call_json(net: &Network, cell: &CallCell) -> Value {
    let account_sid = &net.options.account_sid;
    let resource = cell.resource(account_sid);
    let inbound = resource.direction == "inbound";
    let own = if inbound { &resource.to } else { &resource.from };
    let number_sid = net.number(own).map(|number| number.sid);
    let base = format!("/2010-04-01/Accounts/{account_sid}/Calls/{}", resource.sid);
    let more = json!({
        "annotation": null, "api_version": "2010-04-01", "caller_name": null,
        "date_updated": clock::rfc2822(clock::date()), "forwarded_from": null,
        "from_formatted": national(&resource.from), "group_sid": null, "parent_call_sid": null,
        "phone_number_sid": number_sid, "queue_time": "0",
        "subresource_uris": {
            "notifications": format!("{base}/Notifications.json"),
            "recordings": format!("{base}/Recordings.json"),
        },
        "to_formatted": national(&resource.to), "trunk_sid": null,
    });
    let mut value = json!(resource);
    extend(&mut value, more);
    value
}

/// Which part of a list is asked for.
pub(crate) struct Paging {
    page: usize,
    size: usize,
}

impl Paging {
    pub(crate) fn of(form: &Form) -> Self {
        let number = |name| form.get(name).and_then(|text| text.parse::<usize>().ok());
        Self {
            page: number("Page").unwrap_or(0),
            size: number("PageSize").unwrap_or(DEFAULT_PAGE).clamp(1, LARGEST_PAGE),
        }
    }
}

/// One page of a list, with the ways to its neighbours.
pub(crate) fn page(
    key: &str,
    items: Vec<Value>,
    paging: &Paging,
    path: &str,
    query: &Form,
) -> Response {
    let Paging { page, size } = *paging;
    let address = |page: usize| {
        let mut pairs = Form::default();
        for (name, value) in query.pairs() {
            if !matches!(name.as_str(), "Page" | "PageSize" | "PageToken") {
                pairs.push(name, value);
            }
        }
        pairs.push("PageSize", size.to_string());
        pairs.push("Page", page.to_string());
        if page > 0 {
            pairs.push("PageToken", format!("PT{page}"));
        }
        format!("{path}?{}", pairs.encode())
    };
    let start = page.saturating_mul(size).min(items.len());
    let more = start.saturating_add(size) < items.len();
    let part: Vec<Value> = items.into_iter().skip(start).take(size).collect();
    let end = start + part.len().saturating_sub(1);
    let mut body = json!({
        "first_page_uri": address(0), "end": end, "next_page_uri": more.then(|| address(page + 1)),
        "page": page, "page_size": size,
        "previous_page_uri": page.checked_sub(1).map(address), "start": start,
        "uri": address(page),
    });
    body[key] = Value::Array(part);
    reply(StatusCode::OK, &body)
}

pub(crate) fn reply(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

pub(crate) fn error(status: u16, code: u32, message: &str) -> Response {
    let body = RestError {
        status,
        code: Some(code),
        message: message.to_owned(),
        more_info: format!("https://www.twilio.com/docs/errors/{code}"),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_json()).into_response()
}

pub(crate) fn not_found(kind: &str, sid: &str) -> Response {
    not_found_at(&format!("{kind}/{sid}.json"))
}

fn not_found_at(path: &str) -> Response {
    error(404, 20404, &format!("The requested resource {path} was not found"))
}

/// What a gateway answers in the API's place.
fn gateway_error() -> Response {
    let page = "<html><body><h1>500 Internal Server Error</h1></body></html>";
    (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/html")], page).into_response()
}
