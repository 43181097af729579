//! What supervisors order: their actions, answers and approvals.

use std::time::{Duration, Instant};

use super::reply::spoken_words;
use super::{Call, Output, State, millis};
use crate::action::{Action, Refused};
use crate::deadline::Deadline;
use crate::event::{By, EventBody, Source, ToolRef};
use crate::ids::{SupervisorId, TurnId};
use crate::speakable::without_controls;

impl Call {
    /// Carries out an action of a supervisor who is not known by name. A refused action leaves the
    /// call unchanged.
    pub fn act(&mut self, now: Instant, action: Action) -> Result<Vec<Output>, Refused> {
        self.act_as(now, None, action)
    }

    /// As [`Self::act`], for a known supervisor, who becomes the holder if they take over.
    pub fn act_as(
        &mut self,
        now: Instant,
        who: Option<&SupervisorId>,
        action: Action,
    ) -> Result<Vec<Output>, Refused> {
        if let Err(refused) = self.may_act(who, &action) {
            self.on_refused(now, who);
            return Err(refused);
        }
        self.on_action(now, who, &action);
        // A human who steps in during the model's goodbye keeps the call.
        if matches!(action, Action::Say { .. } | Action::TakeOver) {
            self.call_off_ending(now, "a supervisor stepped in");
        }
        match action {
            Action::Say { text, .. } => self.act_say(now, &text),
            Action::Press(digits) => self.press(now, digits, By::Supervisor, None),
            Action::End => self.end_by_supervisor(now, None),
            Action::Transfer(target) => self.end_by_supervisor(now, Some(target)),
            Action::Answer { text, .. } => self.close_question(now, Some(text)),
            Action::Whisper(text) => self.act_whisper(now, text),
            Action::TakeOver => self.act_take_over(now, who),
            Action::Release => self.release(now, By::Supervisor),
            Action::Reject { reason, .. } => {
                let text = reason.unwrap_or_default();
                self.emit(now, EventBody::ResponseRejected { text, by: By::Supervisor });
                self.deadlines.clear(Deadline::Approval);
                self.reply_due = true;
                self.unprompted.turns = 0;
                if matches!(self.state, State::OnHold) {
                    self.leave_hold(now);
                }
            }
        }
        Ok(std::mem::take(&mut self.outputs))
    }

    /// Whether the action is allowed. All refusals are decided here, before anything changes.
    fn may_act(&self, who: Option<&SupervisorId>, action: &Action) -> Result<(), Refused> {
        self.has_room_for(action)?;
        match action {
            Action::Say { reply: Some(reply), .. } => {
                self.is_connected()?;
                self.is_held(Some(*reply))
            }
            Action::Say { reply: None, .. } | Action::Press(_) => self.is_connected(),
            Action::Transfer(target) => {
                self.may_transfer(target).map_err(Refused::Forbidden)?;
                self.is_connected()
            }
            Action::Answer { query, .. } => self.is_asked(*query),
            Action::Reject { reply, .. } => self.is_held(*reply),
            // Another supervisor may take the call from the one who holds it.
            Action::TakeOver if self.transcript.takeover.is_some() && self.holder() == who => {
                Err(Refused::AlreadyTakenOver)
            }
            Action::Release if self.transcript.takeover.is_none() => Err(Refused::NotTakenOver),
            Action::TakeOver | Action::Release | Action::End | Action::Whisper(_) => Ok(()),
        }
    }

    /// Whether the state allows the action.
    fn has_room_for(&self, action: &Action) -> Result<(), Refused> {
        match &self.state {
            State::HandedOver => Err(Refused::LineLost),
            State::Ended => Err(Refused::Ending),
            State::HangingUp(_) if *action != Action::End => Err(Refused::Ending),
            State::Ending(ending) => match action {
                Action::End | Action::Transfer(_) => Ok(()),
                Action::Say { .. } | Action::TakeOver if ending.can_be_called_off() => Ok(()),
                Action::Say { .. }
                | Action::TakeOver
                | Action::Press(_)
                | Action::Answer { .. }
                | Action::Whisper(_)
                | Action::Release
                | Action::Reject { .. } => Err(Refused::Ending),
            },
            State::Transferring { .. } if *action != Action::End => Err(Refused::NotConnected),
            State::Ringing
            | State::Listening { .. }
            | State::Replying(_)
            | State::OnHold
            | State::HumanSpeaks
            | State::Lost { .. }
            | State::HangingUp(_)
            | State::Transferring { .. } => Ok(()),
        }
    }

