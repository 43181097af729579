//! Reads from a conversation what is to be answered, and what has been answered so far.

use crate::openai::item::{Body, Item, Role};

/// What a reply answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// Nobody has said anything.
    Start,
    /// The caller's last message, and all messages since the assistant spoke, joined.
    Caller { last: String, all: String },
    /// What a function returned.
    Tool { output: String },
    /// A system message after the assistant's answer, such as a supervisor's answer or a nudge.
    Note { text: String },
}

/// A conversation as a brain sees it.
pub(super) struct Thread {
    pub(super) prompt: Prompt,
    /// What the assistant has said since the prompt.
    pub(super) said: String,
    /// What the assistant last said before the prompt.
    pub(super) before: String,
    /// System messages since the prompt, which steer the reply.
    pub(super) notes: Vec<String>,
    /// All that callers and functions said, in order.
    pub(super) asked: Vec<String>,
    /// All that callers said, in order.
    pub(super) callers: Vec<String>,
}

impl Thread {
    pub(super) fn read(items: &[Item]) -> Self {
        let mut thread = Self {
            prompt: Prompt::Start,
            said: String::new(),
            before: String::new(),
            notes: Vec::new(),
            asked: Vec::new(),
            callers: Vec::new(),
        };
        for item in items.iter().filter(|item| item.status != "in_progress") {
            thread.add(item);
        }
        thread
    }

    fn add(&mut self, item: &Item) {
        match &item.body {
            Body::Message { role: Role::Assistant, .. } => self.said.push_str(&item.text()),
            Body::Message { role: Role::User, .. } => {
                let last = item.text();
                let all = match &self.prompt {
                    Prompt::Caller { all, .. } if self.said.is_empty() => format!("{all} {last}"),
                    Prompt::Start
                    | Prompt::Caller { .. }
                    | Prompt::Tool { .. }
                    | Prompt::Note { .. } => last.clone(),
                };
                self.asked.push(last.clone());
                self.callers.push(last.clone());
                self.ask(Prompt::Caller { last, all });
            }
            Body::CallOutput { output, .. } => {
                self.asked.push(output.clone());
                self.ask(Prompt::Tool { output: output.clone() });
            }
            // A note before the answer only steers it, as does one that says to continue.
            Body::Message { role: Role::System, .. } => {
                let text = item.text();
                if self.said.is_empty() || says_go_on(&text) {
                    self.notes.push(text);
                } else {
                    self.ask(Prompt::Note { text });
                }
            }
            Body::Call { .. } => {}
        }
    }

    fn ask(&mut self, prompt: Prompt) {
        self.prompt = prompt;
        self.notes.clear();
        if !self.said.is_empty() {
            self.before = std::mem::take(&mut self.said);
        }
    }
}

/// Whether a note tells the model to continue an unfinished reply.
fn says_go_on(note: &str) -> bool {
    let note = note.to_lowercase();
    ["continue", "go on from", "cut off", "broke off"].iter().any(|words| note.contains(words))
}

/// The length in bytes of the prefix of `text` that equals `said` up to white space; `None` if
/// there is no such prefix.
pub(super) fn prefix_length(text: &str, said: &str) -> Option<usize> {
    let mut rest = text.trim_start();
    let mut left = said.trim_start();
    loop {
        let Some(next) = left.chars().next() else { return Some(text.len() - rest.len()) };
        let here = rest.chars().next();
        if next.is_whitespace() {
            left = left.trim_start();
            let trimmed = rest.trim_start();
            if left.is_empty() {
                // `said` ends with the white space, which is not repeated.
                return Some(text.len() - trimmed.len());
            }
            if trimmed.len() == rest.len() {
                return None;
            }
            rest = trimmed;
        } else if here == Some(next) {
            left = &left[next.len_utf8()..];
            rest = &rest[next.len_utf8()..];
        } else {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::prefix_length;

    #[test]
    fn a_prefix_is_found_whatever_its_white_space() {
        assert_eq!(prefix_length("I am sorry to hear", "I am sorry"), Some(10));
        assert_eq!(prefix_length("I am sorry to hear", "I am  sorry "), Some(11));
        assert_eq!(prefix_length("I am sorry", "I am sorry"), Some(10));
        assert_eq!(prefix_length("I am sorry", "I am so"), Some(7));
    }

    #[test]
    fn another_text_is_not_a_prefix() {
        assert_eq!(prefix_length("I am sorry", "You are"), None);
        assert_eq!(prefix_length("I am", "I am sorry"), None);
        assert_eq!(prefix_length("Iam", "I am"), None);
    }
}
