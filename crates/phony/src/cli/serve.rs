//! `phony serve`: runs the server.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use serde_json::json;
use tokio::signal;

use super::Settings;
use crate::config::LogFormat;
use crate::server::{self, Running};
use crate::telemetry;

/// Runs the server until it is stopped. On the first signal its calls move to another server or may
/// finish; on the second they say goodbye; on the third they are cut off.
pub(super) fn run(settings: Settings) -> anyhow::Result<()> {
    let config = settings.load()?;
    server::make_folder(&config.data_dir)
        .with_context(|| format!("the data folder {} cannot be made", config.data_dir.display()))?;
    let log = config.data_dir.join("call.log");
    let log =
        telemetry::start(config.log, Some(&log), true).context("the log cannot be written")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let format = config.log.format;
        let running = server::start(config).await?;
        announce(&running, format).await;
        wait_for_signals(&running).await?;
        let whole = running.join().await;
        anyhow::ensure!(whole, "calls were cut off (the drain limit can be set in phony.toml)");
        Ok(())
    });
    drop(log);
    done
}

/// Prints the address and the log-in link. Standard error is for people, and standard output is the
/// log: a program that reads it finds the link there as an event. Whoever has the link can open the
/// dashboard, so it goes to one of the two only, and never into `call.log`.
#[expect(clippy::print_stderr, reason = "the command line speaks to people")]
async fn announce(running: &Running, format: LogFormat) {
    eprintln!("Phony listens on {}", running.addr);
    if let Some(reason) = running.app.not_ready() {
        eprintln!("It cannot take calls yet: {reason}");
    }
    let link = running.login_link().await;
    let for_people = io::stdout().is_terminal() || io::stderr().is_terminal();
    if for_people || format == LogFormat::Pretty {
        eprintln!("Dashboard (this link works once): {link}");
    } else {
        let time = running.app.clock.wall;
        let event = json!({
            "timestamp": time().to_string(),
            "level": "INFO",
            "event": "log-in link",
            "url": link,
        });
        // If standard output is closed, the log is lost as well.
        drop(writeln!(io::stdout(), "{event}"));
    }
}

async fn wait_for_signals(running: &Running) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    signals.next().await;
    running.stop();
    let kill = running.app.shutdown.kill.clone();
    running.app.calls.close();
    for again in [Running::hurry, Running::kill] {
        if kill.run_until_cancelled(signals.next()).await.is_none() {
            break;
        }
        again(running);
    }
    Ok(())
}

/// The signals that stop the process.
#[cfg(unix)]
pub(super) struct Signals {
    interrupt: signal::unix::Signal,
    terminate: signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        use signal::unix::SignalKind;
        Ok(Self {
            interrupt: signal::unix::signal(SignalKind::interrupt())?,
            terminate: signal::unix::signal(SignalKind::terminate())?,
        })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) async fn next(&mut self) {
        drop(signal::ctrl_c().await);
    }
}
