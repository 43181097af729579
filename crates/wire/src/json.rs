//! Lenient reading and strict writing of JSON.
//!
//! [`Fields`] splits an object in one pass into names and values, which stay JSON text. A parser
//! reads the values that it needs as the types that it wants, so other values cannot fail it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::Serialize;
use serde_json::value::RawValue;

use crate::BadFrame;

/// The members of a JSON object, with unparsed values.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Reads an object; whitespace around it is allowed.
    pub(crate) fn parse(text: &'a str) -> Result<Self, BadFrame> {
        serde_json::from_str(text).map_err(|_| BadFrame::NotAnObject)
    }

    /// Like [`Fields::parse`], but anything except an object has no members.
    pub(crate) fn parse_or_empty(text: &'a str) -> Self {
        Self::parse(text).unwrap_or_default()
    }

    /// The text under the key that tells messages apart.
    pub(crate) fn kind(&self, key: &'static str) -> Result<Cow<'a, str>, BadFrame> {
        match self.raw(key) {
            Some(raw) if raw.starts_with('"') => Ok(unquote(raw)),
            _ => Err(BadFrame::NoKind { key }),
        }
    }

    /// The value's JSON text; `None` for `null`. Of several members of one name the last counts.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().rev().find(|(key, _)| key == name)?;
        Some(value.get()).filter(|text| *text != "null")
    }

    /// A string, or a number or boolean as it is written. `None` for anything else.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.raw(name).and_then(scalar)
    }

    /// Like [`Fields::text`], but empty instead of `None`.
    pub(crate) fn text_or_empty(&self, name: &str) -> Cow<'a, str> {
        self.text(name).unwrap_or_default()
    }

    /// Like [`Fields::text`], owned.
    pub(crate) fn string(&self, name: &str) -> Option<String> {
        self.text(name).map(Cow::into_owned)
    }

    /// Like [`Fields::text_or_empty`], owned.
    pub(crate) fn string_or_empty(&self, name: &str) -> String {
        self.text_or_empty(name).into_owned()
    }

    /// A whole number, also from a string. Fractions are truncated and negatives become 0.
    pub(crate) fn whole(&self, name: &str) -> Option<u64> {
        whole(&self.text(name)?)
    }

    /// Like [`Fields::whole`], at most `u32::MAX`.
    pub(crate) fn whole32(&self, name: &str) -> Option<u32> {
        self.whole(name).map(|n| u32::try_from(n).unwrap_or(u32::MAX))
    }

    /// A number, also from a string; never infinite or not-a-number.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.text(name)?.trim().parse().ok().filter(|n: &f64| n.is_finite())
    }

    /// A boolean, also from a string or from 0 and 1.
    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        let text = self.text(name)?;
        let text = text.trim();
        if text.eq_ignore_ascii_case("true") || text == "1" {
            Some(true)
        } else if text.eq_ignore_ascii_case("false") || text == "0" {
            Some(false)
        } else {
            None
        }
    }

    /// The members of an inner object; none for anything else.
    pub(crate) fn object(&self, name: &str) -> Self {
        self.raw(name).map(Self::parse_or_empty).unwrap_or_default()
    }

    /// The elements of an array, each as JSON text; none for anything else.
    pub(crate) fn array(&self, name: &str) -> Vec<&'a str> {
        let elements: Option<Vec<&'a RawValue>> =
            self.raw(name).and_then(|raw| serde_json::from_str(raw).ok());
        elements.unwrap_or_default().into_iter().map(RawValue::get).collect()
    }

    /// Every member as text: strings as they are, `null` as empty, other values as JSON.
    pub(crate) fn to_strings(&self) -> BTreeMap<String, String> {
        let entry = |(name, value): &(Cow<'a, str>, &'a RawValue)| {
            let raw = value.get();
            let json = if raw == "null" { "" } else { raw };
            (name.to_string(), scalar(raw).unwrap_or(Cow::Borrowed(json)).into_owned())
        };
        self.0.iter().map(entry).collect()
    }
}

/// The text of a string, or a number or boolean as it is written; `None` for anything else.
pub(crate) fn scalar(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first()? {
        b'"' => Some(unquote(raw)),
        b'-' | b'0'..=b'9' | b't' | b'f' => Some(Cow::Borrowed(raw)),
        _ => None,
    }
}

/// Parses a whole number. Fractions are truncated and negatives become 0.
pub(crate) fn whole(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Ok(n) = text.parse() {
        return Some(n);
    }
    let n: f64 = text.parse().ok().filter(|n: &f64| n.is_finite())?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from float to integer saturates, which is what is wanted"
    )]
    Some(n as u64)
}

/// Appends `value` as JSON. The types of this crate cannot fail to serialise.
pub(crate) fn append(out: &mut String, value: &impl Serialize) {
    let mut bytes = std::mem::take(out).into_bytes();
    serde_json::to_writer(&mut bytes, value).expect("our own types have string keys only");
    *out = String::from_utf8(bytes).expect("JSON is written as UTF-8");
}

/// Returns `value` as JSON text.
pub(crate) fn to_string(value: &impl Serialize) -> String {
    let mut out = String::with_capacity(128);
    append(&mut out, value);
    out
}

/// The content of a JSON string literal, borrowed if it needs no unescaping.
///
/// An unpaired surrogate, which JSON allows and UTF-8 does not, becomes U+FFFD.
fn unquote(raw: &str) -> Cow<'_, str> {
    if let Some(inner) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
        && !inner.contains('\\')
    {
        return Cow::Borrowed(inner);
    }
    if let Ok(text) = serde_json::from_str::<String>(raw) {
        return Cow::Owned(text);
    }
    serde_json::from_str::<Lossy>(raw).map_or(Cow::Borrowed(""), |lossy| Cow::Owned(lossy.0))
}

/// Unescapes as UTF-8, with one U+FFFD for each unpaired surrogate.
fn lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return text;
            }
            Err(error) => {
                let (valid, after) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(valid));
                text.push('\u{fffd}');
                let half = matches!(after, [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..]);
                rest = after.get(if half { 3 } else { 1 }..).unwrap_or_default();
            }
        }
    }
}

/// A string in which unpaired surrogates are replaced.
struct Lossy(String);

impl<'de> Deserialize<'de> for Lossy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsBytes;
        impl Visitor<'_> for AsBytes {
            type Value = Lossy;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Lossy, E> {
                Ok(Lossy(lossy(bytes)))
            }
        }
        deserializer.deserialize_bytes(AsBytes)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some(Name(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Fields)
    }
}

/// The name of a member, borrowed if possible.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Cow<'de, str>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Text).map(Name)
    }
}
