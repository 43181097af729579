//! The do-not-call list: a file that only grows, a JSON object a line; of the words on a number the
//! latest counts. Commands and servers add to it at the same time; a running server sees what
//! others added at its next look. Several servers [share](crate::cluster::SharedList) one list, and
//! each has all of it in its file.

use std::collections::{BTreeSet, HashMap};
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;
use phony_call::PhoneNumber;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// The file's name in the data folder.
pub const FILE: &str = "do-not-call.jsonl";

/// What was said about a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// The number.
    pub number: PhoneNumber,
    /// Whether it is on the list from then on.
    pub listed: bool,
    /// When.
    pub at: Timestamp,
    /// By whose hand.
    pub by: String,
}

/// The list of a data folder.
#[derive(Debug)]
pub struct DoNotCall {
    path: PathBuf,
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The file's length and time when it was read.
    seen: Option<(u64, Option<SystemTime>)>,
    words: HashMap<PhoneNumber, Word>,
    /// Said here, and perhaps not in the file yet.
    said: HashMap<PhoneNumber, Word>,
}

impl DoNotCall {
    /// The list of this data folder.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self { path: folder.join(FILE), state: Mutex::default(), news: Notify::new() }
    }

    /// Whether a number must not be called.
    pub fn contains(&self, number: &PhoneNumber) -> io::Result<bool> {
        let mut state = self.lock();
        self.refresh(&mut state)?;
        Ok(state.word(number).is_some_and(|word| word.listed))
    }

    /// The numbers that must not be called, in their order.
    pub fn list(&self) -> io::Result<Vec<Word>> {
        Ok(self.words()?.into_iter().filter(|word| word.listed).collect())
    }

    /// The last word on every number, those that may be called again among them, in their order.
    pub fn words(&self) -> io::Result<Vec<Word>> {
        let mut state = self.lock();
        self.refresh(&mut state)?;
        let numbers: BTreeSet<_> = state.words.keys().chain(state.said.keys()).collect();
        Ok(numbers.into_iter().filter_map(|number| state.word(number).cloned()).collect())
    }

    /// Takes in a word that was said elsewhere; true if it is later than what is known here.
    pub fn learn(&self, word: Word) -> io::Result<bool> {
        let mut state = self.lock();
        self.refresh(&mut state)?;
        if state.word(&word.number).is_some_and(|known| known.at >= word.at) {
            return Ok(false);
        }
        state.said.insert(word.number.clone(), word);
        Ok(true)
    }

    /// Waits until something is said here.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// Puts a number on the list or takes it off: in force at once; [`DoNotCall::write`] makes it
    /// last.
    pub fn say(&self, word: Word) {
        self.lock().said.insert(word.number.clone(), word);
        self.news.notify_one();
    }

    /// Writes a word to the file. Blocks.
    pub fn write(&self, word: &Word) -> io::Result<()> {
        self.write_all(std::slice::from_ref(word))
    }

    /// Writes words to the file. Blocks.
    pub fn write_all(&self, words: &[Word]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&self.path)?;
        for word in words {
            let mut line = serde_json::to_string(word).map_err(io::Error::other)?;
            line.push('\n');
            // One write of a short line is not mixed with another's.
            file.write_all(line.as_bytes())?;
        }
        file.sync_data()?;
        let mut state = self.lock();
        for word in words {
            if state.said.get(&word.number) == Some(word) {
                state.said.remove(&word.number);
                state.words.insert(word.number.clone(), word.clone());
            }
        }
        Ok(())
    }

    /// Reads the file again if it is not as it was.
    fn refresh(&self, state: &mut State) -> io::Result<()> {
        let seen = match std::fs::metadata(&self.path) {
            Ok(metadata) => Some((metadata.len(), metadata.modified().ok())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if seen == state.seen {
            return Ok(());
        }
        let text = match seen {
            Some(_) => std::fs::read_to_string(&self.path)?,
            None => String::new(),
        };
        state.words.clear();
        // A torn line says nothing; the words around it still count.
        for word in text.lines().filter_map(|line| serde_json::from_str::<Word>(line).ok()) {
            // Other servers' words may come late.
            if state.words.get(&word.number).is_none_or(|known| known.at <= word.at) {
                state.words.insert(word.number.clone(), word);
            }
        }
        state.seen = seen;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whatever panicked under it left the maps whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The last word on a number.
    fn word(&self, number: &PhoneNumber) -> Option<&Word> {
        let (said, written) = (self.said.get(number), self.words.get(number));
        // A file that another process has written to since may know better.
        [said, written].into_iter().flatten().max_by_key(|word| word.at)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn word(number: &str, listed: bool) -> Word {
        let at = "2026-01-15T12:00:00Z".parse().unwrap();
        Word { number: PhoneNumber::parse(number).unwrap(), listed, at, by: "callee".into() }
    }

    #[test]
    fn what_one_adds_the_other_sees_and_the_last_word_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (server, command) = (DoNotCall::of(folder.path()), DoNotCall::of(folder.path()));
        let number = PhoneNumber::parse("+12125550123").unwrap();
        assert!(!server.contains(&number).unwrap());
        command.write(&word("+12125550123", true)).unwrap();
        assert!(server.contains(&number).unwrap());
        assert_eq!(server.list().unwrap(), [word("+12125550123", true)]);
        server.write(&word("+12125550123", false)).unwrap();
        assert!(!command.contains(&number).unwrap());
    }

    #[test]
    fn a_word_counts_before_it_is_written_and_a_torn_line_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let list = DoNotCall::of(folder.path());
        let (a, b) = (word("+12125550101", true), word("+12125550102", true));
        list.say(a.clone());
        assert!(list.contains(&a.number).unwrap());
        let late = Word { at: a.at - SignedDuration::from_secs(1), ..word("+12125550101", false) };
        assert!(!list.learn(late).unwrap(), "what comes late changes nothing");
        let text = format!("{{\"number\":\"+1212\n{}\n", serde_json::to_string(&b).unwrap());
        std::fs::write(folder.path().join(FILE), text).unwrap();
        assert!(list.contains(&b.number).unwrap() && list.contains(&a.number).unwrap());
    }
}
