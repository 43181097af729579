//! What only outbound calls have: a status, who answered, disclosure, the do-not-call list. Also
//! the cost and spending limits of any call.

use std::time::{Duration, Instant};

use super::{Budget, Call, State};
use crate::deadline::Deadline;
use crate::event::{
    Answerer, By, CommandName, Direction, EndReason, EventBody, Progress, Source, ToolRef,
};

/// Tells the model that the spending limit is near.
const WRAP_UP: &str = "This call has lasted long enough and must come to an end. Finish what you \
                       are at in one or two sentences, say goodbye, and end the call.";

impl Call {
    pub(super) fn is_outbound(&self) -> bool {
        self.identity.direction == Direction::Outbound
    }

    // Status.

    pub(super) fn on_progress(&mut self, now: Instant, progress: Progress) {
        if progress >= Progress::Completed {
            return self.unexpected();
        }
        if progress == Progress::InProgress && matches!(self.state, State::Ringing) {
            // It was answered: only the line is waited for now.
            self.deadlines.set(Deadline::Connect, now + self.policy.connect);
        }
        self.progress(now, progress);
    }

    /// Notes a status. Reports come in any order and repeatedly; a status only advances.
    fn progress(&mut self, now: Instant, status: Progress) {
        if self.is_outbound() && self.transcript.status.is_none_or(|before| before < status) {
            self.emit(now, EventBody::Status { status });
        }
    }

    /// The line is up.
    pub(super) fn line_up(&mut self, now: Instant) {
        self.progress(now, Progress::InProgress);
        self.line_since = Some(now);
        self.watch_spend(now);
    }

    /// Notes the final status.
    pub(super) fn close_progress(&mut self, now: Instant, reason: EndReason) {
        let so_far = self.transcript.status.unwrap_or(Progress::Queued);
        self.progress(now, so_far.at_end(reason));
    }

    // Answering machines.

    pub(super) fn on_answered_by(&mut self, now: Instant, who: Answerer) {
        if !self.is_outbound() {
            return self.unexpected();
        }
        let disregarded = self.contradicts(who).map(str::to_owned);
        let is_noted_only = disregarded.is_some();
        self.emit(now, EventBody::AnsweredBy { who, disregarded });
        if is_noted_only {
            return;
        }
        match &self.state {
            State::Ringing => self.answerer = Some(who),
            State::Listening { .. } | State::Replying(_) | State::OnHold => {
                self.is_for_machine(now, who);
            }
            // A human who speaks hears what answered.
            State::HumanSpeaks
            | State::Lost { .. }
            | State::Ending(_)
            | State::HangingUp(_)
            | State::Transferring { .. }
            | State::HandedOver
            | State::Ended => {}
        }
    }

