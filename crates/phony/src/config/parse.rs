//! Parsers of single values.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use phony_call::{PhoneNumber, Transport};
use secrecy::SecretString;
use url::Url;

/// A value, or what is wrong with it as the predicate of a sentence, such as `is not a port`.
pub(super) type Parsed<T> = Result<T, String>;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text for people.
    Pretty,
}

/// When outbound calls may start, in the callee's local time: minutes since midnight, the end
/// excluded; `None` for any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallingHours(pub Option<(u16, u16)>);

impl Default for CallingHours {
    fn default() -> Self {
        Self(Some((8 * 60, 21 * 60)))
    }
}

/// `HH:MM-HH:MM`, or `off`.
impl fmt::Display for CallingHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Some((from, until))) = self else { return f.write_str("off") };
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
    }
}

pub(super) fn text(value: &str) -> Parsed<String> {
    if value.contains('\0') { Err("has a zero character in it".into()) } else { Ok(value.into()) }
}

pub(super) fn path(value: &str) -> Parsed<PathBuf> {
    text(value).map(PathBuf::from)
}

pub(super) fn secret(value: &str) -> Parsed<SecretString> {
    if value.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("has spaces or control characters in it".into());
    }
    Ok(SecretString::from(value))
}

pub(super) fn admin_token(value: &str) -> Parsed<SecretString> {
    if value.len() < 8 {
        return Err("is shorter than 8 characters".into());
    }
    secret(value)
}

/// A public name with a dot, `localhost`, or an address, and possibly a port. Anything else is
/// refused, since some shells export a `HOST` that nobody outside the machine can resolve.
pub(super) fn host(value: &str) -> Parsed<String> {
    const NOT_A_NAME: &str = "is not a host name";
    if value.contains("://") || value.contains(['/', '?', '#', '@', '\\', '%']) {
        return Err("must be a bare host name, without a scheme or a path".into());
    }
    let authority = match value.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => value.to_owned(),
    };
    let url = Url::parse(&format!("https://{authority}/")).map_err(|_| NOT_A_NAME)?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let name = match url.host().ok_or(NOT_A_NAME)? {
        url::Host::Domain(name) => {
            let labels = || name.split('.');
            if !labels().all(is_label) || name.len() > 253 {
                return Err(NOT_A_NAME.into());
            }
            if name != "localhost" && labels().count() < 2 {
                return Err("must be a name with a dot, `localhost` or an address (some shells \
                            export a HOST of their own: `unset HOST`)"
                    .into());
            }
            name.to_owned()
        }
        // A short form such as `127.1` or a plain number is more often a mistake than an address.
        url::Host::Ipv4(address) => {
            let written = authority.strip_suffix(port.as_str()).unwrap_or(&authority);
            if address.is_unspecified() || written != address.to_string() {
                return Err(NOT_A_NAME.into());
            }
            address.to_string()
        }
        url::Host::Ipv6(address) if address.is_unspecified() => return Err(NOT_A_NAME.into()),
        url::Host::Ipv6(address) => format!("[{address}]"),
    };
    Ok(format!("{name}{port}"))
}

/// Whether a label is that of a host name, not a wildcard. Underscores are in no standard, but
/// used.
fn is_label(label: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=63).contains(&label.len())
        && label.chars().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

pub(super) fn port(value: &str) -> Parsed<u16> {
    value.parse().map_err(|_| "is not a port, a whole number up to 65535".into())
}

pub(super) fn address(value: &str) -> Parsed<IpAddr> {
    value.parse().map_err(|_| "is not an IP address".into())
}

/// Addresses and networks, separated by commas.
pub(super) fn networks(value: &str) -> Parsed<Vec<IpNet>> {
    let network = |text: &str| {
        let text = text.trim();
        let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
        text.parse().ok().or_else(alone).map(canonical)
    };
    let networks: Option<Vec<_>> = value.split(',').map(network).collect();
    networks.ok_or_else(|| "is no list of addresses or networks, separated by commas".into())
}

/// The network without host bits, and IPv4-mapped networks as IPv4.
fn canonical(network: IpNet) -> IpNet {
    let mapped = network.addr().to_canonical();
    match (network, mapped, network.prefix_len().checked_sub(96)) {
        (IpNet::V6(_), IpAddr::V4(address), Some(length)) => {
            Ipv4Net::new(address, length).map_or(network, IpNet::from).trunc()
        }
        _ => network.trunc(),
    }
}

