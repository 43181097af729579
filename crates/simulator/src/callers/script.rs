//! What a scripted caller does, and when.

/// How long a caller waits for a step's moment before `on_timeout` applies.
pub const DEFAULT_TIMEOUT_MS: u64 = 30_000;

/// One thing that a scripted caller does.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When, seen from the conversation.
    pub when: When,
    /// What.
    pub action: Action,
    /// Longest wait for `when`, in milliseconds from the end of the step before.
    pub timeout_ms: u64,
    /// What happens when the wait was in vain.
    pub on_timeout: OnTimeout,
}

/// When a step is due. «The step before» ends when its words have been said.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// So long after the step before; the first step counts from the answer.
    After {
        /// Milliseconds.
        ms: u64,
    },
    /// At a time since the call was answered.
    At {
        /// Milliseconds.
        ms: u64,
    },
    /// Once the agent has said something since the step before, has nothing left to say, and has
    /// been quiet for so long.
    AgentFinished {
        /// Milliseconds.
        quiet_ms: u64,
    },
    /// Once nobody has spoken for so long, whether the agent has said something or not.
    Silence {
        /// Milliseconds.
        ms: u64,
    },
    /// In the middle of the agent's speech: after so many characters since the step before.
    AgentSaid {
        /// Characters, at the voice's pace.
        chars: usize,
    },
    /// In the middle of the agent's speech: so long after it began.
    AgentSpeaking {
        /// Milliseconds.
        ms: u64,
    },
    /// In the middle of the agent's speech: after this part of what it has to say, where it has
    /// at least `least_chars` to say. If it ends sooner, at its end.
    AgentPart {
        /// 0 to 1.
        part: f64,
        /// Characters that the agent is expected to say at least, while its reply still grows.
        least_chars: usize,
    },
    /// Once the agent has said this, in any case of letters, since the step before.
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
        /// The words; marks such as `[noise]` are sounds that no recogniser makes words of.
        text: String,
        /// How long it takes, in milliseconds; by the number of characters if absent.
        for_ms: Option<u64>,
    },
    /// Presses keys, four a second.
    Press {
        /// `0`–`9`, `*`, `#`; `w` waits half a second.
        digits: String,
    },
    /// Does nothing: the step is a condition for the next one.
    Wait,
    /// Hangs up.
    HangUp,
}

/// What a caller does who has waited long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTimeout {
    /// Does it all the same.
    Proceed,
    /// Hangs up.
    HangUp,
}

impl Step {
    /// A step with the usual patience, after which the caller hangs up.
    #[must_use]
    pub fn new(when: When, action: Action) -> Self {
        Self { when, action, timeout_ms: DEFAULT_TIMEOUT_MS, on_timeout: OnTimeout::HangUp }
    }

    /// Says it once the agent has finished.
    #[must_use]
    pub fn reply(text: &str) -> Self {
        Self::new(When::AgentFinished { quiet_ms: 500 }, Action::say(text))
    }

    /// Talks over the agent after so many characters of its speech.
    #[must_use]
    pub fn interrupt(chars: usize, text: &str) -> Self {
        Self::new(When::AgentSaid { chars }, Action::say(text))
    }

    /// Hangs up once the agent has finished.
    #[must_use]
    pub fn hang_up() -> Self {
        Self::new(When::AgentFinished { quiet_ms: 500 }, Action::HangUp)
    }

    /// The same step with another patience.
    #[must_use]
    pub fn with_timeout(mut self, timeout_ms: u64, on_timeout: OnTimeout) -> Self {
        self.timeout_ms = timeout_ms;
        self.on_timeout = on_timeout;
        self
    }
}

impl Action {
    /// Says it at the usual pace.
    #[must_use]
    pub fn say(text: &str) -> Self {
        Self::Say { text: text.to_owned(), for_ms: None }
    }
}

/// What a recogniser makes of it: marks taken out, blanks joined. Empty for noise.
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
