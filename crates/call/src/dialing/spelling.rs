//! How numbers are spelt: separators between the digits, and the digits of other scripts.

use super::plan;

/// The longest text that is read, in characters.
const LONGEST: usize = 64;

/// Why a text is not the spelling of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misspelt {
    TooLong,
    Characters,
    Extension,
}

/// The number as digits, after a `+` if it has one. Every digit is kept, except a trunk prefix in
/// brackets that must not be dialled, as in `+44 (0)20 …`.
pub(crate) fn spelled_out(text: &str) -> Result<String, Misspelt> {
    let text = text.trim();
    if text.chars().count() > LONGEST {
        return Err(Misspelt::TooLong);
    }
    let text = match text.get(..4) {
        Some(scheme) if scheme.eq_ignore_ascii_case("tel:") => &text[4..],
        _ => text,
    };
    let mut out = String::with_capacity(16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("(0)")
            && out.strip_prefix('+').is_some_and(plan::leaves_zero_out)
        {
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '+' | '\u{ff0b}' if out.is_empty() => out.push('+'),
            // Spaces, dashes, brackets and direction marks, as they are typed and copied.
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
            '*' | '#' | ',' | ';' | 'x' | 'X' | 'w' | 'W' => return Err(Misspelt::Extension),
            _ => match digit(c) {
                Some(digit) => out.push(digit),
                None => return Err(Misspelt::Characters),
            },
        }
    }
    Ok(out)
}

/// The value of a digit of any common script (Unicode category Nd, in which ten digits are
/// consecutive).
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
