//! The ledger: who was called or not called, when, by whom. An append-only file, one JSON object a
//! line, each with the hash of the line before and its own, so that changes can be detected. One
//! thread owns and writes the file; `outbound` and `safety` call it, `phony ledger` verifies it.
//!
//! [`Ledger::write`] returns when the line is on disk; lines that come together share one `fsync`.
//! No call waits for it: what is written during a call is only [noted](Ledger::note). Lines about
//! what has happened that cannot be written stay in memory and are retried.
//!
//! A hash chain does not show that its end was cut off, so the number and the hash of the last line
//! are in a [file of their own](HEAD). Rewriting both files is detected by comparing with a hash
//! that was noted elsewhere.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use jiff::Timestamp;
use phony_call::PhoneNumber;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;

use super::do_not_call::DoNotCallEntry;
use crate::data_dir::{explained, is_there, lock_shortly, private};
use crate::token::hex;

/// The file's name in the data folder.
pub const FILE: &str = "ledger.jsonl";

/// The name of the file beside it that holds the number and the hash of the last line.
pub const HEAD: &str = "ledger.head";

/// How many lines may wait for the thread.
const WAITING: usize = 1024;
/// How many lines are kept in memory while the file cannot be written.
const MOST_UNWRITTEN: usize = 4096;
/// How soon they are retried.
const AGAIN: Duration = Duration::from_secs(1);
/// The previous hash of the first line.
const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A call is about to be placed.
    Dialling,
    /// The carrier has accepted it.
    Placed,
    /// The carrier has not accepted it, or the outcome is unknown.
    Failed,
    /// A rule forbade it.
    Refused,
    /// A number was put on the do-not-call list, or taken off it.
    DoNotCall,
    /// The line before was torn by a crash.
    Repaired,
    /// Lines were missing when the server started.
    Missing,
}

