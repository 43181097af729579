//! Checks of the Twilio account: its state and balance, its clock, and where its numbers point.

use jiff::{SignedDuration, Timestamp};
use phony_call::PhoneNumber;
use phony_wire::twilio::rest::{Account, Balance, IncomingPhoneNumber, ListNumbers};

use super::{Doctor, Finding, REQUEST_LIMIT};
use crate::carriers::twilio::rest::{CarrierError, RestClient};
use crate::carriers::twilio::wiring::{Wiring, points_to};

const ACCOUNT: (&str, &str) = ("twilio_account", "Twilio account");
const NUMBER: (&str, &str) = ("twilio_number", "Phone number");
const CLOCK: (&str, &str) = ("clock", "Clock");
/// Clocks that differ by more are a warning.
const SKEW: SignedDuration = SignedDuration::from_secs(5);
/// Certificates and links that last minutes fail when clocks differ by more.
const LARGE_SKEW: SignedDuration = SignedDuration::from_mins(5);
/// US dollars, or whatever the account counts in.
const LITTLE_MONEY: f64 = 5.0;

pub(super) async fn examine(doctor: &Doctor<'_>) -> Vec<Finding> {
    let settings = &doctor.config.twilio;
    let client = match RestClient::with_timeout(settings, REQUEST_LIMIT) {
        Ok(client) => client,
        Err(error) => {
            let mend = "Set both, from Twilio's console (https://console.twilio.com).";
            return vec![Finding::fail(ACCOUNT.0, ACCOUNT.1, error.to_string(), mend)];
        }
    };
    let all = ListNumbers::default();
    let (account, balance, numbers) =
        tokio::join!(client.account(), client.balance(), client.numbers(&all));
    let (account, date) = match account {
        Ok(account) => account,
        Err(failure) => return vec![failed(ACCOUNT, &failure)],
    };
    let mut findings = vec![of_account(&account, balance.ok().as_ref())];
    findings.extend(date.map(|date| of_clock(date, (doctor.wall)())));
    findings.push(match numbers {
        Ok(numbers) => {
            let wiring = doctor.config.host.as_deref().map(Wiring::to);
            of_numbers(settings.phone_number.as_ref(), &numbers, wiring.as_ref())
        }
        Err(failure) => failed(NUMBER, &failure),
    });
    findings
}

fn failed((id, title): (&'static str, &'static str), failure: &CarrierError) -> Finding {
    let mend = failure.advice().unwrap_or("Twilio's message says what it objects to.");
    Finding::fail(id, title, failure.to_string(), mend)
}

fn of_account(account: &Account, balance: Option<&Balance>) -> Finding {
    let (id, title) = ACCOUNT;
    let money = balance.map(|balance| format!("{} {}", balance.balance, balance.currency));
    let left = money.as_ref().map_or_else(String::new, |money| format!(", {money} left"));
    let detail = format!("«{}» is {}{left}", account.friendly_name, account.status);
    let amount = balance.and_then(|balance| balance.balance.parse::<f64>().ok());
    if account.status != "active" {
        return Finding::fail(id, title, detail, "See Twilio's console for what it objects to.");
    }
    match amount {
        Some(amount) if amount <= 0.0 => {
            Finding::fail(id, title, detail, "Add money in Twilio's console: no call is carried.")
        }
        Some(amount) if amount < LITTLE_MONEY => {
            Finding::warn(id, title, detail, "Add money in Twilio's console.")
        }
        _ if account.kind == "Trial" => {
            let mend = "Upgrade the account: on trial it calls verified numbers only.";
            Finding::warn(id, title, format!("{detail}; it is on trial"), mend)
        }
        _ => Finding::ok(id, title, detail),
    }
}

fn of_clock(theirs: Timestamp, ours: Timestamp) -> Finding {
    let (id, title) = CLOCK;
    let ahead = ours.duration_since(theirs);
    let off = ahead.abs();
    let seconds = off.as_secs();
    if off <= SKEW {
        return Finding::ok(id, title, "agrees with Twilio's");
    }
    let which = if ahead.is_positive() { "ahead of" } else { "behind" };
    let detail = format!("{seconds} s {which} Twilio's");
    let mend = "Let the machine keep its time by NTP.";
    if off > LARGE_SKEW {
        Finding::fail(id, title, detail, mend)
    } else {
        Finding::warn(id, title, detail, mend)
    }
}

