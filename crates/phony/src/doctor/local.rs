//! Checks of this machine: the configuration, the data folder, the store.

use std::error::Error as _;
use std::io;
use std::path::Path;

use secrecy::ExposeSecret as _;

use super::{Doctor, Finding, REQUEST_LIMIT};
use crate::agents::Agents;
use crate::config::Config;
use crate::data_dir::{explained, make_folder};
use crate::safety::do_not_call::{DoNotCall, FILE};
use crate::token;

/// Less free space than this is a warning, in bytes: a busy day's record takes tens of megabytes.
const LITTLE_SPACE: u64 = 500 * 1024 * 1024;
/// Less free space than this is a failure, in bytes.
const NO_SPACE: u64 = 20 * 1024 * 1024;

/// Checks the settings by themselves.
pub(super) fn configuration(config: &Config) -> Vec<Finding> {
    let (id, title) = ("configuration", "Configuration");
    let mut findings = Vec::new();
    for warning in &config.warnings {
        findings.push(Finding::warn(id, title, warning.clone(), "Correct it where it is set."));
    }
    if config.twilio.insecure_no_signatures {
        findings.push(Finding::warn(
            id,
            title,
            "requests that are not signed are taken for Twilio's",
            "Unset PHONY_INSECURE_NO_SIGNATURES, except on a machine that nobody else reaches.",
        ));
    }
    match Agents::load(config) {
        Ok(agents) => {
            let count = agents.iter().count();
            if findings.is_empty() {
                let detail = format!("read; {count} agents, {} answers by default", config.agent);
                findings.push(Finding::ok(id, title, detail));
            }
        }
        Err(error) => {
            let mend = "Correct the file, or PHONY_AGENT.";
            // With its source, such as the file.
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            let detail = format!("{error}{cause}");
            findings.push(Finding::fail("agents", "Agents", detail, mend));
        }
    }
    findings
}

/// Whether the data folder can be written to, and whether there is room.
pub(super) fn disk(config: &Config) -> Finding {
    let (id, title) = ("disk", "Data folder");
    let folder = &config.data_dir;
    let shown = folder.display();
    if let Err(error) = written(folder) {
        let detail = format!("cannot be written to: {error}");
        let mend = "Give this user the folder, or name another with PHONY_DATA_DIR.";
        return Finding::fail(id, title, detail, mend);
    }
    match free_space(folder) {
        Some(free) if free < LITTLE_SPACE => {
            let detail = format!("{shown} has {} left", megabytes(free));
            let mend = "Make room: without it no call is recorded.";
            if free < NO_SPACE {
                Finding::fail(id, title, detail, mend)
            } else {
                Finding::warn(id, title, detail, mend)
            }
        }
        Some(free) => {
            Finding::ok(id, title, format!("{shown} can be written to; {} free", megabytes(free)))
        }
        None => Finding::ok(id, title, format!("{shown} can be written to")),
    }
}

/// The id of the findings on the do-not-call list.
const DO_NOT_CALL: &str = "do_not_call";
const LIST: &str = "Do-not-call list";

/// The do-not-call list cannot be used, for this reason.
#[must_use]
pub fn do_not_call_fails(problem: String) -> Finding {
    let mend = "Make room, or let this user write to the file: a server that ends before that \
                forgets who asked not to be called, unless the ledger knows.";
    Finding::fail(DO_NOT_CALL, LIST, problem, mend)
}

/// Whether the do-not-call list of a data folder can be read and written, and is whole.
#[must_use]
pub fn do_not_call(folder: &Path) -> Finding {
    let list = DoNotCall::of(folder);
    let (words, torn) = match list.list().and_then(|words| Ok((words, list.torn()?))) {
        Ok(read) => read,
        Err(error) => {
            let mend = "Let this user read the file: nobody is called until then.";
            let problem = format!("it cannot be read: {error}");
            return Finding::fail(DO_NOT_CALL, LIST, problem, mend);
        }
    };
    if let Err(error) = list.check() {
        return do_not_call_fails(format!("it cannot be written: {error}"));
    }
    if torn.is_empty() {
        return Finding::ok(
            DO_NOT_CALL,
            LIST,
            format!("can be written to; {} numbers", words.len()),
        );
    }
    let lines = torn.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    let problem = format!("torn by a crash, and not to be read: line {lines} of {FILE}");
    let mend = "Look for the number there, add it with `phony dnc add`, and remove the line.";
    Finding::warn(DO_NOT_CALL, LIST, problem, mend)
}

/// The store that several nodes share, if one is configured.
pub(super) async fn store(doctor: &Doctor<'_>) -> Vec<Finding> {
    let (id, title) = ("redis", "Store");
    let Some(url) = &doctor.config.redis_url else {
        return vec![Finding::ok(id, title, "embedded, in the data folder; for one node")];
    };
    let asked = tokio::time::timeout(REQUEST_LIMIT, ping(url.expose_secret())).await;
    let problem = match asked {
        Ok(Ok(())) => return vec![Finding::ok(id, title, "Redis answers")],
        // The message about an invalid address may quote it, with its password.
        Ok(Err(error)) if error.kind() == redis::ErrorKind::InvalidClientConfig => {
            "REDIS_URL is no address of a Redis server".to_owned()
        }
        Ok(Err(error)) => format!("Redis does not answer: {error}"),
        Err(_) => "Redis does not answer in time".to_owned(),
    };
    let mend = "Check REDIS_URL (redis://HOST:6379) and that the server runs and lets this one in.";
    vec![Finding::fail(id, title, problem, mend)]
}

async fn ping(url: &str) -> Result<(), redis::RedisError> {
    let client = redis::Client::open(url)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("PING").query_async(&mut connection).await
}

fn written(folder: &Path) -> io::Result<()> {
    make_folder(folder)?;
    let file = folder.join(format!(".doctor-{}", token::random()));
    let written = std::fs::write(&file, "can be written to");
    drop(std::fs::remove_file(&file));
    written.map_err(|error| explained(&file, &error))
}

#[cfg(unix)]
fn free_space(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

#[cfg(not(unix))]
fn free_space(_: &Path) -> Option<u64> {
    None
}

fn megabytes(bytes: u64) -> String {
    let megabytes = bytes / (1024 * 1024);
    if megabytes < 10 * 1024 {
        format!("{megabytes} MB")
    } else {
        format!("{} GB", megabytes / 1024)
    }
}
