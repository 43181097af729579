//! The state that the API, the calls and the handle share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use phony_wire::twilio::webhook::{CallStatus, VoiceRequest};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::callee::Callee;
use super::calls::{CallCell, Calls, Control, lock, new_sid};
use super::clock::Clock;
use super::fault::Fault;
use super::options::TwilioOptions;
use super::phone_number::PhoneNumber;
use super::record::{CallRecord, Webhook};
use super::webhooks::{self, Answer, HostOverride, Request};

/// How many commands of the API may wait for one call.
const CONTROLS: usize = 8;

/// The phone network: its numbers, its calls, and who answers them.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) options: TwilioOptions,
    pub(crate) calls: Mutex<Calls>,
    pub(crate) numbers: Mutex<Vec<PhoneNumber>>,
    pub(crate) callees: Mutex<BTreeMap<String, Callee>>,
    pub(crate) faults: Mutex<VecDeque<Fault>>,
    pub(crate) host_overrides: Mutex<Vec<HostOverride>>,
    /// Notified when a call is created, changes or ends.
    pub(crate) changed: Notify,
    pub(crate) http: reqwest::Client,
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Network {
    /// Creates a call, which the API shows from now on.
    pub(crate) fn create(
        &self,
        from: &str,
        to: &str,
        direction: &str,
    ) -> (Arc<CallCell>, mpsc::Receiver<Control>) {
        let record = CallRecord {
            sid: new_sid("CA"),
            from: from.to_owned(),
            to: to.to_owned(),
            direction: direction.to_owned(),
            status: CallStatus::Queued.as_str().to_owned(),
            ..CallRecord::default()
        };
        let (control, controls) = mpsc::channel(CONTROLS);
        let cell = CallCell::new(record, Clock::start(self.options.speed), control);
        lock(&self.calls).insert(Arc::clone(&cell));
        self.changed.notify_waiters();
        (cell, controls)
    }

    /// The account's number that is written `phone_number`.
    pub(crate) fn number(&self, phone_number: &str) -> Option<PhoneNumber> {
        let numbers = lock(&self.numbers);
        numbers.iter().find(|number| number.phone_number == phone_number).cloned()
    }

    /// Who answers at a number, if that has been set.
    pub(crate) fn callee(&self, phone_number: &str) -> Option<Callee> {
        lock(&self.callees).get(phone_number).cloned()
    }

    /// Takes the first planned fault of this kind.
    pub(crate) fn take_fault(&self, kind: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let index = faults.iter().position(kind)?;
        faults.remove(index)
    }

    /// The parameters common to all voice webhooks.
    pub(crate) fn voice_request(&self, cell: &CallCell) -> VoiceRequest {
        cell.read(|record| VoiceRequest {
            call_sid: record.sid.clone(),
            account_sid: self.options.account_sid.clone(),
            from: record.from.clone(),
            to: record.to.clone(),
            caller: record.from.clone(),
            called: record.to.clone(),
            call_status: CallStatus::parse(&record.status),
            direction: record.direction.clone(),
            api_version: "2010-04-01".to_owned(),
            from_country: country(&record.from),
            to_country: country(&record.to),
            ..VoiceRequest::default()
        })
    }

    /// Waits this long in the call's time, or until the network is stopped.
    pub(crate) async fn pause(&self, clock: Clock, for_ms: u64) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = clock.sleep(for_ms) => {}
        }
    }

    /// Sends a request to the application and records it. `None` if there is no answer with a 2xx
    /// status.
    pub(crate) async fn ask(
        &self,
        cell: &CallCell,
        purpose: &str,
        request: Request,
    ) -> Option<Answer> {
        let at_ms = cell.clock.now_ms();
        let overrides = lock(&self.host_overrides).clone();
        let sending = webhooks::send(&self.http, &self.options.auth_token, &overrides, &request);
        let answer = tokio::select! {
            answer = sending => answer,
            () = self.stop.cancelled() => Err("the network was stopped".to_owned()),
        };
        let mut webhook = Webhook {
            at_ms,
            purpose: purpose.to_owned(),
            url: request.url,
            params: request.form.pairs().to_vec(),
            ..Webhook::default()
        };
        let usable = match answer {
            Ok(answer) => {
                webhook.status = Some(answer.status);
                webhook.answer.clone_from(&answer.body);
                let usable = (200..300).contains(&answer.status);
                if !usable {
                    webhook.error = Some(format!("status {}", answer.status));
                }
                usable.then_some(answer)
            }
            Err(error) => {
                webhook.error = Some(error);
                None
            }
        };
        cell.update(|record| record.webhooks.push(webhook));
        self.changed.notify_waiters();
        usable
    }
}

fn country(number: &str) -> String {
    if number.starts_with("+1") { "US".to_owned() } else { String::new() }
}
