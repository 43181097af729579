//! One response of the model while it comes in.

use phony_call::TurnId;
use tokio::time::Instant;

/// One response of the model while it comes in.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) turn: TurnId,
    pub(crate) response_id: String,
    pub(crate) last_heard: Instant,
    asked: Instant,
    /// The message items that had text, the current one last.
    items: Vec<String>,
    ends_in_space: bool,
    calls: Vec<String>,
}

impl Reply {
    pub(crate) fn new(turn: TurnId, response_id: String, asked: Instant, now: Instant) -> Self {
        let (items, ends_in_space, calls) = (Vec::new(), true, Vec::new());
        Self { turn, response_id, last_heard: now, asked, items, ends_in_space, calls }
    }

    /// Whether an event that names this response means us. Some servers name none.
    pub(crate) fn is(&self, response_id: &str) -> bool {
        response_id.is_empty() || self.response_id.is_empty() || response_id == self.response_id
    }

    /// Takes text of an item; gives what is new for the call. The `whole` text of an item is new
    /// only if none of it came before. Between two items goes a space: they are two sentences.
    pub(crate) fn text(
        &mut self,
        now: Instant,
        item: &str,
        text: &str,
        whole: bool,
    ) -> Option<String> {
        let same = self.items.last().is_some_and(|last| last == item);
        if text.is_empty() || (whole && self.items.iter().any(|known| known == item)) {
            return None;
        }
        if self.items.is_empty() {
            let waited = now.saturating_duration_since(self.asked);
            metrics::histogram!("phony_model_first_delta_seconds").record(waited);
        }
        let apart = same || self.ends_in_space || text.starts_with(char::is_whitespace);
        self.ends_in_space = text.ends_with(char::is_whitespace);
        if !same {
            self.items.push(item.to_owned());
        }
        Some(if apart { text.to_owned() } else { format!(" {text}") })
    }

    /// Notes a call of a tool; false if it has been noted before.
    pub(crate) fn calls(&mut self, call_id: &str) -> bool {
        let new = !self.calls.iter().any(|known| known == call_id);
        if new {
            self.calls.push(call_id.to_owned());
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn two_messages_of_a_reply_are_two_sentences() {
        tokio::time::advance(Duration::from_millis(1)).await;
        let now = (tokio::time::sleep(Duration::ZERO)).deadline();
        let mut reply = Reply::new(TurnId(1), "resp_1".into(), now, now);
        let mut text = |item: &str, text: &str, whole| reply.text(now, item, text, whole);
        assert_eq!(text("a", "One", false).as_deref(), Some("One"));
        assert_eq!(text("a", " moment.", false).as_deref(), Some(" moment."));
        assert_eq!(text("a", "One moment.", true), None);
        assert_eq!(text("b", "Yes.", false).as_deref(), Some(" Yes."));
        assert_eq!(text("c", "Only whole. ", true).as_deref(), Some(" Only whole. "));
        assert_eq!(text("d", "Next.", false).as_deref(), Some("Next."));
        assert_eq!(text("e", "", false), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_told_once() {
        let now = (tokio::time::sleep(Duration::ZERO)).deadline();
        let mut reply = Reply::new(TurnId(1), "resp_1".into(), now, now);
        assert!(reply.calls("call_1"));
        assert!(!reply.calls("call_1"));
    }
}
