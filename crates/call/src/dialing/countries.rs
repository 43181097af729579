//! Countries that may be dialled.

use super::Country;
use super::number::PhoneNumber;

/// A set of countries, given by code or by a number.
///
/// The country of a number is looked up only when it is needed: the numbering plans take 4 MB and a
/// tenth of a second to load, and many servers never dial.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Countries {
    named: Vec<Country>,
    numbers: Vec<PhoneNumber>,
}

impl Countries {
    /// The country of a number.
    #[must_use]
    pub fn of(number: PhoneNumber) -> Self {
        Self { named: Vec::new(), numbers: vec![number] }
    }

    /// Adds a country.
    pub fn add(&mut self, country: Country) {
        self.named.push(country);
    }

    /// Whether no country was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.numbers.is_empty()
    }

    /// Whether the country is in the set.
    #[must_use]
    pub fn contains(&self, country: Country) -> bool {
        self.iter().any(|one| one == country)
    }

    /// The countries; some may occur twice.
    pub fn iter(&self) -> impl Iterator<Item = Country> {
        self.named.iter().copied().chain(self.numbers.iter().filter_map(Country::of))
    }
}

impl FromIterator<Country> for Countries {
    fn from_iter<T: IntoIterator<Item = Country>>(countries: T) -> Self {
        Self { named: countries.into_iter().collect(), numbers: Vec::new() }
    }
}
