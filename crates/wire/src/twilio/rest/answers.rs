//! Responses of the API, read leniently and written as the API does.

use serde::{Serialize, Serializer};

use crate::BadFrame;
use crate::json::Fields;
use crate::twilio::webhook::CallStatus;

/// A call, as the API describes it. Absent values are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Call {
    /// `CA…`.
    pub sid: String,
    /// `AC…`.
    pub account_sid: String,
    /// The called number.
    pub to: String,
    /// The calling number.
    pub from: String,
    /// State of the call; `queued` at first.
    #[serde(serialize_with = "as_word")]
    pub status: CallStatus,
    /// `inbound`, `outbound-api` and others.
    pub direction: String,
    /// Length in seconds, once it is over.
    #[serde(serialize_with = "as_text")]
    pub duration: Option<u64>,
    /// `human` or `machine…`.
    pub answered_by: Option<String>,
    /// Price as a decimal number, negative, once it is known.
    pub price: Option<String>,
    /// Currency of the price.
    pub price_unit: Option<String>,
    /// RFC 2822.
    pub date_created: Option<String>,
    /// RFC 2822.
    pub start_time: Option<String>,
    /// RFC 2822.
    pub end_time: Option<String>,
    /// Path of this call in the API.
    pub uri: String,
}

impl Call {
    /// Reads the answer to creating, changing or fetching a call.
    pub fn parse(body: &str) -> Result<Self, BadFrame> {
        Fields::parse(body).map(|fields| Self::read(&fields))
    }
}

/// A number of the account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IncomingPhoneNumber {
    /// `PN…`.
    pub sid: String,
    /// `AC…`.
    pub account_sid: String,
    /// E.164.
    pub phone_number: String,
    /// The name it was given.
    pub friendly_name: String,
    /// The webhook that answers inbound calls with TwiML.
    pub voice_url: String,
    /// `GET` or `POST`.
    pub voice_method: String,
    /// Requested if `voice_url` fails.
    pub voice_fallback_url: String,
    /// `GET` or `POST`.
    pub voice_fallback_method: String,
    /// Receives a status callback when an inbound call ends.
    pub status_callback: String,
    /// `GET` or `POST`.
    pub status_callback_method: String,
    /// If set, `voice_url` is ignored.
    pub voice_application_sid: String,
    /// If set, `voice_url` is ignored.
    pub trunk_sid: String,
    /// Path of this number in the API.
    pub uri: String,
}

impl IncomingPhoneNumber {
    /// Reads the answer to buying, changing or fetching a number.
    pub fn parse(body: &str) -> Result<Self, BadFrame> {
        Fields::parse(body).map(|fields| Self::read(&fields))
    }
}

/// A number that can be bought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AvailablePhoneNumber {
    /// E.164.
    pub phone_number: String,
    /// The number in its national form.
    pub friendly_name: String,
    /// City.
    pub locality: String,
    /// State or province.
    pub region: String,
    /// Country, two letters.
    pub iso_country: String,
}

/// An account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// `AC…`.
    pub sid: String,
    /// The name it was given.
    pub friendly_name: String,
    /// `active`, `suspended` or `closed`.
    pub status: String,
    /// `Full`, or `Trial`, which calls verified numbers only.
    #[serde(rename = "type")]
    pub kind: String,
}

impl Account {
    /// Reads the answer to fetching an account.
    pub fn parse(body: &str) -> Result<Self, BadFrame> {
        let fields = Fields::parse(body)?;
        let text = |name| fields.string_or_empty(name);
        Ok(Self {
            sid: text("sid"),
            friendly_name: text("friendly_name"),
            status: text("status"),
            kind: text("type"),
        })
    }
}

/// The balance of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// `AC…`.
    pub account_sid: String,
    /// A decimal number; negative if the account owes.
    pub balance: String,
    /// Three letters.
    pub currency: String,
}

