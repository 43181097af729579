//! Twilio's REST API, as a client: calls are placed and ended, numbers are bought and pointed here.
//!
//! Every request has an end: a time to connect, a time for the answer, and a few tries. What may
//! be sent again is (429, which Twilio promises not to have carried out; faults of the server on
//! what does no harm twice), after pauses that grow. **Placing a call and buying a number are sent
//! again only when they certainly were not carried out**: the API has no idempotency key, so what
//! is left is [`CarrierError::Unknown`], and whoever asked looks first
//! ([`RestClient::placed_since`]) (Twilio, "Error 20429"; "Call resource").
//!
//! Nothing here logs a credential, a number or a body.

mod exchange;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use phony_call::CallSid;
use phony_wire::twilio::rest::{
    Account, AvailablePhoneNumber, Balance, Call, ConfigureNumber, CreateCall, IncomingPhoneNumber,
    ListCalls, ListNumbers, Listed, Page, RestError, SearchNumbers, UpdateCall,
};
use secrecy::SecretString;
use url::Url;

use self::exchange::{Again, Answer};
use crate::config::TwilioSettings;

/// How long an answer may take, retries not counted.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Pages of a list that are followed: 20,000 numbers.
const MOST_PAGES: usize = 20;
const PAGE_SIZE: u64 = 1000;
/// Calls between the same two numbers that are looked through.
const LOOKED_AT: u64 = 50;

/// The account at Twilio. A clone shares its connections.
#[derive(Clone)]
pub struct RestClient {
    http: reqwest::Client,
    base: Url,
    account_sid: String,
    auth_token: SecretString,
}

/// There is no client for these settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoClient {
    /// The account is not configured.
    #[error("{0} is not set: Twilio's API needs TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN")]
    Missing(&'static str),
    /// The HTTP library cannot be set up.
    #[error("HTTPS cannot be set up: {0}")]
    Http(String),
}

/// What was asked was not done, or is not known to have been done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CarrierError {
    /// Twilio refused it, or failed at something that changes nothing.
    #[error(transparent)]
    Refused(RestError),
    /// Twilio was not reached; nothing was done.
    #[error("Twilio could not be reached: {0}")]
    Unreachable(String),
    /// It may have been done or not: look before asking again.
    #[error("it is not known whether Twilio did it: {0}")]
    Unknown(String),
    /// It was not done when it was asked for, and was not to be asked for again.
    #[error("it was withdrawn before Twilio took it")]
    Withdrawn,
}

impl CarrierError {
    /// What a person can do about it.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Refused(error) => error.advice(),
            Self::Unreachable(_) => {
                Some("Check the connection to the internet and TWILIO_API_BASE_URL.")
            }
            Self::Unknown(_) => {
                Some("Look in Twilio's console, or list the calls, before trying again.")
            }
            Self::Withdrawn => None,
        }
    }

    /// Twilio's own code, if it gave one.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::Refused(error) => error.code,
            Self::Unreachable(_) | Self::Unknown(_) | Self::Withdrawn => None,
        }
    }
}

/// Where numbers are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberKind {
    /// Of a town or region.
    Local,
    /// Free for the caller.
    TollFree,
    /// Of a mobile network.
    Mobile,
}

impl NumberKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Local => "Local",
            Self::TollFree => "TollFree",
            Self::Mobile => "Mobile",
        }
    }
}

impl RestClient {
    /// The account of the configuration.
    pub fn new(settings: &TwilioSettings) -> Result<Self, NoClient> {
        Self::with_patience(settings, PATIENCE)
    }

    /// With a time for each answer of one's own.
    pub fn with_patience(settings: &TwilioSettings, patience: Duration) -> Result<Self, NoClient> {
        let missing = NoClient::Missing;
        Ok(Self {
            http: exchange::client(&settings.api_base_url, patience)?,
            base: settings.api_base_url.clone(),
            account_sid: settings
                .account_sid
                .clone()
                .ok_or_else(|| missing("TWILIO_ACCOUNT_SID"))?,
            auth_token: settings.auth_token.clone().ok_or_else(|| missing("TWILIO_AUTH_TOKEN"))?,
        })
    }

    /// Places a call; its state is `queued` at first. Never sent twice: after
    /// [`CarrierError::Unknown`], see [`Self::placed_since`].
    pub async fn create_call(&self, call: &CreateCall) -> Result<Call, CarrierError> {
        self.create_call_while(call, &|| true).await
    }

