//! Diagnoses what keeps calls from working, and says how to mend it. Owns no state; `phony doctor`
//! and the API call it.
//!
//! Every check does what a call would do: it fetches the account, opens a session with the model
//! (which generates nothing and so costs nothing), sends a signed request to the public name. The
//! checks run concurrently, each with a time limit, and change nothing.

mod local;
mod model;
mod public;
mod twilio;

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use url::Url;

use crate::config::{Config, ConfigError};

pub use local::{do_not_call, do_not_call_fails};

/// How long any check may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How long one answer may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(4);

/// How a finding is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = FindingLevel)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Calls work, but somebody should look at it.
    Warn,
    /// Calls do not work.
    Fail,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Finding {
    /// What was looked at, for programs: `twilio_account`, `public_url` …
    pub id: &'static str,
    /// How it is to be taken.
    pub level: Level,
    /// What was looked at, for people.
    pub title: &'static str,
    /// What was found.
    pub detail: String,
    /// What to do about it; null if nothing is to be done.
    pub mend: Option<String>,
}

/// Examines one configuration.
#[derive(Debug)]
pub struct Doctor<'a> {
    config: &'a Config,
    wall: fn() -> Timestamp,
    public: Option<Url>,
}

impl<'a> Doctor<'a> {
    /// Examines `config`; `wall` is this machine's clock.
    #[must_use]
    pub fn new(config: &'a Config, wall: fn() -> Timestamp) -> Self {
        Self { config, wall, public: None }
    }

    /// Reaches the public name at this origin instead of where DNS says.
    #[must_use]
    pub fn public_at(self, origin: Option<Url>) -> Self {
        Self { public: origin, ..self }
    }

    /// Runs all checks; takes as long as the slowest one.
    pub async fn examine(&self) -> Vec<Finding> {
        let (twilio, public, model, redis) = tokio::join!(
            limited("twilio_account", "Twilio account", twilio::examine(self)),
            limited("public_url", "Public address", public::examine(self)),
            limited("openai", "OpenAI", model::examine(self)),
            limited("redis", "Store", local::store(self)),
        );
        let mut findings = local::configuration(self.config);
        findings.extend(twilio.into_iter().chain(public).chain(model).chain(redis));
        findings.push(local::disk(self.config));
        findings.push(do_not_call(&self.config.data_dir));
        findings
    }
}

impl Finding {
    /// As it should be.
    pub fn ok(id: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { id, level: Level::Ok, title, detail: detail.into(), mend: None }
    }

    /// Works, but needs attention.
    pub fn warn(
        id: &'static str,
        title: &'static str,
        detail: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { level: Level::Warn, mend: Some(mend.into()), ..Self::ok(id, title, detail) }
    }

    /// Does not work.
    pub fn fail(
        id: &'static str,
        title: &'static str,
        detail: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { level: Level::Fail, ..Self::warn(id, title, detail, mend) }
    }
}

/// The findings of a configuration that cannot be used: its problems.
#[must_use]
pub fn of_configuration(error: &ConfigError) -> Vec<Finding> {
    let problem = |problem: &String| {
        let mend = "Correct it in the environment, in .env or in phony.toml.";
        Finding::fail("configuration", "Configuration", problem.clone(), mend)
    };
    error.problems.iter().map(problem).collect()
}

/// The findings of a check, or that it timed out.
async fn limited(
    id: &'static str,
    title: &'static str,
    check: impl Future<Output = Vec<Finding>>,
) -> Vec<Finding> {
    tokio::time::timeout(LIMIT, Box::pin(check)).await.unwrap_or_else(|_| {
        let detail = format!("no answer within {} s", LIMIT.as_secs());
        vec![Finding::fail(id, title, detail, "Check this machine's way to the internet.")]
    })
}
