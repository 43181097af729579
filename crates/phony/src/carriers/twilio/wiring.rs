//! The settings that a number of the account needs for its calls to reach this server, and those
//! that it has.
//!
//! An application or a SIP trunk bound to a number makes Twilio ignore its voice URL, so both must
//! be cleared (Twilio, "`IncomingPhoneNumber` resource").

use phony_wire::twilio::rest::{ConfigureNumber, IncomingPhoneNumber};
use url::Url;

/// The URLs that a number needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wiring {
    /// Requested for TwiML when the number is called.
    pub voice_url: String,
    /// Requested when that fails.
    pub fallback_url: String,
    /// Requested when a call is over.
    pub status_callback: String,
}

/// A setting of a number that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name in the API.
    pub field: &'static str,
    /// Its name to display.
    pub name: &'static str,
    /// Its value; empty if it is not set.
    pub is: String,
    /// The value that it needs; empty to clear it.
    pub must_be: String,
    /// Whether it keeps calls from reaching this server.
    pub breaks: bool,
}

impl Wiring {
    /// The routes of the server with this public authority (host and optional port). The fallback
    /// is the voice URL itself: a second request for a call that was already taken only connects
    /// it.
    #[must_use]
    pub fn to(authority: &str) -> Self {
        let voice_url = format!("https://{authority}/receive_call");
        Self {
            fallback_url: voice_url.clone(),
            status_callback: format!("https://{authority}/call_status"),
            voice_url,
        }
    }

    /// The settings that must be changed.
    #[must_use]
    pub fn differences(&self, number: &IncomingPhoneNumber) -> Vec<Difference> {
        // A query, such as one that names an agent, is left to the operator.
        let here = same_place(&number.voice_url, &self.voice_url);
        let voice_url = if here { &number.voice_url } else { &self.voice_url };
        let fallback = if same_place(&number.voice_fallback_url, &self.fallback_url) {
            &number.voice_fallback_url
        } else {
            &self.fallback_url
        };
        let post = "POST";
        [
            ("VoiceApplicationSid", "application", &*number.voice_application_sid, "", true),
            ("TrunkSid", "SIP trunk", &number.trunk_sid, "", true),
            ("VoiceUrl", "voice URL", &number.voice_url, voice_url, true),
            ("VoiceMethod", "its method", &number.voice_method, post, true),
            ("VoiceFallbackUrl", "fallback URL", &number.voice_fallback_url, fallback, false),
            ("VoiceFallbackMethod", "its method", &number.voice_fallback_method, post, false),
            (
                "StatusCallback",
                "status callback",
                &number.status_callback,
                &self.status_callback,
                false,
            ),
            ("StatusCallbackMethod", "its method", &number.status_callback_method, post, false),
        ]
        .into_iter()
        .filter(|(_, _, is, must_be, _)| is != must_be)
        .map(|(field, name, is, must_be, breaks)| Difference {
            field,
            name,
            is: is.to_owned(),
            must_be: must_be.to_owned(),
            breaks,
        })
        .collect()
    }
}

/// The change that removes the differences.
#[must_use]
pub fn change(differences: &[Difference]) -> ConfigureNumber {
    let must_be = |field: &str| {
        let found = differences.iter().find(|difference| difference.field == field);
        found.map(|difference| difference.must_be.clone())
    };
    ConfigureNumber {
        voice_application_sid: must_be("VoiceApplicationSid"),
        trunk_sid: must_be("TrunkSid"),
        voice_url: must_be("VoiceUrl"),
        voice_method: must_be("VoiceMethod"),
        voice_fallback_url: must_be("VoiceFallbackUrl"),
        voice_fallback_method: must_be("VoiceFallbackMethod"),
        status_callback: must_be("StatusCallback"),
        status_callback_method: must_be("StatusCallbackMethod"),
        ..ConfigureNumber::default()
    }
}

/// Where a call to the number goes, to display.
#[must_use]
pub fn points_to(number: &IncomingPhoneNumber) -> String {
    if !number.trunk_sid.is_empty() {
        format!("SIP trunk {}", number.trunk_sid)
    } else if !number.voice_application_sid.is_empty() {
        format!("application {}", number.voice_application_sid)
    } else if number.voice_url.is_empty() {
        "nothing".to_owned()
    } else {
        number.voice_url.clone()
    }
}

/// Whether two URLs are equal but for query and fragment.
fn same_place(is: &str, wanted: &str) -> bool {
    let bare = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        url.set_query(None);
        url.set_fragment(None);
        Some(url)
    };
    bare(is).is_some_and(|is| bare(wanted) == Some(is))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right() -> IncomingPhoneNumber {
        let wiring = Wiring::to("phony.example.com");
        IncomingPhoneNumber {
            voice_url: wiring.voice_url,
            voice_method: "POST".into(),
            voice_fallback_url: wiring.fallback_url,
            voice_fallback_method: "POST".into(),
            status_callback: wiring.status_callback,
            status_callback_method: "POST".into(),
            ..IncomingPhoneNumber::default()
        }
    }

    fn fields(number: &IncomingPhoneNumber) -> Vec<&'static str> {
        let differences = Wiring::to("phony.example.com").differences(number);
        differences.iter().map(|difference| difference.field).collect()
    }

    #[test]
    fn a_number_that_points_here_is_left_alone_even_if_it_names_an_agent() {
        assert!(fields(&right()).is_empty());
        let agent = format!("{}?agent=support", right().voice_url);
        assert!(fields(&IncomingPhoneNumber { voice_url: agent, ..right() }).is_empty());
    }

    #[test]
    fn settings_that_override_the_voice_url_are_cleared() {
        let bound = IncomingPhoneNumber { trunk_sid: "TK1".into(), ..right() };
        assert_eq!(fields(&bound), ["TrunkSid"]);
        let differences = Wiring::to("phony.example.com").differences(&bound);
        assert!(differences[0].breaks);
        let change = change(&differences);
        assert_eq!(change.trunk_sid.as_deref(), Some(""));
        assert_eq!(change.voice_url, None, "correct settings are not sent");
        assert_eq!(points_to(&bound), "SIP trunk TK1");
    }

    #[test]
    fn a_new_number_gets_all_settings() {
        let new = IncomingPhoneNumber { voice_method: "POST".into(), ..Default::default() };
        let set = fields(&new);
        for field in ["VoiceUrl", "VoiceFallbackUrl", "StatusCallback"] {
            assert!(set.contains(&field), "{set:?}");
        }
        assert_eq!(points_to(&new), "nothing");
        let get = IncomingPhoneNumber { voice_method: "GET".into(), ..right() };
        assert_eq!(fields(&get), ["VoiceMethod"]);
    }
}
