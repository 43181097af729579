//! Masks phone numbers in the log.

use std::borrow::Cow;

/// Replaces all but the last four digits of every phone number in `text`: a plus sign, as it is or
/// percent-encoded, and seven digits or more.
#[must_use]
pub fn mask_numbers(text: &str) -> Cow<'_, str> {
    let mut masked = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(start) = next_plus(text, at) {
        let len = text[start..].bytes().take_while(u8::is_ascii_digit).count();
        let end = start + len;
        if len >= 7 {
            masked.push_str(&text[copied..start - plus_len(text, start)]);
            masked.push('…');
            masked.push_str(&text[end - 4..end]);
            copied = end;
        }
        at = end;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[copied..]);
    Cow::Owned(masked)
}

/// The index after the next plus sign.
fn next_plus(text: &str, from: usize) -> Option<usize> {
    let rest = &text[from..];
    let plain = rest.find('+').map(|at| at + 1);
    let encoded = rest.find("%2B").or_else(|| rest.find("%2b")).map(|at| at + 3);
    let next = match (plain, encoded) {
        (Some(a), Some(b)) => a.min(b),
        (a, b) => a.or(b)?,
    };
    Some(from + next)
}

fn plus_len(text: &str, digits: usize) -> usize {
    if text[..digits].ends_with('+') { 1 } else { 3 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_numbers_lose_all_but_four_digits() {
        assert_eq!(mask_numbers("from +15005550006 to +442071838750."), "from …0006 to …8750.");
        assert_eq!(mask_numbers("From=%2B15005550006&x"), "From=…0006&x");
    }

    #[test]
    fn other_text_is_left_alone() {
        for text in ["", "1 + 1", "+1", "a+b+12345", "CA00000000000000", "é+é"] {
            assert_eq!(mask_numbers(text), text);
        }
    }
}
