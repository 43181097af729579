//! A client of Twilio's REST API: places and ends calls, buys and configures numbers.
//!
//! Every request is bounded by a connect timeout, a timeout for the response and a number of
//! attempts. It is sent again, after growing pauses, where that is safe: after a 429, which Twilio
//! guarantees not to have carried out, and after a server error if doing it twice is harmless.
//! **Placing a call and buying a number are sent again only if they certainly were not carried
//! out**: the API has no idempotency key, so the alternative is [`CarrierError::Unknown`], after
//! which the caller looks first ([`RestClient::placed_since`]) (Twilio, "Error 20429"; "Call
//! resource").
//!
//! Nothing here logs a credential, a number or a body.

mod error;
mod http;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use phony_call::CallSid;
use phony_wire::twilio::rest::{
    Account, AvailablePhoneNumber, Balance, Call, ConfigureNumber, CreateCall, IncomingPhoneNumber,
    ListCalls, ListNumbers, Listed, Page, SearchNumbers, UpdateCall,
};
use phony_wire::twilio::webhook::Form;
use url::Url;

use self::http::{Answer, Http, Retry};
use crate::config::TwilioSettings;

pub use self::error::{CarrierError, NoClient};

/// How long a response may take, retries not counted.
pub const TIMEOUT: Duration = Duration::from_secs(15);

/// The most pages of a list that are read: 20,000 numbers.
const MOST_PAGES: usize = 20;
const PAGE_SIZE: u64 = 1000;
/// The most calls between the same two numbers that are searched.
const CALLS_SEARCHED: u64 = 50;

/// A client for one account. A clone shares its connections.
#[derive(Clone)]
pub struct RestClient {
    http: Http,
    base: Url,
    account_sid: String,
}

