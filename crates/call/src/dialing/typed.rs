//! Numbers as people type them.

use phonenumber::Mode;
use phonenumber::metadata::DATABASE;

use super::emergency::{is_emergency_anywhere, is_emergency_in};
use super::{Country, NotDialled};
use crate::ids::PhoneNumber;

/// The longest text that is looked at.
const LONGEST: usize = 64;

/// Why a text is not read as a number to dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There are no digits in it.
    #[error("has no digits in it")]
    NoDigits,
    /// It is longer than any spelling of a number.
    #[error("is too long for a telephone number")]
    TooLong,
    /// Characters that no usual spelling has.
    #[error(
        "has characters in it that a telephone number has not; write digits, such as +14155550123"
    )]
    Characters,
    /// Extensions and keys are not dialled.
    #[error("has an extension or keys in it; give the number alone")]
    Extension,
    /// Written as within a country, and it is not known which.
    #[error("has no country code; write it with + and the country code, such as +14155550123")]
    NoCountry,
    /// It is read, and is one that is never dialled.
    #[error("cannot be dialled: {0}")]
    Never(NotDialled),
}

impl PhoneNumber {
    /// Reads a number in any usual spelling: E.164, with spaces, dots, dashes, slashes and
    /// brackets, in the digits of any script, as `tel:`, with a prefix for international calls, or
    /// as it is written within `home`.
    ///
    /// Whether it may be dialled is [`super::check_dialled`]'s to say; numbers too short to have an
    /// E.164 form, as emergency numbers are, are refused here.
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
        if bare || hides_an_emergency_number(&text) {
            return Err(Unreadable::Never(NotDialled::Emergency));
        }
        if short || (international && digits.len() < 7) {
            return Err(Unreadable::Never(NotDialled::Impossible));
        }
        let read = phonenumber::parse(home.map(|home| home.0), &text);
        let Ok(read) = read else {
            let lost = !international && home.is_none();
            return Err(if lost {
                Unreadable::NoCountry
            } else {
                Unreadable::Never(NotDialled::Impossible)
            });
        };
        let e164 = read.format().mode(Mode::E164).to_string();
        Self::parse(&e164).map_err(|_| Unreadable::Never(NotDialled::Impossible))
    }
}

/// Whether a prefix for other countries, or a country's code, is all that stands before an
/// emergency number.
pub(super) fn hides_an_emergency_number(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else {
        let dialled = ["011", "00"].into_iter().find_map(|prefix| text.strip_prefix(prefix));
        return dialled.is_some_and(|rest| {
            is_emergency_anywhere(rest) || hides_an_emergency_number(&format!("+{rest}"))
        });
    };
    (1..=3).any(|length| {
        let Some((code, rest)) = digits.split_at_checked(length) else { return false };
        let countries = code.parse().ok().and_then(|code| DATABASE.region(&code));
        countries.into_iter().flatten().filter_map(Country::parse).any(|country| {
            is_emergency_in(country, rest) || is_emergency_in(country, rest.trim_start_matches('0'))
        })
    })
}

/// `+` and digits, or digits alone: what is left when the spelling is taken away.
fn spelled_out(text: &str) -> Result<String, Unreadable> {
    let text = text.trim();
    if text.chars().count() > LONGEST {
        return Err(Unreadable::TooLong);
    }
    let text = match text.get(..4) {
        Some(scheme) if scheme.eq_ignore_ascii_case("tel:") => &text[4..],
        _ => text,
    };
    let mut out = String::with_capacity(16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        // The trunk prefix that is left out with a country's code: +44 (0)20 …
        if out.starts_with('+')
            && out.len() > 1
            && let Some(after) = rest.strip_prefix("(0)")
        {
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '+' | '\u{ff0b}' if out.is_empty() => out.push('+'),
            // Spaces, dashes, brackets and marks of direction, as they are typed and copied.
            ' '
            | '\t'
            | '.'
            | '-'
            | '/'
            | '('
            | ')'
            | '['
            | ']'
            | '\u{a0}'
            | '\u{2000}'..='\u{2015}'
            | '\u{202a}'..='\u{202f}'
            | '\u{205f}'..='\u{2069}'
            | '\u{2212}'
            | '\u{3000}'
            | '\u{feff}'
            | '\u{ff08}'
            | '\u{ff09}'
            | '\u{ff0d}'
            | '\u{ff0e}' => {}
            '*' | '#' | ',' | ';' | 'x' | 'X' | 'w' | 'W' => return Err(Unreadable::Extension),
            _ => match digit(c) {
                Some(digit) => out.push(digit),
                None => return Err(Unreadable::Characters),
            },
        }
    }
    Ok(out)
}

/// The digit that a character of any usual script stands for (Unicode, category Nd: ten in a row).
fn digit(c: char) -> Option<char> {
    const ZEROS: [char; 12] = [
        '0', '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}',
        '\u{be6}', '\u{e50}', '\u{17e0}', '\u{ff10}',
    ];
    ZEROS.into_iter().find_map(|zero| {
        let place = u32::from(c).checked_sub(u32::from(zero)).filter(|place| *place < 10)?;
        char::from_digit(place, 10)
    })
}
