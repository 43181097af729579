//! The actor of one call: turns messages, carrier and model events and the deadline into an
//! [`Input`], gives it to the [`Call`], and performs its outputs; it decides nothing itself. Owns
//! the call, its line and its model. [`super::Calls`] starts it; everybody else sends it messages.

mod hang_up;
mod legs;
mod outbound;
mod record;
mod signals;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use phony_call::{
    Agent, Call, Event, EventBody, Fault, FromCarrier, FromModel, Identity, Input, NotHungUp,
    Output, Phase, Policy, Progress, Refused, ToCarrier, ToModel,
};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::calls::registry::{CallMessage, Handle, MAILBOX, Registered, Signal};
use crate::calls::supervisors::{PresenceWatch, Supervisors};
use crate::cluster::SupervisorAction;
use crate::events::Publisher;
use crate::ports::{CarrierPort, ModelPort};
use crate::runtime::channel;
use crate::runtime::task_set::{self, Task, TaskSet};
use crate::telemetry::in_call;

use self::legs::AmbiguousReport;
use self::record::Record;
use self::signals::Signals;
pub use hang_up::HangUp;
pub use outbound::OutboundGuard;

/// How often a model that failed is reopened in one call.
const MODEL_REOPENS: u32 = 3;

/// What a call begins with.
pub struct Start {
    /// Limits and timings.
    pub policy: Policy,
    /// The agent.
    pub agent: Arc<Agent>,
    /// Who calls whom.
    pub identity: Identity,
    /// The events of a call that is resumed; empty if it begins.
    pub past: Vec<Event>,
    /// The wall-clock time.
    pub wall: Timestamp,
    /// Opens the model.
    pub open_model: Box<dyn Fn() -> ModelPort + Send>,
    /// Ends the actor at once.
    pub kill: CancellationToken,
    /// Cancelled when the call is to be left to another node.
    pub hand_over: CancellationToken,
    /// The call's registration.
    pub registered: Registered,
    /// The call's record.
    pub publisher: Publisher,
    /// The guard of an outbound call. Its model is opened when it is answered.
    pub outbound: Option<OutboundGuard>,
    /// Ends the call at the carrier; `None` where there is no telephone network.
    pub hang_up: Option<HangUp>,
    /// The connected supervisors.
    pub supervisors: Arc<Supervisors>,
}

/// Runs a call to its end.
///
/// `start` is boxed because a future reserves space for everything that is moved through it.
pub async fn run(start: Box<Start>) {
    metrics::counter!("phony_calls_total").increment(1);
    metrics::gauge!("phony_calls_live").increment(1.0);
    in_call(start.identity.sid.clone(), task_set::run(|tasks| hold(start, tasks))).await;
}

async fn hold(start: Box<Start>, tasks: TaskSet) {
    let Some(mut held) = begin(*start, tasks) else { return };
    held.actor.turns(&mut held.mailbox).await;
    held.actor.close(held.mailbox).await;
    if held.actor.killed {
        held.record.killed(held.actor.handed_over);
    }
    held.record.goes_on = held.actor.handed_over;
}

/// What a call needs until its end.
struct Held {
    actor: CallActor,
    record: Record,
    mailbox: mpsc::Receiver<Box<CallMessage>>,
}

