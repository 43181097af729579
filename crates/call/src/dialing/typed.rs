//! Numbers as people type them.

use phonenumber::metadata::DATABASE;

use super::emergency::{is_emergency_anywhere, is_emergency_in};
use super::number::PhoneNumber;
use super::spelling::{Misspelt, spelled_out};
use super::{Country, NotDialled, plan};
use crate::ids::Invalid;

/// The most digits of an emergency number, without leading zeros.
const LONGEST_EMERGENCY: usize = 5;

/// Why a text cannot be read as a number to dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There are no digits in it.
    #[error("has no digits in it")]
    NoDigits,
    /// It is longer than any spelling of a number.
    #[error("is too long for a telephone number")]
    TooLong,
    /// It has characters that are not part of a telephone number.
    #[error(
        "has characters in it that a telephone number has not; write digits, such as +14155550123"
    )]
    Characters,
    /// It has an extension or keys, which are not dialled.
    #[error("has an extension or keys in it; give the number alone")]
    Extension,
    /// It has no country code, and the country is not known.
    #[error("has no country code; write it with + and the country code, such as +14155550123")]
    NoCountry,
    /// It is a number that is never dialled.
    #[error("cannot be dialled: {0}")]
    Never(NotDialled),
}

impl From<Misspelt> for Unreadable {
    fn from(why: Misspelt) -> Self {
        match why {
            Misspelt::TooLong => Self::TooLong,
            Misspelt::Characters => Self::Characters,
            Misspelt::Extension => Self::Extension,
        }
    }
}

impl PhoneNumber {
    /// Reads a number in any usual spelling: E.164, with spaces, dots, dashes, slashes and
    /// brackets, in the digits of any script, as `tel:`, with a prefix for international calls, or
    /// as it is written within `home`. Digits after a `+` stay as they are, whatever `home` is.
    ///
    /// [`super::check_dialled`] decides whether it may be dialled; numbers that are too short for
    /// E.164, as emergency numbers are, are refused here.
    pub fn typed(text: &str, home: Option<Country>) -> Result<Self, Unreadable> {
        let text = spelled_out(text)?;
        let international = text.starts_with('+');
        let digits = text.trim_start_matches('+');
        if digits.is_empty() {
            return Err(Unreadable::NoDigits);
        }
        let short = !international && digits.len() <= 6;
        let bare = short
            && (is_emergency_anywhere(digits) || hides_an_emergency_number(&format!("+{digits}")));
        if bare || (!international && hides_an_emergency_number(&text)) {
            return Err(Unreadable::Never(NotDialled::Emergency));
        }
        if short {
            return Err(Unreadable::Never(NotDialled::Impossible));
        }
        let international_digits = match home {
            _ if international => digits.to_owned(),
            Some(home) => plan::dialled_within(home, digits)
                .ok_or(Unreadable::Never(NotDialled::Impossible))?,
            None => return Err(Unreadable::NoCountry),
        };
        Self::international(&international_digits).map_err(Unreadable::Never)
    }

    /// The number with these digits after the `+`.
    fn international(digits: &str) -> Result<Self, NotDialled> {
        let e164 = format!("+{digits}");
        if hides_an_emergency_number(&e164) {
            return Err(NotDialled::Emergency);
        }
        let number = Self::parse(&e164).map_err(|why| match why {
            Invalid::Withheld => NotDialled::Withheld,
            Invalid::PhoneNumber
            | Invalid::CallSid
            | Invalid::LegId
            | Invalid::Digits
            | Invalid::SupervisorId => NotDialled::Impossible,
        })?;
        plan::split(digits).map(|_| number).ok_or(NotDialled::Impossible)
    }
}

/// Whether the text is an emergency number after an international prefix or a calling code.
pub(super) fn hides_an_emergency_number(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else {
        let dialled = ["011", "00"].into_iter().find_map(|prefix| text.strip_prefix(prefix));
        return dialled.is_some_and(|rest| {
            is_emergency_anywhere(rest) || hides_an_emergency_number(&format!("+{rest}"))
        });
    };
    (1..=3).any(|length| {
        let Some((code, rest)) = digits.split_at_checked(length) else { return false };
        // Most numbers are longer than any emergency number.
        if rest.trim_start_matches('0').len() > LONGEST_EMERGENCY {
            return false;
        }
        let countries = code.parse().ok().and_then(|code| DATABASE.region(&code));
        countries.into_iter().flatten().filter_map(Country::parse).any(|country| {
            is_emergency_in(country, rest) || is_emergency_in(country, rest.trim_start_matches('0'))
        })
    })
}
