//! The settings and events of a line, and the caller's utterances.

use crate::twilio::speech::{Cut, Input, SpeechEvent};

/// The settings of simulated speech recognition. Times are in milliseconds of the call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpeechRecognition {
    /// From the end of an utterance to its prompt; speech that resumes earlier belongs to it.
    pub(crate) prompt_after_ms: u64,
    /// How long both must speak before the caller interrupts the agent.
    pub(crate) barge_in_ms: u64,
    /// Whether noise without words interrupts the agent too.
    pub(crate) noise_interrupts: bool,
}

/// What the present TwiML verb asks of the line.
#[expect(clippy::struct_excessive_bools, reason = "each is an attribute of the TwiML")]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    /// Whether the line carries sound, in which nothing is recognised: during `<Stream>`.
    pub(crate) carries_sound: bool,
    /// Whether the caller's speech is recognised: in a relay session, but not during `<Say>`.
    pub(crate) listens: bool,
    pub(crate) interruptible: Input,
    pub(crate) preemptible: bool,
    pub(crate) report: Input,
    pub(crate) dtmf: bool,
    pub(crate) partial_prompts: bool,
    pub(crate) partial_on_hangup: bool,
    /// From the end of an utterance to its prompt, if the session sets it.
    pub(crate) prompt_after_ms: Option<u64>,
}

/// An event on the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LineEvent {
    Speech(SpeechEvent),
    /// The caller began to speak; `text` is as in its script, marks included.
    CallerBegan {
        text: String,
        for_ms: u64,
    },
    CallerStopped,
    Partial(String),
    /// The words of `utterances` utterances, to be reported.
    Prompt {
        text: String,
        utterances: usize,
    },
    /// `utterances` utterances that are not reported.
    Lost {
        utterances: usize,
    },
    Interrupted(Cut),
    /// A key was pressed, and whether it is reported.
    Key {
        digit: char,
        reported: bool,
    },
    HungUp,
}

/// What the caller is saying.
#[derive(Debug)]
pub(super) struct Utterance {
    /// Words of earlier utterances that belong to the same prompt.
    pub(super) before: String,
    pub(super) words: String,
    pub(super) utterances: usize,
    pub(super) from_ms: u64,
    pub(super) until_ms: u64,
    pub(super) next_partial_ms: u64,
    pub(super) began_over_agent: bool,
}

/// What the caller has said and is not yet reported.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) words: String,
    pub(super) utterances: usize,
    pub(super) at_ms: u64,
    pub(super) began_over_agent: bool,
}

impl Utterance {
    pub(super) fn all_words(&self, words: &str) -> String {
        let both = [self.before.as_str(), words];
        both.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ")
    }

    /// The whole words that have been spoken by then.
    pub(super) fn words_until(&self, at_ms: u64) -> &str {
        let gone_ms = at_ms.saturating_sub(self.from_ms);
        let all_ms = (self.until_ms - self.from_ms).max(1);
        let said = usize::try_from(self.words.len() as u64 * gone_ms / all_ms).unwrap_or(0);
        if said >= self.words.len() {
            return &self.words;
        }
        let end = self.words.char_indices().take_while(|(at, _)| *at <= said);
        end.filter(|(_, c)| *c == ' ').last().map_or("", |(at, _)| &self.words[..at])
    }
}
