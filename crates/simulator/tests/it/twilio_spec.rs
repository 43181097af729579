//! A proxy between a client and the stand-in that checks both against Twilio's OpenAPI description:
//! requests must be ones that Twilio accepts, and responses ones that it could give.
//!
//! `make twilio-spec` downloads the description, and `make test` does so first. If it is missing,
//! one test fails and says so, and the other tests run unchecked.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use jsonschema::Validator;
use phony_wire::twilio::webhook::Form;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use url::Url;

const FILE: &str = "../../.cache/twilio/twilio_api_v2010.json";
/// The message if the description is missing.
const MISSING: &str = "Twilio's own description of its API is not at .cache/twilio, so no request \
                       was checked: `make twilio-spec` downloads it in seconds";
/// Parameters that an empty value clears, by the description's text but against its patterns.
const CLEARED_BY_NOTHING: [&str; 2] = ["VoiceApplicationSid", "TrunkSid"];
/// Fields that are empty in the description's examples, against its patterns.
const EMPTY_IN_EXAMPLES: [&str; 2] = ["voice_application_sid", "sms_application_sid"];

/// Fields that are in the description's examples but not in its schemas.
const IN_EXAMPLES: [&str; 1] = ["annotation"];

/// A checking proxy in front of an API. Dropping it fails if it has found anything wrong.
pub(crate) struct Checked {
    base: String,
    violations: Arc<Mutex<Vec<String>>>,
}

impl Checked {
    /// Starts a proxy in front of the API at this URL.
    pub(crate) async fn before(upstream: &str) -> Self {
        let violations = Arc::default();
        let Some(spec) = spec() else {
            #[expect(clippy::print_stderr, reason = "a developer reads it")]
            {
                eprintln!("{MISSING}");
            }
            return Self { base: upstream.to_owned(), violations };
        };
        spec.prepare_validators();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        drop(rustls::crypto::ring::default_provider().install_default());
        let proxy = Proxy {
            spec,
            upstream: upstream.to_owned(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            violations: Arc::clone(&violations),
        };
        let router = Router::new().fallback(forward).with_state(Arc::new(proxy));
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, violations }
    }

    pub(crate) fn base_url(&self) -> String {
        self.base.clone()
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        let violations = self.violations.lock().unwrap();
        if !std::thread::panicking() {
            assert!(violations.is_empty(), "against Twilio's OpenAPI:\n{}", violations.join("\n"));
        }
    }
}

struct Proxy {
    spec: &'static Spec,
    upstream: String,
    client: reqwest::Client,
    violations: Arc<Mutex<Vec<String>>>,
}

