//! The phone numbers of the account, and those that can be bought.

use std::sync::Arc;

use axum::extract::{Path, RawForm, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use phony_wire::twilio::rest::{AvailablePhoneNumber, ConfigureNumber, ListNumbers, SearchNumbers};
use phony_wire::twilio::webhook::Form;
use serde_json::{Value, json};

use super::answers::{Paging, error, extend, not_found, page, reply};
use crate::twilio::calls::lock;
use crate::twilio::clock;
use crate::twilio::network::Network;
use crate::twilio::phone_number::{PhoneNumber, is_e164, national};

/// The most numbers that one search finds.
const FOUND: usize = 10;

pub(super) async fn list(
    State(net): State<Arc<Network>>,
    Path(account_sid): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let form = Form::parse(query.unwrap_or_default().as_bytes());
    let filter = ListNumbers::from_form(&form);
    let numbers = lock(&net.numbers).clone();
    let fits = |number: &&PhoneNumber| {
        filter.phone_number.as_ref().is_none_or(|p| contains(&number.phone_number, p))
            && filter.friendly_name.as_ref().is_none_or(|name| number.friendly_name == *name)
    };
    let found: Vec<Value> =
        numbers.iter().filter(fits).map(|number| number_json(number, &account_sid)).collect();
    let path = format!("/2010-04-01/Accounts/{account_sid}/IncomingPhoneNumbers.json");
    page("incoming_phone_numbers", found, &Paging::of(&form), &path, &form)
}

pub(super) async fn buy(
    State(net): State<Arc<Network>>,
    Path(account_sid): Path<String>,
    RawForm(body): RawForm,
) -> Response {
    let change = ConfigureNumber::from_form(&Form::parse(&body));
    let wanted = match (&change.phone_number, &change.area_code) {
        (Some(number), _) if is_e164(number) => number.clone(),
        (Some(_), _) => return error(400, 21421, "PhoneNumber is invalid"),
        (None, Some(area)) => format!("+1{area}5550142"),
        (None, None) => return error(400, 21404, "PhoneNumber or AreaCode is required"),
    };
    let mut numbers = lock(&net.numbers);
    if numbers.iter().any(|number| number.phone_number == wanted) {
        return error(400, 21422, "PhoneNumber is not available");
    }
    let mut number = PhoneNumber::new(wanted, "");
    number.configure(change);
    let number = number.complete();
    let answer = reply(StatusCode::CREATED, &number_json(&number, &account_sid));
    numbers.push(number);
    answer
}

pub(super) async fn fetch_one(
    State(net): State<Arc<Network>>,
    Path((account_sid, file)): Path<(String, String)>,
) -> Response {
    let sid = file.strip_suffix(".json").unwrap_or(&file);
    let numbers = lock(&net.numbers);
    match numbers.iter().find(|number| number.sid == sid) {
        Some(number) => reply(StatusCode::OK, &number_json(number, &account_sid)),
        None => not_found("IncomingPhoneNumbers", sid),
    }
}

pub(super) async fn update(
    State(net): State<Arc<Network>>,
    Path((account_sid, file)): Path<(String, String)>,
    RawForm(body): RawForm,
) -> Response {
    let sid = file.strip_suffix(".json").unwrap_or(&file);
    let mut numbers = lock(&net.numbers);
    let Some(number) = numbers.iter_mut().find(|number| number.sid == sid) else {
        return not_found("IncomingPhoneNumbers", sid);
    };
    number.configure(ConfigureNumber::from_form(&Form::parse(&body)));
    reply(StatusCode::OK, &number_json(number, &account_sid))
}

/// Releases a number.
pub(super) async fn release(
    State(net): State<Arc<Network>>,
    Path((_, file)): Path<(String, String)>,
) -> Response {
    let sid = file.strip_suffix(".json").unwrap_or(&file);
    let mut numbers = lock(&net.numbers);
    match numbers.iter().position(|number| number.sid == sid) {
        Some(place) => {
            numbers.remove(place);
            StatusCode::NO_CONTENT.into_response()
        }
        None => not_found("IncomingPhoneNumbers", sid),
    }
}

pub(super) async fn available(
    State(net): State<Arc<Network>>,
    Path((account_sid, country, file)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let kind = file.strip_suffix(".json").unwrap_or(&file);
    if !matches!(kind, "Local" | "TollFree" | "Mobile") {
        return not_found("AvailablePhoneNumbers", kind);
    }
    let form = Form::parse(query.unwrap_or_default().as_bytes());
    let search = SearchNumbers::from_form(&form);
    let owned: Vec<_> =
        lock(&net.numbers).iter().map(|number| number.phone_number.clone()).collect();
    let most = search.page_size.and_then(|size| usize::try_from(size).ok()).unwrap_or(FOUND);
    let found: Vec<Value> = candidates(&country, kind, search.area_code.as_deref())
        .filter(|number| !owned.contains(number))
        .filter(|number| search.contains.as_ref().is_none_or(|p| contains(number, p)))
        .take(most.min(FOUND))
        .map(|number| available_json(&number, &country, &search))
        .collect();
    let path = format!("/2010-04-01/Accounts/{account_sid}/AvailablePhoneNumbers/{country}/{file}");
    page("available_phone_numbers", found, &Paging::of(&form), &path, &form)
}

/// The number's resource, with the fields that [`PhoneNumber::resource`] leaves out.
fn number_json(number: &PhoneNumber, account_sid: &str) -> Value {
    let mut value = json!(number.resource(account_sid));
    let rest = json!({
        "address_requirements": "none", "address_sid": null, "api_version": "2010-04-01",
        "beta": false, "bundle_sid": null,
        "capabilities": { "voice": true, "sms": true, "mms": true, "fax": false },
        "date_created": clock::rfc2822(clock::date()),
        "date_updated": clock::rfc2822(clock::date()),
        "emergency_address_sid": null, "emergency_address_status": "unregistered",
        "emergency_status": "Active", "identity_sid": null,
        "origin": "twilio", "sms_application_sid": "", "sms_fallback_method": "POST",
        "sms_fallback_url": "", "sms_method": "POST", "sms_url": "", "status": "in-use",
        "voice_caller_id_lookup": false, "voice_receive_mode": "voice",
    });
    extend(&mut value, rest);
    // Without an application the field is empty; without a trunk it is null.
    if number.trunk_sid.is_empty() {
        value["trunk_sid"] = Value::Null;
    }
    value
}

fn available_json(number: &str, country: &str, search: &SearchNumbers) -> Value {
    let item = AvailablePhoneNumber {
        phone_number: number.to_owned(),
        friendly_name: national(number),
        locality: search.in_locality.clone().unwrap_or_else(|| "Springfield".to_owned()),
        region: search.in_region.clone().unwrap_or_else(|| "CA".to_owned()),
        iso_country: country.to_owned(),
    };
    let mut value = json!(item);
    extend(
        &mut value,
        json!({
            "address_requirements": "none", "beta": false, "lata": "722",
            "capabilities": { "voice": true, "sms": true, "mms": true, "fax": false },
            "latitude": 37.7749, "longitude": -122.4194, "postal_code": "94103",
            "rate_center": "SNFC CNTRL",
        }),
    );
    value
}

/// Numbers reserved for fiction: 555-01xx in North America.
fn candidates(country: &str, kind: &str, area: Option<&str>) -> impl Iterator<Item = String> {
    let prefix = match (country, kind) {
        ("US" | "CA", "TollFree") => "+1800".to_owned(),
        ("US" | "CA", _) => format!("+1{}", area.unwrap_or("415")),
        ("GB", "TollFree") => "+44808157".to_owned(),
        ("GB", _) => "+447700900".to_owned(),
        _ => "+99900".to_owned(),
    };
    let north_american = prefix.starts_with("+1");
    (0..100).map(move |index| {
        if north_american {
            format!("{prefix}55501{index:02}")
        } else {
            format!("{prefix}{index:03}")
        }
    })
}

/// Whether a number contains a pattern, in which `*` stands for one digit.
fn contains(number: &str, pattern: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().filter(|c| *c != '+').collect();
    let digits: Vec<char> = number.chars().filter(|c| *c != '+').collect();
    let fits = |window: &[char]| window.iter().zip(&pattern).all(|(d, p)| *p == '*' || d == p);
    pattern.is_empty() || digits.windows(pattern.len()).any(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_anywhere_in_a_number() {
        assert!(contains("+14155550100", "0100"));
        assert!(contains("+14155550100", "415***0100"));
        assert!(!contains("+14155550100", "0101"));
        assert!(!contains("+1", "999999"));
    }
}
