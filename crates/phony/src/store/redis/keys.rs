//! The keys and channels, which `docs/several-nodes.md` describes.

use phony_call::CallSid;

/// The prefix of every key and channel.
pub const PREFIX: &str = "phony:";

/// The channel on which a call's events are published.
#[must_use]
pub fn channel(call: &CallSid) -> String {
    format!("{PREFIX}event:{call}")
}

/// The hash with a call's summary, owner and term.
#[must_use]
pub fn call_key(call: &str) -> String {
    format!("{PREFIX}call:{call}")
}

pub(super) fn events_key(call: &str) -> String {
    format!("{PREFIX}call:{call}:events")
}

pub(super) fn calls_key() -> String {
    format!("{PREFIX}calls")
}

/// The calls that are not indexed yet.
pub(super) fn fresh_key() -> String {
    format!("{PREFIX}fresh")
}

/// The calls whose status has changed since they were indexed.
pub(super) fn restated_key() -> String {
    format!("{PREFIX}restated")
}

pub(super) fn words_key(call: &str) -> String {
    format!("{PREFIX}call:{call}:words")
}

pub(super) fn open_key() -> String {
    format!("{PREFIX}open")
}

/// The live outbound calls, by when their places are given back at the latest.
#[must_use]
pub fn slots_key() -> String {
    format!("{PREFIX}placing")
}

pub(super) fn bytes_key() -> String {
    format!("{PREFIX}bytes")
}

/// All keys of a call's scripts, in the order that these expect.
pub(super) fn keys_of(call: &str) -> [String; 9] {
    [
        call_key(call),
        events_key(call),
        words_key(call),
        calls_key(),
        open_key(),
        fresh_key(),
        restated_key(),
        bytes_key(),
        slots_key(),
    ]
}
