//! The console of platforms without a Unix terminal: never open, so that the platform edits the
//! line.

/// The mark in front of a typed line that answers no question.
pub(super) const PROMPT: &str = "> ";

/// Never made.
#[derive(Debug)]
pub(super) enum Opened {}

pub(super) fn open() -> Option<Opened> {
    None
}

pub(super) fn read(_: impl FnMut(String) -> bool) {}

pub(super) fn print_line(_: &str) -> bool {
    false
}

pub(super) fn append(_: &str) -> bool {
    false
}

pub(super) fn draft(_: &str) -> bool {
    false
}

pub(super) fn ask(_: &str, _: bool) -> bool {
    false
}

pub(super) fn end_line() -> bool {
    false
}

pub(super) fn drop_line() {}

pub(super) fn is_open() -> bool {
    false
}
