//! Numbers that may be dialled, and numbers that must not.

use super::*;

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).unwrap()
}

fn us() -> Transfers {
    Transfers { countries: Country::parse("us").into_iter().collect(), ..Transfers::default() }
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
        ("+12129761234", NotDialled::Premium),
        ("+18765550100", NotDialled::Country),
        ("+442079460000", NotDialled::Country),
        ("+447000000000", NotDialled::Premium),
        ("+449098790000", NotDialled::Premium),
        ("+448450000000", NotDialled::Premium),
        ("+8816123456789", NotDialled::Satellite),
        ("+88213123456", NotDialled::Satellite),
        ("+870773111632", NotDialled::Satellite),
        ("+979123456789", NotDialled::Premium),
        ("+9991234567890", NotDialled::Impossible),
        ("+15551234567", NotDialled::Impossible),
        ("+19115550123", NotDialled::Impossible),
        ("+1212555012", NotDialled::Impossible),
    ] {
        assert_eq!(us().check(&number(text)), Err(why), "{text}");
    }
}

#[test]
fn what_is_listed_may_lie_anywhere_but_not_cost() {
    let listed = vec![number("+442079460000"), number("+19005550100"), number("+15551234567")];
    let transfers = Transfers { listed, ..us() };
    assert_eq!(transfers.check(&number("+442079460000")), Ok(()));
    assert_eq!(transfers.check(&number("+15551234567")), Ok(()));
    assert_eq!(transfers.check(&number("+19005550100")), Err(NotDialled::Premium));
    assert_eq!(transfers.check(&number("+442079460001")), Err(NotDialled::Country));
}

#[test]
fn without_a_country_only_what_is_listed_is_dialled() {
    let transfers = Transfers { fallback: Some(number("+12125550123")), ..Transfers::default() };
    assert_eq!(transfers.check(&number("+12125550123")), Ok(()));
    assert_eq!(transfers.check(&number("+12125550124")), Err(NotDialled::Country));
}
