//! The example numbers of every numbering plan, read within their country and from all others.

use std::collections::HashSet;

use phonenumber::Type;
use phonenumber::metadata::DATABASE;
use phony_call::{Country, NotDialled, PhoneNumber, Transfers, check_dialled, check_exists};

const TYPES: [Type; 11] = [
    Type::FixedLine,
    Type::Mobile,
    Type::TollFree,
    Type::PremiumRate,
    Type::SharedCost,
    Type::PersonalNumber,
    Type::Voip,
    Type::Pager,
    Type::Uan,
    Type::Voicemail,
    Type::Unknown,
];

/// An example number of a plan.
struct Example {
    /// Its region; `001` for international services.
    region: &'static str,
    /// The national number, without the calling code.
    national: &'static str,
    kind: Type,
    e164: String,
}

fn examples() -> Vec<Example> {
    let mut all = Vec::new();
    for plan in DATABASE.iter() {
        for kind in TYPES {
            let described = plan.descriptors().get(kind);
            let Some(national) = described.and_then(|described| described.example()) else {
                continue;
            };
            let e164 = format!("+{}{national}", plan.country_code());
            // Three plans have an example with only two or three digits after the calling code.
            if e164.len() < 8 {
                continue;
            }
            all.push(Example { region: plan.id(), national, kind, e164 });
        }
    }
    assert!(all.len() > 1000, "{}", all.len());
    all
}

fn homes() -> Vec<Option<Country>> {
    let known = DATABASE.iter().filter(|plan| plan.id() != "001");
    let mut homes: Vec<_> = known.map(|plan| Country::parse(plan.id())).collect();
    assert!(homes.len() > 200 && homes.iter().all(Option::is_some));
    homes.push(None);
    homes
}

#[test]
fn digits_after_a_plus_stay_as_they_are_wherever_they_are_typed() {
    let (homes, mut seen) = (homes(), HashSet::new());
    for Example { e164, .. } in examples() {
        let as_written = PhoneNumber::parse(&e164).map(|number| number.to_string());
        assert_eq!(as_written, Ok(e164.clone()));
        if !seen.insert(e164.clone()) {
            continue;
        }
        for home in &homes {
            let read = PhoneNumber::typed(&e164, *home).map(|number| number.to_string());
            assert_eq!(read, Ok(e164.clone()), "typed in {home:?}");
        }
    }
}

#[test]
fn every_example_exists_and_belongs_to_its_country() {
    for Example { region, kind, e164, .. } in examples() {
        let number = PhoneNumber::parse(&e164).unwrap();
        let listed = Transfers { listed: vec![number.clone()], ..Transfers::default() };
        let everywhere = Country::of(&number).into_iter().collect();
        let refusal = check_dialled(&number, &everywhere).err();
        let costs = matches!(kind, Type::PremiumRate | Type::SharedCost);
        if costs {
            let premium = matches!(refusal, Some(NotDialled::Premium | NotDialled::Satellite))
                && refusal == listed.check(&number).err();
            assert!(premium, "{e164} of {region}, {kind:?}: {refusal:?}");
        }
        assert_ne!(refusal, Some(NotDialled::Impossible), "{e164} of {region}, {kind:?}");
        // Some islands share the numbers of their main country.
        let country = Country::of(&number).and_then(|country| DATABASE.by_id(country.code()));
        if region != "001" {
            let code = DATABASE.by_id(region).unwrap().country_code();
            assert_eq!(country.map(phonenumber::Metadata::country_code), Some(code), "{e164}");
        }
    }
}

#[test]
fn what_is_dialled_at_home_is_that_number_or_none_but_never_another() {
    let (mut read, mut refused) = (0, Vec::new());
    for Example { region, national, e164, .. } in examples() {
        let Some(home) = Country::parse(region) else { continue };
        let trunk = DATABASE.by_id(region).unwrap().national_prefix().unwrap_or_default();
        for typed in [national.to_owned(), format!("{trunk}{national}")] {
            match PhoneNumber::typed(&typed, Some(home)) {
                Ok(number) if number.as_str() == e164 => read += 1,
                Ok(other) if check_exists(&other).is_ok() => {
                    panic!("{typed} in {region} was read as {other}, not as {e164}")
                }
                // Some are dialled without the trunk prefix, and some are as short as an emergency
                // number and need their calling code.
                Ok(_) | Err(_) => refused.push(typed),
            }
        }
    }
    assert!(refused.len() * 10 < read, "{read} were read, but not {refused:?}");
}

#[test]
fn a_number_dialled_to_another_country_is_that_number() {
    for Example { e164, .. } in examples() {
        let digits = e164.trim_start_matches('+');
        for (home, prefix) in [("US", "011"), ("DE", "00"), ("RU", "810"), ("JP", "010")] {
            let read = PhoneNumber::typed(&format!("{prefix}{digits}"), Country::parse(home));
            let read = read.map(|number| number.to_string());
            assert_eq!(read, Ok(e164.clone()), "{prefix} {digits} from {home}");
        }
    }
}
