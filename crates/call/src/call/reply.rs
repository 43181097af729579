//! What the model says, from the request to the last word heard.

use std::time::{Duration, Instant};

use super::{Call, State, millis};
use crate::carrier::ToCarrier;
use crate::command::{Command, Malformed, Piece, Scanner};
use crate::deadline::Deadline;
use crate::event::{
    By, CommandName, EndReason, EventBody, HeldCommand, Source, Stage, ToolRef, Where,
};
use crate::ids::{ItemId, ItemKind, PhoneNumber, TurnId};
use crate::model::{Fault, FromModel, Item, ItemBody, Outcome, ToModel, Usage};
use crate::policy::Approval;

/// One reply of the model, across the attempts that it takes.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states of one machine")]
pub(super) struct Reply {
    turn: TurnId,
    scanner: Scanner,
    /// Everything the model wrote, commands included.
    generated: String,
    /// What of it is for the caller, while the reply is kept back; afterwards only its presence
    /// counts.
    kept_back: Option<String>,
    /// Words have been sent to the line.
    spoken: bool,
    /// The model has begun.
    begun: bool,
    done: bool,
    /// The model is at it.
    active: bool,
    /// The caller has heard a filler.
    filler: bool,
    failures: u32,
    losses: u32,
    pauses: u32,
    /// What an earlier attempt wrote, as long as this one may be repeating it.
    repeating: Option<Repeat>,
    /// The next words go on from what an earlier attempt wrote.
    resumed: bool,
    /// The words stand in the model's memory as one reply, as they were written.
    verbatim: bool,
    /// What is to be done when it has been heard.
    then: Option<Then>,
    /// Commands of a reply that is kept back, in order.
    commands: Vec<HeldCommand>,
    /// The model must speak again: a tool or a refusal waits for its reaction.
    again: bool,
}

#[derive(Debug, Clone)]
struct Repeat {
    earlier: String,
    so_far: String,
}

/// What is to be done when the reply has been heard.
#[derive(Debug, Clone)]
pub(super) enum Then {
    EndCall { tool: Option<ToolRef> },
    Transfer { target: PhoneNumber, tool: Option<ToolRef> },
}

/// What the model wrote in one turn.
#[derive(Debug, Clone)]
pub(super) struct Written {
    turn: TurnId,
    pub(super) text: String,
    pub(super) verbatim: bool,
    /// The model came to its end.
    pub(super) finished: bool,
}

