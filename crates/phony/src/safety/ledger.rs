//! The ledger: who was called or not called, when, by whom. A file that only grows, a JSON object a
//! line, each with the hash of the line before and its own, so that a change can be found.
//!
//! A line is on the disk before whoever wrote it goes on; one thread writes, and lines that come
//! together share one `fsync`. No call waits for it: what is written during a call is only noted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;

use crate::registry::hex;

/// The file's name in the data folder.
pub const FILE: &str = "ledger.jsonl";

/// Lines that may wait for the disk.
const WAITING: usize = 1024;
/// What the first line has for the hash of the one before.
const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A call is about to be placed.
    Dialling,
    /// The carrier has taken it.
    Placed,
    /// The carrier has not taken it, or it is not known.
    Failed,
    /// A rule forbade it.
    Refused,
    /// A number was put on the do-not-call list, or taken off it.
    DoNotCall,
    /// What stands in the line before was torn by a crash.
    Repaired,
}

/// A line, but for its place and its hashes.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
    /// One attempt has one id in all its lines.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub attempt: String,
    /// The number called, in full; what was typed, if it is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// Our number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The errand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// Who went on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// By whose hand: a token's fingerprint, `callee`, or `command line`.
    pub by: String,
    /// The call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_sid: Option<String>,
    /// Which rule forbade it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Rules that were lifted for this call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<&'static str>,
    /// The hash of the idempotency key, and of the order it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<(String, String)>,
}

impl Entry {
    /// A line about nothing yet.
    #[must_use]
    pub fn new(at: Timestamp, what: What, by: &str) -> Self {
        Self {
            at,
            what,
            attempt: String::new(),
            to: String::new(),
            from: None,
            scenario: None,
            agent: None,
            by: by.to_owned(),
            call_sid: None,
            rule: None,
            reason: None,
            overrides: Vec::new(),
            key: None,
        }
    }
}

/// The ledger of a running server.
#[derive(Debug)]
pub struct Ledger {
    lines: SyncSender<Write>,
}

#[derive(Debug)]
struct Write {
    entry: Option<Entry>,
    done: Option<oneshot::Sender<Result<(), Unwritten>>>,
}

/// A line could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ledger cannot be written")]
pub struct Unwritten;

impl Ledger {
    /// Opens the ledger of a data folder, or begins it. A last line that a crash has torn is left as
    /// it is, and the next line says so.
    pub fn open(folder: &Path, now: Timestamp) -> io::Result<Self> {
        let book = Book::open(folder.join(FILE), now)?;
        let (lines, written) = sync_channel(WAITING);
        std::thread::Builder::new().name("ledger".into()).spawn(move || keep(book, &written))?;
        Ok(Self { lines })
    }

    /// A ledger that cannot be written, for a server that is only described.
    #[must_use]
    pub fn closed() -> Self {
        Self { lines: sync_channel(0).0 }
    }

    /// Writes a line; it is on the disk when this returns.
    pub async fn write(&self, entry: Entry) -> Result<(), Unwritten> {
        self.send(Some(entry)).await
    }

    /// Writes a line behind whoever says so, who does not wait.
    pub fn note(&self, entry: Entry) {
        if self.lines.try_send(Write { entry: Some(entry), done: None }).is_err() {
            tracing::error!("a line of the ledger was lost: the disk is too slow");
        }
    }

    /// Waits until everything that was noted is on the disk.
    pub async fn flush(&self) {
        let _ = self.send(None).await;
    }

    async fn send(&self, entry: Option<Entry>) -> Result<(), Unwritten> {
        let (done, written) = oneshot::channel();
        self.lines.try_send(Write { entry, done: Some(done) }).map_err(|_| Unwritten)?;
        written.await.map_err(|_| Unwritten)?
    }
}

