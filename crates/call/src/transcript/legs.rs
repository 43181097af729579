//! The carrier's ids of a call's lines and dialled legs, to match its reports with them.

use std::collections::VecDeque;

use crate::ids::LegId;

/// How many former lines, and dialled legs, are remembered.
const REMEMBERED: usize = 64;

/// Which line, or which transfer, a report of the carrier is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reported {
    /// The current or latest one, or one that never reached the server. It was not reported before.
    Current,
    /// The same, which was reported before.
    Again,
    /// One that a later one has replaced.
    Former,
    /// The report does not say.
    Unsaid,
}

/// The lines and legs of a call, as far as its events name them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Legs {
    /// The line that is connected, was last, or never reached the server.
    last: Option<LegId>,
    /// Its end has been reported to this node.
    reported: bool,
    former: VecDeque<LegId>,
    /// Legs of parties that the call was dialled on to, and who did not take it.
    dialled: VecDeque<LegId>,
}

impl Legs {
    /// A line is up.
    pub(super) fn connected(&mut self, line: Option<&LegId>) {
        if let Some(last) = self.last.take().filter(|last| Some(last) != line) {
            remember(&mut self.former, last);
        }
        (self.last, self.reported) = (line.cloned(), false);
    }

    /// A dialled leg has ended without an answer.
    pub(super) fn not_taken(&mut self, leg: &LegId) {
        remember(&mut self.dialled, leg.clone());
    }

    /// Which line a report is about; remembers that it was reported. `is_up`: a line is connected.
    pub(crate) fn report_line(&mut self, leg: Option<&LegId>, is_up: bool) -> Reported {
        let Some(leg) = leg else { return Reported::Unsaid };
        if self.last.as_ref() == Some(leg) {
            let again = std::mem::replace(&mut self.reported, true);
            return if again { Reported::Again } else { Reported::Current };
        }
        match &self.last {
            _ if self.former.contains(leg) => Reported::Former,
            Some(_) if is_up => Reported::Former,
            None if is_up => Reported::Unsaid,
            // Its socket never reached the server.
            Some(_) | None => {
                self.connected(Some(leg));
                self.reported = true;
                Reported::Current
            }
        }
    }

    /// Which transfer a report is about.
    pub(crate) fn report_dialled(&self, leg: Option<&LegId>) -> Reported {
        match leg {
            None => Reported::Unsaid,
            Some(leg) if self.dialled.contains(leg) => Reported::Again,
            Some(_) => Reported::Current,
        }
    }
}

fn remember(legs: &mut VecDeque<LegId>, leg: LegId) {
    if legs.len() == REMEMBERED {
        legs.pop_front();
    }
    legs.push_back(leg);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_known_by_its_name_and_reported_once() {
        let id = |id: &str| LegId::parse(id).unwrap();
        let mut legs = Legs::default();
        let report = |legs: &mut Legs, leg: &str, is_up| legs.report_line(Some(&id(leg)), is_up);
        assert_eq!(legs.report_line(None, true), Reported::Unsaid);
        // One that never came, then one that did.
        assert_eq!(report(&mut legs, "VX0", false), Reported::Current);
        assert_eq!(report(&mut legs, "VX0", false), Reported::Again);
        legs.connected(Some(&id("VX1")));
        assert_eq!(report(&mut legs, "VX0", true), Reported::Former);
        assert_eq!(report(&mut legs, "VX9", true), Reported::Former, "there is one, and not that");
        assert_eq!(report(&mut legs, "VX1", true), Reported::Current);
        assert_eq!(report(&mut legs, "VX1", false), Reported::Again);
        legs.connected(None);
        assert_eq!(report(&mut legs, "VX1", true), Reported::Former);
        assert_eq!(report(&mut legs, "VX9", true), Reported::Unsaid, "nobody knows its name");
    }

    #[test]
    fn a_dialled_leg_is_reported_once() {
        let leg = LegId::parse("CA7").unwrap();
        let mut legs = Legs::default();
        assert_eq!(legs.report_dialled(None), Reported::Unsaid);
        assert_eq!(legs.report_dialled(Some(&leg)), Reported::Current);
        legs.not_taken(&leg);
        assert_eq!(legs.report_dialled(Some(&leg)), Reported::Again);
    }
}
