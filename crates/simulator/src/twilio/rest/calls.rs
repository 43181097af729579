//! The calls of the account.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, RawForm, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use phony_wire::twilio::rest::{CreateCall, ListCalls, UpdateCall};
use phony_wire::twilio::webhook::{CallStatus, Form};
use serde_json::{Value, json};

use super::answers::{Paging, error, extend, gateway_error, not_found, page, reply};
use crate::twilio::calls::{CallCell, Control, Source, lock};
use crate::twilio::fault::Fault;
use crate::twilio::network::Network;
use crate::twilio::phone_number::{is_e164, national};
use crate::twilio::{bridge, clock, ringing};

/// The longest `Twiml` parameter, in characters.
const LONGEST_TWIML: usize = 4000;
/// How long a change to a call may take to show in the answer, in real time.
const SEEN_WITHIN: Duration = Duration::from_secs(1);

pub(super) async fn create(State(net): State<Arc<Network>>, RawForm(body): RawForm) -> Response {
    let create = CreateCall::from_form(&Form::parse(&body));
    if let Some(refused) = refuse_call(&net, &create) {
        return refused;
    }
    let fault = net.take_fault(|fault| matches!(fault, Fault::CreateFails { .. }));
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

pub(super) async fn fetch_one(
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

pub(super) async fn update(
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

pub(super) async fn list(
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

/// The time of a filter, which is a date or a date with a time.
fn instant(text: &str) -> Option<Timestamp> {
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
    text.parse().ok().or_else(|| day().map(|day| day.timestamp()))
}

/// The call's resource, with the fields that [`CallCell::resource`] leaves out.
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
