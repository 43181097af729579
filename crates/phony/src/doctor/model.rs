//! Checks of the model: whether a session can be opened, and when the model is retired.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use phony_wire::openai::models;
use secrecy::SecretString;

use super::{Doctor, Finding, REQUEST_LIMIT};
use crate::config::OpenAiSettings;
use crate::models::realtime::{self, RealtimeSettings, SessionSettings};

/// How many days before its retirement a model is a warning.
const SOON_DAYS: i32 = 90;

pub(super) async fn examine(doctor: &Doctor<'_>) -> Vec<Finding> {
    let openai = &doctor.config.openai;
    vec![session(openai).await, retirement(&openai.model, (doctor.wall)())]
}

/// Opens a session as a call would.
async fn session(openai: &OpenAiSettings) -> Finding {
    let (id, title) = ("openai", "OpenAI");
    if openai.api_key.is_none() && openai.is_official() {
        let mend = "Set OPENAI_API_KEY, from https://platform.openai.com/api-keys.";
        return Finding::fail(id, title, "OPENAI_API_KEY is not set", mend);
    }
    let key = openai.api_key.clone().unwrap_or_else(|| SecretString::from("none"));
    let settings = RealtimeSettings::new(openai.base_url.as_str(), key, &openai.model);
    let mut settings = match settings {
        Ok(settings) => settings,
        Err(error) => return Finding::fail(id, title, error.to_string(), "Correct it."),
    };
    settings.timing.connect = REQUEST_LIMIT;
    let host = openai.base_url.host_str().unwrap_or_default().to_owned();
    let session = SessionSettings { instructions: "A test.".into(), ..SessionSettings::default() };
    match realtime::probe(Arc::new(settings), session).await {
        Ok(took) => {
            let detail = format!("{host} opens a session in {} ms", milliseconds(took));
            Finding::ok(id, title, detail)
        }
        Err(failed) => {
            let mend = mend(&failed.code, failed.for_good);
            Finding::fail(id, title, format!("{host} opens no session: {failed}"), mend)
        }
    }
}

fn mend(code: &str, for_good: bool) -> &'static str {
    match code {
        "invalid_api_key" | "http_401" => "Check OPENAI_API_KEY: it is wrong or was revoked.",
        "insufficient_quota" => "Add credit to the account at OpenAI.",
        "model_not_found" | "http_404" => "Check OPENAI_MODEL, and that the account may use it.",
        "http_403" => "The account may not use this: check its project, its region and its limits.",
        _ if for_good => "OpenAI's message says what it objects to.",
        _ => "Check this machine's way to it, and OPENAI_BASE_URL; else try again later.",
    }
}

/// Checks when the model is retired.
fn retirement(name: &str, now: Timestamp) -> Finding {
    let (id, title) = ("model", "Model");
    let Some(model) = models::model(name) else {
        let detail = format!("nothing is known here of {name}: neither its price nor its end");
        let mend = format!("Check OPENAI_MODEL; the usual one is {}.", models::DEFAULT_MODEL);
        return Finding::warn(id, title, detail, mend);
    };
    let end = model.retires.and_then(|day| Some((day, day.parse::<Date>().ok()?)));
    let Some((day, end)) = end else {
        return Finding::ok(id, title, format!("{name}; no end of it is announced"));
    };
    let today = now.to_zoned(TimeZone::UTC).date();
    let days = end.since(today).map_or(0, |span| span.get_days());
    let mend = model.replacement.map_or_else(String::new, |new| format!("Set OPENAI_MODEL={new}."));
    if days < 0 {
        Finding::fail(id, title, format!("{name} was retired on {day}"), mend)
    } else if days <= SOON_DAYS {
        Finding::warn(id, title, format!("{name} is retired on {day}, in {days} days"), mend)
    } else {
        Finding::ok(id, title, format!("{name}; retired on {day}"))
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn a_model_s_retirement_is_announced_in_time() {
        let level = |name, on: &str| {
            let now = format!("{on}T12:00:00Z").parse().unwrap();
            let finding = retirement(name, now);
            (finding.level, finding.mend)
        };
        assert_eq!(level("gpt-realtime-2.1", "2026-11-25"), (Level::Ok, None));
        let mend = Some("Set OPENAI_MODEL=gpt-realtime-2.1.".to_owned());
        assert_eq!(level("gpt-realtime", "2026-06-01").0, Level::Ok);
        assert_eq!(level("gpt-realtime", "2026-11-25"), (Level::Warn, mend.clone()));
        assert_eq!(level("gpt-realtime", "2027-01-21"), (Level::Fail, mend));
        assert_eq!(level("gpt-unheard-of", "2026-11-25").0, Level::Warn);
    }
}
