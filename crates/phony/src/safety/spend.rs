//! The estimated costs of outbound calls in a UTC day: minutes of the line, and what the model
//! reports. Owns the day's sum and its file; `safety` reports events, `outbound` checks the budget,
//! the cluster shares the sum.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use phony_call::{Budget, CallSid};
use serde::{Deserialize, Serialize};

use crate::data_dir::explained;

/// The file's name in the data folder.
const FILE: &str = "spend.json";

/// The costs of the current UTC day.
#[derive(Debug)]
pub struct Spend {
    path: PathBuf,
    /// The price of a minute of the line, in US dollars.
    minute: f64,
    soft: f64,
    hard: f64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    day: Day,
    /// Since when the line of each live call costs money that is not in the sum yet.
    live: HashMap<CallSid, Instant>,
    written: f64,
    /// The part of the sum that is not shared yet.
    unshared: f64,
}

/// Costs to be shared with the other nodes.
#[derive(Debug, Clone, Copy)]
pub struct UnsharedCosts {
    /// The day.
    pub date: Date,
    /// The last known sum of all nodes, in US dollars.
    pub known_usd: f64,
    /// This node's costs since, in US dollars.
    pub more_usd: f64,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Day {
    date: Date,
    #[serde(rename = "costUsd")]
    cost_usd: f64,
}

impl Spend {
    /// Reads the day's costs. A file that cannot be read is an error, because starting from zero
    /// would lift the limit.
    pub fn open(folder: &Path, minute: f64, (soft, hard): (f64, f64)) -> io::Result<Self> {
        let path = folder.join(FILE);
        let day = match std::fs::read(&path) {
            Ok(text) => Day::parse(&text).map_err(|problem| unreadable(&path, &problem))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Day::default(),
            Err(error) => return Err(explained(&path, &error)),
        };
        let state = State { day, written: day.cost_usd, ..State::default() };
        Ok(Self { path, minute, soft, hard, state: Mutex::new(state) })
    }

    /// Costs that are not counted, for a server that is only described.
    #[must_use]
    pub fn closed() -> Self {
        let (path, state) = (PathBuf::from(FILE), Mutex::default());
        Self { path, minute: 0.0, soft: 0.0, hard: 0.0, state }
    }

    /// A call was connected: its line costs from now on.
    pub fn begun(&self, call: &CallSid, now: Instant) {
        self.lock().live.entry(call.clone()).or_insert(now);
    }

    /// Adds the costs of a call's model, in US dollars.
    pub fn used(&self, cost_usd: f64, wall: Timestamp) {
        let mut state = self.lock();
        state.turn(wall);
        state.add(cost_usd);
    }

    /// A call has ended: adds its minutes.
    pub fn ended(&self, call: &CallSid, now: Instant, wall: Timestamp) {
        let mut state = self.lock();
        state.turn(wall);
        if let Some(since) = state.live.remove(call) {
            state.add(self.line(now.saturating_duration_since(since)));
        }
    }

    /// The costs to be shared now, including the minutes of live calls so far.
    #[must_use]
    pub fn unshared(&self, now: Instant, wall: Timestamp) -> UnsharedCosts {
        let mut state = self.lock();
        state.turn(wall);
        let lines = state
            .live
            .values_mut()
            .map(|since| now.saturating_duration_since(std::mem::replace(since, now.max(*since))));
        let up = lines.sum::<Duration>();
        state.add(self.line(up));
        let (date, more_usd) = (state.day.date, state.unshared);
        UnsharedCosts { date, known_usd: state.day.cost_usd - more_usd, more_usd }
    }

    /// The unshared costs were added to the shared sum, which is this now, in US dollars.
    pub fn set_shared(&self, told: UnsharedCosts, sum_usd: f64) {
        let mut state = self.lock();
        if state.day.date == told.date {
            state.unshared -= told.more_usd;
            state.day.cost_usd = sum_usd + state.unshared;
        }
    }

    /// Whether the day's budget is low or spent, and the costs so far in US dollars.
    #[must_use]
    pub fn budget(&self, now: Instant, wall: Timestamp) -> (Option<Budget>, f64) {
        let mut state = self.lock();
        state.turn(wall);
        let lines = state.live.values().map(|since| now.saturating_duration_since(*since));
        let spent = state.day.cost_usd + lines.map(|up| self.line(up)).sum::<f64>();
        let reached = |limit: f64| limit > 0.0 && spent >= limit;
        let budget = if reached(self.hard) {
            Some(Budget::Spent)
        } else if reached(self.soft) {
            Some(Budget::Low)
        } else {
            None
        };
        (budget, spent)
    }

