//! Calling hours: the local time where a number rings, by its prefix. Owns no state;
//! [`super::Safety`] calls it.

use std::collections::HashMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use phony_call::{Country, PhoneNumber};

use crate::config::CallingHours;

/// Zones by the beginning of the number.
static ZONES: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| {
    let lines = include_str!("timezones.txt").lines().filter(|line| !line.starts_with('#'));
    let entries = lines.filter_map(|line| line.split_once(": "));
    let spread = entries.flat_map(|(zones, prefixes)| {
        let zones: Vec<_> = zones.split(',').collect();
        prefixes.split(' ').map(move |prefix| (prefix, zones.clone()))
    });
    spread.collect()
});

/// Where numbers of the North American plan without a place, such as free ones, may ring (IANA,
/// `zone1970.tab`).
const UNITED_STATES: &[&str] = &[
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/Adak",
    "Pacific/Honolulu",
];
const CANADA: &[&str] = &[
    "America/St_Johns",
    "America/Halifax",
    "America/Toronto",
    "America/Winnipeg",
    "America/Regina",
    "America/Edmonton",
    "America/Vancouver",
    "America/Whitehorse",
];

/// Why a number may not be called at this time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// It is, or may be, outside the calling hours there.
    #[error(
        "it is {time} where the number rings ({zone}); calls may start from {from} to {until} there"
    )]
    Hours {
        /// The local time, `HH:MM`.
        time: String,
        /// The zone; the one that forbids it, where several are possible.
        zone: String,
        /// The first minute.
        from: String,
        /// The last one, excluded.
        until: String,
    },
    /// The time zone is unknown.
    #[error("it is not known what time it is where the number rings")]
    Unknown,
}

/// Whether a number may be called at `now`. Where it may ring in several zones, it must be the time
/// in all of them.
pub fn may_call(number: &PhoneNumber, now: Timestamp, hours: CallingHours) -> Result<(), NotNow> {
    let CallingHours(Some((from, until))) = hours else { return Ok(()) };
    let zones = zones_of(number);
    if zones.is_empty() {
        return Err(NotNow::Unknown);
    }
    for zone in zones {
        let known = TimeZone::get(zone).map_err(|_| NotNow::Unknown)?;
        let local = now.to_zoned(known);
        let minute = i16::from(local.hour()) * 60 + i16::from(local.minute());
        let minute = u16::try_from(minute).unwrap_or(0);
        if !(from..until).contains(&minute) {
            return Err(NotNow::Hours {
                time: clock(minute),
                zone: (*zone).to_owned(),
                from: clock(from),
                until: clock(until),
            });
        }
    }
    Ok(())
}

/// The zones in which a number may ring.
fn zones_of(number: &PhoneNumber) -> &'static [&'static str] {
    let digits = number.as_str().trim_start_matches('+');
    let found = (1..=digits.len()).rev().find_map(|length| {
        let prefix = digits.get(..length)?;
        Some((prefix, ZONES.get(prefix)?.as_slice()))
    });
    match (found, Country::of(number).as_ref().map(Country::code)) {
        // No area: the country's own, not those of two dozen countries.
        (Some(("1", _)), Some("CA")) => CANADA,
        (Some(("1", _)), _) => UNITED_STATES,
        (Some((_, zones)), _) => zones,
        (None, _) => &[],
    }
}

fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::parse(text).unwrap()
    }

    fn may(text: &str, at: &str) -> bool {
        may_call(&number(text), at.parse().unwrap(), CallingHours::default()).is_ok()
    }

    #[test]
    fn every_zone_of_the_table_is_known() {
        assert!(ZONES.len() > 1000);
        for zone in ZONES.values().flatten().chain(UNITED_STATES).chain(CANADA) {
            assert!(TimeZone::get(zone).is_ok(), "{zone}");
        }
    }

    #[test]
    fn the_callee_s_own_clock_counts() {
        // Noon in London, winter: 7 in New York, 4 in Los Angeles, 21 in Tokyo.
        for (text, wanted) in [
            ("+442079460958", true),
            ("+12125550123", false),
            ("+13105550123", false),
            ("+4930901820", true),
            ("+81312345678", false),
            ("+61212345678", false),
        ] {
            assert_eq!(may(text, "2026-01-15T12:00:00Z"), wanted, "{text}");
        }
        assert!(may("+12125550123", "2026-01-15T13:00:00Z"), "8 in New York");
        assert!(may("+12125550123", "2026-07-15T12:00:00Z"), "8 in New York, in summer");
        assert!(!may("+12125550123", "2026-01-16T02:00:00Z"), "21 is too late by a minute");
        assert!(may("+12125550123", "2026-01-16T01:59:00Z"));
    }

    #[test]
    fn a_number_without_an_area_must_be_within_hours_in_all_zones_of_its_country() {
        assert!(!may("+18005550123", "2026-01-15T16:00:00Z"), "6 in Honolulu");
        assert!(may("+18005550123", "2026-01-15T18:30:00Z"));
        assert!(!may("+18005550123", "2026-01-16T02:30:00Z"), "past 21 in New York");
        assert!(!may("+12085550123", "2026-01-15T15:30:00Z"), "Idaho has two zones");
    }

    #[test]
    fn hours_off_allow_any_time_and_unknown_zones_none() {
        let night = "2026-01-15T03:00:00Z".parse().unwrap();
        assert_eq!(may_call(&number("+12125550123"), night, CallingHours(None)), Ok(()));
        let nowhere = may_call(&number("+9991234567"), night, CallingHours::default());
        assert_eq!(nowhere, Err(NotNow::Unknown));
    }
}