/// Begins or resumes the call; `None` if it has ended before it could be resumed. Boxed for the
/// same reason as [`Start`].
fn begin(start: Start, tasks: TaskSet) -> Option<Box<Held>> {
    let Start {
        policy,
        agent,
        identity,
        past,
        wall,
        open_model,
        kill,
        hand_over,
        registered,
        publisher,
        outbound,
        hang_up,
        supervisors,
    } = start;
    let Registered { mailbox, handle, stop, lost, place } = registered;
    let signals = Signals { kill: kill.clone(), lost, hand_over: hand_over.clone(), stop };
    let signals = signals.watch(handle.clone());
    let now = now();
    let mut record = Record::new(publisher, identity.sid.clone(), (now, wall), place);
    let begun = if past.is_empty() {
        Some(Call::new(policy, agent, identity, now, wall))
    } else {
        Call::resume(policy, agent, &past, now, wall)
    };
    drop(past);
    let Some((call, outputs)) = begun else {
        record.goes_on = true;
        return None;
    };
    // A call that may never be answered, or never come back, needs no model yet.
    let asleep = match call.phase() {
        Phase::Ringing => outbound.is_some(),
        Phase::Transferring | Phase::Ending => true,
        Phase::Greeting
        | Phase::Listening
        | Phase::Thinking
        | Phase::Speaking
        | Phase::OnHold
        | Phase::HumanSpeaks
        | Phase::Lost
        | Phase::Ended => false,
    };
    let mut actor = CallActor {
        call,
        publisher: record.publisher.clone(),
        tasks,
        line: None,
        ambiguous: Vec::new(),
        model: None,
        open_model,
        reopens: 0,
        refused: false,
        finished: false,
        asleep,
        outbound,
        hang_up,
        handle,
        ending: Vec::new(),
        handed_over: false,
        kill,
        hand_over,
        killed: false,
        supervisors,
        holder: None,
    };
    actor.tasks.spawn(signals);
    if !actor.asleep {
        actor.open_model_port();
    }
    actor.perform(outputs);
    Some(Box::new(Held { actor, record, mailbox }))
}

#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states of one machine")]
struct CallActor {
    call: Call,
    publisher: Publisher,
    tasks: TaskSet,
    line: Option<CarrierPort>,
    ambiguous: Vec<AmbiguousReport>,
    model: Option<ModelPort>,
    open_model: Box<dyn Fn() -> ModelPort + Send>,
    reopens: u32,
    /// The model has failed for good.
    refused: bool,
    finished: bool,
    /// The model has not been opened yet.
    asleep: bool,
    outbound: Option<OutboundGuard>,
    hang_up: Option<HangUp>,
    /// The call's own handle, for tasks that send it messages.
    handle: Handle,
    /// Replies to supervisors who ended the call, owed once the carrier has ended it.
    ending: Vec<oneshot::Sender<Result<(), Refused>>>,
    /// Another process continues the call.
    handed_over: bool,
    /// Cancelled when the server ends at once.
    kill: CancellationToken,
    /// Cancelled when the call is to be left to another node.
    hand_over: CancellationToken,
    /// The server ends at once.
    killed: bool,
    supervisors: Arc<Supervisors>,
    /// The supervisor who holds the takeover and is watched.
    holder: Option<PresenceWatch>,
}

impl CallActor {
    async fn turns(&mut self, mailbox: &mut mpsc::Receiver<Box<CallMessage>>) {
        let timer = tokio::time::sleep_until(now().into());
        tokio::pin!(timer);
        while !self.finished {
            self.watch_holder();
            let deadline = self.call.deadline();
            // Every token moves the deadline. The timer is left as it is, fires early and is reset
            // then, once every few seconds.
            if let Some(at) = deadline
                && (timer.is_elapsed() || timer.deadline() > at.into())
            {
                timer.as_mut().reset(at.into());
            }
            // Messages come first, so that an action never waits behind media.
            tokio::select! {
                biased;
                message = mailbox.recv() => match message {
                    Some(message) => self.receive(*message),
                    // The registry keeps a sender as long as the call has its place.
                    None => return,
                },
                said = next_of(self.line.as_mut().map(|line| &mut line.rx)) => {
                    let said = said.unwrap_or(FromCarrier::Closed { clean: false });
                    if matches!(said, FromCarrier::Closed { .. }) {
                        self.line = None;
                        // The line may have learned first that the server ends.
                        if self.kill.is_cancelled() {
                            return self.end_at_once();
                        }
                    }
                    let is_gone = self.line.is_none();
                    self.input(Input::Carrier(said));
                    if is_gone {
                        self.accept_ambiguous();
                    }
                }
                said = next_of(self.model.as_mut().map(|model| &mut model.rx)) => match said {
                    Some(said) => {
                        self.refused |= matches!(
                            said, FromModel::Failed { fault: Fault::Fatal, .. }
                        );
                        self.input(Input::Model(said));
                    }
                    None => self.replace_model("ended"),
                },
                () = &mut timer, if deadline.is_some() => self.input(Input::Deadline),
            }
        }
    }

    fn end_at_once(&mut self) {
        (self.killed, self.finished) = (true, true);
        // Cut off here, but the node that is asked next resumes it.
        self.handed_over |= self.hand_over.is_cancelled() || self.call.goes_on_by_itself();
    }

