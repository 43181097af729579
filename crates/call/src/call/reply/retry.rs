//! Failed attempts at a reply: what remains of them, and how the model is asked again.

use std::time::{Duration, Instant};

use super::ReplyPhase;
use crate::call::Call;
use crate::deadline::Deadline;
use crate::event::{EndReason, EventBody, Source, Where};
use crate::ids::{ItemId, ItemKind, TurnId};
use crate::model::{Fault, Item, ItemBody, ToModel};

/// Tells the model that its words were heard in part.
const GO_ON: &str = "A technical fault cut your reply off after these words, which the caller has \
                     heard. Go on from exactly there and repeat nothing.";

/// Tells the model that its voice broke off.
const BROKEN_OFF: &str = "A technical fault cut your voice off. Go on from exactly where the caller \
                          stopped hearing you and repeat nothing.";

/// How often a supervisor's guidance may restart a reply.
const RETHINKS: u32 = 2;

/// Tells the model that its earlier attempt had effects.
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
        if self.is_mute() && self.is_conversing() {
            return self.give_up(now);
        }
        if concerns {
            if let Some(reply) = self.reply() {
                reply.phase = ReplyPhase::Failed;
            }
            self.retry(now, fault);
        }
    }

    /// The model has not written anything for too long.
    pub(in crate::call) fn on_answer_overdue(&mut self, now: Instant) {
        let Some(reply) = self.reply() else { return };
        if reply.is_done() {
            return;
        }
        self.report(now, "timeout", "the model gave no answer in time");
        self.retry(now, Fault::Passing);
    }

    fn retry(&mut self, now: Instant, fault: Fault) {
        if self.speaks() && self.reply().is_some_and(|reply| reply.has_spoken()) {
            return self.go_on_after_fault(now);
        }
        self.forget_attempt(now);
        let policy = &self.policy;
        let (retries, reconnects, pause) = (policy.retries, policy.reconnects, policy.busy_pause);
        let Some(reply) = self.reply() else { return };
        match fault {
            Fault::Passing if reply.attempts.failures < retries => self.retry_now(now, fault),
            Fault::Lost if reply.attempts.losses < reconnects => self.retry_now(now, fault),
            Fault::Busy if reply.attempts.pauses < retries + 2 => {
                let wait = pause * 2u32.saturating_pow(reply.attempts.pauses);
                reply.attempts.pauses += 1;
                self.deadlines.clear(Deadline::Answer);
                self.deadlines.set(Deadline::Retry, now + wait.min(Duration::from_secs(30)));
                self.say_filler(now);
            }
            Fault::Passing | Fault::Lost | Fault::Busy | Fault::Fatal => self.give_up(now),
        }
    }

    /// The model's voice broke off. What was heard of it is recorded, and the model goes on from
    /// there: words of a second attempt cannot be taken out of its sound.
    fn go_on_after_fault(&mut self, now: Instant) {
        self.cut_speech(now);
        self.drop_reply(now, "the model failed");
        self.respond(now, &[BROKEN_OFF]);
    }

    pub(super) fn retry_now(&mut self, now: Instant, fault: Fault) {
        let Some(reply) = self.reply() else { return };
        match fault {
            Fault::Lost => reply.attempts.losses += 1,
            Fault::Passing | Fault::Busy | Fault::Fatal => reply.attempts.failures += 1,
        }
        self.ask_again(now);
    }

    /// Discards the attempt, as [`super::Reply::forget_attempt`] says.
    pub(super) fn forget_attempt(&mut self, now: Instant) {
        let speaks = self.speaks();
        let Some(reply) = self.reply() else { return };
        if speaks {
            // Words that have no sound yet are not on their way.
            reply.forget_sent();
        }
        reply.forget_attempt();
        if speaks {
            let turn = reply.turn;
            self.break_voice_off(now, turn);
        }
    }

    /// Asks for the reply, or the rest of it, in a new turn.
    pub(in crate::call) fn ask_again(&mut self, now: Instant) {
        let turn = self.turn.next();
        let Some(reply) = self.reply() else { return };
        let earlier = std::mem::replace(&mut reply.turn, turn);
        let before = std::mem::replace(&mut reply.phase, ReplyPhase::Writing);
        let (said, hints) = (reply.sent_before().to_owned(), reply.hints.clone());
        let begun = !said.trim().is_empty();
        let acted = !reply.given.is_empty();
        self.turn = turn;
        if before == ReplyPhase::Writing {
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

    /// Speaks a filler, once per reply, unless words of the reply have been sent.
    pub(in crate::call) fn say_filler(&mut self, now: Instant) {
        self.deadlines.clear(Deadline::Filler);
        let speaks = self.speaks();
        let Some(reply) = self.reply() else { return };
        // The filler would come from the same model, and the reply would wait for it.
        if reply.has_spoken() || speaks || std::mem::replace(&mut reply.filler, true) {
            return;
        }
        let phrase = self.agent.phrases.filler.clone();
        self.speak(now, Source::Filler, &phrase);
    }

    /// The model will not answer: apologises, then transfers the call or ends it.
    pub(in crate::call) fn give_up(&mut self, now: Instant) {
        self.drop_reply(now, "the model failed");
        let fallback = self.fallback().cloned();
        if self.is_mute() {
            // The carrier says the apology, or the transfer goes without one.
            self.cut_speech(now);
            return match fallback {
                Some(target) => self.end_by_transfer(now, target, EndReason::ModelFailed),
                None => self.end_by_policy(now, EndReason::ModelFailed),
            };
        }
        if let Some(target) = fallback {
            let phrase = self.agent.phrases.apology_transfer.clone();
            self.speak_on(now, Source::Apology, &phrase);
            self.end_by_transfer(now, target, EndReason::ModelFailed);
        } else {
            let phrase = self.agent.phrases.apology_goodbye.clone();
            self.speak_on(now, Source::Apology, &phrase);
            self.end_by_policy(now, EndReason::ModelFailed);
        }
    }

    /// Records a fault of the model after which the call goes on.
    pub(super) fn report(&mut self, now: Instant, code: &str, message: &str) {
        let (code, message) = (code.to_owned(), message.to_owned());
        let r#where = Where::Model;
        self.emit(now, EventBody::Error { r#where, code, message, fatal: false });
    }

    /// Restarts the reply with guidance that came before its first word. Only a few times, so that
    /// the caller gets an answer; later guidance applies to the next reply.
    pub(in crate::call) fn rethink(&mut self, now: Instant) {
        let Some(reply) = self.reply() else { return };
        if reply.phase == ReplyPhase::Writing
            && !reply.has_spoken()
            && reply.attempts.rethinks < RETHINKS
        {
            reply.attempts.rethinks += 1;
            self.forget_attempt(now);
            self.ask_again(now);
        }
    }
}
