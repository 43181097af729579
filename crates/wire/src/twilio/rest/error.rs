//! Error responses, and advice on them.

use serde::Serialize;

use crate::json::{self, Fields};

/// An error response.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.describe())]
pub struct RestError {
    /// HTTP status.
    pub status: u16,
    /// Twilio's own code, if it gave one.
    pub code: Option<u32>,
    /// What is wrong, in Twilio's words.
    pub message: String,
    /// A page about the code, or empty.
    pub more_info: String,
}

impl RestError {
    /// Reads an error answer: the API's own form, the problem form of newer APIs (RFC 9457), or
    /// anything else, of which nothing is kept: a gateway's page says nothing useful.
    #[must_use]
    pub fn parse(status: u16, body: &str) -> Self {
        let fields = Fields::parse_or_empty(body);
        let first = |names: [&str; 3]| {
            names.into_iter().find_map(|name| fields.string(name).filter(|text| !text.is_empty()))
        };
        Self {
            status,
            code: fields.whole32("code").filter(|code| *code != 0),
            message: first(["message", "detail", "title"]).unwrap_or_default(),
            more_info: first(["more_info", "type", "instance"])
                .filter(|link| link.starts_with("http"))
                .unwrap_or_default(),
        }
    }

    /// The error as the API writes it.
    #[must_use]
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Body<'a> {
            code: Option<u32>,
            message: &'a str,
            more_info: &'a str,
            status: u16,
        }
        json::to_string(&Body {
            code: self.code,
            message: &self.message,
            more_info: &self.more_info,
            status: self.status,
        })
    }

    /// Whether the request was certainly not carried out, so that it can be sent again (Twilio,
    /// "Error 20429").
    #[must_use]
    pub fn is_rate_limit(&self) -> bool {
        self.status == 429 || self.code == Some(20429)
    }

    /// Whether the requested resource does not exist, or no longer exists.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status == 404 || self.code == Some(20404)
    }

    /// Advice on the error.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        self.code.and_then(advice)
    }

    fn describe(&self) -> String {
        let code = self.code.map(|code| format!(", error {code}")).unwrap_or_default();
        let message = if self.message.is_empty() { "no reason given" } else { &self.message };
        format!("Twilio answered {}{code}: {message}", self.status)
    }
}

/// Advice on an error of this code (Twilio, "Error and warning dictionary").
#[must_use]
pub fn advice(code: u32) -> Option<&'static str> {
    Some(match code {
        11200 => {
            "Twilio could not fetch a URL of this server: check that it is up and that HOST is its public name."
        }
        12100 => "Twilio could not read the TwiML it was given.",
        12300 => {
            "Twilio got an answer that was not XML: check what stands between it and this server."
        }
        13224 | 13225 | 21211 => {
            "The number to call is not valid: give it as + and country code, such as +14155550123."
        }
        20003 => "Twilio refused the credentials: check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN.",
        20404 => {
            "Twilio does not know it: it may be over, deleted, or of another account or region."
        }
        20429 => "Twilio is being asked too often: wait a moment and try again.",
        21210 | 21212 => {
            "The number to call from is not usable: check that TWILIO_PHONE_NUMBER belongs to this account and can speak."
        }
        21213 => "The number to call from is missing: set TWILIO_PHONE_NUMBER.",
        21215 => {
            "Calls to this country are switched off: allow it in the Twilio Console under Voice, Geographic Permissions."
        }
        21219 => {
            "A trial account calls only verified numbers: verify this one in the Twilio Console, or upgrade."
        }
        21220 => "The call is not in progress any more.",
        32018 => {
            "The TwiML given with the call is longer than 4,000 characters: give a URL instead."
        }
        39001 | 64102 | 64105 => {
            "Twilio lost or could not reach this server's WebSocket: check HOST, the certificate and the proxy's WebSocket settings."
        }
        64101 => {
            "Twilio refused an attribute of the relay, or its provider is not enabled for this account."
        }
        64104 => "The call reached its longest duration.",
        64106 => {
            "This language, voice and provider do not go together: check the relay's settings."
        }
        64107 => "Twilio could not read a message of this server.",
        64108 => "The call's audio stopped: the caller's line was lost.",
        64114 => "Twilio's transcription provider failed.",
        _ => return None,
    })
}
