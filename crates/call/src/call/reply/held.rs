//! Replies that are kept back until a supervisor has seen them.

use std::time::Instant;

use super::Reply;
use super::commands::in_brackets;
use crate::call::{Call, State, millis};
use crate::command::Command;
use crate::event::{CommandName, EventBody, HeldCommand};
use crate::ids::TurnId;
use crate::policy::Approval;

impl Call {
    pub(super) fn needs_approval_before_it_is_known(&self) -> bool {
        match &self.agent.approval {
            Approval::Never => false,
            Approval::Always => true,
            // A later word or a command can still make it one that waits.
            Approval::When(rules) => {
                self.transcript.replies < rules.first || rules.commands || !rules.words.is_empty()
            }
        }
    }

    pub(super) fn keep_or_send(&mut self, now: Instant, text: String) {
        let Some(reply) = self.reply() else { return };
        let (turn, commands) = (reply.turn, std::mem::take(&mut reply.commands));
        if text.is_empty() && commands.is_empty() {
            // There is nothing to approve: what it did has been done, or refused.
            reply.kept_back = None;
            return self.reply_done(now);
        }
        if self.waits(&text, &commands) {
            // A supervisor must see, and be able to send, a reply that has no words at all.
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

    /// Sends a reply that was kept back, as the one that is under way.
    pub(in crate::call) fn send_kept(
        &mut self,
        now: Instant,
        text: &str,
        commands: Vec<HeldCommand>,
    ) {
        if let Some(reply) = self.reply() {
            reply.kept_back = None;
        }
        if !text.is_empty() {
            // Behind a question comes that we are asking: in the same breath, or it would cut this off.
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

    /// Makes a reply out of one that a supervisor has let go.
    pub(in crate::call) fn revive(&mut self, turn: TurnId, verbatim: bool, text: &str) {
        let mut reply = Reply::new(turn);
        reply.begun = true;
        reply.active = false;
        reply.verbatim = verbatim;
        text.clone_into(&mut reply.written);
        self.state = State::Replying(Box::new(reply));
    }
}
