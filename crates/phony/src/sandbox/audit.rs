//! Compares the server's events of a call with the phone network's record of it.

use phony_call::{Event, EventBody};

use phony_simulator::callers::spoken_words;
use phony_simulator::twilio::CallRecord;

/// The result of the comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// How many words the caller said.
    pub said: usize,
    /// How many words the caller heard.
    pub heard: usize,
    /// The caller's turns that nothing was said to before the end of the call, although the caller
    /// neither spoke on nor hung up.
    pub unanswered: Vec<String>,
    /// Lost or doubled words, and events out of order.
    pub faults: Vec<String>,
}

/// Compares the stored events of a call that is over with the network's record of it.
#[must_use]
pub fn audit(events: &[Event], record: &CallRecord) -> Audit {
    let mut faults = order(events);
    let said =
        record.said.iter().map(|said| spoken_words(&said.text)).collect::<Vec<_>>().join(" ");
    let said = words(&said);
    let heard = record.heard_text();
    let heard = words(&heard);
    faults.extend(difference("the caller's words", &said, &transcribed(events)));
    faults.extend(difference("the words that were heard", &heard, &spoken(events)));
    Audit { said: said.len(), heard: heard.len(), unanswered: unanswered(events), faults }
}

/// Checks that numbers have no gaps, times do not go back, and there is one start and one end.
fn order(events: &[Event]) -> Vec<String> {
    let mut faults = Vec::new();
    for (expected, event) in (1..).zip(events) {
        if event.seq != Some(expected) {
            faults.push(format!("event {expected} has the number {:?}", event.seq));
            break;
        }
    }
    if let Some(pair) = events.windows(2).find(|pair| pair[1].at < pair[0].at) {
        faults.push(format!("event {:?} is older than the one before it", pair[1].seq));
    }
    let is_start = |event: &&Event| matches!(event.body, EventBody::SessionStart { .. });
    let is_end = |event: &&Event| matches!(event.body, EventBody::SessionEnd { .. });
    if !events.first().is_some_and(|event| is_start(&event))
        || events.iter().filter(is_start).count() != 1
    {
        faults.push("the record does not begin with the call's start, once".to_owned());
    }
    if !events.last().is_some_and(|event| is_end(&event))
        || events.iter().filter(is_end).count() != 1
    {
        faults.push("the record does not close with the call's end, once".to_owned());
    }
    faults
}

fn transcribed(events: &[Event]) -> Vec<&str> {
    let texts = events.iter().filter_map(|event| {
        if let EventBody::Transcript { text, .. } = &event.body { Some(text) } else { None }
    });
    texts.flat_map(|text| text.split_whitespace()).collect()
}

fn spoken(events: &[Event]) -> Vec<&str> {
    let texts = events.iter().filter_map(|event| {
        if let EventBody::AssistantResponse { text, .. } = &event.body { Some(text) } else { None }
    });
    texts.flat_map(|text| text.split_whitespace()).collect()
}

/// The caller's turns that nothing was said to before the end, and that did not run on.
fn unanswered(events: &[Event]) -> Vec<String> {
    let mut waiting = None;
    for event in events {
        if let EventBody::Transcript { text, .. } = &event.body {
            waiting = Some(text);
        } else if matches!(event.body, EventBody::AssistantResponse { .. }) {
            waiting = None;
        }
    }
    waiting.into_iter().cloned().collect()
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn difference(what: &str, truth: &[&str], told: &[&str]) -> Option<String> {
    if truth == told {
        return None;
    }
    let same = truth.iter().zip(told).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(3);
    let around = |words: &[&str]| {
        let until = (same + 5).min(words.len());
        words.get(from..until).unwrap_or_default().join(" ")
    };
    Some(format!(
        "{what} differ at word {same}: on the line «{}», in the record «{}» ({} and {} words)",
        around(truth),
        around(told),
        truth.len(),
        told.len()
    ))
}
