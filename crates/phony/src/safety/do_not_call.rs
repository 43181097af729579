//! The do-not-call list: an append-only file, one JSON object a line; of the entries on a number
//! the latest counts. Commands and servers append to it concurrently; a running server notices at
//! its next access. The nodes of a cluster [share](crate::cluster::SharedList) one list, and each
//! has all of it in its file. [`super::Safety`], the cluster and `phony dnc` call it.
//!
//! An entry is in force as soon as it is set. One that cannot be written stays in memory and is
//! retried; a server that starts restores from the ledger what the last one could not write.

mod lines;

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;
use phony_call::PhoneNumber;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::data_dir::{explained, lock_shortly, open_to_append};

/// The file's name in the data folder.
pub const FILE: &str = "do-not-call.jsonl";

/// An entry: whether a number is on the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoNotCallEntry {
    /// The number.
    pub number: PhoneNumber,
    /// Whether it is on the list from then on.
    pub listed: bool,
    /// When it was made.
    pub at: Timestamp,
    /// Who made the entry: a token's fingerprint, `callee`, or `command line`.
    pub by: String,
}

/// The list of a data folder.
#[derive(Debug)]
pub struct DoNotCall {
    path: PathBuf,
    /// The file, as last read. Locked while the file is read; no call waits for it.
    file: Mutex<Contents>,
    /// Entries that may not be in the file yet. Locked for moments only, because calls add entries.
    unsaved: Mutex<HashMap<PhoneNumber, DoNotCallEntry>>,
    /// Why the file cannot be written, if so.
    trouble: Mutex<Option<String>>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Contents {
    /// The file's length and modification time when it was read.
    seen: Option<(u64, Option<SystemTime>)>,
    entries: HashMap<PhoneNumber, DoNotCallEntry>,
    /// The numbers of the lines that cannot be read.
    torn: Vec<usize>,
}

impl DoNotCall {
    /// The list of this data folder.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self {
            path: folder.join(FILE),
            file: Mutex::default(),
            unsaved: Mutex::default(),
            trouble: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// Whether a number must not be called.
    pub fn contains(&self, number: &PhoneNumber) -> io::Result<bool> {
        Ok(self.entry(number)?.is_some_and(|entry| entry.listed))
    }

    /// The numbers that must not be called, in their order.
    pub fn list(&self) -> io::Result<Vec<DoNotCallEntry>> {
        Ok(self.entries()?.into_iter().filter(|entry| entry.listed).collect())
    }

    /// The latest entry of every number, in order, including those that may be called again.
    pub fn entries(&self) -> io::Result<Vec<DoNotCallEntry>> {
        let contents = self.contents()?;
        let unsaved = lock(&self.unsaved);
        let numbers: BTreeSet<_> = contents.entries.keys().chain(unsaved.keys()).collect();
        let last = |number| later(unsaved.get(number), contents.entries.get(number)).cloned();
        Ok(numbers.into_iter().filter_map(last).collect())
    }

    /// The numbers of the lines that cannot be read.
    pub fn torn(&self) -> io::Result<Vec<usize>> {
        Ok(self.contents()?.torn.clone())
    }

    /// Why the list cannot be written, if so; entries made meanwhile are kept in memory.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let why = lock(&self.trouble).clone()?;
        let waiting = match lock(&self.unsaved).len() {
            0 => String::new(),
            1 => " (one entry is kept in memory until it can be written)".to_owned(),
            many => format!(" ({many} entries are kept in memory until they can be written)"),
        };
        Some(format!("the do-not-call list cannot be written: {why}{waiting}"))
    }

    /// Merges an entry of another node; true if it is later than the one here.
    pub fn merge(&self, entry: DoNotCallEntry) -> io::Result<bool> {
        if self.entry(&entry.number)?.is_some_and(|known| known.at >= entry.at) {
            return Ok(false);
        }
        lock(&self.unsaved).insert(entry.number.clone(), entry);
        Ok(true)
    }

