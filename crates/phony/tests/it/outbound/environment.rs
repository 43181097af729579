//! Settings of outbound calls: valid and invalid values, and what each does.

use phony::agents::Agents;
use phony::config::{CallingHours, Config, Sources};
use phony_call::{Country, PhoneNumber};

fn read(pairs: &[(&str, &str)]) -> Result<Config, String> {
    let environment = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Config::from_sources(Sources { environment, ..Sources::default() }).map_err(|e| e.to_string())
}

fn with_file(text: &str) -> Result<Config, String> {
    let file = Some(("phony.toml".to_owned(), text.to_owned()));
    Config::from_sources(Sources { file, ..Sources::default() }).map_err(|e| e.to_string())
}

#[test]
fn nothing_set_is_a_careful_server() {
    let config = read(&[]).unwrap();
    assert_eq!((config.dialing.rate, config.dialing.concurrent), (60, 100));
    assert_eq!(config.dialing.hours, CallingHours(Some((480, 1260))));
    assert!(config.dialing.countries().is_empty(), "without a number of ours nobody is called");
    assert!(config.policy.hard_cost > config.policy.soft_cost && config.dialing.day_hard > 0.0);
}

#[test]
fn the_number_says_which_country_may_be_called() {
    for (number, country) in
        [("+15005550006", "US"), ("+442079460958", "GB"), ("+4930901820", "DE")]
    {
        let config = read(&[("TWILIO_PHONE_NUMBER", number)]).unwrap();
        let countries: Vec<_> = config.dialing.countries().iter().collect();
        assert_eq!(countries, [Country::parse(country).unwrap()]);
    }
}

#[test]
fn the_dial_rate_is_a_whole_number() {
    assert_eq!(read(&[("PHONY_DIAL_RATE", "0")]).unwrap().dialing.rate, 0);
    for wrong in ["-1", "many", "1.5", "1e3", "60/min"] {
        let error = read(&[("PHONY_DIAL_RATE", wrong)]).unwrap_err();
        assert!(error.contains("PHONY_DIAL_RATE") && error.contains("example"), "{error}");
    }
}

#[test]
fn calling_hours_are_a_span_of_the_day_or_off() {
    let hours = |text| read(&[("PHONY_CALLING_HOURS", text)]).map(|config| config.dialing.hours);
    assert_eq!(hours("09:30-17:00"), Ok(CallingHours(Some((570, 1020)))));
    assert_eq!(hours("off"), Ok(CallingHours(None)));
    for wrong in ["9-5", "21:00-08:00", "always", "08:00", "08:00-25:00"] {
        assert!(hours(wrong).unwrap_err().contains("PHONY_CALLING_HOURS"), "{wrong}");
    }
}

#[test]
fn empty_values_count_as_not_set() {
    let config =
        read(&[("PHONY_DIAL_RATE", ""), ("TWILIO_PHONE_NUMBER", " "), ("PHONY_CALLING_HOURS", "")]);
    let config = config.unwrap();
    assert_eq!((config.dialing.rate, config.twilio.phone_number), (60, None));
}

#[test]
fn our_number_must_be_one() {
    for wrong in ["911", "5551234", "+0123456789", "call me", "+1"] {
        let error = read(&[("TWILIO_PHONE_NUMBER", wrong)]).unwrap_err();
        assert!(error.contains("TWILIO_PHONE_NUMBER") && !error.contains("call me"), "{error}");
    }
}

#[test]
fn who_answers_must_be_somebody() {
    let config = read(&[("PHONY_AGENT", "nobody-here")]).unwrap();
    let error = Agents::load(&config).unwrap_err().to_string();
    for part in ["nobody-here", "assistant", "hotline", "scheduler", "support", "surveyor"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn countries_and_money_are_set_in_the_file() {
    let config = with_file(
        "[dialing]\ncountries = 'US, ca'\nring = '20s'\n[spend]\nday_hard = 5\ncall_hard = 0\n",
    );
    let config = config.unwrap();
    assert_eq!(config.dialing.countries().iter().count(), 2);
    assert!((config.dialing.day_hard - 5.0).abs() < f64::EPSILON && config.policy.hard_cost == 0.0);
    for wrong in [
        "[dialing]\ncountries = 'Utopia'",
        "[dialing]\nring = '1s'",
        "[spend]\nday_hard = -1",
        "[dialing]\nspeed = 3",
    ] {
        assert!(with_file(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn one_s_own_files_are_found_in_the_data_folder_and_held_to_their_keys() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("scenarios");
    std::fs::create_dir(&folder).unwrap();
    let path = data.path().display().to_string();
    let load = |text: &str| {
        std::fs::write(folder.join("reminder.toml"), text).unwrap();
        Agents::load(&read(&[("PHONY_DATA_DIR", &path)]).unwrap()).map_err(|e| e.to_string())
    };
    let agents = load("name = 'Reminder'\ninstructions = 'Remind {who}.'\n").unwrap();
    let scenario = agents.scenario("reminder").unwrap();
    assert_eq!(scenario.slots.get("who"), Some(&None), "a slot without a default must be filled");
    for (text, parts) in [
        (
            "name = 'R'\ninstructions = 'x'\ncolour = 'red'\n",
            ["reminder.toml", "colour", "greeting"],
        ),
        (
            "name = 'R'\ninstructions = 'x'\ncommands = ['fly']\n",
            ["reminder.toml", "commands", "end_call"],
        ),
        (
            "name = 'R'\ninstructions = 'x'\nlanguage = 'Klingon!'\n",
            ["reminder.toml", "language", "en-US"],
        ),
        (
            "name = 'R'\ninstructions = 'x'\n[limits]\nmax_call = 'long'\n",
            ["reminder.toml", "max_call", "ms, s, m or h"],
        ),
        (
            "name = 'R'\ninstructions = 'x'\n[slots]\nwho = 'you'\n",
            ["reminder.toml", "slots.who", "no text"],
        ),
        ("name = 'R'\ninstructions = ' '\n", ["reminder.toml", "instructions", "empty"]),
    ] {
        let error = load(text).unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{parts:?}: {error}");
    }
    assert!(PhoneNumber::parse("+15005550006").is_ok());
}
