//! The world's numbering plans, read by the rules of libphonenumber.
//!
//! The crate `phonenumber` contains the data. Its parser is not used, because it removes the trunk
//! prefix of the reader's country from numbers that begin with `+`, removes a trunk prefix twice,
//! and accepts a number if only its beginning is valid.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use phonenumber::Metadata;
use phonenumber::metadata::{DATABASE, Descriptor};

use super::Country;

/// The price category of a number, as far as its plan says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An ordinary call.
    Ordinary,
    /// Premium rate: a service is paid with the call.
    Premium,
    /// Shared cost: caller and callee share a higher price.
    SharedCost,
    /// A personal number, which may cost more.
    Personal,
}

/// Splits international digits into the calling code and the national digits.
pub(super) fn split(digits: &str) -> Option<(u16, &str)> {
    if digits.starts_with('0') {
        return None;
    }
    // No calling code is a prefix of another.
    (1..=3).find_map(|length| {
        let (code, national) = digits.split_at_checked(length)?;
        let code = code.parse().ok()?;
        DATABASE.by_code(&code).map(|_| (code, national))
    })
}

/// The plan of a number's country, which may share its calling code with others.
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

/// The price category of a number in a plan; `None` if the plan has no such number.
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

/// Whether numbers with this calling code omit a zero that is dialled within the country.
pub(super) fn leaves_zero_out(code: &str) -> bool {
    let Some((code, "")) = split(code) else { return false };
    let plans = DATABASE.by_code(&code).unwrap_or_default();
    plans.iter().any(|plan| plan.national_prefix() == Some("0"))
}

/// The international digits of a number as dialled within a country: a national number, or a
/// foreign one after the international prefix.
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

/// The possible lengths of a plan's numbers: within the country, and within an area.
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

    /// Whether removing a trunk prefix may leave this many digits.
    fn fit(&self, digits: &str) -> bool {
        let length = digits.len();
        !self.local.contains(&length)
            && (self.national.contains(&length) || self.are_exceeded_by(digits))
    }
}

/// The national digits without a trunk prefix; in the few plans that require it, with what is only
/// dialled from abroad.
fn without_trunk_prefix(plan: &Metadata, digits: &str) -> String {
    let general = plan.descriptors().general();
    // A valid number loses no prefix, unless the rest is valid, too.
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

/// Whether a number matches a description in length and in all digits.
fn describes(descriptor: &Descriptor, national: &str) -> bool {
    let lengths = descriptor.possible_length();
    let length = u16::try_from(national.len()).unwrap_or(u16::MAX);
    (lengths.is_empty() || lengths.contains(&length)) && matches_whole(descriptor, national)
}

/// Whether a pattern matches all digits, not only the first ones.
fn matches_whole(descriptor: &Descriptor, digits: &str) -> bool {
    let pattern = format!("^(?:{})$", descriptor.national_number().as_str());
    let cache = DATABASE.cache();
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    let whole = cache.configure(&pattern, |options| options.ignore_whitespace(true));
    whole.is_ok_and(|whole| whole.is_match(digits))
}
