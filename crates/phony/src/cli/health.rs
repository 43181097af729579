//! `phony health`: whether the server on this machine answers, for process supervisors.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::{Settings, api};

/// Shorter than any health check's own limit.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Requests `/healthz` and prints the answer; fails if it is no success.
pub(super) fn run(settings: Settings) -> anyhow::Result<()> {
    let port = settings.load()?.port;
    super::block_on(async move {
        let url = format!("http://127.0.0.1:{port}/healthz");
        let asked = api::client(TIMEOUT)?.get(&url).send().await;
        let answer =
            asked.with_context(|| format!("no server answers at {url}; start it: phony serve"))?;
        let status = answer.status();
        if !status.is_success() {
            bail!("the server at {url} answers with {status}");
        }
        writeln!(std::io::stdout(), "{}", answer.text().await?)?;
        Ok(())
    })
}