    /// The same; where Twilio wants to be asked again later, `still` is asked first, and
    /// [`CarrierError::Withdrawn`] is the answer if it says no.
    pub async fn create_call_while(
        &self,
        call: &CreateCall,
        still: &(dyn Fn() -> bool + Sync),
    ) -> Result<Call, CarrierError> {
        let answer = self.post_while("Calls.json", call.to_form(), Again::Never, still).await?;
        let call = read(&answer, Call::parse).filter(|call| !call.sid.is_empty());
        call.ok_or_else(|| unreadable("the call was placed, but the answer names none"))
    }

    /// The calls from one number to another that were placed at this time or later, newest first:
    /// did the call whose fate is unknown come to be? `since` is by our clock; a second or two
    /// before the request is a good choice.
    pub async fn placed_since(
        &self,
        to: &str,
        from: &str,
        since: Timestamp,
    ) -> Result<Vec<Call>, CarrierError> {
        // Not by `StartTime`: a call that is still queued has none.
        let filter = ListCalls {
            to: Some(to.to_owned()),
            from: Some(from.to_owned()),
            page_size: Some(LOOKED_AT),
            ..ListCalls::default()
        };
        let mut calls = self.calls(&filter).await?;
        // The API's times are whole seconds.
        let since = since.as_second();
        calls.retain(|call| {
            let created = call.date_created.as_deref().and_then(instant);
            created.is_none_or(|created| created.as_second() >= since)
        });
        Ok(calls)
    }

    /// One page of calls, newest first.
    pub async fn calls(&self, filter: &ListCalls) -> Result<Vec<Call>, CarrierError> {
        let query = filter.to_form().encode();
        self.page(&format!("Calls.json?{query}")).await.map(|page| page.items)
    }

    /// One call as it is now.
    pub async fn call(&self, sid: &CallSid) -> Result<Call, CarrierError> {
        self.fetch(&format!("Calls/{sid}.json"), Call::parse).await
    }

    /// Changes a call that is going on, such as its TwiML or its longest duration. Not sent again
    /// after a fault, since new TwiML starts from its beginning each time.
    pub async fn update_call(
        &self,
        sid: &CallSid,
        update: &UpdateCall,
    ) -> Result<Call, CarrierError> {
        let path = format!("Calls/{sid}.json");
        let answer = self.post(&path, update.to_form(), Again::Never).await?;
        read(&answer, Call::parse).ok_or_else(|| unreadable("the answer is not a call"))
    }