impl Balance {
    /// Reads the answer to fetching a balance.
    pub fn parse(body: &str) -> Result<Self, BadFrame> {
        let fields = Fields::parse(body)?;
        Ok(Self {
            account_sid: fields.string_or_empty("account_sid"),
            balance: fields.text_or_empty("balance").into_owned(),
            currency: fields.string_or_empty("currency"),
        })
    }
}

/// One page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// The elements of this page.
    pub items: Vec<T>,
    /// Path and query of the next page, if there is one.
    pub next_page_uri: Option<String>,
}

impl<T: Listed> Page<T> {
    /// Reads a page.
    pub fn parse(body: &str) -> Result<Self, BadFrame> {
        let fields = Fields::parse(body)?;
        Ok(Self {
            items: fields.array(T::LIST).into_iter().map(T::read_element).collect(),
            next_page_uri: fields.string("next_page_uri").filter(|uri| !uri.is_empty()),
        })
    }

    /// The page as the API writes it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let list = serde_json::json!({ T::LIST: self.items, "next_page_uri": self.next_page_uri });
        list.to_string()
    }
}

/// A resource that the API lists.
pub trait Listed: Serialize {
    /// The key of the list in a page.
    const LIST: &'static str;

    /// Reads one element of a list; missing or invalid fields are empty.
    fn read_element(json: &str) -> Self;
}

impl Listed for Call {
    const LIST: &'static str = "calls";

    fn read_element(json: &str) -> Self {
        Self::read(&Fields::parse_or_empty(json))
    }
}

impl Listed for IncomingPhoneNumber {
    const LIST: &'static str = "incoming_phone_numbers";

    fn read_element(json: &str) -> Self {
        Self::read(&Fields::parse_or_empty(json))
    }
}

impl Listed for AvailablePhoneNumber {
    const LIST: &'static str = "available_phone_numbers";

    fn read_element(json: &str) -> Self {
        Self::read(&Fields::parse_or_empty(json))
    }
}

impl Call {
    fn read(fields: &Fields<'_>) -> Self {
        let text = |name| fields.string_or_empty(name);
        Self {
            sid: text("sid"),
            account_sid: text("account_sid"),
            to: text("to"),
            from: text("from"),
            status: CallStatus::parse(&fields.text_or_empty("status")),
            direction: text("direction"),
            duration: fields.whole("duration"),
            answered_by: fields.string("answered_by"),
            price: fields.string("price"),
            price_unit: fields.string("price_unit"),
            date_created: fields.string("date_created"),
            start_time: fields.string("start_time"),
            end_time: fields.string("end_time"),
            uri: text("uri"),
        }
    }
}

impl IncomingPhoneNumber {
    fn read(fields: &Fields<'_>) -> Self {
        let text = |name| fields.string_or_empty(name);
        Self {
            sid: text("sid"),
            account_sid: text("account_sid"),
            phone_number: text("phone_number"),
            friendly_name: text("friendly_name"),
            voice_url: text("voice_url"),
            voice_method: text("voice_method"),
            voice_fallback_url: text("voice_fallback_url"),
            voice_fallback_method: text("voice_fallback_method"),
            status_callback: text("status_callback"),
            status_callback_method: text("status_callback_method"),
            voice_application_sid: text("voice_application_sid"),
            trunk_sid: text("trunk_sid"),
            uri: text("uri"),
        }
    }
}

impl AvailablePhoneNumber {
    fn read(fields: &Fields<'_>) -> Self {
        let text = |name| fields.string_or_empty(name);
        Self {
            phone_number: text("phone_number"),
            friendly_name: text("friendly_name"),
            locality: text("locality"),
            region: text("region"),
            iso_country: text("iso_country"),
        }
    }
}

fn as_word<S: Serializer>(word: &CallStatus, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(word.as_str())
}

/// The API writes a duration as text.
#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn as_text<S: Serializer>(value: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(|value| value.to_string()).serialize(serializer)
}