    /// Restores entries from the ledger that the list does not have because it could not be
    /// written.
    pub fn restore(&self, entries: Vec<DoNotCallEntry>) {
        let recalled = entries.into_iter().map(|entry| match self.merge(entry.clone()) {
            Ok(news) => usize::from(news),
            // Until the list can be read, nobody is called.
            Err(_) => {
                usize::from(lock(&self.unsaved).insert(entry.number.clone(), entry).is_none())
            }
        });
        let entries: usize = recalled.sum();
        if entries > 0 {
            tracing::warn!(entries, "the ledger has entries that the do-not-call list had not");
        }
    }

    /// Waits until an entry is set here.
    pub async fn changed(&self) {
        self.news.notified().await;
    }

    /// Puts a number on the list or takes it off: in force at once; [`DoNotCall::keep`] makes it
    /// last.
    pub fn set(&self, entry: DoNotCallEntry) {
        lock(&self.unsaved).insert(entry.number.clone(), entry);
        self.news.notify_one();
    }

    /// Writes the entries that are not in the file yet; if there are none, checks that it can be
    /// written. Blocks.
    pub fn keep(&self) {
        // Notices entries that were removed from the file now, and not only before the next call.
        drop(self.contents());
        let waiting: Vec<_> = lock(&self.unsaved).values().cloned().collect();
        if waiting.is_empty() {
            self.note(&self.check());
        } else {
            // What goes wrong is noted, and tried again.
            drop(self.write_all(&waiting));
        }
    }

    /// Whether the file can be written, as far as can be told without writing. Blocks.
    pub fn check(&self) -> io::Result<()> {
        crate::data_dir::check_file(&self.path)
    }

    /// Writes an entry to the file. Blocks.
    pub fn write(&self, entry: &DoNotCallEntry) -> io::Result<()> {
        self.write_all(std::slice::from_ref(entry))
    }

    /// Writes entries to the file. Blocks.
    pub fn write_all(&self, entries: &[DoNotCallEntry]) -> io::Result<()> {
        let written = self.append(entries).map_err(|error| explained(&self.path, &error));
        if written.is_ok() {
            let mut unsaved = lock(&self.unsaved);
            for entry in entries {
                if unsaved.get(&entry.number) == Some(entry) {
                    unsaved.remove(&entry.number);
                }
            }
        }
        self.note(&written);
        written
    }

    fn append(&self, entries: &[DoNotCallEntry]) -> io::Result<()> {
        let mut file = open_to_append(&self.path)?;
        // Until the file is closed.
        lock_shortly(&file, false);
        let before = file.metadata()?.len();
        let mut text = String::new();
        if !ends_whole(&mut file, before)? {
            // Ends a torn line, so that the next one stands by itself.
            text.push('\n');
        }
        for entry in entries {
            text.push_str(&serde_json::to_string(entry).map_err(io::Error::other)?);
            text.push('\n');
        }
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
        if written.is_err() {
            // A torn line is removed if possible; if not, the next entry starts a new line.
            drop(file.set_len(before));
        }
        written
    }

    /// Remembers whether the file can be written, and logs when that changes.
    fn note(&self, written: &io::Result<()>) {
        let mut trouble = lock(&self.trouble);
        match written {
            Ok(()) if trouble.take().is_some() => {
                tracing::info!("the do-not-call list can be written again");
            }
            Ok(()) => {}
            Err(error) => {
                let why = error.to_string();
                if trouble.as_ref() != Some(&why) {
                    tracing::error!(%error, "the do-not-call list cannot be written");
                }
                *trouble = Some(why);
            }
        }
    }

    fn entry(&self, number: &PhoneNumber) -> io::Result<Option<DoNotCallEntry>> {
        let contents = self.contents()?;
        let unsaved = lock(&self.unsaved);
        // Another process may have written a later entry.
        Ok(later(unsaved.get(number), contents.entries.get(number)).cloned())
    }

