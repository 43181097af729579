//! Named deadlines. There is at most one of each kind: setting it again moves it.

use std::time::Instant;

/// Something that happens at a set time unless something else happens first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// The line must come up.
    Connect,
    /// The callee has not greeted: the agent does.
    Opening,
    /// The caller hears a filler if none of the model's words have been sent.
    Filler,
    /// The model must have written more of its reply.
    Answer,
    /// A failed reply is asked for again.
    Retry,
    /// What was sent counts as heard, even if the carrier has not reported it.
    Playback,
    /// The caller has been silent for too long.
    Silence,
    /// An interruption was followed by no words.
    FalseInterrupt,
    /// The caller has spoken over the agent for long enough to cut it off.
    Interrupt,
    /// No interruption has followed a key.
    Key,
    /// The caller's sequence of keys is complete.
    Digits,
    /// The caller's utterance must be complete.
    Words,
    /// A supervisor must have answered.
    Question,
    /// A supervisor must have decided about the held reply.
    Approval,
    /// A caller on hold hears the hold phrase.
    HoldPhrase,
    /// The lost line must be back.
    Reconnect,
    /// The call must have been handed over.
    HandOver,
    /// The transferred call must be over.
    Transfer,
    /// The carrier must have ended the call, or is asked again to end it.
    HangUp,
    /// The goodbye counts as heard.
    Farewell,
    /// The call reaches its longest duration.
    MaxCall,
    /// The call may have reached a spending limit.
    Spend,
    /// The holder of the takeover has not been seen: the other supervisors are alarmed.
    Unattended,
    /// The holder has not returned: the takeover ends.
    Abandoned,
}

const COUNT: usize = 24;

/// Which deadlines are set, and for when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deadlines([Option<Instant>; COUNT]);

impl Deadlines {
    pub(crate) fn set(&mut self, which: Deadline, at: Instant) {
        self.0[which as usize] = Some(at);
    }

    pub(crate) fn clear(&mut self, which: Deadline) {
        self.0[which as usize] = None;
    }

    pub(crate) fn clear_all(&mut self) {
        self.0 = [None; COUNT];
    }

    pub(crate) fn is_set(&self, which: Deadline) -> bool {
        self.0[which as usize].is_some()
    }

    pub(crate) fn at(&self, which: Deadline) -> Option<Instant> {
        self.0[which as usize]
    }

    /// The time of the earliest.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes the earliest one that is due at `now`.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Deadline> {
        let (at, which) = Self::ALL
            .into_iter()
            .filter_map(|which| self.0[which as usize].map(|at| (at, which)))
            .min_by_key(|(at, _)| *at)?;
        if at > now {
            return None;
        }
        self.clear(which);
        Some(which)
    }

    const ALL: [Deadline; COUNT] = [
        Deadline::Connect,
        Deadline::Opening,
        Deadline::Filler,
        Deadline::Answer,
        Deadline::Retry,
        Deadline::Playback,
        Deadline::Silence,
        Deadline::FalseInterrupt,
        Deadline::Interrupt,
        Deadline::Key,
        Deadline::Digits,
        Deadline::Words,
        Deadline::Question,
        Deadline::Approval,
        Deadline::HoldPhrase,
        Deadline::Reconnect,
        Deadline::HandOver,
        Deadline::Transfer,
        Deadline::HangUp,
        Deadline::Farewell,
        Deadline::MaxCall,
        Deadline::Spend,
        Deadline::Unattended,
        Deadline::Abandoned,
    ];
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn the_soonest_due_comes_first_and_only_once() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut deadlines = Deadlines::default();
        deadlines.set(Deadline::MaxCall, at(9));
        deadlines.set(Deadline::Filler, at(2));
        deadlines.set(Deadline::Answer, at(1));
        assert_eq!(deadlines.next(), Some(at(1)));
        assert_eq!(deadlines.take_due(at(0)), None);
        assert_eq!(deadlines.take_due(at(5)), Some(Deadline::Answer));
        assert_eq!(deadlines.take_due(at(5)), Some(Deadline::Filler));
        assert_eq!(deadlines.take_due(at(5)), None);
        assert!(deadlines.is_set(Deadline::MaxCall));
    }

    #[test]
    fn every_deadline_has_its_own_place() {
        for (place, which) in Deadlines::ALL.into_iter().enumerate() {
            assert_eq!(place, which as usize);
        }
    }
}