async fn forward(
    State(proxy): State<Arc<Proxy>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = format!("{method} {}", uri.path());
    let report = |what: String| proxy.violations.lock().unwrap().push(format!("{asked}: {what}"));
    let operation = proxy.spec.operation(&method, uri.path());
    match &operation {
        None => report("Twilio has no such operation".to_owned()),
        Some(operation) => {
            operation.check_path(uri.path(), &report);
            let query = Form::parse(uri.query().unwrap_or_default().as_bytes());
            operation.check_form("query", &operation.query(), &query, &report);
            if method == Method::POST {
                operation.check_form("body", &operation.body(), &Form::parse(&body), &report);
            }
        }
    }
    let url = format!("{}{uri}", proxy.upstream);
    let mut request = proxy.client.request(method, url).body(body);
    for name in [header::AUTHORIZATION, header::CONTENT_TYPE] {
        request = headers.get(&name).into_iter().fold(request, |r, value| r.header(&name, value));
    }
    let Ok(answer) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, kept) = (answer.status(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    if let (Some(operation), true) = (&operation, status.is_success()) {
        operation.check_answer(status, &text, &report);
    }
    let mut response = (status, text).into_response();
    for name in [header::CONTENT_TYPE, header::RETRY_AFTER, header::DATE] {
        kept.get(&name).map(|value| response.headers_mut().insert(name, value.clone()));
    }
    response
}

struct Spec {
    /// The description, with `nullable` turned into a type `null`.
    root: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

fn spec() -> Option<&'static Spec> {
    static SPEC: OnceLock<Option<Spec>> = OnceLock::new();
    let load = || {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        let text = std::fs::read_to_string(file).ok()?;
        let mut root: Value = serde_json::from_str(&text).expect("the description is JSON");
        allow_null(&mut root);
        Some(Spec { root, validators: Mutex::default() })
    };
    SPEC.get_or_init(load).as_ref()
}

/// Turns `nullable` of OpenAPI 3.0, which JSON Schema does not have, into a type `null`.
fn allow_null(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(allow_null);
            if fields.get("nullable") == Some(&json!(true)) {
                if let Some(kind) = fields.get("type").cloned() {
                    fields.insert("type".to_owned(), json!([kind, "null"]));
                }
                if let Some(Value::Array(words)) = fields.get_mut("enum") {
                    words.push(Value::Null);
                }
                if let Some(other) = fields.remove("$ref") {
                    fields
                        .insert("anyOf".to_owned(), json!([{ "$ref": other }, { "type": "null" }]));
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(allow_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// An operation of the API.
struct Operation {
    spec: &'static Spec,
    id: String,
    template: &'static str,
    node: &'static Value,
}

impl Spec {
    /// Builds the validators for placing calls beforehand. It takes a while, in which a call could
    /// ring and be answered before the client has its response.
    fn prepare_validators(&'static self) {
        let path = format!("/2010-04-01/Accounts/AC{:032}/Calls.json", 0);
        let operation = self.operation(&Method::POST, &path).expect("calls can be placed");
        operation.check_path(&path, &|_| {});
        for (place, schema) in [("query", operation.query()), ("body", operation.body())] {
            operation.check_form(place, &schema, &Form::default(), &|_| {});
        }
        operation.check_answer(StatusCode::CREATED, "{}", &|_| {});
    }

    fn operation(&'static self, method: &Method, path: &str) -> Option<Operation> {
        let paths = self.root["paths"].as_object()?;
        // Of several matching paths, the one with the most literal parts is right.
        let fitting = paths.iter().filter(|(template, _)| fits(template, path));
        let (template, node) = fitting.min_by_key(|(template, _)| template.matches('{').count())?;
        let method = method.as_str().to_lowercase();
        let node = node.get(&method)?;
        Some(Operation { spec: self, id: format!("{method} {template}"), template, node })
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(target) => {
                let pointer = target.trim_start_matches('#');
                self.resolve(self.root.pointer(pointer).expect("the description is whole"))
            }
            None => schema,
        }
    }

    fn validate(&self, key: &str, schema: &Value, value: &Value) -> Vec<String> {
        let build = || {
            let mut whole = schema.clone();
            whole["components"] = self.root["components"].clone();
            Arc::new(jsonschema::validator_for(&whole).expect("a schema"))
        };
        let validator = {
            let mut validators = self.validators.lock().unwrap();
            Arc::clone(validators.entry(key.to_owned()).or_insert_with(build))
        };
        let errors = validator.iter_errors(value);
        errors.map(|error| format!("{} at {}", error, error.instance_path())).collect()
    }
}

/// Whether a path matches a template, in which `{Sid}` stands for a part without a slash.
fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    let part = |(wanted, is): (&&str, &&str)| match (wanted.find('{'), wanted.find('}')) {
        (Some(from), Some(to)) => {
            let rest = is.strip_prefix(&wanted[..from]);
            rest.and_then(|rest| rest.strip_suffix(&wanted[to + 1..]))
                .is_some_and(|value| !value.is_empty() && !value.contains('.'))
        }
        _ => wanted == is,
    };
    template.len() == path.len() && template.iter().zip(&path).all(part)
}

impl Operation {
    /// Checks that the ids in the path match Twilio's patterns.
    fn check_path(&self, path: &str, report: &dyn Fn(String)) {
        let parameters = self.node["parameters"].as_array().into_iter().flatten();
        for parameter in parameters.filter(|parameter| parameter["in"] == "path") {
            let name = parameter["name"].as_str().unwrap();
            let slot = format!("{{{name}}}");
            let mut parts = self.template.split('/').zip(path.split('/'));
            let value = parts.find_map(|(wanted, is)| {
                let (before, after) = wanted.split_once(&slot)?;
                is.strip_prefix(before)?.strip_suffix(after)
            });
            let key = format!("{} {slot}", self.id);
            for problem in self.spec.validate(&key, &parameter["schema"], &json!(value)) {
                report(format!("in the path, {problem}"));
            }
        }
    }

    /// The schema of the query, as that of a form.
    fn query(&self) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for parameter in self.node["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] == "query" {
                let name = parameter["name"].as_str().unwrap();
                properties.insert(name.to_owned(), parameter["schema"].clone());
                required.extend((parameter["required"] == true).then(|| json!(name)));
            }
        }
        json!({ "type": "object", "properties": properties, "required": required })
    }

    fn body(&self) -> Value {
        let content = &self.node["requestBody"]["content"];
        content["application/x-www-form-urlencoded"]["schema"].clone()
    }

    fn check_form(&self, place: &str, schema: &Value, form: &Form, report: &dyn Fn(String)) {
        let none = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&none);
        let mut values: BTreeMap<&str, Value> = BTreeMap::new();
        for (name, text) in form.pairs() {
            let Some(property) = properties.get(name) else {
                report(format!("the {place} has `{name}`, which Twilio does not know"));
                continue;
            };
            if text.is_empty() && CLEARED_BY_NOTHING.contains(&name.as_str()) {
                continue;
            }
            let property = self.spec.resolve(property);
            if property["format"] == "uri" && !text.is_empty() && Url::parse(text).is_err() {
                report(format!("`{name}` is no URL"));
            }
            if property["type"] == "array" {
                let list = values.entry(name).or_insert_with(|| json!([]));
                list.as_array_mut().unwrap().push(json!(text));
            } else if values.insert(name, typed(property, text)).is_some() {
                report(format!("`{name}` is given twice"));
            }
        }
        let key = format!("{} {place}", self.id);
        for problem in self.spec.validate(&key, schema, &json!(values)) {
            report(format!("in the {place}, {problem}"));
        }
    }

    fn check_answer(&self, status: StatusCode, text: &str, report: &dyn Fn(String)) {
        let Some(response) = self.node["responses"].get(status.as_str()) else {
            return report(format!("the answer is {status}, which Twilio does not give"));
        };
        let Some(schema) = response.pointer("/content/application~1json/schema") else {
            if !text.is_empty() {
                report("the answer has a body".to_owned());
            }
            return;
        };
        let Ok(mut value) = serde_json::from_str::<Value>(text) else {
            return report("the answer is not JSON".to_owned());
        };
        as_in_examples(&mut value);
        for problem in self.spec.validate(&format!("{} {status}", self.id), schema, &value) {
            report(format!("in the answer, {problem}"));
        }
        self.check_fields(schema, &value, report);
    }

    /// Checks that the response has exactly the fields of the schema, null or not.
    fn check_fields(&self, schema: &Value, value: &Value, report: &dyn Fn(String)) {
        let schema = self.spec.resolve(schema);
        if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
            for value in values {
                self.check_fields(items, value, report);
            }
        }
        let (Some(properties), Some(fields)) =
            (schema["properties"].as_object(), value.as_object())
        else {
            return;
        };
        for (name, property) in properties {
            match fields.get(name) {
                Some(value) => self.check_fields(property, value, report),
                None if name.starts_with("capabilit") || schema["format"].is_string() => {}
                None => report(format!("the answer lacks `{name}`")),
            }
        }
        let known =
            |name: &&String| properties.contains_key(*name) || IN_EXAMPLES.contains(&name.as_str());
        for name in fields.keys().filter(|name| !known(name)) {
            report(format!("the answer has `{name}`, which Twilio does not give"));
        }
    }
}