    /// The contents of the file, read again if it has changed.
    fn contents(&self) -> io::Result<MutexGuard<'_, Contents>> {
        let mut contents = lock(&self.file);
        let seen = match std::fs::metadata(&self.path) {
            // Reading a device or a pipe may never end.
            Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => None,
            Ok(metadata) => Some((metadata.len(), metadata.modified().ok())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(explained(&self.path, &error)),
        };
        if seen == contents.seen {
            return Ok(contents);
        }
        let (entries, torn) = match seen {
            Some(_) => {
                let bytes = std::fs::read(&self.path);
                lines::read(&bytes.map_err(|error| explained(&self.path, &error))?)
            }
            // The folder may be unmounted for a while, which must not allow any call.
            None => (HashMap::new(), Vec::new()),
        };
        // The file is append-only: removing, emptying or rewriting it revokes no entry.
        let is_kept =
            |old: &DoNotCallEntry| entries.get(&old.number).is_some_and(|new| new.at >= old.at);
        let lost: Vec<_> = contents.entries.drain().filter(|(_, old)| !is_kept(old)).collect();
        if !lost.is_empty() {
            let entries = lost.len();
            tracing::error!(
                entries,
                "entries of the do-not-call list were taken away; they are \
                                      written anew"
            );
            let mut unsaved = lock(&self.unsaved);
            for (number, entry) in lost {
                let newest = later(unsaved.get(&number), Some(&entry)).cloned();
                unsaved.insert(number, newest.unwrap_or(entry));
            }
        }
        if !torn.is_empty() && torn != contents.torn {
            tracing::error!(lines = ?torn, "lines of the do-not-call list cannot be read");
        }
        *contents = Contents { seen, entries, torn };
        Ok(contents)
    }
}