    /// Ends a call, whether it rings, is answered or dialled on. A call that is already over, or that
    /// Twilio does not know, is no failure: `false` says so. What failed is not asked again here,
    /// though it would do no harm: somebody waits, and the call asks again by itself.
    pub async fn end_call(&self, sid: &CallSid) -> Result<bool, CarrierError> {
        let update = UpdateCall { status: Some("completed".to_owned()), ..UpdateCall::default() };
        let path = format!("Calls/{sid}.json");
        match self.post(&path, update.to_form(), Again::Never).await {
            Ok(_) => Ok(true),
            Err(CarrierError::Refused(error)) if error.is_not_found() => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// The account's numbers, all of them or those that fit.
    pub async fn numbers(
        &self,
        filter: &ListNumbers,
    ) -> Result<Vec<IncomingPhoneNumber>, CarrierError> {
        let filter = ListNumbers { page_size: Some(PAGE_SIZE), ..filter.clone() };
        let query = filter.to_form().encode();
        let mut page = self.page(&format!("IncomingPhoneNumbers.json?{query}")).await?;
        let mut numbers = std::mem::take(&mut page.items);
        for _ in 1..MOST_PAGES {
            let Some(next) = page.next_page_uri.take() else { break };
            page = self.next_page(&next).await?;
            numbers.append(&mut page.items);
        }
        Ok(numbers)
    }

    /// Changes where a number points.
    pub async fn configure_number(
        &self,
        sid: &str,
        change: &ConfigureNumber,
    ) -> Result<IncomingPhoneNumber, CarrierError> {
        let path = format!("IncomingPhoneNumbers/{}.json", plain(sid));
        let answer = self.post(&path, change.to_form(), Again::Harmless).await?;
        let number = read(&answer, IncomingPhoneNumber::parse);
        number.ok_or_else(|| unreadable("the answer is not a number"))
    }

    /// Buys a number: the one that is named, or any of the area. Costs money each month. Never sent
    /// twice: after [`CarrierError::Unknown`], look among [`Self::numbers`].
    pub async fn buy_number(
        &self,
        purchase: &ConfigureNumber,
    ) -> Result<IncomingPhoneNumber, CarrierError> {
        let answer =
            self.post("IncomingPhoneNumbers.json", purchase.to_form(), Again::Never).await?;
        let number = read(&answer, IncomingPhoneNumber::parse);
        let number = number.filter(|number| !number.sid.is_empty());
        number.ok_or_else(|| unreadable("a number was bought, but the answer names none"))
    }

    /// Numbers that can be bought in a country (two letters).
    pub async fn available_numbers(
        &self,
        country: &str,
        kind: NumberKind,
        search: &SearchNumbers,
    ) -> Result<Vec<AvailablePhoneNumber>, CarrierError> {
        let (country, kind) = (plain(country), kind.as_str());
        let query = search.to_form().encode();
        let path = format!("AvailablePhoneNumbers/{country}/{kind}.json?{query}");
        self.page(&path).await.map(|page| page.items)
    }

    /// The account, and what time Twilio says it is, if it does.
    pub async fn account(&self) -> Result<(Account, Option<Timestamp>), CarrierError> {
        let answer = self.get(&self.base_with(".json")).await?;
        let account = Account::parse(&answer.body)
            .map_err(|_| CarrierError::Unreachable("the answer is not Twilio's".to_owned()))?;
        Ok((account, answer.date.as_deref().and_then(instant)))
    }

    /// What is left of the account's money.
    pub async fn balance(&self) -> Result<Balance, CarrierError> {
        self.fetch("Balance.json", Balance::parse).await
    }

    async fn fetch<T, E>(
        &self,
        path: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, CarrierError> {
        let answer = self.get(&self.address(path)).await?;
        parse(&answer.body)
            .map_err(|_| CarrierError::Unreachable("the answer is not Twilio's".to_owned()))
    }

    async fn page<T: Listed>(&self, path: &str) -> Result<Page<T>, CarrierError> {
        self.fetch(path, Page::parse).await
    }

    /// `path` is what a page gives as the way to the next, from the root of the API. It stays at
    /// the same host, for the credentials go with it.
    async fn next_page<T: Listed>(&self, path: &str) -> Result<Page<T>, CarrierError> {
        let strange = || CarrierError::Unreachable("the next page is elsewhere".to_owned());
        if !path.starts_with("/2010-04-01/") {
            return Err(strange());
        }
        let answer = self.get(&format!("{}{path}", self.root())).await?;
        Page::parse(&answer.body).map_err(|_| strange())
    }

    fn root(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    fn base_with(&self, rest: &str) -> String {
        format!("{}/2010-04-01/Accounts/{}{rest}", self.root(), self.account_sid)
    }

    fn address(&self, path: &str) -> String {
        self.base_with(&format!("/{path}"))
    }
}

/// Without the credentials.
impl fmt::Debug for RestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestClient").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

fn read<T, E>(answer: &Answer, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
    parse(&answer.body).ok()
}

fn unreadable(what: &str) -> CarrierError {
    CarrierError::Unknown(what.to_owned())
}

/// What may stand in a path as it is; the rest is left out.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// A time as the API and HTTP write it (RFC 2822).
fn instant(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(sid: Option<&str>, token: Option<&str>) -> TwilioSettings {
        TwilioSettings {
            account_sid: sid.map(str::to_owned),
            auth_token: token.map(SecretString::from),
            phone_number: None,
            api_base_url: Url::parse("http://127.0.0.1:9/").unwrap(),
            insecure_no_signatures: false,
        }
    }

    #[test]
    fn an_account_is_needed_and_its_token_is_not_shown() {
        let missing = |sid, token| RestClient::new(&settings(sid, token)).map(drop);
        assert_eq!(missing(None, Some("t")), Err(NoClient::Missing("TWILIO_ACCOUNT_SID")));
        assert_eq!(missing(Some("AC1"), None), Err(NoClient::Missing("TWILIO_AUTH_TOKEN")));
        let client = RestClient::new(&settings(Some("AC1"), Some("very-secret"))).unwrap();
        let shown = format!("{client:?}");
        assert!(!shown.contains("very-secret") && !shown.contains("AC1"), "{shown}");
        assert_eq!(
            client.address("Calls.json"),
            "http://127.0.0.1:9/2010-04-01/Accounts/AC1/Calls.json"
        );
    }

    #[test]
    fn times_are_read_as_the_api_and_http_write_them() {
        let noon = "2026-01-02T12:00:00Z".parse::<Timestamp>().ok();
        assert_eq!(instant("Fri, 02 Jan 2026 12:00:00 +0000"), noon);
        assert_eq!(instant("Fri, 02 Jan 2026 12:00:00 GMT"), noon);
        assert_eq!(instant("yesterday"), None);
    }
}