/// A line without its number and its hashes.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: EntryKind,
    /// The id of the attempt, the same in all its lines.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub attempt: String,
    /// The number called, in full; what was typed, if it is not a number.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// The number called from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The id of the scenario.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// The id of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Who ordered it: a token's fingerprint, `callee`, or `command line`.
    pub by: String,
    /// The call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_sid: Option<String>,
    /// Which rule forbade it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The outcome of a failed call: `failed`, or `unknown` if the carrier may have accepted it all
    /// the same. Absent in lines of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    /// The reason, in words.
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
    /// A line with no more than these fields.
    #[must_use]
    pub fn new(at: Timestamp, what: EntryKind, by: &str) -> Self {
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
            outcome: None,
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
    /// Opens or creates the ledger of a data folder. A last line torn by a crash stays as it is,
    /// and the next line says so.
    pub fn open(folder: &Path, now: Timestamp) -> io::Result<Self> {
        let file = LedgerFile::open(folder.join(FILE), now)?;
        let (lines, written) = sync_channel(WAITING);
        std::thread::Builder::new().name("ledger".into()).spawn(move || keep(file, &written))?;
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

    /// Writes a line in the background.
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

/// The writing thread: writes all lines that wait, then syncs once.
fn keep(mut file: LedgerFile, lines: &Receiver<Write>) {
    let mut unwritten: VecDeque<Entry> = VecDeque::new();
    loop {
        let first = if unwritten.is_empty() {
            lines.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            lines.recv_timeout(AGAIN)
        };
        let mut batch = match first {
            Ok(first) => vec![first],
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        batch.extend(std::iter::from_fn(|| lines.try_recv().ok()).take(WAITING));
        let entries = batch.iter().filter_map(|write| write.entry.as_ref());
        let written = file.append(unwritten.iter().chain(entries));
        match &written {
            Ok(()) if !unwritten.is_empty() => {
                tracing::info!(lines = unwritten.len(), "the ledger can be written again");
                unwritten.clear();
            }
            Ok(()) => {}
            Err(error) => {
                if !batch.is_empty() {
                    tracing::error!(%error, "the ledger cannot be written");
                }
                let entries = batch.iter_mut().filter_map(|write| write.entry.take());
                // A call that is not in the ledger is not placed: nothing has happened.
                unwritten.extend(entries.filter(|entry| entry.what != EntryKind::Dialling));
                drop_oldest(&mut unwritten);
            }
        }
        for done in batch.into_iter().filter_map(|write| write.done) {
            // The receiver may be gone.
            let _ = done.send(if written.is_ok() { Ok(()) } else { Err(Unwritten) });
        }
    }
}

/// Drops lines beyond [`MOST_UNWRITTEN`], do-not-call entries last.
fn drop_oldest(unwritten: &mut VecDeque<Entry>) {
    let excess = unwritten.len().saturating_sub(MOST_UNWRITTEN);
    if excess == 0 {
        return;
    }
    let mut forgotten = 0;
    unwritten.retain(|entry| {
        let stays = entry.what == EntryKind::DoNotCall || forgotten == excess;
        forgotten += usize::from(!stays);
        stays
    });
    while unwritten.len() > MOST_UNWRITTEN {
        unwritten.pop_front();
        forgotten += 1;
    }
    metrics::counter!("phony_ledger_lines_lost_total").increment(forgotten as u64);
    tracing::error!(lines = forgotten, "lines of the ledger were lost: the disk takes none");
}

/// The do-not-call entries in the ledger of a data folder.
pub fn do_not_call_entries(folder: &Path) -> io::Result<Vec<DoNotCallEntry>> {
    #[derive(Deserialize)]
    struct Request {
        at: Timestamp,
        to: String,
        by: String,
    }
    let path = folder.join(FILE);
    let text = match read_whole(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(explained(&path, &error)),
    };
    let sign = br#""what":"do_not_call""#;
    let lines = text.split(|byte| *byte == b'\n');
    let requests = lines.filter(|line| line.windows(sign.len()).any(|part| part == sign));
    let requests = requests.filter_map(|line| serde_json::from_slice::<Request>(line).ok());
    let words = requests.filter_map(|Request { at, to, by }| {
        Some(DoNotCallEntry { number: PhoneNumber::parse(&to).ok()?, listed: true, at, by })
    });
    Ok(words.collect())
}

/// The file, and the end of its chain.
#[derive(Debug)]
struct LedgerFile {
    path: PathBuf,
    file: File,
    last: String,
    line: u64,
    /// Where the file should end, if a torn line behind that could not be removed.
    end: Option<u64>,
}

impl LedgerFile {
    fn open(path: PathBuf, now: Timestamp) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = private(options.create(true).append(true).read(true)).open(&path);
        let file = file.map_err(|error| explained(&path, &error))?;
        let text = read_whole(&path)?;
        let (whole, torn) = match text.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => text.split_at(end + 1),
            None => (&[][..], text.as_slice()),
        };
        let mut lines: Vec<_> = whole.split(|byte| *byte == b'\n').collect();
        lines.pop();
        let last = lines.iter().rev().find_map(|line| hash_of(line));
        let last = last.unwrap_or_else(|| BEGINNING.to_owned());
        let missing = Head::beside(&path).filter(|head| !head.is_in(&lines));
        let mut ledger = Self { path, file, last, line: lines.len() as u64, end: None };
        if !torn.is_empty() {
            tracing::warn!(line = ledger.line + 1, "the ledger's last line was torn by a crash");
            ledger.file.write_all(b"\n")?;
            ledger.line += 1;
            let entry = Entry {
                reason: Some(format!("line {} was torn: sha256 {}", ledger.line, digest(torn))),
                ..Entry::new(now, EntryKind::Repaired, "server")
            };
            ledger.append([&entry])?;
        }
        if let Some(head) = missing {
            let reason = head.missed(lines.len());
            tracing::error!(reason, "the ledger was tampered with");
            let entry =
                Entry { reason: Some(reason), ..Entry::new(now, EntryKind::Missing, "server") };
            ledger.append([&entry])?;
        } else if ledger.line > 0 {
            ledger.note_head();
        }
        Ok(ledger)
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
        if !is_there(&self.path)? {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file was taken away"));
        }
        // A concurrent check sees whole lines, and the head that belongs to them.
        lock_shortly(&self.file, false);
        let written = self.write(&text);
        if written.is_ok() {
            (self.last, self.line) = (last, line);
            self.note_head();
        }
        drop(self.file.unlock());
        written.map_err(|error| explained(&self.path, &error))
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        if let Some(end) = self.end {
            self.file.set_len(end)?;
            self.end = None;
        }
        let before = self.file.metadata()?.len();
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        if written.is_err() && self.file.set_len(before).is_err() {
            // Half a line must not stay: the next one would be joined to it.
            self.end = Some(before);
        }
        written
    }

    /// Writes the head file. After a crash it may be behind the ledger, never ahead.
    fn note_head(&self) {
        let head = Head { line: self.line, hash: self.last.clone() };
        let (path, new) = (Head::place(&self.path), self.path.with_extension("head.new"));
        let text = serde_json::to_string(&head).map_err(io::Error::other);
        let written = text.and_then(|text| std::fs::write(&new, text + "\n"));
        if let Err(error) = written.and_then(|()| std::fs::rename(new, path)) {
            tracing::warn!(%error, "how far the ledger goes cannot be written down");
        }
    }
}

/// Reads a ledger. Refuses what is not a regular file, such as a device, which may never end.
fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() && !metadata.is_dir() {
        let problem = format!("{} is no regular file: move it away", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    std::fs::read(path)
}

/// The number and the hash of the ledger's last line.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    line: u64,
    hash: String,
}

impl Head {
    fn place(ledger: &Path) -> PathBuf {
        ledger.with_file_name(HEAD)
    }

    /// Reads the head file beside a ledger.
    fn beside(ledger: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(Self::place(ledger)).ok()?).ok()
    }

    /// Whether the ledger has that line.
    fn is_in(&self, lines: &[&[u8]]) -> bool {
        let place = usize::try_from(self.line).ok().and_then(|line| line.checked_sub(1));
        let line = place.and_then(|place| lines.get(place));
        line.and_then(|line| hash_of(line)).is_some_and(|hash| hash == self.hash)
    }

    fn missed(&self, lines: usize) -> String {
        let Self { line, hash } = self;
        format!("{line} lines were written, the last with the hash {hash}; of {lines} none is that")
    }
}