/// The later of two entries on a number; of two at the same time, the first.
fn later<'a>(
    one: Option<&'a DoNotCallEntry>,
    other: Option<&'a DoNotCallEntry>,
) -> Option<&'a DoNotCallEntry> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.at > one.at { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// Whether a file ends with the end of a line.
fn ends_whole(file: &mut File, length: u64) -> io::Result<bool> {
    let Some(last) = length.checked_sub(1) else { return Ok(true) };
    file.seek(SeekFrom::Start(last))?;
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    Ok(byte == *b"\n")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic under the lock cannot leave the maps half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn entry(number: &str, listed: bool) -> DoNotCallEntry {
        let at = "2026-01-15T12:00:00Z".parse().unwrap();
        DoNotCallEntry {
            number: PhoneNumber::parse(number).unwrap(),
            listed,
            at,
            by: "callee".into(),
        }
    }

    #[test]
    fn entries_are_shared_through_the_file_and_the_last_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (server, command) = (DoNotCall::of(folder.path()), DoNotCall::of(folder.path()));
        let number = PhoneNumber::parse("+12125550123").unwrap();
        assert!(!server.contains(&number).unwrap());
        command.write(&entry("+12125550123", true)).unwrap();
        assert!(server.contains(&number).unwrap());
        assert_eq!(server.list().unwrap(), [entry("+12125550123", true)]);
        server.write(&entry("+12125550123", false)).unwrap();
        assert!(!command.contains(&number).unwrap());
    }

    #[test]
    fn an_entry_counts_before_it_is_written_and_a_torn_line_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let list = DoNotCall::of(folder.path());
        let (a, b) = (entry("+12125550101", true), entry("+12125550102", true));
        list.set(a.clone());
        assert!(list.contains(&a.number).unwrap());
        let late = DoNotCallEntry {
            at: a.at - SignedDuration::from_secs(1),
            ..entry("+12125550101", false)
        };
        assert!(!list.merge(late).unwrap(), "what comes late changes nothing");
        let text = format!("{{\"number\":\"+1212\n{}\n", serde_json::to_string(&b).unwrap());
        std::fs::write(folder.path().join(FILE), text).unwrap();
        assert!(list.contains(&b.number).unwrap() && list.contains(&a.number).unwrap());
    }

    #[test]
    fn a_torn_last_line_swallows_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let (a, b) = (entry("+12125550101", true), entry("+12125550102", true));
        let whole = serde_json::to_string(&a).unwrap() + "\n";
        for end in 1..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            let list = DoNotCall::of(folder.path());
            list.write(&b).unwrap();
            assert!(list.contains(&b.number).unwrap(), "behind {end} bytes");
            // As much as can be known of the torn one: its number, once that is whole.
            let known = end >= r#"{"number":"+12125550101"#.len();
            assert_eq!(list.contains(&a.number).unwrap(), known, "behind {end} bytes");
            let torn = if end < whole.len() - 1 { vec![1] } else { Vec::new() };
            assert_eq!(list.torn().unwrap(), torn, "behind {end} bytes");
        }
    }

    #[test]
    fn an_unwritable_entry_is_kept_reported_and_written_later() {
        let folder = tempfile::tempdir().unwrap();
        // What the list's name leads to is not there yet: it cannot be made, but it reads as empty.
        let away = folder.path().join("away");
        #[cfg(unix)]
        std::os::unix::fs::symlink(away.join(FILE), folder.path().join(FILE)).unwrap();
        let list = DoNotCall::of(folder.path());
        let entry = entry("+12125550101", true);
        list.set(entry.clone());
        for _ in 0..2 {
            list.keep();
            assert!(list.contains(&entry.number).unwrap());
            let trouble = list.trouble().unwrap();
            assert!(trouble.contains("one entry is kept in memory"), "{trouble}");
        }
        std::fs::create_dir(&away).unwrap();
        list.keep();
        assert_eq!(list.trouble(), None);
        assert!(DoNotCall::of(folder.path()).contains(&entry.number).unwrap(), "it is in the file");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_reported_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join(FILE)).unwrap();
        let list = DoNotCall::of(folder.path());
        list.set(entry("+12125550101", true));
        list.keep();
        let trouble = list.trouble().unwrap();
        assert!(trouble.contains("the disk is full: make room"), "{trouble}");
        assert_eq!(list.list().unwrap().len(), 1);
    }

    #[test]
    fn a_removed_list_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let list = DoNotCall::of(folder.path());
        let entry = entry("+12125550101", true);
        list.write(&entry).unwrap();
        assert!(list.contains(&entry.number).unwrap());
        std::fs::remove_file(folder.path().join(FILE)).unwrap();
        assert!(list.contains(&entry.number).unwrap());
        list.keep();
        assert!(DoNotCall::of(folder.path()).contains(&entry.number).unwrap());
    }

    #[test]
    fn an_emptied_or_truncated_list_loses_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let list = DoNotCall::of(folder.path());
        let (a, b) = (entry("+12125550101", true), entry("+12125550102", true));
        list.write_all(&[a.clone(), b.clone()]).unwrap();
        assert!(list.contains(&a.number).unwrap());
        let first = std::fs::read_to_string(&path).unwrap().lines().next().unwrap().to_owned();
        for left in ["", &first, "no list at all, but longer than the list that was here before"] {
            std::fs::write(&path, left).unwrap();
            // As a running server does every second.
            list.keep();
            assert!(list.contains(&a.number).unwrap() && list.contains(&b.number).unwrap());
            let again = DoNotCall::of(folder.path());
            assert!(again.contains(&a.number).unwrap(), "{left}");
            assert!(again.contains(&b.number).unwrap(), "{left}");
        }
        // It is taken off by a word.
        let off =
            DoNotCallEntry { at: a.at + SignedDuration::from_secs(1), listed: false, ..a.clone() };
        DoNotCall::of(folder.path()).write(&off).unwrap();
        list.keep();
        assert!(!list.contains(&a.number).unwrap());
    }

    #[test]
    fn ledger_entries_are_restored_unless_a_later_one_revokes_them() {
        let folder = tempfile::tempdir().unwrap();
        let list = DoNotCall::of(folder.path());
        let (a, b) = (entry("+12125550101", true), entry("+12125550102", true));
        let taken_off =
            DoNotCallEntry { at: b.at + SignedDuration::from_secs(1), listed: false, ..b.clone() };
        list.write(&taken_off).unwrap();
        list.restore(vec![a.clone(), b.clone()]);
        list.keep();
        let again = DoNotCall::of(folder.path());
        assert!(again.contains(&a.number).unwrap() && !again.contains(&b.number).unwrap());
    }

    #[test]
    fn concurrent_writers_lose_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let folder = folder.path();
                scope.spawn(move || {
                    let list = DoNotCall::of(folder);
                    for n in 0..25 {
                        list.write(&entry(&format!("+1212555{:04}", writer * 100 + n), true))
                            .unwrap();
                    }
                });
            }
        });
        let list = DoNotCall::of(folder.path());
        assert_eq!(list.list().unwrap().len(), 100);
        assert!(list.torn().unwrap().is_empty());
    }
}