/// The thread that writes: all that waits is written, then synced once.
fn keep(mut book: Book, lines: &Receiver<Write>) {
    while let Ok(first) = lines.recv() {
        let mut batch = vec![first];
        batch.extend(std::iter::from_fn(|| lines.try_recv().ok()).take(WAITING));
        let entries = batch.iter().filter_map(|write| write.entry.as_ref());
        let written = book.append(entries);
        if let Err(error) = &written {
            tracing::error!(%error, "the ledger cannot be written");
        }
        for done in batch.into_iter().filter_map(|write| write.done) {
            // Whoever waited may have gone away.
            let _ = done.send(if written.is_ok() { Ok(()) } else { Err(Unwritten) });
        }
    }
}

/// The file, and the end of its chain.
#[derive(Debug)]
struct Book {
    path: PathBuf,
    file: File,
    last: String,
    line: u64,
}

impl Book {
    fn open(path: PathBuf, now: Timestamp) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        let text = std::fs::read(&path)?;
        let (whole, torn) = match text.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => text.split_at(end + 1),
            None => (&[][..], text.as_slice()),
        };
        let mut lines: Vec<_> = whole.split(|byte| *byte == b'\n').collect();
        lines.pop();
        let last = lines.iter().rev().find_map(|line| hash_of(line));
        let last = last.unwrap_or_else(|| BEGINNING.to_owned());
        let mut book = Self { path, file, last, line: lines.len() as u64 };
        if !torn.is_empty() {
            tracing::warn!(line = book.line + 1, "the ledger's last line was torn by a crash");
            book.file.write_all(b"\n")?;
            book.line += 1;
            let entry = Entry {
                reason: Some(format!("line {} was torn: sha256 {}", book.line, digest(torn))),
                ..Entry::new(now, What::Repaired, "server")
            };
            book.append([&entry])?;
        }
        Ok(book)
    }

    fn append<'a>(&mut self, entries: impl IntoIterator<Item = &'a Entry>) -> io::Result<()> {
        let (mut text, mut last, mut line) = (String::new(), self.last.clone(), self.line);
        for entry in entries {
            line += 1;
            let mut json = serde_json::to_string(entry).map_err(io::Error::other)?;
            json.pop();
            json = format!("{json},\"line\":{line},\"previous\":\"{last}\"");
            last = digest(json.as_bytes());
            text.push_str(&json);
            text.push_str(",\"hash\":\"");
            text.push_str(&last);
            text.push_str("\"}\n");
        }
        if text.is_empty() {
            return Ok(());
        }
        if !self.path.exists() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file was taken away"));
        }
        let before = self.file.metadata()?.len();
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        if written.is_err() {
            // Half a line must not stay: the next one would be joined to it.
            drop(self.file.set_len(before));
            return written;
        }
        (self.last, self.line) = (last, line);
        Ok(())
    }
}

/// What a check of the ledger found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many lines there are.
    pub lines: usize,
    /// Lines that are not as they were written, and why; the first is where to look.
    pub broken: Vec<(usize, String)>,
    /// Lines that a crash has torn, as a later line says.
    pub torn: Vec<usize>,
}

/// Checks every line of a ledger.
pub fn verify(path: &Path) -> io::Result<Report> {
    let text = std::fs::read(path)?;
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let unfinished = lines.pop().filter(|rest| !rest.is_empty());
    let mut report = Report { lines: lines.len(), ..Report::default() };
    let mut last = BEGINNING.to_owned();
    for (place, line) in lines.iter().enumerate() {
        let number = place + 1;
        match check(line, number, &last) {
            Ok(hash) => last = hash,
            Err(_) if lines.get(place + 1).is_some_and(|next| tells_of(next, number, line)) => {
                report.torn.push(number);
            }
            Err(why) => {
                report.broken.push((number, why));
                // What follows is held to what this line claims, so that one change is one finding.
                last = hash_of(line).unwrap_or(last);
            }
        }
    }
    if unfinished.is_some() {
        let number = lines.len() + 1;
        report.broken.push((number, "the line has no end: it was torn, or cut off".into()));
    }
    Ok(report)
}

