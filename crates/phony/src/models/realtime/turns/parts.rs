//! The parts of spoken replies: which item of the server each is, and how much of it came.

use std::collections::VecDeque;

use phony_call::{Clip, TurnId};

use crate::models::realtime::conversation::Name;

/// How many are remembered. What is truncated or forgotten is among the latest.
const REMEMBERED: usize = 64;

/// Bytes a millisecond of μ-law at 8 kHz.
const BYTES_PER_MS: usize = 8;

/// The parts of the spoken replies of one connection, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Parts(VecDeque<Part>);

/// An audio item of a reply.
#[derive(Debug)]
struct Part {
    turn: TurnId,
    number: u32,
    item: Name,
    bytes: usize,
    is_over: bool,
}

impl Parts {
    /// Notes sound of an item. Returns which part of its reply that is.
    pub(crate) fn add(&mut self, turn: TurnId, item: &str, bytes: usize) -> Clip {
        let item = Name::of(item);
        let is_same = |part: &Part| part.turn == turn && part.item == item;
        let known = self.0.iter().rposition(is_same);
        let index = known.unwrap_or_else(|| {
            let before = self.0.iter().rfind(|part| part.turn == turn);
            let number = before.map_or(0, |part| part.number + 1);
            if self.0.len() == REMEMBERED {
                self.0.pop_front();
            }
            self.0.push_back(Part { turn, number, item, bytes: 0, is_over: false });
            self.0.len() - 1
        });
        let part = &mut self.0[index];
        part.bytes += bytes;
        Clip::Reply { turn, part: part.number }
    }

    /// The sound of an item is complete. Returns the part, the first time.
    pub(crate) fn finish(&mut self, turn: TurnId, item: &str) -> Option<Clip> {
        let item = Name::of(item);
        let mut parts = self.0.iter_mut().filter(|part| part.turn == turn && !part.is_over);
        let part = parts.find(|part| part.item == item)?;
        part.is_over = true;
        Some(Clip::Reply { turn, part: part.number })
    }

    /// The sound of a reply is complete. Returns the parts that were not.
    pub(crate) fn finish_all(&mut self, turn: TurnId) -> Vec<Clip> {
        let parts = self.0.iter_mut().filter(|part| part.turn == turn && !part.is_over);
        let finish = |part: &mut Part| {
            part.is_over = true;
            Clip::Reply { turn, part: part.number }
        };
        parts.map(finish).collect()
    }

    /// The item of a part, and its length in milliseconds.
    pub(crate) fn find(&self, turn: TurnId, number: u32) -> Option<(&Name, usize)> {
        let mut parts = self.0.iter();
        let part = parts.rfind(|part| part.turn == turn && part.number == number)?;
        Some((&part.item, part.bytes / BYTES_PER_MS))
    }

    /// Whether an item is a part of this reply, up to this one.
    pub(crate) fn has(&self, turn: TurnId, item: &Name, up_to: u32) -> bool {
        let mut parts = self.0.iter().filter(|part| part.turn == turn && part.number <= up_to);
        parts.any(|part| part.item == *item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audio_items_of_a_reply_are_numbered_in_their_order() {
        let mut parts = Parts::default();
        let clip = |turn, part| Clip::Reply { turn: TurnId(turn), part };
        assert_eq!(parts.add(TurnId(1), "item_A", 160), clip(1, 0));
        assert_eq!(parts.add(TurnId(1), "item_B", 80), clip(1, 1));
        assert_eq!(parts.add(TurnId(1), "item_A", 160), clip(1, 0));
        assert_eq!(parts.add(TurnId(2), "item_C", 8), clip(2, 0));
        assert_eq!(parts.find(TurnId(1), 0), Some((&Name::of("item_A"), 40)));
        assert_eq!(parts.find(TurnId(1), 2), None);
        assert!(parts.has(TurnId(1), &Name::of("item_B"), 1));
        assert!(!parts.has(TurnId(1), &Name::of("item_B"), 0));
        assert_eq!(parts.finish(TurnId(1), "item_B"), Some(clip(1, 1)));
        assert_eq!(parts.finish(TurnId(1), "item_B"), None);
        assert_eq!(parts.finish_all(TurnId(1)), [clip(1, 0)]);
        assert_eq!(parts.finish_all(TurnId(1)), []);
    }

    #[test]
    fn only_the_latest_parts_are_remembered() {
        let mut parts = Parts::default();
        for turn in 0..1_000 {
            parts.add(TurnId(turn), &format!("item_{turn}"), 8);
        }
        assert_eq!(parts.0.len(), REMEMBERED);
        assert!(parts.find(TurnId(999), 0).is_some());
    }
}
