//! Shell commands that undo a setup, for a shell with the credentials in its environment.

use std::fmt::Write as _;

use phony_wire::twilio::rest::IncomingPhoneNumber;

use crate::carriers::twilio::wiring::Difference;

const CREDENTIALS: &str = "\"$TWILIO_ACCOUNT_SID:$TWILIO_AUTH_TOKEN\"";

/// The command that restores the former settings.
pub(super) fn of_change(
    base: &str,
    number: &IncomingPhoneNumber,
    differences: &[Difference],
) -> String {
    let mut command = format!("  curl -sS -u {CREDENTIALS} {}", quoted(&address(base, number)));
    for Difference { field, is, .. } in differences {
        let pair = quoted(&format!("{field}={is}"));
        write!(command, " \\\n    --data-urlencode {pair}").expect("a string can be written to");
    }
    command
}

/// The command that releases a bought number.
pub(super) fn of_purchase(base: &str, number: &IncomingPhoneNumber) -> String {
    format!("  curl -sS -X DELETE -u {CREDENTIALS} {}", quoted(&address(base, number)))
}

fn address(base: &str, number: &IncomingPhoneNumber) -> String {
    let IncomingPhoneNumber { account_sid, sid, .. } = number;
    let base = base.trim_end_matches('/');
    format!("{base}/2010-04-01/Accounts/{account_sid}/IncomingPhoneNumbers/{sid}.json")
}

/// Quotes text as one word for a POSIX shell.
fn quoted(text: &str) -> String {
    let shown: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("'{}'", shown.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn former_values_are_quoted_whatever_they_contain() {
        let number = IncomingPhoneNumber {
            sid: "PN1".into(),
            account_sid: "AC1".into(),
            ..IncomingPhoneNumber::default()
        };
        let difference = Difference {
            field: "VoiceUrl",
            name: "voice URL",
            is: "https://a/it's?x=$(rm)\n&y".into(),
            must_be: String::new(),
            breaks: true,
        };
        let command = of_change("https://api.example/", &number, &[difference]);
        assert_eq!(
            command,
            "  curl -sS -u \"$TWILIO_ACCOUNT_SID:$TWILIO_AUTH_TOKEN\" \
             'https://api.example/2010-04-01/Accounts/AC1/IncomingPhoneNumbers/PN1.json' \\\n    \
             --data-urlencode 'VoiceUrl=https://a/it'\\''s?x=$(rm)&y'"
        );
        assert!(of_purchase("https://api.example", &number).contains("-X DELETE"));
    }
}