    /// Lines that come too late are told so, by the closing of their port.
    async fn close(&mut self, mut mailbox: mpsc::Receiver<Box<CallMessage>>) {
        mailbox.close();
        while let Some(message) = mailbox.recv().await {
            match *message {
                CallMessage::Attach(mut line) => self.run(line.task.take()),
                CallMessage::HungUp(Err(_)) => self.ask_to_hang_up(),
                CallMessage::Act { .. }
                | CallMessage::LegEnded { .. }
                | CallMessage::AmbiguityTimeout
                | CallMessage::Progress(_)
                | CallMessage::AnsweredBy(_)
                | CallMessage::Budget(_)
                | CallMessage::Presence { .. }
                | CallMessage::Over(_)
                | CallMessage::HungUp(Ok(()))
                | CallMessage::Snapshot(_)
                | CallMessage::Signal(_) => {}
            }
        }
    }

    fn receive(&mut self, message: CallMessage) {
        // The receiver of a reply may be gone; the reply is then dropped.
        match message {
            CallMessage::Act { action: SupervisorAction { action, by }, reply } => {
                let done = self.call.act_as(now(), by.as_ref(), action);
                let asks = matches!(&done, Ok(outputs) if outputs.contains(&Output::HangUp));
                let done = done.map(|outputs| self.perform(outputs));
                if asks && !self.finished && self.ending.len() < MAILBOX {
                    // The reply follows when the carrier has ended the call.
                    self.ending.push(reply);
                } else {
                    drop(reply.send(done));
                }
            }
            CallMessage::LegEnded { report, reply } => self.leg_ended(report, reply),
            CallMessage::AmbiguityTimeout => self.reject_ambiguous(),
            CallMessage::Attach(mut line) => {
                self.ensure_model();
                self.run(line.task.take());
                if self.line.replace(line).is_some() {
                    self.input(Input::Carrier(FromCarrier::Closed { clean: false }));
                }
            }
            CallMessage::Progress(progress) => {
                if progress >= Progress::InProgress {
                    self.ensure_model();
                }
                self.input(Input::Carrier(FromCarrier::Progress(progress)));
            }
            CallMessage::AnsweredBy(who) => {
                self.input(Input::Carrier(FromCarrier::AnsweredBy(who)));
            }
            CallMessage::Budget(budget) => self.input(Input::Budget(budget)),
            CallMessage::HungUp(outcome) => self.hung_up(outcome),
            CallMessage::Presence { who, presence } => {
                self.input(Input::Presence { who, presence });
            }
            CallMessage::Over(status) => self.input(Input::Carrier(FromCarrier::Over { status })),
            CallMessage::Signal(signal) => match signal {
                Signal::Stop => self.input(Input::Stop),
                Signal::HandOver => self.input(Input::HandOver),
                Signal::Released => (self.finished, self.handed_over) = (true, true),
                Signal::Kill => self.end_at_once(),
            },
            CallMessage::Snapshot(reply) => {
                let snapshot = serde_json::to_value(self.call.snapshot(now()));
                drop(snapshot.map(|snapshot| reply.send(snapshot)));
            }
        }
    }

    fn input(&mut self, input: Input) {
        let outputs = self.call.handle(now(), input);
        self.perform(outputs);
    }

