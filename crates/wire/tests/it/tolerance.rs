//! Any field of any message that is read may be missing, null or of another type.

use serde_json::{Value, json};

use phony_wire::openai::realtime::ServerEvent;
use phony_wire::twilio::{media, relay};

use crate::fixtures;

#[test]
fn no_field_of_a_relay_frame_but_its_type_is_needed() {
    check("relay/from_twilio", "type", |text| relay::FromTwilio::parse(text).is_ok());
}

#[test]
fn no_field_of_a_media_frame_but_its_event_is_needed() {
    check("media/from_twilio", "event", |text| media::FromTwilio::parse(text).is_ok());
}

#[test]
fn no_field_of_a_realtime_event_but_its_type_is_needed() {
    check("realtime/server", "type", |text| ServerEvent::parse(text).is_ok());
}

/// Drops, nulls and replaces every value at every depth; only the key at the top may matter.
fn check(folder: &str, key: &str, accepts: impl Fn(&str) -> bool) {
    let others = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(1.5e300),
        json!(u64::MAX),
        json!(""),
        json!("\u{0}\u{FFFF}"),
        json!([]),
        json!([[{}]]),
        json!({}),
        json!({ "type": [], "text": {} }),
    ];
    for (name, text) in fixtures::all(folder) {
        let whole: Value = serde_json::from_str(&text).expect("fixtures are JSON");
        assert!(accepts(&text), "{folder}/{name}");
        for path in paths(&whole) {
            let mut without = whole.clone();
            remove(&mut without, &path);
            let is_key = path == [key];
            assert_eq!(accepts(&without.to_string()), !is_key, "{name} without {path:?}");
            for other in &others {
                let mut changed = whole.clone();
                *at(&mut changed, &path) = other.clone();
                let fits = !is_key || other.is_string();
                assert_eq!(accepts(&changed.to_string()), fits, "{name}, {path:?} = {other}");
            }
        }
    }
}

fn paths(value: &Value) -> Vec<Vec<String>> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(elements) => {
            elements.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let mut all = Vec::new();
    for (step, child) in children {
        all.push(vec![step.clone()]);
        all.extend(paths(child).into_iter().map(|mut rest| {
            rest.insert(0, step.clone());
            rest
        }));
    }
    all
}

fn at<'a>(value: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter().fold(value, |value, step| {
        let step = format!("/{step}");
        value.pointer_mut(&step).expect("the path was found in this value")
    })
}

fn remove(value: &mut Value, path: &[String]) {
    let (last, parents) = path.split_last().expect("a path has a step");
    match at(value, parents) {
        Value::Object(members) => drop(members.remove(last)),
        Value::Array(elements) => drop(elements.remove(last.parse().expect("a position"))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            panic!("the path was found in this value")
        }
    }
}
