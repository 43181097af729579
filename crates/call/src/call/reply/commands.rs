//! The model's commands, in its text or by a tool, and which of them are carried out.

use std::time::Instant;

use super::{Delivery, Exit};
use crate::call::Call;
use crate::carrier::ToCarrier;
use crate::command::{Command, Malformed, REPEATED};
use crate::dialing::PhoneNumber;
use crate::event::{By, CommandName, EventBody, HeldCommand, ToolRef};
use crate::ids::Digits;

impl Call {
    pub(super) fn on_tool(&mut self, now: Instant, tool: ToolRef) {
        self.begin(now);
        self.flush_words(now);
        match Command::from_tool(&tool.name, &tool.arguments) {
            Ok(command) => self.on_command(now, command, Some(tool)),
            Err(malformed) => self.reject_malformed(now, malformed, Some(tool)),
        }
    }

    pub(super) fn reject_malformed(
        &mut self,
        now: Instant,
        malformed: Malformed,
        tool: Option<ToolRef>,
    ) {
        let Malformed { command, value, reason } = malformed;
        // The model must see the result of a tool call.
        let again = tool.is_some();
        let reason = reason.to_owned();
        self.emit(
            now,
            EventBody::CommandRejected { command, value, by: By::Ai, reason, tool, leg: None },
        );
        if let Some(reply) = self.reply() {
            reply.again |= again;
        }
    }

    pub(super) fn on_command(&mut self, now: Instant, command: Command, tool: Option<ToolRef>) {
        if self.is_repeated(&command) {
            return self.on_repeated(now, &command, tool);
        }
        // A request not to be called again needs nobody's approval.
        if command != Command::DoNotCall
            && let Some(reply) = self.reply()
            && let Some(kept) = reply.kept_back()
        {
            let held = HeldCommand { command: command.name(), value: command.value(), tool };
            kept.commands.push(held);
            reply.given.push(command);
            return;
        }
        self.do_command(now, command, tool);
    }

    /// Whether the reply has given the command before, in its text or as a tool, in any attempt.
    fn is_repeated(&mut self, command: &Command) -> bool {
        // Repeating it changes nothing, and its record must never read as a refusal.
        if *command == Command::DoNotCall {
            return false;
        }
        let fallback = self.fallback().cloned();
        let same = |before: &Command| is_same(before, command, fallback.as_ref());
        self.reply().is_some_and(|reply| reply.given.iter().any(same))
    }

    /// A repeated command counts once. A tool call needs a result all the same: it becomes the
    /// origin of a command that was given in the text and not carried out yet, or its result says
    /// that it is a repetition.
    fn on_repeated(&mut self, now: Instant, command: &Command, tool: Option<ToolRef>) {
        let (name, value) = (command.name(), command.value());
        let fallback = self.fallback().cloned();
        if let Some(reply) = self.reply()
            && let Some(call) = &tool
        {
            let same = |held: &HeldCommand| {
                Command::read(held.command.as_str(), &held.value)
                    .is_ok_and(|held| is_same(&held, command, fallback.as_ref()))
            };
            let (kept, held) = match &mut reply.delivery {
                Delivery::KeptBack(kept) => {
                    (true, kept.commands.iter_mut().find(|held| same(held)))
                }
                Delivery::Direct(_) => (false, None),
            };
            let unanswered = match (held, &mut reply.exit) {
                (Some(held), _) => Some(&mut held.tool),
                (None, Some(Exit::EndCall { tool })) if name == CommandName::EndCall => Some(tool),
                (None, Some(Exit::Transfer { tool, .. })) if name == CommandName::Transfer => {
                    Some(tool)
                }
                (None, _) => None,
            };
            if let Some(unanswered @ None) = unanswered {
                *unanswered = Some(call.clone());
                return;
            }
            reply.again |= reply.exit.is_none() && !kept;
        }
        let (command, reason) = (name.as_str().to_owned(), REPEATED.to_owned());
        self.emit(
            now,
            EventBody::CommandRejected { command, value, by: By::Ai, reason, tool, leg: None },
        );
    }

