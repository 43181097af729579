//! What a scripted caller does, and when.

use std::sync::Arc;

/// How long a caller waits for a step to fall due before its `on_timeout` applies: 30 seconds.
pub(super) const DEFAULT_TIMEOUT_MS: u64 = 30_000;

/// One thing that a scripted caller does.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When it is due.
    pub when: When,
    /// What the caller does.
    pub action: Action,
    /// The longest wait for `when`, in milliseconds since the previous step ended.
    pub timeout_ms: u64,
    /// What happens once that time is up.
    pub on_timeout: OnTimeout,
}

/// When a step is due. The previous step ends once its words have been spoken or its keys pressed.
///
/// On a line that carries sound (`<Stream>`) a caller understands no words; it only notices when
/// sound that can be heard is played. The agent has then finished after 600 ms without sound, and
/// counts as speaking until then. A number of characters stands for the sound that a voice of 15
/// characters a second makes of them.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// A while after the previous step; for the first step, after the call was answered.
    After {
        /// Milliseconds.
        ms: u64,
    },
    /// At this time since the call was answered.
    At {
        /// Milliseconds.
        ms: u64,
    },
    /// Once the agent has said something since the previous step, has nothing left to say, and has
    /// been quiet for this long.
    AgentFinished {
        /// Milliseconds.
        quiet_ms: u64,
    },
    /// Once nobody has spoken for this long, whether or not the agent has said anything.
    Silence {
        /// Milliseconds.
        ms: u64,
    },
    /// During the agent's speech: once it has spoken this many characters since the previous step.
    AgentSaid {
        /// Characters, spoken at the voice's pace.
        chars: usize,
    },
    /// During the agent's speech: this long after it began.
    AgentSpeaking {
        /// Milliseconds.
        ms: u64,
    },
    /// During the agent's speech: once this fraction of it has been spoken, or when it ends,
    /// whichever comes first. While the reply is still arriving, it is taken to have at least
    /// `least_chars` characters.
    AgentPart {
        /// A fraction, 0 to 1.
        part: f64,
        /// The least length to expect of a reply that is not yet complete, in characters.
        least_chars: usize,
    },
    /// Once the agent has said this since the previous step, in upper or lower case. On a line that
    /// carries sound: once the agent has said anything and has finished.
    Hears {
        /// The words.
        text: String,
    },
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Says something.
    Say {
        /// The words; marks such as `[noise]` are sounds without words.
        text: String,
        /// How long it takes, in milliseconds; 15 characters a second if absent. On a line that
        /// carries sound, words take as long as the voice does.
        for_ms: Option<u64>,
    },
    /// Says something in a sound of its own.
    Sound {
        /// The words in it, for the record and for lines that carry text.
        text: String,
        /// The sound: G.711 µ-law, 8 kHz.
        sound: Arc<[u8]>,
    },
    /// Presses keys, four a second.
    Press {
        /// `0`–`9`, `*`, `#`; `w` waits half a second.
        digits: String,
    },
    /// Does nothing: the step is only a condition for the next one.
    Wait,
    /// Hangs up.
    HangUp,
}

/// What a caller does when a step has not fallen due in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTimeout {
    /// Takes the step all the same.
    Proceed,
    /// Hangs up.
    HangUp,
}

impl Step {
    /// A step with the default timeout, after which the caller hangs up.
    #[must_use]
    pub fn new(when: When, action: Action) -> Self {
        Self { when, action, timeout_ms: DEFAULT_TIMEOUT_MS, on_timeout: OnTimeout::HangUp }
    }

    /// Says `text` once the agent has finished.
    #[must_use]
    pub fn reply(text: &str) -> Self {
        Self::new(When::AgentFinished { quiet_ms: 500 }, Action::say(text))
    }

    /// Talks over the agent once it has spoken this many characters.
    #[must_use]
    pub fn interrupt(chars: usize, text: &str) -> Self {
        Self::new(When::AgentSaid { chars }, Action::say(text))
    }

    /// Hangs up once the agent has finished.
    #[must_use]
    pub fn hang_up() -> Self {
        Self::new(When::AgentFinished { quiet_ms: 500 }, Action::HangUp)
    }

    /// The same step with another timeout, in milliseconds.
    #[must_use]
    pub fn with_timeout(mut self, timeout_ms: u64, on_timeout: OnTimeout) -> Self {
        self.timeout_ms = timeout_ms;
        self.on_timeout = on_timeout;
        self
    }
}

impl Action {
    /// Says `text` at the usual pace.
    #[must_use]
    pub fn say(text: &str) -> Self {
        Self::Say { text: text.to_owned(), for_ms: None }
    }
}

/// What speech recognition makes of a text: without marks, words joined by single spaces. Empty for
/// noise.
#[must_use]
pub fn spoken_words(text: &str) -> String {
    let is_mark = |word: &&str| {
        (word.starts_with('[') && word.ends_with(']'))
            || (word.starts_with('<') && word.ends_with('>'))
    };
    text.split_whitespace().filter(|word| !is_mark(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_not_words() {
        assert_eq!(spoken_words("[noise] hi my  name is <unk> linda"), "hi my name is linda");
        assert_eq!(spoken_words("[noise] <unk>"), "");
        assert_eq!(spoken_words(""), "");
    }
}
