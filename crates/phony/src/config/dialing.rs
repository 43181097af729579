//! The rules of outbound calls, and the limits of their cost.

use std::time::Duration;

use phony_call::{Countries, Country, PhoneNumber};

use super::parse::{self, CallingHours, Parsed};
use super::reader::Reader;

/// The rules of outbound calls.
#[derive(Debug, Clone)]
pub struct DialingSettings {
    /// Outbound calls a minute; 0 for no limit.
    pub rate: u32,
    /// Outbound calls at once; 0 for no limit. Default 100.
    pub concurrent: u32,
    /// When outbound calls may start.
    pub hours: CallingHours,
    /// How long a call may ring, from 5 s to 10 min. Default 30 s.
    pub ring: Duration,
    /// The estimated cost of all outbound calls of a day (UTC), in US dollars, at which they are
    /// told to come to an end; 0 for no limit. Default 80.
    pub day_soft: f64,
    /// The cost at which they are ended and no more are placed; 0 for no limit. Default 100.
    pub day_hard: f64,
    countries: Countries,
}

impl DialingSettings {
    /// The countries that may be called: the configured ones, or that of the account's number.
    #[must_use]
    pub fn countries(&self) -> &Countries {
        &self.countries
    }

    /// Adds a country that may be called, as for stand-ins.
    pub fn allow(&mut self, country: Country) {
        self.countries.add(country);
    }

    pub(super) fn read(reader: &mut Reader, own: Option<&PhoneNumber>) -> Self {
        let own = || own.cloned().map(Countries::of).unwrap_or_default();
        Self {
            rate: reader.or("dial_rate", 60, parse::whole),
            concurrent: reader.or("dialing.concurrent", 100, parse::whole),
            hours: reader.or("calling_hours", CallingHours::default(), parse::hours),
            ring: reader.or("dialing.ring", Duration::from_secs(30), ring),
            day_soft: reader.or("spend.day_soft", 80.0, parse::dollars),
            day_hard: reader.or("spend.day_hard", 100.0, parse::dollars),
            countries: reader.read("dialing.countries", countries).unwrap_or_else(own),
        }
    }
}

fn countries(text: &str) -> Parsed<Countries> {
    let parse = |code: &str| Country::parse(code).ok_or("is not a list of countries such as US");
    text.split(',').map(parse).collect::<Result<_, _>>().map_err(str::to_owned)
}

fn ring(text: &str) -> Parsed<Duration> {
    let length = parse::duration(text)?;
    let fits = (Duration::from_secs(5)..=Duration::from_mins(10)).contains(&length);
    if fits { Ok(length) } else { Err("is not from 5s to 10m".into()) }
}
