//! The account's phone numbers.

use phony_wire::twilio::rest::{ConfigureNumber, IncomingPhoneNumber};

use super::calls::new_sid;

/// A phone number of the account; see Twilio's `IncomingPhoneNumber` resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhoneNumber {
    /// `PN…`; generated if empty.
    pub sid: String,
    /// E.164.
    pub phone_number: String,
    /// A name for people; the number in its national form if empty.
    pub friendly_name: String,
    /// The webhook that answers inbound calls with TwiML.
    pub voice_url: String,
    /// `GET` or `POST`; the latter if empty.
    pub voice_method: String,
    /// Requested if `voice_url` fails.
    pub voice_fallback_url: String,
    /// `GET` or `POST`; the latter if empty.
    pub voice_fallback_method: String,
    /// Receives a status callback when an inbound call ends.
    pub status_callback: String,
    /// `GET` or `POST`; the latter if empty.
    pub status_callback_method: String,
    /// If set, `voice_url` is ignored, and calls to the number fail in this stand-in.
    pub voice_application_sid: String,
    /// If set, `voice_url` is ignored, and calls to the number fail in this stand-in.
    pub trunk_sid: String,
}

impl PhoneNumber {
    /// A number whose webhook is `voice_url`.
    #[must_use]
    pub fn new(phone_number: impl Into<String>, voice_url: impl Into<String>) -> Self {
        Self { phone_number: phone_number.into(), voice_url: voice_url.into(), ..Self::default() }
            .complete()
    }

    /// Fills in the SID, the name and the methods where they are empty.
    pub(crate) fn complete(mut self) -> Self {
        if self.sid.is_empty() {
            self.sid = new_sid("PN");
        }
        if self.friendly_name.is_empty() {
            self.friendly_name = national(&self.phone_number);
        }
        for method in [
            &mut self.voice_method,
            &mut self.voice_fallback_method,
            &mut self.status_callback_method,
        ] {
            if method.is_empty() {
                "POST".clone_into(method);
            }
        }
        self
    }

    /// Changes the settings that are present.
    pub(crate) fn configure(&mut self, change: ConfigureNumber) {
        let ConfigureNumber {
            friendly_name,
            voice_url,
            voice_method,
            voice_fallback_url,
            voice_fallback_method,
            status_callback,
            status_callback_method,
            voice_application_sid,
            trunk_sid,
            phone_number: _,
            area_code: _,
        } = change;
        // An application and a trunk exclude each other.
        let nonempty = |value: &Option<String>| value.as_ref().is_some_and(|v| !v.is_empty());
        if nonempty(&voice_application_sid) {
            self.trunk_sid.clear();
        } else if nonempty(&trunk_sid) {
            self.voice_application_sid.clear();
        }
        for (field, value) in [
            (&mut self.friendly_name, friendly_name),
            (&mut self.voice_url, voice_url),
            (&mut self.voice_method, voice_method),
            (&mut self.voice_fallback_url, voice_fallback_url),
            (&mut self.voice_fallback_method, voice_fallback_method),
            (&mut self.status_callback, status_callback),
            (&mut self.status_callback_method, status_callback_method),
            (&mut self.voice_application_sid, voice_application_sid),
            (&mut self.trunk_sid, trunk_sid),
        ] {
            if let Some(value) = value {
                *field = value;
            }
        }
    }

    pub(crate) fn resource(&self, account_sid: &str) -> IncomingPhoneNumber {
        IncomingPhoneNumber {
            sid: self.sid.clone(),
            account_sid: account_sid.to_owned(),
            phone_number: self.phone_number.clone(),
            friendly_name: self.friendly_name.clone(),
            voice_url: self.voice_url.clone(),
            voice_method: self.voice_method.clone(),
            voice_fallback_url: self.voice_fallback_url.clone(),
            voice_fallback_method: self.voice_fallback_method.clone(),
            status_callback: self.status_callback.clone(),
            status_callback_method: self.status_callback_method.clone(),
            voice_application_sid: self.voice_application_sid.clone(),
            trunk_sid: self.trunk_sid.clone(),
            uri: format!(
                "/2010-04-01/Accounts/{account_sid}/IncomingPhoneNumbers/{}.json",
                self.sid
            ),
        }
    }
}

pub(crate) fn is_e164(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0')
}

/// A North American number in its national form, `(415) 555-0100`; any other as it is.
pub(crate) fn national(number: &str) -> String {
    match number.strip_prefix("+1").filter(|rest| rest.len() == 10 && rest.is_ascii()) {
        Some(rest) => format!("({}) {}-{}", &rest[..3], &rest[3..6], &rest[6..]),
        None => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_recognised_by_their_form() {
        assert!(is_e164("+14155550100"));
        for wrong in ["", "+", "4155550100", "+0155550100", "+1415555010a", "+1234567890123456"] {
            assert!(!is_e164(wrong), "{wrong}");
        }
    }
}
