//! How a party of a call is recorded: as its carrier names it, or as withheld or unknown.

/// Recorded for a caller who withheld their number.
const WITHHELD: &str = "withheld";
/// Recorded for a caller whose number the carrier does not know.
const UNKNOWN: &str = "unknown";

/// The longest name that is recorded, in characters.
const LONGEST: usize = 256;

/// Digits that carriers send instead of a number: each spells a word on a telephone keypad (Twilio,
/// "Why am I receiving calls from these strange numbers?"). No numbering plan has them.
const SPELT: [(&str, &str); 6] = [
    ("266696687", WITHHELD),  // ANONYMOUS
    ("7378742833", WITHHELD), // RESTRICTED
    ("2562533", WITHHELD),    // BLOCKED
    ("7748283", WITHHELD),    // PRIVATE
    ("86282452253", UNKNOWN), // UNAVAILABLE
    ("8656696", UNKNOWN),     // UNKNOWN
];
/// RESTRICTED after the calling code 1 is a valid number in Texas.
const IN_TEXAS: &str = "17378742833";

/// Words that carriers send instead of a number.
const WORDS: [(&str, &str); 16] = [
    ("anonymous", WITHHELD),
    ("restricted", WITHHELD),
    ("blocked", WITHHELD),
    ("private", WITHHELD),
    ("private number", WITHHELD),
    ("withheld", WITHHELD),
    ("number withheld", WITHHELD),
    ("no caller id", WITHHELD),
    ("nocallerid", WITHHELD),
    ("", UNKNOWN),
    ("unknown", UNKNOWN),
    ("unknown number", UNKNOWN),
    ("unavailable", UNKNOWN),
    ("not available", UNKNOWN),
    ("id unavailable", UNKNOWN),
    ("null", UNKNOWN),
];

/// The party as it is recorded and shown: as the carrier names it, cut to 256 characters, or
/// `withheld` or `unknown` for a placeholder, which is never dialled, listed or looked up.
#[must_use]
pub fn recorded_party(named: &str) -> String {
    let named = named.trim();
    let digits = named.trim_start_matches('+');
    // Without the `+`, the digits of RESTRICTED are how that number in Texas is dialled.
    let is_signed = digits.len() < named.len() || !IN_TEXAS.ends_with(digits);
    let spelt = placeholder(digits).filter(|_| is_signed);
    let shown = spelt.or_else(|| in_words(named)).unwrap_or(named);
    shown.chars().take(LONGEST).collect()
}

/// Whether the digits after a `+` are a placeholder.
pub(crate) fn is_placeholder(digits: &str) -> bool {
    placeholder(digits).is_some()
}

fn placeholder(digits: &str) -> Option<&'static str> {
    if digits == IN_TEXAS {
        return None;
    }
    let behind_one = digits.strip_prefix('1');
    let is = |spelt: &str| digits == spelt || behind_one == Some(spelt);
    SPELT.iter().find(|(spelt, _)| is(spelt)).map(|(_, recorded)| *recorded)
}

/// A placeholder in words, alone or as the user part of a SIP address.
fn in_words(named: &str) -> Option<&'static str> {
    let named = named.to_lowercase();
    let address = ["sip:", "sips:"].iter().find_map(|scheme| named.strip_prefix(scheme));
    let user = address.unwrap_or(&named).split('@').next().unwrap_or_default();
    let user = user.trim_start_matches('+').replace(['_', '-'], " ");
    WORDS.iter().find(|(word, _)| *word == user).map(|(_, recorded)| *recorded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_place_of_a_number_is_recorded_as_what_it_means() {
        for named in [
            "+266696687",
            "266696687",
            "+1266696687",
            "+7378742833",
            "+2562533",
            "Anonymous",
            "anonymous",
            "+anonymous",
            "RESTRICTED",
            " Private ",
            "sip:anonymous@anonymous.invalid",
            "anonymous@anonymous.invalid",
            "No_Caller_ID",
        ] {
            assert_eq!(recorded_party(named), "withheld", "{named}");
        }
        for named in ["", "  ", "+86282452253", "+8656696", "Unknown", "unavailable", "sip:@x"] {
            assert_eq!(recorded_party(named), "unknown", "{named}");
        }
    }

    #[test]
    fn numbers_and_addresses_are_recorded_as_they_are() {
        for named in [
            "+14155552671",
            "+17378742833",
            "7378742833",
            "client:alice",
            "client:anonymous_7",
            "sip:desk@example.com",
            "whatsapp:+14155552671",
            "softphone",
            "12345",
        ] {
            assert_eq!(recorded_party(named), named);
        }
        assert_eq!(recorded_party(&"é".repeat(300)), "é".repeat(256));
    }

    #[test]
    fn no_plan_has_a_number_that_is_spelt_like_a_word() {
        use phonenumber::metadata::DATABASE;
        for (spelt, _) in SPELT {
            let read = phonenumber::parse(None, format!("+{spelt}"));
            assert!(read.is_err() || !phonenumber::is_valid_with(&DATABASE, &read.unwrap()));
        }
    }
}