    /// Whether the model may do this, whatever a caller has talked it into.
    fn allow(&self, command: &Command) -> Result<(), String> {
        if !self.agent.commands.contains(&command.name()) {
            return Err(format!("this agent may not use {}", command.name().as_str()));
        }
        match command {
            Command::Transfer(Some(target)) => {
                self.may_transfer(target).map_err(|why| why.to_string())
            }
            Command::Transfer(None) if self.fallback().is_none() => {
                Err("no transfer number is configured".into())
            }
            Command::Transfer(None)
            | Command::Press(_)
            | Command::EndCall
            | Command::RequestUser(_)
            | Command::DoNotCall => Ok(()),
        }
    }

    pub(super) fn do_command(&mut self, now: Instant, command: Command, tool: Option<ToolRef>) {
        if let Err(reason) = self.allow(&command) {
            let (name, value) = (command.name().as_str().to_owned(), command.value());
            let rejected = EventBody::CommandRejected {
                command: name,
                value,
                by: By::Ai,
                reason,
                tool,
                leg: None,
            };
            self.emit(now, rejected);
            if let Some(reply) = self.reply() {
                reply.again = true;
            }
            return;
        }
        if let Some(reply) = self.reply()
            && !reply.given.contains(&command)
        {
            reply.given.push(command.clone());
        }
        let fallback = self.fallback().cloned();
        match command {
            Command::Press(digits) => {
                if let Some(reply) = self.reply() {
                    reply.again |= tool.is_some();
                }
                self.press(now, digits, By::Ai, tool);
            }
            Command::RequestUser(prompt) => self.ask(now, prompt, tool),
            Command::EndCall => self.exit(now, Exit::EndCall { tool }),
            Command::DoNotCall => self.do_not_call(now, tool),
            Command::Transfer(target) => {
                if let Some(target) = target.or(fallback) {
                    self.exit(now, Exit::Transfer { target, tool });
                }
            }
        }
    }

    /// Notes the command to leave the call. The first of several counts.
    fn exit(&mut self, now: Instant, exit: Exit) {
        let Some(reply) = self.reply() else { return };
        if reply.exit.is_some() {
            return self.reject_exit(now, exit, "another command to leave the call came before it");
        }
        reply.exit = Some(exit);
    }

    pub(in crate::call) fn press(
        &mut self,
        now: Instant,
        digits: Digits,
        by: By,
        tool: Option<ToolRef>,
    ) {
        self.playback.pressed(now, digits.as_str(), by, tool.clone());
        self.expect_playback(now);
        let value = digits.to_string();
        if self.speaks() {
            self.sound_keys(now, digits.as_str());
        } else {
            self.tell_line(ToCarrier::Press(digits));
        }
        self.emit(now, EventBody::CommandExecuted { command: CommandName::Press, value, by, tool });
    }

    pub(in crate::call) fn reject_exit(&mut self, now: Instant, exit: Exit, because: &str) {
        let (name, value, tool) = match exit {
            Exit::EndCall { tool } => (CommandName::EndCall, String::new(), tool),
            Exit::Transfer { target, tool } => (CommandName::Transfer, target.to_string(), tool),
        };
        let (command, reason) = (name.as_str().to_owned(), because.to_owned());
        self.emit(
            now,
            EventBody::CommandRejected { command, value, by: By::Ai, reason, tool, leg: None },
        );
    }
}

/// The commands as the model would write them in its text.
pub(super) fn in_brackets(commands: &[HeldCommand]) -> String {
    let written = commands.iter().map(|held| match held.value.as_str() {
        "" => format!("[[{}]]", held.command.as_str()),
        value => format!("[[{}:{value}]]", held.command.as_str()),
    });
    written.collect()
}

/// Whether two commands have the same effect. A transfer without a number goes to the fallback.
fn is_same(a: &Command, b: &Command, fallback: Option<&PhoneNumber>) -> bool {
    match (a, b) {
        (Command::Transfer(a), Command::Transfer(b)) => {
            a.as_ref().or(fallback) == b.as_ref().or(fallback)
        }
        (Command::RequestUser(a), Command::RequestUser(b)) => plain(a) == plain(b),
        (a, b) => a == b,
    }
}

/// Letters and digits only, for comparing questions.
fn plain(question: &str) -> String {
    question.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
