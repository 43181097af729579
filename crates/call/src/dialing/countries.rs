//! Countries that may be dialled.

use super::Country;
use crate::ids::PhoneNumber;

/// Countries by their names, and those of numbers.
///
/// Which country a number belongs to is found out when it is asked for, not before: the numbering
/// plans of the world take 4 MB and a tenth of a second to unfold, and many a server never dials.
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

    /// Whether there is nothing that could name a country.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.numbers.is_empty()
    }

    /// Whether the country is one of these.
    #[must_use]
    pub fn contains(&self, country: Country) -> bool {
        self.iter().any(|one| one == country)
    }

    /// The countries, some perhaps twice.
    pub fn iter(&self) -> impl Iterator<Item = Country> {
        self.named.iter().copied().chain(self.numbers.iter().filter_map(Country::of))
    }
}

impl FromIterator<Country> for Countries {
    fn from_iter<T: IntoIterator<Item = Country>>(countries: T) -> Self {
        Self { named: countries.into_iter().collect(), numbers: Vec::new() }
    }
}