/// The kind of a number to search for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberKind {
    /// A number of a town or region.
    Local,
    /// Free for the caller.
    TollFree,
    /// A number of a mobile network.
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
    /// A client for the configured account.
    pub fn new(settings: &TwilioSettings) -> Result<Self, NoClient> {
        Self::with_timeout(settings, TIMEOUT)
    }

    /// With another timeout for each response.
    pub fn with_timeout(settings: &TwilioSettings, timeout: Duration) -> Result<Self, NoClient> {
        let missing = NoClient::Missing;
        let sid = settings.account_sid.clone().ok_or_else(|| missing("TWILIO_ACCOUNT_SID"))?;
        let token = settings.auth_token.clone().ok_or_else(|| missing("TWILIO_AUTH_TOKEN"))?;
        let base = settings.api_base_url.clone();
        Ok(Self { http: Http::new(&base, timeout, &sid, token)?, base, account_sid: sid })
    }

    /// Places a call; its state is `queued` at first. Sent again only if it certainly was not
    /// carried out: after [`CarrierError::Unknown`], see [`Self::placed_since`].
    pub async fn create_call(&self, call: &CreateCall) -> Result<Call, CarrierError> {
        self.create_call_while(call, &|| true).await
    }

    /// As [`Self::create_call`], but sent again only while `still` returns true; else the result is
    /// [`CarrierError::Withdrawn`].
    pub async fn create_call_while(
        &self,
        call: &CreateCall,
        still: &(dyn Fn() -> bool + Sync),
    ) -> Result<Call, CarrierError> {
        let answer = self
            .http
            .post_while(&self.address("Calls.json"), &call.to_form(), Retry::Never, still)
            .await?;
        let call = read(&answer, Call::parse).filter(|call| !call.sid.is_empty());
        call.ok_or_else(|| unreadable("the call was placed, but the answer names none"))
    }

    /// The calls from one number to another that were placed at `since` or later, newest first.
    /// They tell whether a call was placed after [`CarrierError::Unknown`]. `since` is by this
    /// machine's clock; a second or two before the request allows for clocks that differ.
    pub async fn placed_since(
        &self,
        to: &str,
        from: &str,
        since: Timestamp,
    ) -> Result<Vec<Call>, CarrierError> {
        // Not filtered by `StartTime`, which a queued call does not have.
        let filter = ListCalls {
            to: Some(to.to_owned()),
            from: Some(from.to_owned()),
            page_size: Some(CALLS_SEARCHED),
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

    /// The present state of a call.
    pub async fn call(&self, sid: &CallSid) -> Result<Call, CarrierError> {
        self.fetch(&format!("Calls/{sid}.json"), Call::parse).await
    }

    /// Changes a live call, such as its TwiML or its time limit. Not sent again after a server
    /// error, since new TwiML starts from its beginning each time.
    pub async fn update_call(
        &self,
        sid: &CallSid,
        update: &UpdateCall,
    ) -> Result<Call, CarrierError> {
        let path = format!("Calls/{sid}.json");
        let answer = self.post(&path, &update.to_form(), Retry::Never).await?;
        read(&answer, Call::parse).ok_or_else(|| unreadable("the answer is not a call"))
    }

    /// Ends a call, whether it is ringing, answered or transferred. Returns `false` if the call is
    /// already over or unknown to Twilio. Not sent again after a server error, though that would be
    /// harmless: a supervisor waits for the result, and the call repeats it by itself.
    pub async fn end_call(&self, sid: &CallSid) -> Result<bool, CarrierError> {
        let update = UpdateCall { status: Some("completed".to_owned()), ..UpdateCall::default() };
        let path = format!("Calls/{sid}.json");
        match self.post(&path, &update.to_form(), Retry::Never).await {
            Ok(_) => Ok(true),
            Err(CarrierError::Refused(error)) if error.is_not_found() => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// The account's numbers that match a filter.
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

    /// Changes the settings of a number.
    pub async fn configure_number(
        &self,
        sid: &str,
        change: &ConfigureNumber,
    ) -> Result<IncomingPhoneNumber, CarrierError> {
        let path = format!("IncomingPhoneNumbers/{}.json", plain(sid));
        let answer = self.post(&path, &change.to_form(), Retry::Harmless).await?;
        let number = read(&answer, IncomingPhoneNumber::parse);
        number.ok_or_else(|| unreadable("the answer is not a number"))
    }

    /// Buys a number, either a given one or any of an area code. It costs money each month. Sent
    /// again only if it certainly was not carried out: after [`CarrierError::Unknown`], look among
    /// [`Self::numbers`].
    pub async fn buy_number(
        &self,
        purchase: &ConfigureNumber,
    ) -> Result<IncomingPhoneNumber, CarrierError> {
        let answer =
            self.post("IncomingPhoneNumbers.json", &purchase.to_form(), Retry::Never).await?;
        let number = read(&answer, IncomingPhoneNumber::parse);
        let number = number.filter(|number| !number.sid.is_empty());
        number.ok_or_else(|| unreadable("a number was bought, but the answer names none"))
    }

    /// Numbers that can be bought in a country (ISO 3166-1 alpha-2 code).
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

    /// The account, and the time of Twilio's clock if the response has a `Date` header.
    pub async fn account(&self) -> Result<(Account, Option<Timestamp>), CarrierError> {
        let answer = self.http.get(&self.base_with(".json")).await?;
        let account = Account::parse(&answer.body)
            .map_err(|_| CarrierError::Unreachable("the answer is not Twilio's".to_owned()))?;
        Ok((account, answer.date.as_deref().and_then(instant)))
    }

    /// The account's balance.
    pub async fn balance(&self) -> Result<Balance, CarrierError> {
        self.fetch("Balance.json", Balance::parse).await
    }

    async fn post(&self, path: &str, form: &Form, retry: Retry) -> Result<Answer, CarrierError> {
        self.http.post_while(&self.address(path), form, retry, &|| true).await
    }

    async fn fetch<T, E>(
        &self,
        path: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, CarrierError> {
        let answer = self.http.get(&self.address(path)).await?;
        parse(&answer.body)
            .map_err(|_| CarrierError::Unreachable("the answer is not Twilio's".to_owned()))
    }

    async fn page<T: Listed>(&self, path: &str) -> Result<Page<T>, CarrierError> {
        self.fetch(path, Page::parse).await
    }

    /// `path` is a page's `next_page_uri`, from the root of the API. It stays at the same host,
    /// since the credentials are sent with it.
    async fn next_page<T: Listed>(&self, path: &str) -> Result<Page<T>, CarrierError> {
        let elsewhere = || CarrierError::Unreachable("the next page is elsewhere".to_owned());
        if !path.starts_with("/2010-04-01/") {
            return Err(elsewhere());
        }
        let answer = self.http.get(&format!("{}{path}", self.root())).await?;
        Page::parse(&answer.body).map_err(|_| elsewhere())
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

/// The ASCII letters and digits of a text, which are safe in a path.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// Parses a time as the API and HTTP write it (RFC 2822).
fn instant(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

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