pub(super) fn whole(value: &str) -> Parsed<u32> {
    value.parse().map_err(|_| "is not a whole number".into())
}

pub(super) fn price(value: &str) -> Parsed<f64> {
    let number: Option<f64> = value.parse().ok();
    number
        .filter(|n| n.is_finite() && *n >= 0.0)
        .ok_or_else(|| "is not a price in US dollars for a million tokens".into())
}

pub(super) fn dollars(value: &str) -> Parsed<f64> {
    let number: Option<f64> = value.parse().ok();
    number
        .filter(|n| n.is_finite() && *n >= 0.0)
        .ok_or_else(|| "is not an amount of US dollars".into())
}

pub(super) fn boolean(value: &str) -> Parsed<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("is neither true nor false".into()),
    }
}

pub(super) fn number(value: &str) -> Parsed<PhoneNumber> {
    PhoneNumber::parse(value).map_err(|error| format!("is {error}"))
}

pub(super) fn account_sid(value: &str) -> Parsed<String> {
    let hex = |rest: &str| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit());
    if value.strip_prefix("AC").is_some_and(hex) {
        Ok(value.to_owned())
    } else {
        Err("is not an account's id, AC and 32 hexadecimal digits".into())
    }
}

pub(super) fn agent_id(value: &str) -> Parsed<String> {
    let sane = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=64).contains(&value.len()) && value.chars().all(sane) {
        Ok(value.to_owned())
    } else {
        Err("is not an agent's id, letters, digits, - and _".into())
    }
}

pub(super) fn http_url(value: &str) -> Parsed<Url> {
    let url = Url::parse(value).map_err(|error| format!("is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("is not an http:// or https:// URL".into());
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err("must be scheme, host and path only".into());
    }
    Ok(url)
}

pub(super) fn transport(value: &str) -> Parsed<Transport> {
    match value {
        "relay" => Ok(Transport::Relay),
        "media" => Ok(Transport::Media),
        _ => Err("is neither relay nor media".into()),
    }
}

pub(super) fn log_format(value: &str) -> Parsed<LogFormat> {
    match value {
        "json" => Ok(LogFormat::Json),
        "pretty" => Ok(LogFormat::Pretty),
        _ => Err("is neither json nor pretty".into()),
    }
}

pub(super) fn hours(value: &str) -> Parsed<CallingHours> {
    if value == "off" {
        return Ok(CallingHours(None));
    }
    let minute = |text: &str| -> Option<u16> {
        let (hour, minute) = text.trim().split_once(':')?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour <= 24 && minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 60 + minute)
    };
    value
        .split_once('-')
        .and_then(|(from, to)| Some((minute(from)?, minute(to)?)))
        .filter(|(from, to)| from < to)
        .map(|hours| CallingHours(Some(hours)))
        .ok_or_else(|| "is neither a time of day to another nor `off`".into())
}

/// A number and its unit: `ms`, `s`, `m` or `h`.
pub(super) fn duration(value: &str) -> Parsed<Duration> {
    const PROBLEM: &str = "is not a length of time: a number and ms, s, m or h";
    let split = value.find(|c: char| c.is_ascii_alphabetic()).ok_or(PROBLEM)?;
    let (number, unit) = value.split_at(split);
    let scale = match unit.trim() {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(PROBLEM.into()),
    };
    let number: f64 = number.trim().parse().map_err(|_| PROBLEM)?;
    let limit = Duration::from_hours(7 * 24);
    Duration::try_from_secs_f64(number * scale)
        .ok()
        .filter(|length| *length <= limit)
        .ok_or_else(|| "is not a length of time between 0 and a week".into())
}

/// A number and its unit, `h`, `d` or `y`; `off` for no limit.
pub(super) fn age(value: &str) -> Parsed<Option<Duration>> {
    const UNITS: &[(&str, u64)] = &[("h", 3600), ("d", 24 * 3600), ("y", 365 * 24 * 3600)];
    let seconds = measured(value, UNITS)
        .map_err(|()| "is neither an age, a whole number and h, d or y, nor `off`")?;
    Ok(seconds.map(Duration::from_secs))
}