fn of_numbers(
    ours: Option<&PhoneNumber>,
    numbers: &[IncomingPhoneNumber],
    wiring: Option<&Wiring>,
) -> Finding {
    let (id, title) = NUMBER;
    let setup = "Run `phony setup`: it lets the number ring here.";
    let Some(ours) = ours else {
        let rings_here = |number: &&IncomingPhoneNumber| {
            wiring.is_some_and(|wiring| !wiring.differences(number).iter().any(|d| d.breaks))
        };
        let here: Vec<_> = numbers.iter().filter(rings_here).collect();
        let [first, ..] = here.as_slice() else {
            let detail = match numbers.len() {
                0 => "the account has no number".to_owned(),
                count => format!("TWILIO_PHONE_NUMBER is not set, and none of {count} rings here"),
            };
            return Finding::fail(id, title, detail, "Run `phony setup`.");
        };
        let detail =
            format!("{} rings here, but TWILIO_PHONE_NUMBER is not set", first.phone_number);
        let mend = format!("Set TWILIO_PHONE_NUMBER={}: calls out need it.", first.phone_number);
        return Finding::warn(id, title, detail, mend);
    };
    let Some(number) = numbers.iter().find(|number| number.phone_number == ours.as_str()) else {
        let detail = format!("{ours} is not a number of this account");
        let mend = "Check TWILIO_PHONE_NUMBER and the account; `phony setup` shows its numbers.";
        return Finding::fail(id, title, detail, mend);
    };
    let Some(wiring) = wiring else {
        let detail = format!("{ours} points to {}", points_to(number));
        return Finding::warn(id, title, detail, "Set HOST, then run `phony setup`.");
    };
    let differences = wiring.differences(number);
    if differences.iter().any(|difference| difference.breaks) {
        let mut detail = format!("{ours} does not ring here but points to {}", points_to(number));
        if differences.iter().any(|difference| difference.field == "VoiceMethod") {
            detail = format!("{detail} (by {})", number.voice_method);
        }
        return Finding::fail(id, title, detail, setup);
    }
    if let Some(first) = differences.first() {
        let is = if first.is.is_empty() { "not set" } else { &*first.is };
        let detail = format!("{ours} rings here, but its {} is {is}", first.name);
        return Finding::warn(id, title, detail, setup);
    }
    Finding::ok(id, title, format!("{ours} rings here"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn differing_clocks_are_reported() {
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).unwrap();
        assert_eq!(of_clock(at(0), at(3)).level, Level::Ok);
        let behind = of_clock(at(0), at(-90));
        assert_eq!((behind.level, behind.detail.as_str()), (Level::Warn, "90 s behind Twilio's"));
        assert_eq!(of_clock(at(0), at(3600)).level, Level::Fail);
    }

    #[test]
    fn an_account_without_money_or_on_trial_is_reported() {
        let account = |status: &str, kind: &str| Account {
            friendly_name: "Desk".into(),
            status: status.into(),
            kind: kind.into(),
            ..Account::default()
        };
        let money = |balance: &str| Balance {
            balance: balance.into(),
            currency: "USD".into(),
            ..Balance::default()
        };
        let level =
            |account, balance: Option<Balance>| of_account(&account, balance.as_ref()).level;
        assert_eq!(level(account("active", "Full"), Some(money("12.5"))), Level::Ok);
        assert_eq!(level(account("active", "Full"), None), Level::Ok);
        assert_eq!(level(account("active", "Full"), Some(money("1.5"))), Level::Warn);
        assert_eq!(level(account("active", "Full"), Some(money("-0.1"))), Level::Fail);
        assert_eq!(level(account("active", "Trial"), Some(money("15"))), Level::Warn);
        assert_eq!(level(account("suspended", "Full"), None), Level::Fail);
    }

    #[test]
    fn a_number_must_point_to_this_server() {
        let ours = PhoneNumber::parse("+15005550006").unwrap();
        let wiring = Wiring::to("phony.example.com");
        let right = IncomingPhoneNumber {
            phone_number: ours.to_string(),
            voice_url: wiring.voice_url.clone(),
            voice_method: "POST".into(),
            voice_fallback_url: wiring.fallback_url.clone(),
            voice_fallback_method: "POST".into(),
            status_callback: wiring.status_callback.clone(),
            status_callback_method: "POST".into(),
            ..IncomingPhoneNumber::default()
        };
        let look = |number: IncomingPhoneNumber| of_numbers(Some(&ours), &[number], Some(&wiring));
        assert_eq!(look(right.clone()).level, Level::Ok);
        let silent = IncomingPhoneNumber { status_callback: String::new(), ..right.clone() };
        assert_eq!(look(silent).level, Level::Warn);
        let bound = IncomingPhoneNumber { trunk_sid: "TK1".into(), ..right.clone() };
        assert!(look(bound).detail.contains("SIP trunk TK1"));
        let get = IncomingPhoneNumber { voice_method: "GET".into(), ..right.clone() };
        assert!(look(get).detail.ends_with("(by GET)"));
        assert_eq!(of_numbers(Some(&ours), &[], Some(&wiring)).level, Level::Fail);
        assert_eq!(of_numbers(None, &[right], Some(&wiring)).level, Level::Warn);
    }
}