/// The result of [`verify`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many lines there are.
    pub lines: usize,
    /// Lines that were changed, and how; the first is where to look.
    pub broken: Vec<(usize, String)>,
    /// Lines torn by a crash, as a later line confirms.
    pub torn: Vec<usize>,
    /// The hash of the last line.
    pub last: String,
    /// Whether there is a head file. Without it, lines cut off the end go unnoticed.
    pub has_head: bool,
}

/// Verifies every line of a ledger, and that none is cut off the end. With `noted`, some line must
/// have that hash.
pub fn verify(path: &Path, noted: Option<&str>) -> io::Result<Report> {
    let mut file = File::open(path).map_err(|error| explained(path, &error))?;
    // A server that writes meanwhile has written whole lines, and their head.
    lock_shortly(&file, true);
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let head = Head::beside(path);
    drop(file);
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let unfinished = lines.pop().filter(|rest| !rest.is_empty());
    let mut report = Report { lines: lines.len(), ..Report::default() };
    let mut last = BEGINNING.to_owned();
    for (place, line) in lines.iter().enumerate() {
        let number = place + 1;
        match check(line, number, &last) {
            Ok(hash) => {
                last = hash;
                if let Some(missing) = says_missing(line) {
                    report.broken.push((number, missing));
                }
            }
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
    report.has_head = head.is_some();
    if let Some(head) = head.filter(|head| !head.is_in(&lines)) {
        let number = usize::try_from(head.line).unwrap_or(usize::MAX).min(lines.len() + 1);
        if report.broken.iter().all(|(broken, _)| *broken != number) {
            report.broken.push((number, head.missed(lines.len())));
        }
    }
    if noted.is_some_and(|noted| lines.iter().all(|line| hash_of(line).as_deref() != Some(noted))) {
        report.broken.push((lines.len() + 1, "no line has the hash that was noted".into()));
    }
    report.broken.sort_by_key(|(line, _)| *line);
    report.last = last;
    Ok(report)
}

/// What a line says about lines that were missing when it was written.
fn says_missing(line: &[u8]) -> Option<String> {
    let value = serde_json::from_slice::<serde_json::Value>(line).ok()?;
    let reason = value["reason"].as_str().unwrap_or_default();
    (value["what"] == "missing").then(|| format!("lines before it were taken away: {reason}"))
}

/// The hash of a line, if the line is unchanged.
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
mod tests;
