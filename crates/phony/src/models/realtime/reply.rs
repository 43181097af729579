//! One response of the model while it comes in.

use phony_call::TurnId;
use tokio::time::Instant;

/// One response of the model while it comes in.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) turn: TurnId,
    pub(crate) response_id: String,
    pub(crate) last_event: Instant,
    requested_at: Instant,
    /// The message items with text, the current one last.
    items: Vec<String>,
    ends_in_space: bool,
    tool_calls: Vec<String>,
    has_audio: bool,
    /// It was to be spoken, and some of it was written instead.
    pub(crate) is_written: bool,
}

impl Reply {
    pub(crate) fn new(
        turn: TurnId,
        response_id: String,
        requested_at: Instant,
        now: Instant,
    ) -> Self {
        Self {
            turn,
            response_id,
            last_event: now,
            requested_at,
            items: Vec::new(),
            ends_in_space: true,
            tool_calls: Vec::new(),
            has_audio: false,
            is_written: false,
        }
    }

    /// Whether an event with this response id belongs to the reply. Some servers give no id.
    pub(crate) fn is(&self, response_id: &str) -> bool {
        response_id.is_empty() || self.response_id.is_empty() || response_id == self.response_id
    }

    /// Takes text of an item and returns what is new for the call. The `whole` text of an item is
    /// new only if none of it came before. Two items are separated by a space.
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
            let waited = now.saturating_duration_since(self.requested_at);
            metrics::histogram!("phony_model_first_delta_seconds").record(waited);
        }
        let apart = same || self.ends_in_space || text.starts_with(char::is_whitespace);
        self.ends_in_space = text.ends_with(char::is_whitespace);
        if !same {
            self.items.push(item.to_owned());
        }
        Some(if apart { text.to_owned() } else { format!(" {text}") })
    }

    /// Notes that audio has come.
    pub(crate) fn audio(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.has_audio, true) {
            let waited = now.saturating_duration_since(self.requested_at);
            metrics::histogram!("phony_model_first_audio_seconds").record(waited);
        }
    }

    /// Whether it has nothing that was asked for: words, but no voice and no tool call.
    pub(crate) fn is_only_written(&self) -> bool {
        self.is_written && !self.has_audio && self.tool_calls.is_empty()
    }

    /// Notes a tool call; false if it is known already.
    pub(crate) fn add_tool_call(&mut self, call_id: &str) -> bool {
        let new = !self.tool_calls.iter().any(|known| known == call_id);
        if new {
            self.tool_calls.push(call_id.to_owned());
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn two_messages_of_a_reply_are_separated_by_a_space() {
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
    async fn a_tool_call_is_reported_once() {
        let now = (tokio::time::sleep(Duration::ZERO)).deadline();
        let mut reply = Reply::new(TurnId(1), "resp_1".into(), now, now);
        assert!(reply.add_tool_call("call_1"));
        assert!(!reply.add_tool_call("call_1"));
    }
}
