//! The ids of a call's lines and dialled legs, as the carrier names them, to match its reports with
//! them. Owned by the actor of the call.

use std::collections::VecDeque;
use std::time::Duration;

use phony_call::{LegEnd, Next, Reported};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::calls::registry::{CallMessage, Handle, MAILBOX};
use crate::cluster::LegReport;
use crate::runtime::task_set::Task;

use super::CallActor;

/// How many former lines, and dialled legs, are remembered.
const REMEMBERED: usize = 64;
/// How long to wait for the end of the line after a report that names no line. Another node waits
/// for the answer for 1.5 s at most.
const AMBIGUITY_LIMIT: Duration = Duration::from_secs(1);

/// The carrier's ids of a call's lines and legs.
#[derive(Debug, Default)]
pub(super) struct Legs {
    /// The line that is connected, was last, or never reached this server.
    last: Option<String>,
    /// Its end has been reported.
    reported: bool,
    former: VecDeque<String>,
    /// Legs of parties that the call was dialled on to, whose end was reported.
    dialled: VecDeque<String>,
}

/// A report that names no line while one is connected.
pub(super) type AmbiguousReport = (LegReport, oneshot::Sender<Next>);

impl Legs {
    /// A line was attached.
    pub(super) fn connect(&mut self, leg: Option<String>) {
        if let Some(last) = self.last.take().filter(|last| Some(last) != leg.as_ref()) {
            remember(&mut self.former, last);
        }
        (self.last, self.reported) = (leg, false);
    }

    /// What a report is about; remembers that it was reported.
    pub(super) fn about(&mut self, report: &LegReport, is_on: bool) -> Reported {
        let Some(leg) = &report.leg else { return Reported::Unsaid };
        if let LegEnd::Dialled { .. } = report.end {
            if self.dialled.contains(leg) {
                return Reported::Again;
            }
            remember(&mut self.dialled, leg.clone());
            return Reported::Current;
        }
        if self.last.as_ref() == Some(leg) {
            let again = std::mem::replace(&mut self.reported, true);
            return if again { Reported::Again } else { Reported::Current };
        }
        match &self.last {
            _ if self.former.contains(leg) => Reported::Former,
            Some(_) if is_on => Reported::Former,
            None if is_on => Reported::Unsaid,
            // Its socket never reached this server.
            Some(_) | None => {
                self.connect(Some(leg.clone()));
                self.reported = true;
                Reported::Current
            }
        }
    }
}

fn remember(legs: &mut VecDeque<String>, leg: String) {
    if legs.len() == REMEMBERED {
        legs.pop_front();
    }
    legs.push_back(leg);
}

impl CallActor {
    /// Answers the carrier's question how the call continues.
    pub(super) fn leg_ended(&mut self, report: LegReport, reply: oneshot::Sender<Next>) {
        let about = self.legs.about(&report, self.line.is_some());
        let answer = self.call.disregards(&report.end, about);
        let is_loss = matches!(report.end, LegEnd::Failed | LegEnd::Left(_));
        let is_ambiguous = about == Reported::Unsaid && answer == Some(Next::Nothing) && is_loss;
        if is_ambiguous && self.line.is_some() && self.ambiguous.len() < MAILBOX {
            // If it is about this line, the line ends in a moment.
            self.ambiguous.push((report, reply));
            self.tasks.spawn(Task::new(ambiguity_timeout(self.handle.clone())));
            return;
        }
        self.answer_leg(report.end, answer, reply);
    }

    /// The line has ended, so the ambiguous reports were about it.
    pub(super) fn accept_ambiguous(&mut self) {
        for (report, reply) in std::mem::take(&mut self.ambiguous) {
            let answer = self.call.disregards(&report.end, Reported::Current);
            self.answer_leg(report.end, answer, reply);
        }
    }

    /// The line did not end in time, so the ambiguous reports were not about it.
    pub(super) fn reject_ambiguous(&mut self) {
        if self.line.is_none() {
            return self.accept_ambiguous();
        }
        for (_, reply) in self.ambiguous.drain(..) {
            drop(reply.send(Next::Nothing));
        }
    }

    fn answer_leg(&mut self, end: LegEnd, answer: Option<Next>, reply: oneshot::Sender<Next>) {
        let next = answer.unwrap_or_else(|| {
            let (next, outputs) = self.call.leg_ended(super::now(), end);
            self.perform(outputs);
            next
        });
        // The receiver may be gone.
        drop(reply.send(next));
    }
}

async fn ambiguity_timeout(call: Handle) {
    sleep(AMBIGUITY_LIMIT).await;
    call.send(CallMessage::AmbiguityTimeout).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(leg: &str) -> LegReport {
        LegReport { end: LegEnd::Failed, leg: Some(leg.to_owned()) }
    }

    #[test]
    fn a_line_is_known_by_its_name_and_reported_once() {
        let mut legs = Legs::default();
        assert_eq!(
            legs.about(&LegReport { end: LegEnd::Failed, leg: None }, true),
            Reported::Unsaid
        );
        // One that never came, then one that did.
        assert_eq!(legs.about(&report("VX0"), false), Reported::Current);
        assert_eq!(legs.about(&report("VX0"), false), Reported::Again);
        legs.connect(Some("VX1".into()));
        assert_eq!(legs.about(&report("VX0"), true), Reported::Former);
        assert_eq!(
            legs.about(&report("VX9"), true),
            Reported::Former,
            "there is one, and not that"
        );
        assert_eq!(legs.about(&report("VX1"), true), Reported::Current);
        assert_eq!(legs.about(&report("VX1"), false), Reported::Again);
        legs.connect(None);
        assert_eq!(legs.about(&report("VX1"), true), Reported::Former);
        assert_eq!(legs.about(&report("VX9"), true), Reported::Unsaid, "nobody knows its name");
    }

    #[test]
    fn a_dialled_leg_is_reported_once() {
        let mut legs = Legs::default();
        let end =
            LegEnd::Dialled { answered: true, outcome: "completed".into(), caller_left: false };
        let report = LegReport { end, leg: Some("CA7".into()) };
        assert_eq!(legs.about(&report, false), Reported::Current);
        assert_eq!(legs.about(&report, false), Reported::Again);
    }
}