    /// Whether a question waits, and is the one that is named, if one is. Only the first can be
    /// answered.
    fn is_asked(&self, query: Option<u64>) -> Result<(), Refused> {
        match (self.transcript.questions.front(), query) {
            (None, _) => Err(Refused::NoQuestion),
            (Some(question), Some(query)) if question.seq != query => Err(Refused::OtherQuestion),
            (Some(_), _) => Ok(()),
        }
    }

    /// Whether a reply is held, and is the one that is named, if one is.
    fn is_held(&self, reply: Option<TurnId>) -> Result<(), Refused> {
        match (&self.transcript.held, reply) {
            (None, _) => Err(Refused::NoReply),
            (Some(held), Some(turn)) if held.turn != turn => Err(Refused::OtherReply),
            (Some(_), _) => Ok(()),
        }
    }

    fn is_connected(&self) -> Result<(), Refused> {
        match self.state {
            State::Ringing => Err(Refused::NotConnected),
            State::Lost { .. } => Err(Refused::LineLost),
            State::Listening { .. }
            | State::Replying(_)
            | State::OnHold
            | State::HumanSpeaks
            | State::Ending(_)
            | State::HangingUp(_)
            | State::Transferring { .. }
            | State::HandedOver
            | State::Ended => Ok(()),
        }
    }

    fn act_say(&mut self, now: Instant, text: &str) {
        let text = &*without_controls(text);
        if self.transcript.held.is_some() {
            return self.send_held(now, text, By::Supervisor);
        }
        self.cut_speech(now);
        self.drop_reply(now, "a supervisor spoke instead");
        self.reply_due = false;
        self.emit(now, EventBody::AssistantOverride { text: text.to_owned(), by: By::Supervisor });
        self.speak(now, Source::Supervisor, text);
        if matches!(self.state, State::Listening { .. }) {
            self.listen(now, false);
        }
    }

    fn act_whisper(&mut self, now: Instant, text: String) {
        self.emit(now, EventBody::Whisper { text, by: By::Supervisor });
        self.rethink(now);
    }

    fn act_take_over(&mut self, now: Instant, who: Option<&SupervisorId>) {
        // What was sent is still spoken; nothing is added to it.
        self.close_utterance();
        if self.is_replying_unfinished() {
            self.reply_due = true;
        }
        self.drop_reply(now, "a human took over");
        // A withdrawn transfer is for the human to explain.
        self.untold.withdrawn = false;
        if self.transcript.held.is_some() {
            let text = "a human took over".to_owned();
            self.emit(now, EventBody::ResponseRejected { text, by: By::Supervisor });
        }
        while !self.transcript.questions.is_empty() {
            self.emit(
                now,
                EventBody::QueryResponse {
                    text: String::new(),
                    answered: false,
                    by: By::Supervisor,
                },
            );
        }
        for waits in
            [Deadline::Question, Deadline::Approval, Deadline::HoldPhrase, Deadline::Filler]
        {
            self.deadlines.clear(waits);
        }
        self.deadlines.clear(Deadline::Silence);
        self.deadlines.clear(Deadline::FalseInterrupt);
        self.hold_for(now, who);
        if !matches!(self.state, State::Lost { .. } | State::Ringing) {
            self.state = State::HumanSpeaks;
        }
    }

    // Questions.

    /// The model asks the supervisor.
    pub(super) fn ask(&mut self, now: Instant, prompt: String, tool: Option<ToolRef>) {
        let timeout_ms = millis(self.policy.question_limit);
        self.emit(now, EventBody::Query { prompt, tool, timeout_ms });
        if !self.deadlines.is_set(Deadline::Question) {
            self.deadlines.set(Deadline::Question, now + self.policy.question_limit);
        }
    }

