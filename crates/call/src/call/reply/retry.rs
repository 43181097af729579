//! Attempts of the model that failed: what is left of them, and how it is asked again.

use std::time::{Duration, Instant};

use super::Follows;
use crate::call::Call;
use crate::command::{Command, Scanner};
use crate::deadline::Deadline;
use crate::event::{EndReason, EventBody, Source, Where};
use crate::ids::{ItemId, ItemKind, TurnId};
use crate::model::{Fault, Item, ItemBody, ToModel};
use crate::speakable::Speakable;

/// What the model is told whose words have been heard in part.
const GO_ON: &str = "A technical fault cut your reply off after these words, which the caller has \
                     heard. Go on from exactly there and repeat nothing.";

/// How often guidance makes a reply begin anew.
const RETHINKS: u32 = 2;

/// What the model is told whose earlier attempt has done something.
const ACTED: &str = "Keys that you pressed and questions that you asked before this reply was begun \
                     anew are noted above and are done: do not repeat them. Nothing else that you \
                     ordered was carried out.";

impl Call {
    pub(super) fn on_failed(
        &mut self,
        now: Instant,
        turn: Option<TurnId>,
        fault: Fault,
        code: String,
        message: String,
    ) {
        let fatal = fault == Fault::Fatal;
        self.model_refused |= fatal;
        let concerns = match turn {
            Some(turn) => self.is_current(turn),
            None => fatal && self.is_replying_unfinished(),
        };
        if turn.is_some() && !concerns && !fatal {
            return;
        }
        self.emit(now, EventBody::Error { r#where: Where::Model, code, message, fatal });
        if concerns {
            if let Some(reply) = self.reply() {
                reply.active = false;
            }
            self.retry(now, fault);
        }
    }

    /// The model has been silent for too long.
    pub(in crate::call) fn on_answer_overdue(&mut self, now: Instant) {
        let Some(reply) = self.reply() else { return };
        if reply.done {
            return;
        }
        self.report(now, "timeout", "the model gave no answer in time");
        self.retry(now, Fault::Passing);
    }

    fn retry(&mut self, now: Instant, fault: Fault) {
        self.forget_attempt();
        let policy = &self.policy;
        let (retries, reconnects, pause) = (policy.retries, policy.reconnects, policy.busy_pause);
        let Some(reply) = self.reply() else { return };
        match fault {
            Fault::Passing if reply.failures < retries => self.retry_now(now, fault),
            Fault::Lost if reply.losses < reconnects => self.retry_now(now, fault),
            Fault::Busy if reply.pauses < retries + 2 => {
                let wait = pause * 2u32.saturating_pow(reply.pauses);
                reply.pauses += 1;
                self.deadlines.clear(Deadline::Answer);
                self.deadlines.set(Deadline::Retry, now + wait.min(Duration::from_secs(30)));
                self.say_filler(now);
            }
            Fault::Passing | Fault::Lost | Fault::Busy | Fault::Fatal => self.give_up(now),
        }
    }

    pub(super) fn retry_now(&mut self, now: Instant, fault: Fault) {
        let Some(reply) = self.reply() else { return };
        match fault {
            Fault::Lost => reply.losses += 1,
            Fault::Passing | Fault::Busy | Fault::Fatal => reply.failures += 1,
        }
        self.ask_again(now);
    }

    /// The attempt has failed. Its words that are on the line stay said, and what was done at once
    /// stays done; nothing else of it is.
    pub(super) fn forget_attempt(&mut self) {
        let Some(reply) = self.reply() else { return };
        reply.scanner = Scanner::default();
        reply.speech = Speakable::default();
        reply.written.clear();
        reply.lead.clear();
        reply.earlier.clone_from(&reply.words);
        reply.repeating = (!reply.earlier.is_empty()).then(String::new);
        reply.follows = Follows::Whole;
        reply.verbatim &= reply.earlier.is_empty();
        reply.then = None;
        reply.again = false;
        reply.commands.clear();
        let kept_back = reply.kept_back.is_some();
        reply.given.retain(|command| match command {
            Command::DoNotCall => true,
            Command::Press(_) | Command::RequestUser(_) => !kept_back,
            Command::EndCall | Command::Transfer(_) => false,
        });
        if let Some(kept) = &mut reply.kept_back {
            kept.clear();
        }
    }

    /// Asks for the reply, or for the rest of it, under a new turn.
    pub(in crate::call) fn ask_again(&mut self, now: Instant) {
        let turn = self.turn.next();
        let Some(reply) = self.reply() else { return };
        let earlier = std::mem::replace(&mut reply.turn, turn);
        let stalled = std::mem::replace(&mut reply.active, true);
        let (said, hints) = (reply.earlier.clone(), reply.hints.clone());
        let begun = !said.trim().is_empty();
        let acted = !reply.given.is_empty();
        self.turn = turn;
        if stalled {
            self.tell_model(ToModel::Cancel { turn: earlier });
        }
        let mut context = self.transcript.context();
        if begun {
            let id = ItemId::new(ItemKind::SaidBefore, turn.0.into(), 0);
            let body = ItemBody::Assistant { text: said.into(), verbatim: None };
            context.push(Item { id, body });
            context.push(self.hint(0, GO_ON));
        }
        if acted {
            context.push(self.hint(1, ACTED));
        }
        if !begun {
            let disclosure = self.disclosure_hint();
            let told = hints.iter().map(String::as_str).chain(disclosure.as_deref());
            context.extend((2..).zip(told).map(|(at, hint)| self.hint(at, hint)));
        }
        self.tell_model(ToModel::Respond { turn, context });
        self.deadlines.set(Deadline::Answer, now + self.policy.answer_limit);
    }

    /// Says that it takes a moment, once a reply, unless the reply has begun.
    pub(in crate::call) fn say_filler(&mut self, now: Instant) {
        self.deadlines.clear(Deadline::Filler);
        let Some(reply) = self.reply() else { return };
        if reply.spoken || std::mem::replace(&mut reply.filler, true) {
            return;
        }
        let phrase = self.agent.phrases.filler.clone();
        self.speak(now, Source::Filler, &phrase);
    }

    /// The model will not answer: apologise, then transfer or say goodbye.
    pub(in crate::call) fn give_up(&mut self, now: Instant) {
        self.drop_reply(now, "the model failed");
        if let Some(target) = self.fallback().cloned() {
            let phrase = self.agent.phrases.apology_transfer.clone();
            self.speak_on(now, Source::Apology, &phrase);
            self.end_by_transfer(now, target, EndReason::ModelFailed);
        } else {
            let phrase = self.agent.phrases.apology_goodbye.clone();
            self.speak_on(now, Source::Apology, &phrase);
            self.end_by_policy(now, EndReason::ModelFailed);
        }
    }

    /// Tells of a fault of the model after which the call goes on.
    pub(super) fn report(&mut self, now: Instant, code: &str, message: &str) {
        let (code, message) = (code.to_owned(), message.to_owned());
        let r#where = Where::Model;
        self.emit(now, EventBody::Error { r#where, code, message, fatal: false });
    }

    /// Begins the reply anew, with guidance that came before its first word. Not without end: who
    /// waits gets an answer, and what comes later counts for the next one.
    pub(in crate::call) fn rethink(&mut self, now: Instant) {
        let Some(reply) = self.reply() else { return };
        if reply.active && !reply.done && !reply.spoken && reply.rethought < RETHINKS {
            reply.rethought += 1;
            self.forget_attempt();
            self.ask_again(now);
        }
    }
}
