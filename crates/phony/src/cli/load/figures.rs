//! The figures of a measurement.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::process::Cost;

/// One measurement of each server.
#[derive(Debug, Serialize)]
pub(super) struct Round {
    pub(super) phony: Figures,
    #[serde(rename = "floor", skip_serializing_if = "Option::is_none")]
    pub(super) baseline: Option<Figures>,
}

/// One measurement.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    /// Calls that were set up.
    pub(super) calls: usize,
    /// Words received during the measurement.
    pub(super) words: usize,
    pub(super) words_a_second: f64,
    pub(super) latency: Latency,
    /// CPU time of the server for a word, in microseconds.
    pub(super) cpu_us_a_word: Option<f64>,
    /// How many cores the server kept busy.
    pub(super) cores: Option<f64>,
    /// How many cores the load generator kept busy.
    pub(super) load_cores: Option<f64>,
    /// The server's memory before the first call, in KB.
    pub(super) idle_kb: Option<u64>,
    /// The server's memory with all calls up, at the end, in KB.
    pub(super) busy_kb: Option<u64>,
    pub(super) kb_a_call: Option<f64>,
    /// From the start of the process to its first answer, in milliseconds.
    pub(super) ready_ms: Option<f64>,
    /// Words that were never received.
    pub(super) lost: u64,
    /// Words received twice or out of order.
    pub(super) doubled: u64,
    /// Calls that the server still had after they were hung up.
    pub(super) left_over: Option<u64>,
    /// Calls that were not set up or broke off, by reason.
    pub(super) failures: BTreeMap<String, usize>,
}

/// From the sending of a word by the model to its receipt by the caller, in microseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Latency {
    #[serde(rename = "p50Us")]
    pub(super) p50: f64,
    #[serde(rename = "p90Us")]
    pub(super) p90: f64,
    #[serde(rename = "p99Us")]
    pub(super) p99: f64,
    #[serde(rename = "maxUs")]
    pub(super) max: f64,
}

impl Latency {
    /// The percentiles of measurements in nanoseconds, which are sorted in place.
    pub(super) fn of(nanos: &mut [u64]) -> Self {
        nanos.sort_unstable();
        let at = |percent: usize| {
            let last = nanos.len().saturating_sub(1);
            let nanos = nanos.get(last * percent / 100).copied().unwrap_or_default();
            Duration::from_nanos(nanos).as_secs_f64() * 1e6
        };
        Self { p50: at(50), p90: at(90), p99: at(99), max: at(100) }
    }
}

impl Figures {
    /// How many calls and words were lost, doubled or left over.
    pub(super) fn troubles(&self) -> u64 {
        let failures: usize = self.failures.values().sum();
        self.lost + self.doubled + self.left_over.unwrap_or(0) + failures as u64
    }
}

pub(super) fn cpu_us_a_word(
    before: Option<Cost>,
    after: Option<Cost>,
    words: usize,
) -> Option<f64> {
    let cpu = after?.cpu.saturating_sub(before?.cpu).as_secs_f64() * 1e6;
    (words > 0).then(|| cpu / count(words))
}

pub(super) fn cores(before: Option<Cost>, after: Option<Cost>, lasted: Duration) -> Option<f64> {
    let cpu = after?.cpu.saturating_sub(before?.cpu);
    Some(cpu.as_secs_f64() / lasted.as_secs_f64())
}

pub(super) fn kb_a_call(idle: Option<Cost>, busy: Option<Cost>, calls: usize) -> Option<f64> {
    let kb = busy?.resident_kb.saturating_sub(idle?.resident_kb);
    (calls > 0).then(|| ratio(usize::try_from(kb).unwrap_or(usize::MAX), count(calls)))
}

pub(super) fn ratio(count: usize, by: f64) -> f64 {
    self::count(count) / by
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn count(count: usize) -> f64 {
    count as f64
}

/// The median: the middle value, or the mean of the middle two; nothing without values.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    let even = values.len().is_multiple_of(2);
    Some(if even { f64::midpoint(values[middle - 1], upper) } else { upper })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measurements() {
        let mut nanos: Vec<u64> = (0..=100).rev().map(|us| us * 1000).collect();
        let latency = Latency::of(&mut nanos);
        let found = [latency.p50, latency.p90, latency.p99, latency.max].map(f64::round);
        assert_eq!(found.map(|us| us.to_string()), ["50", "90", "99", "100"]);
        assert_eq!(Latency::of(&mut []).max.to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn the_median_is_the_middle_value_or_the_mean_of_two() {
        let median = |values: &[f64]| median(values.iter().copied()).map(|value| value.to_string());
        assert_eq!(median(&[9.0, 1.0, 5.0]).as_deref(), Some("5"));
        assert_eq!(median(&[9.0, 1.0, 5.0, 3.0]).as_deref(), Some("4"));
        assert_eq!(median(&[]), None);
    }
}
