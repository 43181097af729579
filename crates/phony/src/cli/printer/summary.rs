//! The figures of a whole call, and their summary.

use phony_call::{EndReason, Usage};

use super::words::{clock, why};
use crate::cli::ui::{Style, Ui};

/// The parts of every turn's latency, in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Latencies {
    /// From the caller's last word until the prompt was sent to the server.
    pub(in crate::cli) prompt: Vec<u64>,
    /// From the prompt until the model's first token.
    pub(in crate::cli) token: Vec<u64>,
    /// From the prompt until the first frame for the line.
    pub(in crate::cli) frame: Vec<u64>,
    /// From the prompt until the caller heard the first sound.
    pub(in crate::cli) sound: Vec<u64>,
}

/// The figures of a whole call.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Totals {
    pub(in crate::cli) caller_turns: usize,
    pub(in crate::cli) agent_turns: usize,
    pub(in crate::cli) interruptions: usize,
    pub(in crate::cli) latencies: Latencies,
    pub(in crate::cli) usage: Usage,
    pub(in crate::cli) cost_usd: f64,
    pub(in crate::cli) end: Option<(EndReason, u64)>,
}

/// The summary of a call, as lines of text; `said` and `heard` count the caller's words.
pub(in crate::cli) fn summary(ui: Ui, totals: &Totals, said: usize, heard: usize) -> Vec<String> {
    let row = |name: &str, text: &str| {
        format!("  {} {text}", ui.paint(Style::Faint, &format!("{name:<15}")))
    };
    let Totals { caller_turns, agent_turns, interruptions, latencies, usage, cost_usd, end } =
        totals;
    let mut lines = vec![
        row("turns", &format!("{caller_turns} of the caller, {agent_turns} of the agent")),
        row("words", &format!("{said} said, {heard} heard by the caller")),
        row("interruptions", &interruptions.to_string()),
    ];
    for (name, values) in [
        ("told after", &latencies.prompt),
        ("first token", &latencies.token),
        ("first frame", &latencies.frame),
        ("first sound", &latencies.sound),
    ] {
        if let Some((median, max)) = median_and_max(values) {
            lines.push(row(name, &format!("p50 {median} ms, max {max} ms")));
        }
    }
    let input = usage.input_text_tokens + usage.input_audio_tokens;
    let output = usage.output_text_tokens + usage.output_audio_tokens;
    let cached = usage.cached_text_tokens + usage.cached_audio_tokens;
    lines.push(row("tokens", &format!("{input} in ({cached} cached), {output} out")));
    lines.push(row("cost", &format!("${cost_usd:.4} at the configured prices")));
    if let Some((reason, ms)) = end {
        lines.push(row("end", &format!("{} after {}", why(*reason), clock(*ms))));
    }
    lines
}

/// The median, rounded down to a measurement, and the maximum; nothing without measurements.
fn median_and_max(values: &[u64]) -> Option<(u64, u64)> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    Some((*sorted.get(sorted.len().saturating_sub(1) / 2)?, *sorted.last()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_few_values_is_one_of_them() {
        assert_eq!(median_and_max(&[3, 1, 2]), Some((2, 3)));
        assert_eq!(median_and_max(&[3, 1]), Some((1, 3)));
        assert_eq!(median_and_max(&[]), None);
    }
}
