//! Where a call may be dialled on to. What stands here stands between a talked-into model and the
//! telephone bill.

use std::fmt;
use std::str::FromStr as _;

use phonenumber::metadata::DATABASE;
use phonenumber::{Type, country};

use crate::ids::PhoneNumber;

/// A country or territory, by its ISO 3166 code, such as `US`.
///
/// Countries that share a calling code are told apart: `+1 876` is Jamaica, not the United States.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Country(country::Id);

impl Country {
    /// Takes an ISO 3166 code of two letters, of any case.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        country::Id::from_str(&code.trim().to_ascii_uppercase()).ok().map(Self)
    }

    /// The country that a number belongs to. Numbers that are not assigned, as those kept for
    /// examples, count for the main country of their calling code.
    #[must_use]
    pub fn of(number: &PhoneNumber) -> Option<Self> {
        let number = phonenumber::parse(None, number.as_str()).ok()?;
        if let Some(id) = number.country().id() {
            return Some(Self(id));
        }
        let of_code = DATABASE.region(&number.country().code())?;
        of_code.first().and_then(|id| Self::parse(id))
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref())
    }
}

/// Why a number is not dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDialled {
    /// It belongs to a country that is not allowed.
    #[error("the number is outside the countries that may be dialled")]
    Country,
    /// Calling it costs more than a call.
    #[error("premium-rate and shared-cost numbers are never dialled")]
    Premium,
    /// No such number can be.
    #[error("this is not a telephone number of any country")]
    Impossible,
}

/// Where a call may be transferred to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transfers {
    /// Where a transfer without a number goes, and a call whose model failed.
    pub fallback: Option<PhoneNumber>,
    /// Numbers that are allowed whatever else is said.
    pub listed: Vec<PhoneNumber>,
    /// The countries whose ordinary numbers are allowed.
    pub countries: Vec<Country>,
}

impl Transfers {
    /// Whether the call may be dialled on to `target`; if not, why.
    pub fn check(&self, target: &PhoneNumber) -> Result<(), NotDialled> {
        if self.fallback.as_ref() == Some(target) || self.listed.contains(target) {
            return Ok(());
        }
        is_ordinary(target)?;
        let country = Country::of(target).ok_or(NotDialled::Impossible)?;
        if self.countries.contains(&country) { Ok(()) } else { Err(NotDialled::Country) }
    }
}

/// Whether a number can be one, and costs no more than a call to it.
pub(crate) fn is_ordinary(number: &PhoneNumber) -> Result<(), NotDialled> {
    let number = phonenumber::parse(None, number.as_str()).map_err(|_| NotDialled::Impossible)?;
    match number.number_type(&DATABASE) {
        Type::PremiumRate | Type::SharedCost => Err(NotDialled::Premium),
        Type::Emergency | Type::ShortCode => Err(NotDialled::Impossible),
        Type::FixedLine
        | Type::Mobile
        | Type::FixedLineOrMobile
        | Type::TollFree
        | Type::PersonalNumber
        | Type::Voip
        | Type::Pager
        | Type::Uan
        | Type::Voicemail
        | Type::StandardRate
        | Type::Carrier
        | Type::NoInternational
        | Type::Unknown => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::parse(text).unwrap()
    }

    fn us() -> Transfers {
        Transfers { countries: vec![Country::parse("us").unwrap()], ..Transfers::default() }
    }

    #[test]
    fn ordinary_numbers_of_an_allowed_country_are_dialled() {
        for text in ["+12125550123", "+14155552671", "+15005550123", "+18005550123"] {
            assert_eq!(us().check(&number(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_costs_or_lies_elsewhere_is_not() {
        for (text, why) in [
            ("+19005550100", NotDialled::Premium),
            ("+18765550100", NotDialled::Country),
            ("+442079460000", NotDialled::Country),
            ("+447000000000", NotDialled::Country),
            ("+8816123456789", NotDialled::Country),
            ("+88213123456", NotDialled::Country),
            ("+870773111632", NotDialled::Country),
            ("+979123456789", NotDialled::Premium),
            ("+9991234567890", NotDialled::Impossible),
        ] {
            assert!(us().check(&number(text)).is_err(), "{text} should be {why:?}");
        }
        assert_eq!(us().check(&number("+19005550100")), Err(NotDialled::Premium));
        assert_eq!(us().check(&number("+18765550100")), Err(NotDialled::Country));
    }

    #[test]
    fn what_is_listed_is_dialled_whatever_it_is() {
        let listed = vec![number("+442079460000"), number("+19005550100")];
        let transfers = Transfers { listed, ..us() };
        assert_eq!(transfers.check(&number("+442079460000")), Ok(()));
        assert_eq!(transfers.check(&number("+19005550100")), Ok(()));
        assert_eq!(transfers.check(&number("+442079460001")), Err(NotDialled::Country));
    }

    #[test]
    fn without_a_country_only_what_is_listed_is_dialled() {
        let transfers =
            Transfers { fallback: Some(number("+12125550123")), ..Transfers::default() };
        assert_eq!(transfers.check(&number("+12125550123")), Ok(()));
        assert_eq!(transfers.check(&number("+12125550124")), Err(NotDialled::Country));
    }
}
