//! A telephone number in E.164 form.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::spelling::spelled_out;
use crate::ids::{Invalid, masked};
use crate::party::is_placeholder;

/// A telephone number in E.164 form: `+`, then 7 to 15 digits, the first of them not 0.
///
/// `Debug` shows the last four digits only; `Display` shows all of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PhoneNumber(Arc<str>);

impl PhoneNumber {
    /// Reads a number with its calling code, in any usual spelling. The placeholders that carriers
    /// send for withheld numbers are refused.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let number = spelled_out(text).map_err(|_| Invalid::PhoneNumber)?;
        let digits = number.strip_prefix('+').ok_or(Invalid::PhoneNumber)?;
        if is_placeholder(digits) {
            Err(Invalid::Withheld)
        } else if (7..=15).contains(&digits.len()) && !digits.starts_with('0') {
            Ok(Self(number.into()))
        } else {
            Err(Invalid::PhoneNumber)
        }
    }

    /// The number, `+` first.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits that follow the `+`.
    pub(crate) fn digits(&self) -> &str {
        &self.0[1..]
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(&self.0))
    }
}

impl<'de> Deserialize<'de> for PhoneNumber {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_prints_itself_but_debugs_masked() {
        let number = PhoneNumber::parse("+1 (500) 555-0006").unwrap();
        assert_eq!(number.to_string(), "+15005550006");
        assert_eq!(format!("{number:?}"), "…0006");
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for text in ["", "911", "+", "+123", "+0123456789", "+1234567890123456", "+1500555000x"] {
            assert_eq!(PhoneNumber::parse(text), Err(Invalid::PhoneNumber), "{text}");
        }
        for text in ["+266696687", "+86282452253", "+1 266 696 687", "+7378742833"] {
            assert_eq!(PhoneNumber::parse(text), Err(Invalid::Withheld), "{text}");
        }
    }

    #[test]
    fn a_zero_in_brackets_is_left_out_where_it_is_a_trunk_prefix() {
        for (text, wanted) in [
            ("+44 (0)20 7946 0958", "+442079460958"),
            ("+49(0)151 23456789", "+4915123456789"),
            ("+39 (0)6 6981 2345", "+390669812345"),
            ("+44 20 (0)7946 0958", "+442007946 0958"),
            ("+１ 415 555 2671\n", "+14155552671"),
        ] {
            let number = PhoneNumber::parse(text).map(|number| number.to_string());
            assert_eq!(number, Ok(wanted.replace(' ', "")), "{text}");
        }
    }
}
