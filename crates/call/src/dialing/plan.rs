//! The numbering plans of the world, read by the rules of libphonenumber.
//!
//! The crate `phonenumber` carries the data. Its parser is not used: it takes the trunk prefix of
//! the reader's country off numbers that begin with `+`, takes a trunk prefix off twice, and takes
//! a number for valid whose beginning is.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use phonenumber::Metadata;
use phonenumber::metadata::{DATABASE, Descriptor};

use super::Country;

/// What calling a number costs, as far as its plan says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As much as a call.
    Ordinary,
    /// A service is paid with the call.
    Premium,
    /// Caller and callee share a higher price.
    SharedCost,
    /// It follows a person, at a price of the owner's choice.
    Personal,
}

/// The calling code that international digits begin with, and the rest of them.
pub(super) fn split(digits: &str) -> Option<(u16, &str)> {
    if digits.starts_with('0') {
        return None;
    }
    // No code is the beginning of another.
    (1..=3).find_map(|length| {
        let (code, national) = digits.split_at_checked(length)?;
        let code = code.parse().ok()?;
        DATABASE.by_code(&code).map(|_| (code, national))
    })
}

/// The plan that a number belongs to; of several countries with one calling code, that of its own.
pub(super) fn plan_of(code: u16, national: &str) -> Option<&'static Metadata> {
    let regions = DATABASE.region(&code)?;
    if regions.len() == 1 {
        return DATABASE.by_code(&code)?.into_iter().next();
    }
    regions.into_iter().filter_map(|region| DATABASE.by_id(region)).find(|plan| {
        match plan.leading_digits() {
            Some(leading) => leading.find(national).is_some_and(|found| found.start() == 0),
            None => kind(plan, national).is_some(),
        }
    })
}

/// What a number of a plan costs; `None` if the plan has no such number.
pub(super) fn kind(plan: &Metadata, national: &str) -> Option<Kind> {
    let all = plan.descriptors();
    let is = |one: Option<&Descriptor>| one.is_some_and(|one| describes(one, national));
    if !describes(all.general(), national) {
        None
    } else if is(all.premium_rate()) {
        Some(Kind::Premium)
    } else if is(all.toll_free()) {
        Some(Kind::Ordinary)
    } else if is(all.shared_cost()) {
        Some(Kind::SharedCost)
    } else if is(all.voip()) {
        Some(Kind::Ordinary)
    } else if is(all.personal_number()) {
        Some(Kind::Personal)
    } else {
        let rest = [all.pager(), all.uan(), all.voicemail(), all.fixed_line(), all.mobile()];
        rest.into_iter().any(is).then_some(Kind::Ordinary)
    }
}

/// Whether numbers with this calling code leave a zero out that is dialled within the country.
pub(super) fn leaves_zero_out(code: &str) -> bool {
    let Some((code, "")) = split(code) else { return false };
    let plans = DATABASE.by_code(&code).unwrap_or_default();
    plans.iter().any(|plan| plan.national_prefix() == Some("0"))
}

/// The international digits of what is dialled within a country, be it a number of that country or,
/// behind the prefix for it, one of another.
pub(super) fn dialled_within(home: Country, digits: &str) -> Option<String> {
    let plan = DATABASE.by_id(home.code())?;
    let prefix = plan.international_prefix().and_then(|prefix| prefix.find(digits));
    if let Some(prefix) = prefix.filter(|found| found.start() == 0) {
        let international = &digits[prefix.end()..];
        if !international.starts_with('0') {
            return Some(international.to_owned());
        }
    }
    let is_national = |digits: &str| matches_whole(plan.descriptors().general(), digits);
    let lengths = Lengths::of(plan);
    let code = plan.country_code().to_string();
    if let Some(rest) = digits.strip_prefix(&code) {
        let rest = without_trunk_prefix(plan, rest);
        if (!is_national(digits) && is_national(&rest)) || lengths.are_exceeded_by(digits) {
            return Some(code + &rest);
        }
    }
    let stripped = without_trunk_prefix(plan, digits);
    Some(code + if lengths.fit(&stripped) { &stripped } else { digits })
}

/// How many digits the numbers of a plan have: within the country, and within an area of it.
struct Lengths {
    national: BTreeSet<usize>,
    local: BTreeSet<usize>,
}

impl Lengths {
    fn of(plan: &Metadata) -> Self {
        let all = plan.descriptors();
        let kinds = [
            Some(all.general()),
            all.fixed_line(),
            all.mobile(),
            all.toll_free(),
            all.premium_rate(),
            all.shared_cost(),
            all.personal_number(),
            all.voip(),
            all.pager(),
            all.uan(),
            all.voicemail(),
        ];
        let (mut national, mut local) = (BTreeSet::new(), BTreeSet::new());
        for kind in kinds.into_iter().flatten() {
            national.extend(kind.possible_length().iter().map(|length| usize::from(*length)));
            local.extend(kind.possible_local_length().iter().map(|length| usize::from(*length)));
        }
        local.retain(|length| !national.contains(length));
        Self { national, local }
    }

    fn are_exceeded_by(&self, digits: &str) -> bool {
        self.national.last().is_some_and(|longest| digits.len() > *longest)
    }

    /// Whether a trunk prefix may have been taken off, if so many digits are left.
    fn fit(&self, digits: &str) -> bool {
        let length = digits.len();
        !self.local.contains(&length)
            && (self.national.contains(&length) || self.are_exceeded_by(digits))
    }
}

/// National digits without what is only dialled before them within the country; in the few plans
/// that say so, with what is only dialled from outside.
fn without_trunk_prefix(plan: &Metadata, digits: &str) -> String {
    let general = plan.descriptors().general();
    // What is a number already loses nothing, unless it is one then, too.
    let unless_spoilt = |changed: String| {
        let spoilt = matches_whole(general, digits) && !matches_whole(general, &changed);
        if spoilt { digits.to_owned() } else { changed }
    };
    let Some(prefix) = plan.national_prefix_for_parsing() else {
        let trunk = plan.national_prefix().and_then(|trunk| digits.strip_prefix(trunk));
        return trunk.map_or_else(|| digits.to_owned(), |rest| unless_spoilt(rest.to_owned()));
    };
    let Some(found) = prefix.captures(digits) else { return digits.to_owned() };
    let Some(whole) = found.get(0).filter(|whole| whole.start() == 0) else {
        return digits.to_owned();
    };
    let last = found.get(found.len() - 1).filter(|_| found.len() > 1);
    match plan.national_prefix_transform_rule() {
        Some(rule) if last.is_some() => unless_spoilt(prefix.replace(digits, rule).into_owned()),
        _ => unless_spoilt(digits[whole.end()..].to_owned()),
    }
}

/// Whether a number is one of those described, by its length and all of its digits.
fn describes(descriptor: &Descriptor, national: &str) -> bool {
    let lengths = descriptor.possible_length();
    let length = u16::try_from(national.len()).unwrap_or(u16::MAX);
    (lengths.is_empty() || lengths.contains(&length)) && matches_whole(descriptor, national)
}

/// Whether a pattern stands for all digits, not only for the first of them.
fn matches_whole(descriptor: &Descriptor, digits: &str) -> bool {
    let pattern = format!("^(?:{})$", descriptor.national_number().as_str());
    let cache = DATABASE.cache();
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    let whole = cache.configure(&pattern, |options| options.ignore_whitespace(true));
    whole.is_ok_and(|whole| whole.is_match(digits))
}
