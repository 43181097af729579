//! Sessions that a log-out ended before they expired.
//!
//! A session is its cookie, signed with the supervisors' secret, so that every server accepts it
//! and a restart ends none. Only the revoked ones are stored: in a file, and with several servers
//! in Redis. Both forget a session when it would have expired.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;

/// The file in the data folder: a line per session, with its expiry in Unix seconds and its key.
const FILE: &str = "ended-sessions";
/// How often servers synchronize.
const EVERY: Duration = Duration::from_secs(1);
/// The most ended sessions that are remembered. Only the secret can create sessions.
const REMEMBERED: usize = 100_000;

/// A session with a valid cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// Identifies the session; the cookie cannot be derived from it.
    pub(super) key: String,
    /// When it expires, in Unix seconds.
    pub(super) ends: i64,
}

/// The sessions that were ended.
#[derive(Debug)]
pub(super) struct EndedSessions {
    ended: Mutex<HashMap<String, i64>>,
    file: Option<PathBuf>,
    changes: watch::Sender<()>,
}

impl Default for EndedSessions {
    fn default() -> Self {
        Self { ended: Mutex::default(), file: None, changes: watch::channel(()).0 }
    }
}

impl EndedSessions {
    /// Reads those stored in this folder.
    pub(super) fn open(folder: &Path, now: i64) -> io::Result<Self> {
        let file = folder.join(FILE);
        let text = match std::fs::read(&file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let ended: HashMap<_, _> = text.lines().filter_map(|line| read(line, now)).collect();
        // Drops expired lines, and a line that was torn by a crash.
        let written: String = ended.iter().map(|(key, ends)| line(key, *ends)).collect();
        if written.len() != text.len() {
            let new = folder.join("ended-sessions.new");
            let mut to = options().truncate(true).open(&new)?;
            to.write_all(written.as_bytes())?;
            to.sync_data()?;
            std::fs::rename(new, &file)?;
        }
        Ok(Self { ended: Mutex::new(ended), file: Some(file), ..Self::default() })
    }

    pub(super) fn contains(&self, session: &Session) -> bool {
        self.lock().contains_key(&session.key)
    }

    /// Ends a session for good.
    pub(super) async fn end(&self, session: &Session, now: i64) {
        self.learn(vec![(session.key.clone(), session.ends)], now).await;
    }

    /// Waits until a session is ended.
    pub(super) async fn until_ended(&self, session: &Session) {
        let mut changes = self.changes.subscribe();
        while !self.contains(session) {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Exchanges ended sessions with the other servers, until `kill`.
    pub(super) async fn synchronize(
        self: Arc<Self>,
        cluster: Arc<Cluster>,
        now: impl Fn() -> i64,
        kill: CancellationToken,
    ) {
        let mut round = interval(EVERY);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changes = self.changes.subscribe();
        loop {
            let next = async {
                tokio::select! {
                    _ = round.tick() => {}
                    _ = changes.changed() => {}
                }
            };
            if kill.run_until_cancelled(next).await.is_none() {
                return;
            }
            let shared = match cluster.ended_sessions(now()).await {
                Ok(shared) => shared,
                Err(error) => {
                    tracing::debug!(%error, "ended sessions are not compared");
                    continue;
                }
            };
            let known: HashMap<_, _> = shared.iter().cloned().collect();
            let own: Vec<_> = {
                let ended = self.lock();
                let news = ended.iter().filter(|(key, _)| !known.contains_key(*key));
                news.map(|(key, ends)| (key.clone(), *ends)).collect()
            };
            if let Err(error) = cluster.share_ended_sessions(&own, now()).await {
                tracing::debug!(%error, "ended sessions are not shared");
            }
            self.learn(shared, now()).await;
        }
    }

    async fn learn(&self, sessions: Vec<(String, i64)>, now: i64) {
        let mut lines = String::new();
        {
            let mut ended = self.lock();
            for (key, ends) in sessions {
                if ended.len() >= REMEMBERED {
                    ended.retain(|_, ends| *ends > now);
                }
                if ended.len() < REMEMBERED && !ended.contains_key(&key) {
                    lines.push_str(&line(&key, ends));
                    ended.insert(key, ends);
                }
            }
        }
        if lines.is_empty() {
            return;
        }
        self.changes.send_replace(());
        let Some(file) = self.file.clone() else { return };
        let write = move || {
            let mut to = options().append(true).open(file)?;
            to.write_all(lines.as_bytes())?;
            to.sync_data()
        };
        let written = tokio::task::spawn_blocking(write).await;
        if let Ok(Err(error)) = written {
            tracing::error!(
                %error,
                "a log-out is not written down, so that the session would count again after a restart"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn line(key: &str, ends: i64) -> String {
    format!("{ends} {key}\n")
}

fn read(line: &str, now: i64) -> Option<(String, i64)> {
    let (ends, key) = line.split_once(' ')?;
    let ends = ends.parse().ok().filter(|ends| *ends > now)?;
    let is_key = key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_key.then(|| (key.to_owned(), ends))
}

/// Options of a file that only its owner can read.
fn options() -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(digit: char, ends: i64) -> Session {
        Session { key: digit.to_string().repeat(32), ends }
    }

    #[tokio::test]
    async fn an_ended_session_stays_ended_until_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        let open = |now| Arc::new(EndedSessions::open(folder.path(), now).unwrap());
        let (one, two) = (session('1', 100), session('2', 200));
        let sessions = open(0);
        sessions.end(&one, 0).await;
        sessions.end(&one, 0).await;
        sessions.end(&two, 0).await;
        assert!(sessions.contains(&one) && !sessions.contains(&session('3', 300)));
        let file = folder.path().join(FILE);
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 2);
        // A crash tore the last line.
        let mut torn = options().append(true).open(&file).unwrap();
        torn.write_all(b"300 333").unwrap();
        let sessions = open(150);
        assert!(!sessions.contains(&one) && sessions.contains(&two));
        sessions.end(&session('4', 400), 150).await;
        assert!(open(150).contains(&session('4', 400)), "nothing was glued to the half line");
    }
}
