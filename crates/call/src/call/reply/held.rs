//! Replies that need a supervisor's approval.

use std::time::Instant;

use super::commands::in_brackets;
use super::state::{KeptBack, Reply};
use crate::call::{Call, State, millis};
use crate::command::Command;
use crate::event::{CommandName, EventBody, HeldCommand};
use crate::ids::TurnId;
use crate::policy::Approval;
use crate::speakable::is_audible;

impl Call {
    /// Whether a reply that has not begun may turn out to need approval.
    pub(super) fn may_need_approval(&self) -> bool {
        match &self.agent.approval {
            Approval::Never => false,
            Approval::Always => true,
            // A word or a command in it can still require approval.
            Approval::When(rules) => {
                self.transcript.replies < rules.first || rules.commands || !rules.words.is_empty()
            }
        }
    }

    /// The model has finished. What was kept back is held for approval, or sent.
    pub(super) fn keep_or_send(&mut self, now: Instant) {
        let Some(reply) = self.reply() else { return };
        let turn = reply.turn;
        let Some(KeptBack { words, commands }) = reply.release() else {
            return self.reply_done(now);
        };
        let text = if is_audible(&words) { words.trim().to_owned() } else { String::new() };
        if text.is_empty() && commands.is_empty() {
            // There is nothing to approve: its commands were carried out, or rejected.
            return self.reply_done(now);
        }
        if self.waits(&text, &commands) {
            // A supervisor must see, and be able to send, even a reply without words.
            let text = if text.is_empty() { in_brackets(&commands) } else { text };
            self.last_written = self.reply().map(|reply| reply.written());
            let timeout_ms = millis(self.policy.approval_limit);
            self.emit(now, EventBody::PendingResponse { text, turn, commands, timeout_ms });
            return self.hold_for_approval(now);
        }
        self.send_kept(now, &text, commands);
    }

    fn waits(&self, text: &str, commands: &[HeldCommand]) -> bool {
        match &self.agent.approval {
            Approval::Never => false,
            Approval::Always => true,
            Approval::When(rules) => {
                let lower = text.to_lowercase();
                self.transcript.replies < rules.first
                    || (rules.commands && !commands.is_empty())
                    || rules.words.iter().any(|word| lower.contains(&word.to_lowercase()))
            }
        }
    }

    /// Sends a reply that was kept back.
    pub(in crate::call) fn send_kept(
        &mut self,
        now: Instant,
        text: &str,
        commands: Vec<HeldCommand>,
    ) {
        if !text.is_empty() {
            // The hold phrase follows a question to a supervisor. It must be part of the same
            // utterance, or it would cut the reply off.
            let asks = commands.iter().any(|held| held.command == CommandName::RequestUser);
            self.say_reply(now, text.to_owned(), !asks);
        }
        for held in commands {
            let value = held.value.as_str();
            if let Ok(command) = Command::read(held.command.as_str(), value) {
                self.do_command(now, command, held.tool);
            }
        }
        self.reply_done(now);
    }

    /// Makes a held reply that was approved the current one.
    pub(in crate::call) fn resume_held(&mut self, turn: TurnId, verbatim: bool, text: &str) {
        self.state = State::Replying(Box::new(Reply::approved(turn, verbatim, text)));
    }
}