    /// What the verdict of answering machine detection contradicts, if anything. Detection judges
    /// the first seconds and may be late; somebody who converses is a person, whatever it says.
    fn contradicts(&self, who: Answerer) -> Option<&'static str> {
        match who {
            Answerer::Human => match &self.state {
                State::Ending(ending)
                    if matches!(ending.reason(), EndReason::Machine | EndReason::VoicemailLeft) =>
                {
                    Some("a machine was found first")
                }
                State::Ringing
                | State::Listening { .. }
                | State::Replying(_)
                | State::OnHold
                | State::HumanSpeaks
                | State::Lost { .. }
                | State::Ending(_)
                | State::HangingUp(_)
                | State::Transferring { .. }
                | State::HandedOver
                | State::Ended => None,
            },
            Answerer::Unknown => None,
            Answerer::Machine | Answerer::MachineReady | Answerer::Fax => {
                if self.transcript.converses.is_person() {
                    Some("whoever answered has conversed")
                } else if self.transcript.answerer == Some(Answerer::Human) {
                    Some("a person was found first")
                } else {
                    None
                }
            }
        }
    }

    /// If a machine answered, leaves the message or hangs up. Returns whether one did.
    pub(super) fn is_for_machine(&mut self, now: Instant, who: Answerer) -> bool {
        let message = match who {
            Answerer::Human | Answerer::Unknown => return false,
            Answerer::Fax => None,
            Answerer::Machine | Answerer::MachineReady => self.agent.voicemail.clone(),
        };
        self.cut_speech(now);
        self.drop_reply(now, "a machine answered");
        match message {
            None => self.end_by_policy(now, EndReason::Machine),
            Some(text) => {
                self.speak(now, Source::Message, &text);
                self.end_by_policy(now, EndReason::VoicemailLeft);
            }
        }
        true
    }

    // Disclosure.

    /// Notes that the called person has heard the disclosure.
    pub(super) fn note_disclosure(&mut self, now: Instant, heard: &str) {
        let Some(words) = &self.agent.disclosure else { return };
        if self.transcript.disclosed.is_none() && plain(heard).contains(&plain(words)) {
            self.emit(now, EventBody::Disclosure { text: words.clone() });
        }
    }

    /// The note that tells the model to disclose, until the called person has heard it.
    pub(super) fn disclosure_hint(&self) -> Option<String> {
        let words = self.agent.disclosure.as_ref()?;
        // It may be among the words that are still being spoken.
        let due = self.transcript.disclosed.is_none() && self.playback.is_idle();
        due.then(|| {
            format!(
                "The person has not yet heard that you are a machine. Begin your reply with these \
                 words: «{words}»"
            )
        })
    }

    // Do not call.

    pub(super) fn do_not_call(&mut self, now: Instant, tool: Option<ToolRef>) {
        let far = if self.is_outbound() { &self.identity.to } else { &self.identity.from };
        let (command, value, by) = (CommandName::DoNotCall, far.clone(), By::Ai);
        if let Some(reply) = self.reply() {
            reply.answer_tool(tool.is_some());
        }
        self.emit(now, EventBody::CommandExecuted { command, value, by, tool });
    }

    // Cost.

    /// The estimated cost of the call so far, in US dollars.
    pub(super) fn cost(&self, now: Instant) -> f64 {
        let up = self.line_since.map(|since| now.saturating_duration_since(since));
        self.transcript.cost_usd + self.policy.prices.line(up.unwrap_or_default())
    }

    /// Sets the time at which the next limit is reached if only the line costs money until then.
    pub(super) fn watch_spend(&mut self, now: Instant) {
        let (soft, hard) = (self.policy.soft_cost, self.policy.hard_cost);
        let soft = if self.transcript.wraps_up { 0.0 } else { soft };
        let next = [soft, hard].into_iter().filter(|limit| *limit > 0.0).reduce(f64::min);
        let Some(limit) = next else { return self.deadlines.clear(Deadline::Spend) };
        let rest = limit - self.cost(now);
        let minute = self.policy.prices.minute;
        if rest <= 0.0 {
            self.deadlines.set(Deadline::Spend, now);
        } else if minute > 0.0
            && let Ok(wait) = Duration::try_from_secs_f64(rest / minute * 60.0)
            && let Some(at) = now.checked_add(wait.saturating_add(Duration::from_millis(1)))
        {
            self.deadlines.set(Deadline::Spend, at);
        } else {
            self.deadlines.clear(Deadline::Spend);
        }
    }

    pub(super) fn on_spend(&mut self, now: Instant) {
        let (soft, hard, cost) = (self.policy.soft_cost, self.policy.hard_cost, self.cost(now));
        if hard > 0.0 && cost >= hard {
            return self.end_for_money(now);
        }
        if soft > 0.0 && cost >= soft {
            self.wrap_up(now);
        }
        self.watch_spend(now);
    }

    pub(super) fn on_budget(&mut self, now: Instant, budget: Budget) {
        match budget {
            Budget::Low => self.wrap_up(now),
            Budget::Spent => self.end_for_money(now),
        }
    }

    fn wrap_up(&mut self, now: Instant) {
        if !self.transcript.wraps_up && !self.is_over() {
            self.emit(now, EventBody::Whisper { text: WRAP_UP.into(), by: By::Policy });
        }
    }

    fn end_for_money(&mut self, now: Instant) {
        match &self.state {
            State::Ringing | State::Lost { .. } => {
                self.finish_and_hang_up(now, EndReason::SpendLimit);
            }
            // A transfer costs two lines.
            State::Transferring { .. } => {
                self.keep_hanging_up(now, EndReason::SpendLimit, By::Policy);
            }
            State::Ending(_) => self.make_ending_firm(),
            State::HangingUp(_) | State::HandedOver | State::Ended => {}
            State::Listening { .. } | State::Replying(_) | State::OnHold | State::HumanSpeaks => {
                let phrase = self.agent.phrases.cost_goodbye.clone();
                self.say_goodbye(now, &phrase, EndReason::SpendLimit);
            }
        }
    }
}

/// Lower-case words only, for comparison.
fn plain(text: &str) -> String {
    let letters = text.chars().flat_map(char::to_lowercase);
    let words: String = letters.map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