/// A number and its unit, `MB` or `GB`; `off` for no limit.
pub(super) fn size(value: &str) -> Parsed<Option<u64>> {
    const UNITS: &[(&str, u64)] = &[("MB", 1_000_000), ("GB", 1_000_000_000)];
    measured(value, UNITS)
        .map_err(|()| "is neither a size, a whole number and MB or GB, nor `off`".into())
}

fn measured(value: &str, units: &[(&str, u64)]) -> Result<Option<u64>, ()> {
    if value == "off" {
        return Ok(None);
    }
    let (number, scale) =
        units.iter().find_map(|(unit, scale)| Some((value.strip_suffix(unit)?, scale))).ok_or(())?;
    let number: u64 = number.trim().parse().map_err(|_| ())?;
    let measured = number.checked_mul(*scale).filter(|measured| *measured > 0);
    measured.map(Some).ok_or(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_bare_name() {
        assert_eq!(host("Phony.Example.com"), Ok("phony.example.com".into()));
        assert_eq!(host("phony.example.com:8443"), Ok("phony.example.com:8443".into()));
        for wrong in ["https://a.b", "a.b/", "a b", "a.b/c", "user@a.b", "", ":80", "a.b:x"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_host_can_be_reached_from_outside_or_is_this_machine() {
        for (right, name) in [
            ("localhost", "localhost"),
            ("Localhost:8080", "localhost:8080"),
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:8443", "203.0.113.7:8443"),
            ("2001:db8::7", "[2001:db8::7]"),
            ("[2001:DB8::7]:8443", "[2001:db8::7]:8443"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("my_box.example.com", "my_box.example.com"),
        ] {
            assert_eq!(host(right), Ok(name.into()), "{right}");
        }
        for wrong in [
            "x86_64-conda-linux-gnu",
            "my-laptop",
            "my-laptop.",
            "my-laptop:8080",
            ".example.com",
            "a..example.com",
            "example.com.",
            "12345",
            "1.2.3",
            "0.0.0.0",
            "::",
            "[::1",
            "a%2eb",
            "*.example.com",
            "phony.*",
            "-phony.example.com",
            "phony-.example.com",
            "phony.example.-com",
            "phony.example.com-",
            "phony!.example.com",
        ] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn networks_are_written_in_any_usual_way() {
        let written = "10.1.2.3/8, 127.0.0.1,::1 , fd00::/8,::ffff:192.0.2.0/120";
        let read: Vec<_> = networks(written).unwrap().iter().map(ToString::to_string).collect();
        let wanted = ["10.0.0.0/8", "127.0.0.1/32", "::1/128", "fd00::/8", "192.0.2.0/24"];
        assert_eq!(read, wanted);
        for wrong in ["", "10.0.0.0/33", "10.0.0", "proxy.example", "10.0.0.1;10.0.0.2", "a,", ","]
        {
            assert!(networks(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_duration_names_its_unit() {
        assert_eq!(duration("2.5s"), Ok(Duration::from_millis(2500)));
        assert_eq!(duration("250 ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1h"), Ok(Duration::from_hours(1)));
        for wrong in ["4", "s", "-1s", "4 days", "NaNs", "1e9h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ages_and_sizes_are_whole_or_off() {
        assert_eq!(age("90d"), Ok(Some(Duration::from_hours(90 * 24))));
        assert_eq!(age("2 y"), Ok(Some(Duration::from_hours(2 * 365 * 24))));
        assert_eq!((age("off"), size("off")), (Ok(None), Ok(None)));
        assert_eq!(size("20GB"), Ok(Some(20_000_000_000)));
        for wrong in ["", "90", "d", "0d", "1.5d", "-1d", "99999999999999999y"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
        for wrong in ["5", "5kb", "0MB", "GB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn calling_hours_lie_within_one_day() {
        assert_eq!(hours("08:00-21:00"), Ok(CallingHours::default()));
        assert_eq!(hours("off"), Ok(CallingHours(None)));
        for wrong in ["21:00-08:00", "8-21", "08:00", "08:00-25:00", "x"] {
            assert!(hours(wrong).is_err(), "{wrong}");
        }
    }
}
