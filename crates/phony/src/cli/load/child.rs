//! A server in a process of its own, so that its cost can be measured apart.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::sandbox::TempFolder;

/// How long the server may take to listen.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A child process of this program that listens on a socket.
#[derive(Debug)]
pub(super) struct Server {
    /// The address that it listens on.
    pub(super) addr: SocketAddr,
    /// Its process id.
    pub(super) pid: u32,
    child: Child,
    _rest: JoinSet<()>,
    _folder: TempFolder,
}

impl Server {
    /// Starts this program with these arguments and environment variables only, in a folder of its
    /// own, and waits until it prints its address on standard error.
    pub(super) async fn start(
        arguments: &[&str],
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program cannot find itself")?;
        let folder = TempFolder::new().context("a temporary folder cannot be made")?;
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(settings.iter().copied())
            .env("PHONY_DATA_DIR", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the server cannot be started")?;
        let stderr = child.stderr.take().context("the server's words cannot be read")?;
        let mut lines = BufReader::new(stderr).lines();
        let said = timeout(START_LIMIT, address(&mut lines)).await;
        let addr = said.context("the server did not start in time")??;
        let pid = child.id().context("the server has ended")?;
        // Drained, so that further output does not block the server on a full pipe.
        let mut rest = JoinSet::new();
        rest.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { addr, pid, child, _rest: rest, _folder: folder })
    }

    /// Kills it.
    pub(super) async fn stop(mut self) {
        drop(self.child.kill().await);
    }
}

/// The address at the end of the line that announces it.
async fn address(lines: &mut Lines<BufReader<ChildStderr>>) -> anyhow::Result<SocketAddr> {
    let mut said = String::new();
    while let Some(line) = lines.next_line().await? {
        if let Some(addr) = line.split(' ').next_back().and_then(|word| word.parse().ok()) {
            return Ok(addr);
        }
        said.push_str(&line);
        said.push('\n');
    }
    bail!("the server ended at once: {}", said.trim())
}
