//! Which numbers may be dialled, and to which a call may be transferred. These rules limit what a
//! manipulated model, or a mistyped number, can cost.

mod countries;
mod emergency;
mod number;
mod plan;
mod spelling;
mod typed;

use std::fmt;
use std::str::FromStr as _;

use phonenumber::country;
use phonenumber::metadata::DATABASE;
use serde::{Deserialize, Serialize};

use self::plan::Kind;

pub use countries::Countries;
pub use number::PhoneNumber;
pub use typed::Unreadable;

/// A country or territory, by its ISO 3166 code, such as `US`.
///
/// Countries that share a calling code are told apart: `+1 876` is Jamaica, not the United States.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Country(country::Id);

impl Country {
    /// Reads a two-letter ISO 3166 code, in any case.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        country::Id::from_str(&code.trim().to_ascii_uppercase()).ok().map(Self)
    }

    /// The country that a number belongs to. Unassigned numbers, such as those reserved for
    /// examples, count as of the main country of their calling code.
    #[must_use]
    pub fn of(number: &PhoneNumber) -> Option<Self> {
        let (code, national) = plan::split(number.digits())?;
        let own = plan::plan_of(code, national).and_then(|plan| Self::parse(plan.id()));
        own.or_else(|| DATABASE.region(&code)?.first().and_then(|id| Self::parse(id)))
    }

    /// Its ISO 3166 code, two capital letters.
    #[must_use]
    pub fn code(&self) -> &str {
        self.0.as_ref()
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref())
    }
}

/// Why a number is not dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum NotDialled {
    /// It reaches an emergency service.
    #[error("emergency numbers are never dialled")]
    Emergency,
    /// Calling it costs more than an ordinary call.
    #[error("premium-rate and shared-cost numbers are never dialled")]
    Premium,
    /// It reaches a satellite telephone, or a network with similar prices.
    #[error("satellite and international network numbers are never dialled")]
    Satellite,
    /// It is a placeholder for a withheld number.
    #[error("this is what carriers send in place of a withheld number: nobody can be called there")]
    Withheld,
    /// No numbering plan has such a number.
    #[error("this is not a telephone number of any country")]
    Impossible,
    /// Its country is not allowed.
    #[error("the number is outside the countries that may be dialled")]
    Country,
    /// It is one of the two numbers of the call that is to be transferred: one would be answered by
    /// the AI again, the other is busy with this call.
    #[error("the number is one of the two that this call is between")]
    Party,
}

impl NotDialled {
    /// The rule's name, for clients.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Self::Emergency => "emergency_number",
            Self::Premium => "premium_number",
            Self::Satellite => "satellite_number",
            Self::Withheld => "withheld_number",
            Self::Impossible => "invalid_number",
            Self::Country => "country_not_allowed",
            Self::Party => "party_of_the_call",
        }
    }
}

/// Whether a number may be dialled, given the countries whose ordinary numbers are allowed.
pub fn check_dialled(number: &PhoneNumber, countries: &Countries) -> Result<(), NotDialled> {
    is_affordable(number)?;
    check_exists(number)?;
    let country = Country::of(number).ok_or(NotDialled::Impossible)?;
    if countries.contains(country) { Ok(()) } else { Err(NotDialled::Country) }
}

/// The numbers that a call may be transferred to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transfers {
    /// The target of transfers without a number, and of calls whose model has failed.
    pub fallback: Option<PhoneNumber>,
    /// Numbers that are allowed in any country.
    pub listed: Vec<PhoneNumber>,
    /// The countries whose ordinary numbers are allowed.
    pub countries: Countries,
}

impl Transfers {
    /// Whether a call may be transferred to `target`. A listed number is not required to exist or
    /// to be in an allowed country, but every other rule applies to it.
    pub fn check(&self, target: &PhoneNumber) -> Result<(), NotDialled> {
        if self.fallback.as_ref() == Some(target) || self.listed.contains(target) {
            return is_affordable(target);
        }
        check_dialled(target, &self.countries)
    }
}

/// Calling codes of satellite systems and of international networks (ITU-T E.164, list of
/// assigned country codes): Inmarsat, its former codes, GMSS, international networks.
const SATELLITE: [&str; 8] = ["+870", "+871", "+872", "+873", "+874", "+881", "+882", "+883"];
/// Calling codes of services that bill the caller: international premium rate and shared cost.
const BILLED: [&str; 2] = ["+979", "+808"];

/// Whether the number costs no more than an ordinary call, and is no emergency number.
fn is_affordable(number: &PhoneNumber) -> Result<(), NotDialled> {
    let text = number.as_str();
    if SATELLITE.iter().any(|code| text.starts_with(code)) {
        return Err(NotDialled::Satellite);
    }
    if BILLED.iter().any(|code| text.starts_with(code)) {
        return Err(NotDialled::Premium);
    }
    if typed::hides_an_emergency_number(text) {
        return Err(NotDialled::Emergency);
    }
    // Exchange 976 is premium-rate in every area of the North American plan, as 900 is.
    if text.len() == 12 && text.starts_with("+1") && text.get(5..8) == Some("976") {
        return Err(NotDialled::Premium);
    }
    match kind(number) {
        Some(Kind::Premium | Kind::SharedCost) => Err(NotDialled::Premium),
        // In the North American plan, personal numbers cost no more than others.
        Some(Kind::Personal) if !text.starts_with("+1") => Err(NotDialled::Premium),
        Some(Kind::Personal | Kind::Ordinary) | None => Ok(()),
    }
}

/// Whether some numbering plan has such a number, in any country and at any price.
pub fn check_exists(number: &PhoneNumber) -> Result<(), NotDialled> {
    kind(number).map(drop).ok_or(NotDialled::Impossible)
}

fn kind(number: &PhoneNumber) -> Option<Kind> {
    let (code, national) = plan::split(number.digits())?;
    plan::kind(plan::plan_of(code, national)?, national)
}

#[cfg(test)]
mod tests;
