//! Named deadlines, soonest first. One of each kind at most: setting it again moves it.

use std::time::Instant;

/// Something that happens unless something else happens first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// The line must come up.
    Connect,
    /// The callee has let us wait for their first words long enough: we open.
    Opening,
    /// The caller hears a filler if the model has not begun.
    Filler,
    /// The model must have begun, or gone on.
    Answer,
    /// A failed reply is asked for again.
    Retry,
    /// What was sent must have been heard by now, even if the carrier does not say so.
    Playback,
    /// The caller is silent.
    Silence,
    /// The caller cut us off and then said nothing.
    FalseInterrupt,
    /// The interruption that a key may cause must have come.
    Key,
    /// The caller has pressed the last key of a row.
    Digits,
    /// What the caller has begun to say must have been understood.
    Words,
    /// A supervisor must have answered.
    Question,
    /// A supervisor must have agreed.
    Approval,
    /// The caller who waits for a supervisor hears that we are still there.
    HoldPhrase,
    /// The lost line must be back.
    Reconnect,
    /// The call must have been handed over.
    HandOver,
    /// The party that the call was dialled on to must be done.
    Transfer,
    /// The carrier must have ended the call, or is asked again to end it.
    HangUp,
    /// The goodbye must have been heard.
    Farewell,
    /// The longest call.
    MaxCall,
    /// The call has cost as much as it may.
    Spend,
    /// Whoever holds the takeover must have been seen, or the others are alarmed.
    Unattended,
    /// The same, or the model has the call again.
    Abandoned,
}

const COUNT: usize = 23;

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

    /// The time of the soonest.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes the soonest one that is due at `now`.
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