fn as_in_examples(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if EMPTY_IN_EXAMPLES.contains(&name.as_str()) && value == "" {
                    *value = Value::Null;
                }
                as_in_examples(value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(as_in_examples),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The value of a form's text by the type in its schema.
fn typed(schema: &Value, text: &str) -> Value {
    let kind = &schema["type"];
    let is = |name: &str| kind == name || kind.as_array().is_some_and(|all| all[0] == name);
    let other = || json!(text);
    if is("integer") {
        text.parse::<i64>().map_or_else(|_| other(), |number| json!(number))
    } else if is("boolean") {
        text.parse::<bool>().map_or_else(|_| other(), |value| json!(value))
    } else {
        other()
    }
}

#[test]
fn twilios_description_is_present() {
    assert!(spec().is_some(), "{MISSING}");
}

#[tokio::test]
async fn unknown_requests_are_reported() {
    let options = phony_simulator::twilio::TwilioOptions::default();
    let network = phony_simulator::twilio::start(options.clone()).await.unwrap();
    let checked = Checked::before(&network.base_url()).await;
    let client = reqwest::Client::new();
    let base = format!("{}/2010-04-01/Accounts/{}", checked.base_url(), options.account_sid);
    let post = |path: &str, form: &[(&str, &str)]| {
        let request = client.post(format!("{base}/{path}")).form(form);
        request.basic_auth(&options.account_sid, Some(&options.auth_token)).send()
    };
    let to = ("To", "+14155550123");
    post("Calls.json", &[to, ("Form", "+15005550006")]).await.unwrap();
    post("Calls.json", &[("To", "+1"), ("From", "+1"), ("Timeout", "soon")]).await.unwrap();
    post("Numbers.json", &[]).await.unwrap();
    post("Calls/CA1.json", &[("Status", "completed")]).await.unwrap();
    let violations = std::mem::take(&mut *checked.violations.lock().unwrap()).join("\n");
    for wanted in [
        "`Form`, which Twilio does not know",
        "\"From\" is a required",
        "/Timeout",
        "no such operation",
        "in the path, \"CA1\"",
    ] {
        assert!(violations.contains(wanted), "{wanted}: {violations}");
    }
    network.stop().await;
}