impl Reply {
    fn new(turn: TurnId) -> Self {
        Self {
            turn,
            scanner: Scanner::default(),
            generated: String::new(),
            kept_back: None,
            spoken: false,
            begun: false,
            done: false,
            active: true,
            filler: false,
            failures: 0,
            losses: 0,
            pauses: 0,
            repeating: None,
            resumed: false,
            verbatim: true,
            then: None,
            commands: Vec::new(),
            again: false,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    pub(super) fn has_spoken(&self) -> bool {
        self.spoken
    }

    /// Whether the caller was told that it takes a moment.
    pub(super) fn has_filled(&self) -> bool {
        self.filler
    }

    /// Whether the caller has been asked to wait already: by a filler, or by the model in words with
    /// which the phrase for it begins.
    fn has_asked_to_wait(&self, phrase: &str) -> bool {
        self.filler || begins_in(phrase, &spoken_of(&self.generated))
    }

    /// Whether a tool waits for the model's reaction.
    pub(super) fn answer_tool(&mut self, waits: bool) {
        self.again |= waits;
    }

    fn written(&self) -> Written {
        let (turn, text, finished) = (self.turn, self.generated.clone(), self.done);
        Written { turn, text, verbatim: self.verbatim && finished, finished }
    }

    /// Whether what was written ends in a sign after which a space is due.
    fn ends_a_clause(&self) -> bool {
        self.generated.ends_with(['.', '?', '!', ',', ';', ':'])
    }

    /// Forgets what may have been the beginning of a command.
    fn forget_unfinished(&mut self) {
        self.scanner = Scanner::default();
        if let Some(open) = self.generated.rfind("[[")
            && !self.generated[open..].contains("]]")
        {
            self.generated.truncate(open);
        } else if self.generated.ends_with('[') {
            self.generated.pop();
        }
    }

    /// Lets through what an earlier attempt has not said already.
    fn unrepeated(&mut self, text: String) -> String {
        let Some(repeat) = &mut self.repeating else { return text };
        repeat.so_far.push_str(&text);
        if let Some(rest) = repeat.so_far.strip_prefix(repeat.earlier.as_str()) {
            let rest = rest.to_owned();
            self.repeating = None;
            rest
        } else if repeat.earlier.starts_with(repeat.so_far.as_str()) {
            String::new()
        } else {
            let text = std::mem::take(&mut repeat.so_far);
            self.repeating = None;
            text
        }
    }
}

impl Call {
    /// Asks the model for a reply; `hints` are told for this reply only.
    pub(super) fn respond(&mut self, now: Instant, hints: &[&str]) {
        self.owed = false;
        self.deadlines.clear(Deadline::Silence);
        self.deadlines.clear(Deadline::FalseInterrupt);
        if self.model_refused {
            return self.give_up(now);
        }
        if self.self_turns > self.policy.self_turns {
            return self.listen(now, false);
        }
        self.self_turns += 1;
        self.turn = self.turn.next();
        let mut reply = Reply::new(self.turn);
        if self.needs_approval_before_it_is_known() {
            reply.kept_back = Some(String::new());
        }
        self.state = State::Replying(Box::new(reply));
        let mut context = self.transcript.context();
        let disclosure = self.disclosure_hint();
        let hints = hints.iter().copied().chain(disclosure.as_deref());
        context.extend((0..).zip(hints).map(|(at, hint)| self.hint(at, hint)));
        self.tell_model(ToModel::Respond { turn: self.turn, context });
        self.deadlines.set(Deadline::Filler, now + self.policy.filler_after);
        self.deadlines.set(Deadline::Answer, now + self.policy.answer_limit);
    }

    /// An item that is told for one reply only.
    fn hint(&self, at: u32, text: &str) -> Item {
        let id = ItemId::new(ItemKind::Hint, self.turn.0.into(), at);
        Item { id, body: ItemBody::Note(text.into()) }
    }

    fn needs_approval_before_it_is_known(&self) -> bool {
        match &self.agent.approval {
            Approval::Never => false,
            Approval::Always => true,
            // A later word or a command can still make it one that waits.
            Approval::When(rules) => {
                self.transcript.replies < rules.first || rules.commands || !rules.words.is_empty()
            }
        }
    }

    pub(super) fn on_model(&mut self, now: Instant, said: FromModel) {
        if self.is_over() {
            self.counters.late += 1;
            return;
        }
        match said {
            FromModel::Ready => {}
            FromModel::Text { turn, text } => {
                if self.is_current(turn) {
                    self.on_text(now, text);
                }
            }
            FromModel::Tool { turn, call_id, name, arguments } => {
                if self.is_current(turn) {
                    self.on_tool(now, ToolRef { call_id, name, arguments });
                }
            }
            FromModel::Done { turn, outcome, usage } => {
                self.count_usage(now, Some(turn), usage);
                if self.is_current(turn) {
                    self.on_done(now, outcome);
                }
            }
            FromModel::Failed { turn, fault, code, message, usage } => {
                self.count_usage(now, turn, usage);
                self.on_failed(now, turn, fault, code, message);
            }
        }
    }

    /// Whether words of `turn` are still wanted.
    fn is_current(&mut self, turn: TurnId) -> bool {
        let current =
            matches!(&self.state, State::Replying(reply) if reply.turn == turn && !reply.done);
        if !current {
            self.counters.late += 1;
        }
        current
    }

    fn count_usage(&mut self, now: Instant, turn: Option<TurnId>, usage: Option<Usage>) {
        if let Some(usage) = usage
            && usage != Usage::default()
        {
            let cost_usd = self.policy.prices.cost(&usage);
            self.emit(now, EventBody::Usage { turn, usage, cost_usd });
            self.watch_spend(now);
        }
    }

    pub(super) fn reply(&mut self) -> Option<&mut Reply> {
        match &mut self.state {
            State::Replying(reply) => Some(reply),
            State::Ringing
            | State::Listening { .. }
            | State::OnHold
            | State::HumanSpeaks
            | State::Lost { .. }
            | State::Ending(_)
            | State::Transferring { .. }
            | State::Gone
            | State::Ended => None,
        }
    }

    fn on_text(&mut self, now: Instant, text: String) {
        self.begin(now);
        let Some(reply) = self.reply() else { return };
        let mut text = reply.unrepeated(text);
        if std::mem::take(&mut reply.resumed) && reply.ends_a_clause() && !text.starts_with(' ') {
            text.insert(0, ' ');
        }
        reply.generated.push_str(&text);
        if text.is_empty() {
            return;
        }
        if reply.scanner.passes(&text) {
            return self.say_reply(now, text, false);
        }
        for piece in reply.scanner.push(&text) {
            self.on_piece(now, piece);
        }
    }

    /// The model gives a sign of life.
    fn begin(&mut self, now: Instant) {
        self.deadlines.set(Deadline::Answer, now + self.policy.answer_limit);
        let Some(reply) = self.reply() else { return };
        if !std::mem::replace(&mut reply.begun, true) {
            let turn = reply.turn;
            self.measure(now, turn, Stage::FirstToken);
        }
    }

    fn on_piece(&mut self, now: Instant, piece: Piece) {
        match piece {
            Piece::Text(text) => self.say_reply(now, text, false),
            Piece::Command(command) => self.on_command(now, command, None),
            Piece::Malformed(malformed) => self.reject_malformed(now, malformed, None),
        }
    }

    fn say_reply(&mut self, now: Instant, text: String, last: bool) {
        let Some(reply) = self.reply() else { return };
        if let Some(kept) = &mut reply.kept_back {
            kept.push_str(&text);
            return;
        }
        let turn = reply.turn;
        let first = !std::mem::replace(&mut reply.spoken, true);
        if first {
            self.deadlines.clear(Deadline::Filler);
            self.measure(now, turn, Stage::FirstSpoken);
        }
        let shown = (!text.is_empty()).then(|| text.clone());
        self.say(now, Source::Model, Some(turn), text, last, true, true);
        if let Some(text) = shown {
            self.show(now, EventBody::AssistantDelta { text });
        }
    }

    fn on_tool(&mut self, now: Instant, tool: ToolRef) {
        self.begin(now);
        match Command::from_tool(&tool.name, &tool.arguments) {
            Ok(command) => self.on_command(now, command, Some(tool)),
            Err(malformed) => self.reject_malformed(now, malformed, Some(tool)),
        }
    }

    fn reject_malformed(&mut self, now: Instant, malformed: Malformed, tool: Option<ToolRef>) {
        let Malformed { command, value, reason } = malformed;
        // A tool call must be answered, and the model must see the answer.
        let again = tool.is_some();
        let reason = reason.to_owned();
        self.emit(now, EventBody::CommandRejected { command, value, by: By::Ai, reason, tool });
        if let Some(reply) = self.reply() {
            reply.again |= again;
        }
    }

    fn on_command(&mut self, now: Instant, command: Command, tool: Option<ToolRef>) {
        let keeping = matches!(self.reply(), Some(Reply { kept_back: Some(_), .. }));
        // Whoever does not want to be called needs nobody's consent.
        if keeping && command != Command::DoNotCall {
            let held = HeldCommand { command: command.name(), value: command.value(), tool };
            if let Some(reply) = self.reply() {
                reply.commands.push(held);
            }
        } else {
            self.do_command(now, command, tool);
        }
    }

    /// The firewall: what a talked-into model may not do, it does not do.
    fn allow(&self, command: &Command) -> Result<(), String> {
        if !self.agent.commands.contains(&command.name()) {
            return Err(format!("this agent may not use {}", command.name().as_str()));
        }
        match command {
            Command::Transfer(Some(target)) => {
                self.agent.transfers.check(target).map_err(|why| why.to_string())
            }
            Command::Transfer(None) if self.agent.transfers.fallback.is_none() => {
                Err("no transfer number is configured".into())
            }
            Command::Transfer(None)
            | Command::Press(_)
            | Command::EndCall
            | Command::RequestUser(_)
            | Command::DoNotCall => Ok(()),
        }
    }

    fn do_command(&mut self, now: Instant, command: Command, tool: Option<ToolRef>) {
        if let Err(reason) = self.allow(&command) {
            let (name, value) = (command.name().as_str().to_owned(), command.value());
            let rejected =
                EventBody::CommandRejected { command: name, value, by: By::Ai, reason, tool };
            self.emit(now, rejected);
            if let Some(reply) = self.reply() {
                reply.again = true;
            }
            return;
        }
        let fallback = self.agent.transfers.fallback.clone();
        match command {
            Command::Press(digits) => {
                if let Some(reply) = self.reply() {
                    reply.again |= tool.is_some();
                }
                self.press(now, digits, By::Ai, tool);
            }
            Command::RequestUser(prompt) => self.ask(now, prompt, tool),
            Command::EndCall => self.then(Then::EndCall { tool }),
            Command::DoNotCall => self.do_not_call(now, tool),
            Command::Transfer(target) => {
                if let Some(target) = target.or(fallback) {
                    self.then(Then::Transfer { target, tool });
                }
            }
        }
    }

    /// The first of two ways to leave wins.
    fn then(&mut self, then: Then) {
        if let Some(reply) = self.reply() {
            reply.then.get_or_insert(then);
        }
    }

    pub(super) fn press(
        &mut self,
        now: Instant,
        digits: crate::ids::Digits,
        by: By,
        tool: Option<ToolRef>,
    ) {
        self.playback.pressed(digits.as_str());
        self.expect_playback(now);
        let value = digits.to_string();
        self.tell_line(ToCarrier::Press(digits));
        self.emit(now, EventBody::CommandExecuted { command: CommandName::Press, value, by, tool });
    }

    fn on_done(&mut self, now: Instant, outcome: Outcome) {
        self.deadlines.clear(Deadline::Answer);
        self.deadlines.clear(Deadline::Filler);
        let rest = self.reply().and_then(|reply| reply.scanner.finish());
        if let Some(piece) = rest {
            self.on_piece(now, piece);
        }
        let Some(reply) = self.reply() else { return };
        reply.verbatim &= outcome == Outcome::Complete;
        let kept = reply.kept_back.as_ref().map(|kept| kept.trim().to_owned());
        let silent = !reply.spoken && kept.as_ref().is_none_or(String::is_empty);
        let idle = reply.then.is_none() && !reply.again && reply.commands.is_empty();
        if outcome == Outcome::Filtered {
            let phrase = self.agent.phrases.say_again.clone();
            self.speak_on(now, Source::Apology, &phrase);
            return self.reply_done(now);
        }
        if silent
            && idle
            && reply.generated.trim().is_empty()
            && self.transcript.questions.is_empty()
        {
            return self.on_empty(now);
        }
        if let Some(text) = kept {
            self.keep_or_send(now, text);
        } else {
            self.reply_done(now);
        }
    }

    fn on_empty(&mut self, now: Instant) {
        if let Some(reply) = self.reply() {
            reply.active = false;
        }
        if matches!(self.reply(), Some(reply) if reply.failures < 1) {
            return self.retry_now(now, Fault::Passing);
        }
        let phrase = self.agent.phrases.say_again.clone();
        self.speak(now, Source::Apology, &phrase);
        self.reply_done(now);
    }

    fn keep_or_send(&mut self, now: Instant, text: String) {
        let Some(reply) = self.reply() else { return };
        let (turn, commands) = (reply.turn, std::mem::take(&mut reply.commands));
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
    pub(super) fn send_kept(&mut self, now: Instant, text: &str, commands: Vec<HeldCommand>) {
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
    pub(super) fn revive(&mut self, turn: TurnId, verbatim: bool, text: &str) {
        let mut reply = Reply::new(turn);
        reply.begun = true;
        reply.active = false;
        reply.verbatim = verbatim;
        text.clone_into(&mut reply.generated);
        self.state = State::Replying(Box::new(reply));
    }

    /// The model has finished; the caller may still be listening.
    fn reply_done(&mut self, now: Instant) {
        let Some(reply) = self.reply() else { return };
        reply.done = true;
        let then = reply.then.take();
        if then.is_none() && !self.transcript.questions.is_empty() {
            self.last_written = self.reply().map(|reply| reply.written());
            let phrase = self.agent.phrases.hold.clone();
            // Whoever hears it twice in a row hears a machine. Something is said in any case: what
            // the model has said must not be cut off by the reply to a fast answer.
            let asked = self.reply().is_some_and(|reply| reply.has_asked_to_wait(&phrase));
            let phrase = if asked { after_opening(&phrase) } else { phrase };
            self.speak_on(now, Source::Hold, &phrase);
            return self.hold_for_answer(now);
        }
        self.close_utterance();
        if let Some(then) = then {
            self.last_written = self.reply().map(|reply| reply.written());
            return self.end_after_reply(now, then);
        }
        self.after_playback(now);
    }

    /// The reply has been heard to its end.
    pub(super) fn reply_heard(&mut self, now: Instant) {
        let Some(reply) = self.reply() else { return };
        self.owed |= reply.again;
        self.last_written = self.reply().map(|reply| reply.written());
        self.settle(now);
    }

    /// Stops the reply that is under way; what was to follow it does not.
    pub(super) fn drop_reply(&mut self, now: Instant, because: &str) {
        let State::Replying(reply) = &mut self.state else { return };
        self.last_written = Some(reply.written());
        let (turn, done, then) = (reply.turn, reply.done, reply.then.take());
        let active = reply.active;
        self.state = State::Listening { greeting: false };
        for of_reply in [Deadline::Filler, Deadline::Answer, Deadline::Retry] {
            self.deadlines.clear(of_reply);
        }
        if active && !done {
            self.tell_model(ToModel::Cancel { turn });
        }
        if let Some(then) = then {
            self.reject_then(now, then, because);
        }
    }

    pub(super) fn reject_then(&mut self, now: Instant, then: Then, because: &str) {
        let (name, value, tool) = match then {
            Then::EndCall { tool } => (CommandName::EndCall, String::new(), tool),
            Then::Transfer { target, tool } => (CommandName::Transfer, target.to_string(), tool),
        };
        let (command, reason) = (name.as_str().to_owned(), because.to_owned());
        self.emit(now, EventBody::CommandRejected { command, value, by: By::Ai, reason, tool });
    }

    pub(super) fn written(&self, turn: Option<TurnId>) -> Option<Written> {
        let turn = turn?;
        if let State::Replying(reply) = &self.state
            && reply.turn == turn
        {
            return Some(reply.written());
        }
        self.last_written.clone().filter(|written| written.turn == turn)
    }

    // Failures.

    fn on_failed(
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
    pub(super) fn on_answer_overdue(&mut self, now: Instant) {
        let Some(reply) = self.reply() else { return };
        if reply.done {
            return;
        }
        let error = EventBody::Error {
            r#where: Where::Model,
            code: "timeout".into(),
            message: "the model gave no answer in time".into(),
            fatal: false,
        };
        self.emit(now, error);
        self.retry(now, Fault::Passing);
    }

    fn retry(&mut self, now: Instant, fault: Fault) {
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

    fn retry_now(&mut self, now: Instant, fault: Fault) {
        let Some(reply) = self.reply() else { return };
        match fault {
            Fault::Lost => reply.losses += 1,
            Fault::Passing | Fault::Busy | Fault::Fatal => reply.failures += 1,
        }
        self.ask_again(now);
    }

    /// Asks for the reply, or for the rest of it, under a new turn.
    pub(super) fn ask_again(&mut self, now: Instant) {
        let turn = self.turn.next();
        let Some(reply) = self.reply() else { return };
        reply.forget_unfinished();
        let earlier = std::mem::replace(&mut reply.turn, turn);
        let stalled = std::mem::replace(&mut reply.active, true);
        let said = reply.generated.clone();
        if !said.is_empty() {
            reply.verbatim = false;
            reply.resumed = true;
            reply.repeating = Some(Repeat { earlier: said.clone(), so_far: String::new() });
        }
        self.turn = turn;
        if stalled {
            self.tell_model(ToModel::Cancel { turn: earlier });
        }
        let mut context = self.transcript.context();
        if !said.trim().is_empty() {
            let id = ItemId::new(ItemKind::SaidBefore, turn.0.into(), 0);
            let body = ItemBody::Assistant { text: said.into(), verbatim: None };
            context.push(Item { id, body });
            let hint = "A technical fault cut your reply off after these words, which the caller \
                        has heard. Go on from exactly there and repeat nothing.";
            context.push(self.hint(0, hint));
        }
        self.tell_model(ToModel::Respond { turn, context });
        self.deadlines.set(Deadline::Answer, now + self.policy.answer_limit);
    }

    /// Says that it takes a moment, once a reply, unless the reply has begun.
    pub(super) fn say_filler(&mut self, now: Instant) {
        self.deadlines.clear(Deadline::Filler);
        let Some(reply) = self.reply() else { return };
        if reply.spoken || std::mem::replace(&mut reply.filler, true) {
            return;
        }
        let phrase = self.agent.phrases.filler.clone();
        self.speak(now, Source::Filler, &phrase);
    }

    /// The model will not answer: apologise, then transfer or say goodbye.
    pub(super) fn give_up(&mut self, now: Instant) {
        self.drop_reply(now, "the model failed");
        if let Some(target) = self.agent.transfers.fallback.clone() {
            let phrase = self.agent.phrases.apology_transfer.clone();
            self.speak_on(now, Source::Apology, &phrase);
            self.end_by_transfer(now, target, EndReason::ModelFailed);
        } else {
            let phrase = self.agent.phrases.apology_goodbye.clone();
            self.speak_on(now, Source::Apology, &phrase);
            self.end_by_policy(now, EndReason::ModelFailed);
        }
    }
}

/// Whether the first two words of a phrase stand somewhere in the text, however they are spelt.
fn begins_in(phrase: &str, text: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let (phrase, text) = (words(phrase), words(text));
    phrase.get(..2).is_some_and(|opening| text.windows(2).any(|pair| pair == opening))
}

/// A phrase without its first clause; all of it, if it has but one.
fn after_opening(phrase: &str) -> String {
    let rest = phrase.split_once([',', '.', ';', '!']).map_or("", |(_, rest)| rest.trim());
    let mut letters = rest.chars();
    match letters.next().filter(|first| first.is_alphanumeric()) {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => phrase.to_owned(),
    }
}

/// What the caller hears of what the model wrote.
fn spoken_of(written: &str) -> String {
    let mut scanner = Scanner::default();
    let mut pieces = scanner.push(written);
    pieces.extend(scanner.finish());
    let spoken = pieces.into_iter().filter_map(|piece| match piece {
        Piece::Text(text) => Some(text),
        Piece::Command(_) | Piece::Malformed(_) => None,
    });
    spoken.collect()
}

/// Commands as the model would have written them.
fn in_brackets(commands: &[HeldCommand]) -> String {
    let written = commands.iter().map(|held| match held.value.as_str() {
        "" => format!("[[{}]]", held.command.as_str()),
        value => format!("[[{}:{value}]]", held.command.as_str()),
    });
    written.collect()
}