    /// Performs the call's outputs in order. A full port is a fault of the other side and is fed
    /// back to the call as an input.
    fn perform(&mut self, outputs: Vec<Output>) {
        let mut outputs = VecDeque::from(outputs);
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Carrier(order) => {
                    if !self.tell_line(order) {
                        let closed = FromCarrier::Closed { clean: false };
                        outputs.extend(self.call.handle(now(), Input::Carrier(closed)));
                    }
                }
                Output::Model(order) => {
                    if !self.tell_model(order) {
                        self.replace_model("stuck");
                    }
                }
                Output::Event(event) => {
                    record::count(&event);
                    if let Some(outbound) = &self.outbound {
                        outbound.observe(&event, now());
                    }
                    self.publisher.publish(&event);
                    if matches!(event.body, EventBody::Connected { .. } | EventBody::Resumed { .. })
                    {
                        // After a restart the record must show that the token was used.
                        self.publisher.hurry();
                    }
                }
                Output::HangUp => {
                    if self.hang_up.is_some() {
                        self.ask_to_hang_up();
                    } else {
                        // There is no network that holds the call.
                        let hung_up = Input::Carrier(FromCarrier::HungUp);
                        outputs.extend(self.call.handle(now(), hung_up));
                    }
                }
                Output::Finished => {
                    self.finished = true;
                    self.answer_ending(&Ok(()));
                }
                Output::HandedOver => (self.finished, self.handed_over) = (true, true),
            }
        }
    }

    fn ask_to_hang_up(&self) {
        if let Some(hang_up) = &self.hang_up {
            hang_up.ask(self.handle.clone());
        }
    }

    /// Handles the carrier's answer to the request to end the call.
    fn hung_up(&mut self, outcome: Result<(), NotHungUp>) {
        let said = match outcome.clone() {
            Ok(()) => FromCarrier::HungUp,
            Err(why) => FromCarrier::NotHungUp(why),
        };
        self.input(Input::Carrier(said));
        match (outcome, &self.hang_up) {
            (Err(why), Some(hang_up)) => {
                let waiting = std::mem::take(&mut self.ending);
                hang_up.promise(self.publisher.clone(), waiting, why);
            }
            (outcome, _) => self.answer_ending(&outcome.map_err(Refused::NotHungUp)),
        }
    }

    fn answer_ending(&mut self, done: &Result<(), Refused>) {
        for reply in self.ending.drain(..) {
            drop(reply.send(done.clone()));
        }
    }

    /// False if the line was too slow and was dropped.
    fn tell_line(&mut self, order: ToCarrier) -> bool {
        let Some(line) = &self.line else {
            tracing::debug!("nothing to tell it on: there is no line");
            return true;
        };
        match line.tx.try_send(order) {
            // A closed line reports itself, with the reason.
            Ok(()) | Err(TrySendError::Closed(_)) => true,
            Err(TrySendError::Full(_)) => {
                tracing::warn!("the line takes words too slowly and is closed");
                metrics::counter!("phony_lines_too_slow_total").increment(1);
                self.line = None;
                false
            }
        }
    }

    /// False if the model is stuck.
    fn tell_model(&mut self, order: ToModel) -> bool {
        self.ensure_model();
        let Some(model) = &self.model else { return true };
        !matches!(model.tx.try_send(order), Err(TrySendError::Full(_)))
    }

    /// Opens the model, if that has not been done yet.
    fn ensure_model(&mut self) {
        if std::mem::take(&mut self.asleep) {
            self.open_model_port();
        }
    }

    /// Watches the presence of the supervisor who holds the takeover.
    fn watch_holder(&mut self) {
        let holder = self.call.holder();
        if holder == self.holder.as_ref().map(|watch| &watch.who) {
            return;
        }
        let watched = holder.map(|who| self.supervisors.watch(who, self.handle.clone()));
        let (watched, part) = watched.unzip();
        self.holder = watched;
        self.run(part);
    }

    fn open_model_port(&mut self) {
        let mut model = (self.open_model)();
        self.run(model.task.take());
        self.model = Some(model);
    }

    /// Runs a task within the call's own.
    fn run(&self, task: Option<Task>) {
        if let Some(task) = task {
            self.tasks.spawn(task);
        }
    }

    /// Reopens the model after its task failed, at most [`MODEL_REOPENS`] times.
    fn replace_model(&mut self, code: &str) {
        self.model = None;
        let again = !self.refused && self.reopens < MODEL_REOPENS;
        if again {
            self.reopens += 1;
            self.open_model_port();
        } else if self.refused {
            return;
        }
        let fault = if again { Fault::Lost } else { Fault::Fatal };
        self.refused = !again;
        let message = "the connection to the model was given up".into();
        let failed =
            FromModel::Failed { turn: None, fault, code: code.into(), message, usage: None };
        self.input(Input::Model(failed));
    }
}

/// The next item, or never if there is no channel.
async fn next_of<T>(channel: Option<&mut channel::Receiver<T>>) -> Option<T> {
    match channel {
        Some(channel) => channel.recv().await,
        None => std::future::pending().await,
    }
}

#[expect(clippy::disallowed_methods, reason = "the actor is the clock of its call")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
