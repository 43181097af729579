//! Telephone numbers as people type them, and how they are read.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use phony_call::{Country, NotDialled, PhoneNumber, Unreadable, check_dialled};

fn country(code: &str) -> Country {
    Country::parse(code).unwrap()
}

/// Every spelling is read as this number when it is typed in this country.
#[track_caller]
fn all_give(home: &str, wanted: &str, spellings: &[&str]) {
    for spelling in spellings {
        let read = PhoneNumber::typed(spelling, Some(country(home)));
        assert_eq!(read.map(|n| n.to_string()), Ok(wanted.to_owned()), "{spelling}");
    }
}

fn refusal(text: &str, home: Option<&str>) -> Unreadable {
    PhoneNumber::typed(text, home.map(country)).expect_err(text)
}

#[test]
fn north_american_spellings() {
    let spellings = [
        "+14155552671",
        "4155552671",
        "14155552671",
        "(415) 555-2671",
        "415-555-2671",
        "415.555.2671",
        "415 555 2671",
        "1-415-555-2671",
        "+1 (415) 555-2671",
        "1 (415) 555 2671",
        "415/555-2671",
        "  +1 415 555 2671  ",
        "[415] 555 2671",
    ];
    all_give("US", "+14155552671", &spellings);
    all_give("CA", "+14155552671", &spellings);
}

#[test]
fn british_spellings_with_and_without_the_trunk_prefix() {
    let spellings = [
        "020 7946 0958",
        "02079460958",
        "(020) 7946 0958",
        "+44 20 7946 0958",
        "+44 (0)20 7946 0958",
        "0044 20 7946 0958",
        "44 20 7946 0958",
    ];
    all_give("GB", "+442079460958", &spellings);
}

#[test]
fn german_and_french_spellings() {
    let german = ["030 901820", "030/901820", "(030) 90 18 20", "+49 30 901820", "0049 30 901820"];
    all_give("DE", "+4930901820", &german);
    let french = ["01 42 68 53 00", "01.42.68.53.00", "0142685300", "+33 1 42 68 53 00"];
    all_give("FR", "+33142685300", &french);
}

#[test]
fn italian_numbers_keep_their_zero() {
    all_give("IT", "+390669812345", &["06 6981 2345", "+39 06 6981 2345", "0039 06 69812345"]);
}

#[test]
fn prefixes_for_other_countries_are_those_of_home() {
    all_give("US", "+442079460958", &["011 44 20 7946 0958", "+44 20 7946 0958"]);
    all_give("DE", "+14155552671", &["001 415 555 2671", "+1 415 555 2671"]);
    all_give("AU", "+14155552671", &["0011 1 415 555 2671"]);
}

#[test]
fn a_trunk_prefix_of_home_is_not_taken_off_a_number_of_another_country() {
    for written in ["+49 151 23456789", "011 49 151 23456789", "+49 (0)151 23456789"] {
        all_give("US", "+4915123456789", &[written]);
    }
    all_give("RU", "+8801812345678", &["+880 1812 345678", "810 880 1812 345678"]);
    all_give("HU", "+390669812345", &["+39 06 6981 2345", "00 39 06 6981 2345"]);
}

#[test]
fn a_zero_that_is_dialled_in_vain_is_refused_and_not_left_out() {
    let number = PhoneNumber::typed("+44 020 7946 0958", Some(country("GB"))).unwrap();
    let countries = [country("GB")].into_iter().collect();
    assert_eq!(check_dialled(&number, &countries), Err(NotDialled::Impossible));
    all_give("IT", "+390669812345", &["+39 (0)6 6981 2345"]);
}

#[test]
fn what_stands_for_a_withheld_number_is_never_dialled() {
    for text in ["+266696687", "+86282452253", "+7378742833", "+2562533", "+8656696"] {
        for home in [None, Some("US"), Some("CN"), Some("LS")] {
            assert_eq!(refusal(text, home), Unreadable::Never(NotDialled::Withheld), "{text}");
        }
    }
    for text in ["Restricted", "Anonymous", "client:alice", "sip:+14155552671@example.com"] {
        assert_eq!(refusal(text, Some("US")), Unreadable::Characters, "{text}");
    }
}

