//! The report of all measurements, for people and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::Arguments;
use super::figures::{Figures, Round, median};

/// Everything that was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    calls: u32,
    words_a_second_and_call: f64,
    words_a_reply: u32,
    seconds: u64,
    rounds: Vec<Round>,
    /// The medians over the rounds; a ratio is the median of the rounds' ratios.
    median: Vec<Row>,
}

/// One figure of both servers.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    phony: Option<f64>,
    #[serde(rename = "floor")]
    baseline: Option<f64>,
    ratio: Option<f64>,
    #[serde(skip)]
    digits: usize,
}

type Take = fn(&Figures) -> Option<f64>;

/// Name, digits after the decimal point, and the figure.
const ROWS: [(&str, usize, Take); 12] = [
    ("words a second", 0, |f| Some(f.words_a_second)),
    ("latency p50, µs", 0, |f| Some(f.latency.p50)),
    ("latency p90, µs", 0, |f| Some(f.latency.p90)),
    ("latency p99, µs", 0, |f| Some(f.latency.p99)),
    ("latency max, µs", 0, |f| Some(f.latency.max)),
    ("CPU of a word, µs", 1, |f| f.cpu_us_a_word),
    ("cores busy", 2, |f| f.cores),
    ("cores busy, load", 2, |f| f.load_cores),
    ("memory idle, MB", 1, |f| f.idle_kb.map(megabytes)),
    ("memory at the end, MB", 1, |f| f.busy_kb.map(megabytes)),
    ("memory of a call, KB", 1, |f| f.kb_a_call),
    ("ready after, ms", 0, |f| f.ready_ms),
];

impl Report {
    pub(super) fn new(arguments: &Arguments, rounds: Vec<Round>) -> Self {
        let median = ROWS.iter().map(|row| Row::of(row, &rounds)).collect();
        Self {
            calls: arguments.calls,
            words_a_second_and_call: arguments.rate,
            words_a_reply: arguments.words,
            seconds: arguments.seconds,
            rounds,
            median,
        }
    }

    pub(super) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{} calls, {} words a second each in replies of {}, {} s, rounds: {}\n\n",
            self.calls,
            self.words_a_second_and_call,
            self.words_a_reply,
            self.seconds,
            self.rounds.len(),
        );
        let baseline = self.rounds.iter().any(|round| round.baseline.is_some());
        let heads = if baseline { ["phony", "floor", "ratio"] } else { ["phony", "", ""] };
        let mut row = |name: &str, [phony, baseline, ratio]: [&str; 3]| {
            let line = format!("{name:<24}{phony:>10}{baseline:>10}{ratio:>8}");
            text.push_str(line.trim_end());
            text.push('\n');
        };
        row("", heads);
        for line in &self.median {
            let number = |value: Option<f64>, digits: usize| {
                value.map(|value| format!("{value:.digits$}")).unwrap_or_default()
            };
            let (phony, baseline) =
                (number(line.phony, line.digits), number(line.baseline, line.digits));
            row(line.name, [&phony, &baseline, &number(line.ratio, 2)]);
        }
        let sides = self.rounds.iter().flat_map(|round| {
            let baseline = round.baseline.iter().map(|figures| ("floor", figures));
            std::iter::once(("phony", &round.phony)).chain(baseline)
        });
        for (side, figures) in sides {
            text.push_str(&troubles(side, figures));
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// How many calls and words were lost, doubled or left over, in all rounds.
    pub(super) fn troubles(&self) -> u64 {
        let of_round = |round: &Round| {
            round.phony.troubles() + round.baseline.as_ref().map_or(0, Figures::troubles)
        };
        self.rounds.iter().map(of_round).sum()
    }
}

impl Row {
    fn of((name, digits, take): &(&'static str, usize, Take), rounds: &[Round]) -> Self {
        let baseline = |round: &Round| round.baseline.as_ref().and_then(take);
        let ratio = |round: &Round| {
            let baseline = baseline(round).filter(|baseline| *baseline > 0.0)?;
            Some(take(&round.phony)? / baseline)
        };
        Self {
            name,
            phony: median(rounds.iter().filter_map(|round| take(&round.phony))),
            baseline: median(rounds.iter().filter_map(baseline)),
            ratio: median(rounds.iter().filter_map(ratio)),
            digits: *digits,
        }
    }
}

fn troubles(side: &str, figures: &Figures) -> String {
    let mut text = String::new();
    let counts = [
        ("words lost", figures.lost),
        ("words doubled or out of order", figures.doubled),
        ("calls still held after they were hung up", figures.left_over.unwrap_or(0)),
    ];
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    let failures = figures.failures.iter().map(|(why, count)| (why.as_str(), *count as u64));
    for (what, count) in counts.chain(failures) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{side}: {count} × {what}");
    }
    text
}

fn megabytes(kb: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 KB")]
    let kb = kb as f64;
    kb / 1024.0
}