/// The hash of a line that is as it was written.
fn check(line: &[u8], number: usize, last: &str) -> Result<String, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not text any more")?;
    let (body, hash) = split(text).ok_or("it has no hash")?;
    if digest(body.as_bytes()) != hash {
        return Err("it was changed: its hash is that of another line".into());
    }
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|_| "it is not JSON any more")?;
    if value["previous"] != last {
        return Err("a line before it was changed, added or taken away".into());
    }
    if value["line"] != number {
        return Err(format!("it says that it is line {}", value["line"]));
    }
    Ok(hash.to_owned())
}

fn tells_of(next: &[u8], number: usize, torn: &[u8]) -> bool {
    let wanted = format!("line {number} was torn: sha256 {}", digest(torn));
    let value = serde_json::from_slice::<serde_json::Value>(next).unwrap_or_default();
    value["what"] == "repaired" && value["reason"] == wanted.as_str()
}

fn split(line: &str) -> Option<(&str, &str)> {
    let (body, rest) = line.rsplit_once(",\"hash\":\"")?;
    Some((body, rest.strip_suffix("\"}").filter(|hash| hash.len() == 64)?))
}

fn hash_of(line: &[u8]) -> Option<String> {
    let (_, hash) = split(std::str::from_utf8(line).ok()?)?;
    Some(hash.to_owned())
}

/// SHA-256 in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-15T12:00:00Z".parse().unwrap()
    }

    fn entry(to: &str) -> Entry {
        Entry { to: to.into(), ..Entry::new(now(), What::Placed, "token:0011aabb") }
    }

    async fn ledger(count: usize) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), now()).unwrap();
        for n in 0..count {
            ledger.write(entry(&format!("+1212555{n:04}"))).await.unwrap();
        }
        let path = folder.path().join(FILE);
        (folder, path)
    }

    #[tokio::test]
    async fn a_ledger_is_whole_and_goes_on_after_a_restart() {
        let (folder, path) = ledger(3).await;
        let again = Ledger::open(folder.path(), now()).unwrap();
        again.note(entry("+12125550199"));
        again.flush().await;
        let report = verify(&path).unwrap();
        assert_eq!(report, Report { lines: 4, ..Report::default() });
    }

    #[tokio::test]
    async fn any_byte_that_is_changed_is_found_in_its_line() {
        let (_folder, path) = ledger(4).await;
        let whole = std::fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut changed = whole.clone();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            std::fs::write(&path, &changed).unwrap();
            let line = whole[..at].split(|byte| *byte == b'\n').count();
            let report = verify(&path).unwrap();
            assert_eq!(report.broken.first().map(|(line, _)| *line), Some(line), "byte {at}");
        }
    }

    #[tokio::test]
    async fn a_line_that_is_taken_away_added_or_moved_is_found() {
        let (_folder, path) = ledger(4).await;
        let whole = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = whole.lines().collect();
        for (kept, found) in [
            (vec![lines[0], lines[2], lines[3]], 2),
            (vec![lines[1], lines[2], lines[3]], 1),
            (vec![lines[0], lines[2], lines[1], lines[3]], 2),
            (vec![lines[0], lines[0], lines[1], lines[2]], 2),
        ] {
            std::fs::write(&path, kept.join("\n") + "\n").unwrap();
            assert_eq!(verify(&path).unwrap().broken[0].0, found);
        }
    }

    #[tokio::test]
    async fn a_torn_line_is_left_and_told_of() {
        let (folder, path) = ledger(2).await;
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
        assert_eq!(verify(&path).unwrap().broken[0].0, 2, "before the server is started");
        let ledger = Ledger::open(folder.path(), now()).unwrap();
        ledger.write(entry("+12125550199")).await.unwrap();
        let report = verify(&path).unwrap();
        assert_eq!(report, Report { lines: 4, broken: vec![], torn: vec![2] });
    }

    #[tokio::test]
    async fn many_write_at_once_and_no_line_is_mixed() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = std::sync::Arc::new(Ledger::open(folder.path(), now()).unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..200 {
            let ledger = std::sync::Arc::clone(&ledger);
            tasks.spawn(async move { ledger.write(entry(&format!("+1212555{n:04}"))).await });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
        let report = verify(&folder.path().join(FILE)).unwrap();
        assert_eq!(report, Report { lines: 200, ..Report::default() });
    }
}
