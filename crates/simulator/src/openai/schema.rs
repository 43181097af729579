//! Schemas of JSON values, and the errors for values that do not fit.
//!
//! The service's errors name the parameter that is unknown or invalid (OpenAI Realtime guide,
//! errors), so its events are described as tables, in `client_events`, and checked in one walk.

use serde_json::{Map, Value};

use super::error::ApiError;

/// The schema of a value.
pub(super) enum Schema {
    Bool,
    /// A string of at most this many characters.
    Text(usize),
    Int(i64, i64),
    Num(f64, f64),
    OneOf(&'static [&'static str]),
    Null(&'static Self),
    /// An object with these fields and no others.
    Object(&'static [Field]),
    /// An object whose `tag` field chooses what else it holds.
    Tagged(&'static str, &'static [(&'static str, &'static Self)]),
    /// A list, with its least and greatest length.
    List(&'static Self, usize, usize),
    /// Any object.
    Free,
    /// At most 16 pairs of strings, keys to 64 and values to 512 characters.
    Metadata,
    Either(&'static Self, &'static Self),
}

/// One field of an object.
pub(super) struct Field {
    name: &'static str,
    required: bool,
    schema: &'static Schema,
}

pub(super) const fn required(name: &'static str, schema: &'static Schema) -> Field {
    Field { name, required: true, schema }
}

pub(super) const fn optional(name: &'static str, schema: &'static Schema) -> Field {
    Field { name, required: false, schema }
}

impl Schema {
    /// Checks `value` against this schema; `path` names it in the error.
    pub(super) fn check(&self, value: &Value, path: &str) -> Result<(), ApiError> {
        self.check_tagged(value, path, &mut Vec::new())
    }

    /// `tags` are the tag fields of the enclosing `Tagged` schemas.
    fn check_tagged(
        &self,
        value: &Value,
        path: &str,
        tags: &mut Vec<&'static str>,
    ) -> Result<(), ApiError> {
        if !self.fits(value) {
            return Err(wrong_kind(path, self.expected(), value));
        }
        match self {
            Self::Text(max) => {
                let length = value.as_str().map_or(0, |text| text.chars().count());
                if length > *max {
                    return Err(ApiError::invalid(
                        path,
                        format!("Invalid '{path}': at most {max} characters, got {length}."),
                    ));
                }
                Ok(())
            }
            Self::Int(low, high) => {
                let within = value.as_i64().is_some_and(|n| (*low..=*high).contains(&n));
                if within { Ok(()) } else { Err(out_of_range(path, value, low, high)) }
            }
            Self::Num(low, high) => {
                let within = value.as_f64().is_some_and(|n| (*low..=*high).contains(&n));
                if within { Ok(()) } else { Err(out_of_range(path, value, low, high)) }
            }
            Self::OneOf(allowed) => one_of(value.as_str().unwrap_or_default(), allowed, path),
            Self::Null(inner) if !value.is_null() => inner.check_tagged(value, path, tags),
            Self::Null(_) | Self::Bool | Self::Free => Ok(()),
            Self::Object(fields) => {
                value.as_object().map_or(Ok(()), |object| check_object(object, fields, path, tags))
            }
            Self::Tagged(tag, variants) => {
                let at = join(path, tag);
                let name = match value.get(tag) {
                    None => return Err(ApiError::missing(&at)),
                    Some(Value::String(name)) => name,
                    Some(other) => return Err(wrong_kind(&at, "a string", other)),
                };
                let Some((_, variant)) = variants.iter().find(|(known, _)| known == name) else {
                    let known: Vec<&str> = variants.iter().map(|(known, _)| *known).collect();
                    return Err(unsupported(name, &known, &at));
                };
                tags.push(tag);
                variant.check_tagged(value, path, tags)
            }
            Self::List(inner, least, most) => {
                let entries = value.as_array().map_or(&[][..], Vec::as_slice);
                if entries.len() < *least || entries.len() > *most {
                    return Err(ApiError::invalid(
                        path,
                        format!("Invalid '{path}': {} entries are not allowed.", entries.len()),
                    ));
                }
                for (index, entry) in entries.iter().enumerate() {
                    inner.check(entry, &format!("{path}[{index}]"))?;
                }
                Ok(())
            }
            Self::Metadata => check_metadata(value, path),
            Self::Either(first, second) => {
                let chosen = if first.fits(value) { first } else { second };
                chosen.check(value, path)
            }
        }
    }

    fn fits(&self, value: &Value) -> bool {
        match self {
            Self::Bool => value.is_boolean(),
            Self::Text(_) | Self::OneOf(_) => value.is_string(),
            Self::Int(..) => value.is_i64() || value.is_u64(),
            Self::Num(..) => value.is_number(),
            Self::Null(inner) => value.is_null() || inner.fits(value),
            Self::Object(_) | Self::Tagged(..) | Self::Free | Self::Metadata => value.is_object(),
            Self::List(..) => value.is_array(),
            Self::Either(first, second) => first.fits(value) || second.fits(value),
        }
    }

    fn expected(&self) -> &'static str {
        match self {
            Self::Bool => "a boolean",
            Self::Text(_) | Self::OneOf(_) => "a string",
            Self::Int(..) => "an integer",
            Self::Num(..) => "a number",
            Self::Null(inner) => inner.expected(),
            Self::Object(_) | Self::Tagged(..) | Self::Free | Self::Metadata => "an object",
            Self::List(..) => "an array",
            Self::Either(_, second) => second.expected(),
        }
    }
}

fn check_object(
    object: &Map<String, Value>,
    fields: &[Field],
    path: &str,
    tags: &[&'static str],
) -> Result<(), ApiError> {
    for field in fields.iter().filter(|field| field.required) {
        if !object.contains_key(field.name) {
            return Err(ApiError::missing(&join(path, field.name)));
        }
    }
    for (name, value) in object {
        let at = join(path, name);
        match fields.iter().find(|field| field.name == name) {
            Some(field) => field.schema.check(value, &at)?,
            None if tags.contains(&name.as_str()) => {}
            None => return Err(ApiError::unknown(&at)),
        }
    }
    Ok(())
}

fn check_metadata(value: &Value, path: &str) -> Result<(), ApiError> {
    let Some(pairs) = value.as_object() else { return Ok(()) };
    let fits = pairs.len() <= 16
        && pairs.iter().all(|(key, value)| {
            key.chars().count() <= 64
                && value.as_str().is_some_and(|text| text.chars().count() <= 512)
        });
    if fits {
        return Ok(());
    }
    let rule = "at most 16 pairs of strings, keys to 64 and values to 512 characters";
    Err(ApiError::invalid(path, format!("Invalid '{path}': {rule}.")))
}

fn one_of(given: &str, allowed: &[&str], path: &str) -> Result<(), ApiError> {
    if allowed.contains(&given) { Ok(()) } else { Err(unsupported(given, allowed, path)) }
}

fn unsupported(given: &str, allowed: &[&str], path: &str) -> ApiError {
    let given: String = given.chars().take(64).collect();
    let list: Vec<String> = allowed.iter().map(|name| format!("'{name}'")).collect();
    ApiError::invalid(
        path,
        format!("Invalid value: '{given}'. Supported values are: {}.", list.join(", ")),
    )
}

fn out_of_range(
    path: &str,
    value: &Value,
    low: impl std::fmt::Display,
    high: impl std::fmt::Display,
) -> ApiError {
    ApiError::invalid(path, format!("Invalid '{path}': {value} is not within {low} to {high}."))
}

fn wrong_kind(path: &str, expected: &str, value: &Value) -> ApiError {
    let got = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    ApiError::invalid(path, format!("Invalid value for '{path}': expected {expected}, got {got}."))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