#[test]
fn digits_of_other_scripts_are_digits() {
    let spellings = ["+14155552671", "+١٤١٥٥٥٥٢٦٧١", "۴۱۵۵۵۵۲۶۷۱", "४१५-५५५-२६७१"];
    all_give("US", "+14155552671", &spellings);
}

#[test]
fn what_pages_and_address_books_add_is_taken_away() {
    let spellings = [
        "tel:+1-415-555-2671",
        "TEL:+14155552671",
        "\u{202a}+1 415 555 2671\u{202c}",
        "+1\u{a0}415\u{a0}555\u{a0}2671",
        "+1‑415‑555‑2671",
        "415–555—2671",
        "\u{feff}4155552671",
        "(+1) 415 555 2671",
    ];
    all_give("US", "+14155552671", &spellings);
}

#[test]
fn without_a_home_only_whole_numbers_are_read() {
    let read = |text| PhoneNumber::typed(text, None).map(|number| number.to_string());
    assert_eq!(read("+1 415 555 2671"), Ok("+14155552671".into()));
    assert_eq!(refusal("415 555 2671", None), Unreadable::NoCountry);
    assert_eq!(refusal("020 7946 0958", None), Unreadable::NoCountry);
}

#[test]
fn what_is_no_number_is_told_apart() {
    for (text, why) in [
        ("", Unreadable::NoDigits),
        ("+", Unreadable::NoDigits),
        ("( )", Unreadable::NoDigits),
        ("call me", Unreadable::Characters),
        ("1-800-FLOWERS", Unreadable::Characters),
        ("+1415555267l", Unreadable::Characters),
        ("+1415+5552671", Unreadable::Characters),
        ("sip:me@example.com", Unreadable::Characters),
        ("+1 415 555 2671 x12", Unreadable::Extension),
        ("+1 415 555 2671,,1234#", Unreadable::Extension),
        ("*67 415 555 2671", Unreadable::Extension),
        ("+14155552671;ext=5", Unreadable::Extension),
    ] {
        assert_eq!(refusal(text, Some("US")), why, "{text}");
    }
    assert_eq!(refusal(&"4155552671".repeat(7), Some("US")), Unreadable::TooLong);
}

#[test]
fn numbers_that_no_plan_has_are_impossible() {
    for text in ["123456789012345678", "+1 415", "12345", "+12", "+4", "555-2671"] {
        let read = PhoneNumber::typed(text, Some(country("US")));
        let why = match read {
            Err(Unreadable::Never(why)) => why,
            Ok(number) => {
                check_dialled(&number, &[country("US")].into_iter().collect()).expect_err(text)
            }
            Err(other) => panic!("{text}: {other}"),
        };
        assert_eq!(why, NotDialled::Impossible, "{text}");
    }
}

#[test]
fn emergency_numbers_are_known_in_every_disguise() {
    for (home, text) in [
        ("US", "911"),
        ("US", "9-1-1"),
        ("US", "(911)"),
        ("US", "+1911"),
        ("US", "+1 911"),
        ("US", "1911"),
        ("US", "112"),
        ("US", "999"),
        ("US", "988"),
        ("US", "011911"),
        ("US", "00112"),
        ("US", "911"),
        ("US", "٩١١"),
        ("US", "tel:911"),
        ("US", "\u{202a}911"),
        ("GB", "999"),
        ("GB", "+44999"),
        ("GB", "+44 (0) 999"),
        ("GB", "0044999"),
        ("DE", "110"),
        ("DE", "+49112"),
        ("AU", "000"),
        ("AU", "+61000"),
        ("JP", "119"),
        ("BR", "190"),
        ("IN", "100"),
        ("FR", "15"),
        ("FR", "+3315"),
        ("RU", "+7 112"),
        ("US", "+380101"),
    ] {
        let why = refusal(text, Some(home));
        assert_eq!(why, Unreadable::Never(NotDialled::Emergency), "{text} in {home}");
    }
}