    /// The connected calls.
    #[must_use]
    pub fn live(&self) -> Vec<CallSid> {
        self.lock().live.keys().cloned().collect()
    }

    /// Writes the day's costs if they have grown by a cent. Blocks.
    pub fn keep(&self) -> io::Result<()> {
        let day = {
            let mut state = self.lock();
            if (state.day.cost_usd - state.written).abs() < 0.01 {
                return Ok(());
            }
            state.written = state.day.cost_usd;
            state.day
        };
        let new = self.path.with_extension("json.new");
        let text = serde_json::to_vec(&day).map_err(io::Error::other)?;
        let mut file = File::create(&new)?;
        // A torn file would keep the server from starting after a power cut.
        file.write_all(&text).and_then(|()| file.sync_data())?;
        std::fs::rename(new, &self.path)
    }

    fn line(&self, up: Duration) -> f64 {
        up.as_secs_f64() / 60.0 * self.minute
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whatever panicked under it left the sums whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Day {
    fn parse(text: &[u8]) -> Result<Self, String> {
        let day = serde_json::from_slice::<Self>(text).map_err(|error| error.to_string())?;
        if day.cost_usd < 0.0 {
            return Err("the costs are less than nothing".to_owned());
        }
        Ok(day)
    }
}

impl State {
    /// A new day begins with nothing spent.
    fn turn(&mut self, wall: Timestamp) {
        let today = wall.to_zoned(TimeZone::UTC).date();
        if self.day.date != today {
            self.day = Day { date: today, cost_usd: 0.0 };
            self.unshared = 0.0;
        }
    }

    fn add(&mut self, cost_usd: f64) {
        self.day.cost_usd += cost_usd;
        self.unshared += cost_usd;
    }
}

fn unreadable(path: &Path, problem: &str) -> io::Error {
    let text = format!(
        "{}: what calls have cost today cannot be read ({problem}); move the file away, and the \
         day's costs are counted from zero",
        path.display()
    );
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn a_day_s_budget_runs_low_and_out_and_resets_at_midnight() {
        let folder = tempfile::tempdir().unwrap();
        let open = |folder: &Path| Spend::open(folder, 0.6, (1.0, 2.0)).unwrap();
        let spend = open(folder.path());
        let call = CallSid::parse("CA1").unwrap();
        let (start, noon) = (Instant::now(), "2026-01-15T12:00:00Z".parse().unwrap());
        let after = |seconds| start + Duration::from_secs(seconds);
        spend.used(0.5, noon);
        spend.begun(&call, start);
        assert_eq!(spend.budget(after(10), noon).0, None);
        assert_eq!(spend.budget(after(50), noon).0, Some(Budget::Low), "a live line costs");
        spend.ended(&call, after(100), noon);
        assert_eq!(spend.budget(after(1000), noon).0, Some(Budget::Low), "an ended one no more");
        spend.used(0.5, noon);
        assert_eq!(spend.budget(after(1000), noon).0, Some(Budget::Spent));
        spend.keep().unwrap();
        let empty = tempfile::tempdir().unwrap();
        let (due, other) = (spend.unshared(after(1000), noon), open(empty.path()));
        assert!((due.known_usd + due.more_usd - 2.0).abs() < 1e-9, "{due:?}");
        other.set_shared(other.unshared(start, noon), 2.0);
        assert_eq!(other.budget(start, noon).0, Some(Budget::Spent), "others' calls count");
        let again = open(folder.path());
        assert_eq!(again.budget(start, noon).0, Some(Budget::Spent), "a restart forgets nothing");
        let tomorrow = "2026-01-16T00:00:00Z".parse().unwrap();
        assert_eq!(again.budget(start, tomorrow), (None, 0.0));
    }
    #[test]
    fn unreadable_costs_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let open = || Spend::open(folder.path(), 0.6, (1.0, 2.0));
        assert!(open().is_ok(), "there is no file on the first day");
        let negative = r#"{"date":"2026-01-15","costUsd":-5.0}"#;
        for left in ["", "garbage", "{}", r#"{"date":"2026-01-15","cost"#, negative] {
            std::fs::write(&path, left).unwrap();
            let error = open().unwrap_err().to_string();
            assert!(error.contains(&path.display().to_string()), "{left}: {error}");
            assert!(error.contains("move the file away"), "{left}: {error}");
            assert!(error.contains("from zero"), "{left}: {error}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(open().unwrap_err().to_string().contains("move it away"));
    }
}
