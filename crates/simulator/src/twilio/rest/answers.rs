//! Answers of the API: resources, pages of lists, and errors.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use phony_wire::twilio::rest::RestError;
use phony_wire::twilio::webhook::Form;
use serde_json::{Value, json};

const LARGEST_PAGE: usize = 1000;
const DEFAULT_PAGE: usize = 50;

/// Which page of a list is requested.
pub(super) struct Paging {
    page: usize,
    size: usize,
}

impl Paging {
    pub(super) fn of(form: &Form) -> Self {
        let number = |name| form.get(name).and_then(|text| text.parse::<usize>().ok());
        Self {
            page: number("Page").unwrap_or(0),
            size: number("PageSize").unwrap_or(DEFAULT_PAGE).clamp(1, LARGEST_PAGE),
        }
    }
}

/// One page of a list, with links to its neighbours.
pub(super) fn page(
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

pub(super) fn reply(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

pub(super) fn error(status: u16, code: u32, message: &str) -> Response {
    let body = RestError {
        status,
        code: Some(code),
        message: message.to_owned(),
        more_info: format!("https://www.twilio.com/docs/errors/{code}"),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_json()).into_response()
}

pub(super) fn not_found(kind: &str, sid: &str) -> Response {
    not_found_at(&format!("{kind}/{sid}.json"))
}

pub(super) fn not_found_at(path: &str) -> Response {
    error(404, 20404, &format!("The requested resource {path} was not found"))
}

/// The answer of a failing gateway in front of the API.
pub(super) fn gateway_error() -> Response {
    let page = "<html><body><h1>500 Internal Server Error</h1></body></html>";
    (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/html")], page).into_response()
}

/// Adds the fields of one JSON object to another.
pub(super) fn extend(value: &mut Value, more: Value) {
    if let (Value::Object(value), Value::Object(more)) = (value, more) {
        value.extend(more);
    }
}