    /// Closes the oldest question, with an answer or because none came in time.
    pub(super) fn close_question(&mut self, now: Instant, answer: Option<String>) {
        if self.transcript.questions.is_empty() {
            return;
        }
        let mut sounds_on = Duration::ZERO;
        if matches!(self.state, State::OnHold) {
            // Words that are still being spoken are finished, and recorded before the answer.
            sounds_on = self.playback.remaining(now);
            let sounding = self.playback.take_all_as_sent(now);
            self.record(now, sounding);
        }
        let answered = answer.is_some();
        let text = answer.unwrap_or_default();
        let by = if answered { By::Supervisor } else { By::Policy };
        self.emit(now, EventBody::QueryResponse { text, answered, by });
        self.reply_due = true;
        self.unprompted.turns = 0;
        if self.transcript.questions.is_empty() {
            self.deadlines.clear(Deadline::Question);
            match self.state {
                State::OnHold => {
                    self.leave_hold(now);
                    if self.deadlines.is_set(Deadline::Filler) {
                        // The wait for a filler begins when those words have been spoken.
                        let silence = now + sounds_on;
                        self.deadlines.set(Deadline::Filler, silence + self.policy.filler_after);
                    }
                }
                // Nobody speaks, and nothing else would make the model speak.
                State::Listening { .. } if self.playback.is_idle() && !self.caller.audible => {
                    self.settle(now);
                }
                State::Ringing
                | State::Listening { .. }
                | State::Replying(_)
                | State::HumanSpeaks
                | State::Lost { .. }
                | State::Ending(_)
                | State::Transferring { .. }
                | State::HangingUp(_)
                | State::HandedOver
                | State::Ended => {}
            }
        } else {
            self.deadlines.set(Deadline::Question, now + self.policy.question_limit);
        }
    }

    pub(super) fn hold_for_answer(&mut self, now: Instant) {
        self.state = State::OnHold;
        if !self.deadlines.is_set(Deadline::Question) {
            self.deadlines.set(Deadline::Question, now + self.policy.question_limit);
        }
        self.deadlines.set(Deadline::HoldPhrase, now + self.policy.hold_phrase);
    }

    fn leave_hold(&mut self, now: Instant) {
        self.deadlines.clear(Deadline::HoldPhrase);
        self.deadlines.clear(Deadline::Filler);
        self.settle(now);
    }

    // Held replies.

    pub(super) fn hold_for_approval(&mut self, now: Instant) {
        let heard_filler = matches!(&self.state, State::Replying(reply) if reply.has_filled());
        self.state = State::OnHold;
        self.deadlines.set(Deadline::Approval, now + self.policy.approval_limit);
        self.deadlines.set(Deadline::HoldPhrase, now + self.policy.hold_phrase);
        if !heard_filler {
            self.deadlines.set(Deadline::Filler, now + self.policy.filler_after);
        }
    }

    /// Sends the held reply, or other words in its place.
    pub(super) fn send_held(&mut self, now: Instant, text: &str, by: By) {
        let Some(held) = self.transcript.held.clone() else { return };
        let edited = text.trim() != held.text;
        let approved = EventBody::ResponseApproved { text: text.to_owned(), by, edited };
        self.emit(now, approved);
        self.deadlines.clear(Deadline::Approval);
        self.deadlines.clear(Deadline::HoldPhrase);
        self.deadlines.clear(Deadline::Filler);
        let words_kept_meanwhile = self.reply_due;
        self.resume_held(held.turn, !edited && held.commands.is_empty(), text);
        if edited {
            for held in held.commands {
                let rejected = EventBody::CommandRejected {
                    command: held.command.as_str().into(),
                    value: held.value,
                    by: By::Ai,
                    reason: "a supervisor sent other words instead".into(),
                    tool: held.tool,
                    leg: None,
                };
                self.emit(now, rejected);
            }
            self.send_kept(now, text, Vec::new());
        } else {
            self.send_kept(now, &spoken_words(text), held.commands);
        }
        self.reply_due |= words_kept_meanwhile;
    }
}
