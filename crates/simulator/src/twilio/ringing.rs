//! The life of a call: it rings, is answered or not, and ends.

use std::sync::Arc;

use phony_wire::twilio::rest::CreateCall;
use phony_wire::twilio::twiml::Verb;
use phony_wire::twilio::webhook::{
    AmdResult, AnsweredBy, CallStatus, CallStatusUpdate, Form, VoiceRequest,
};
use tokio::sync::mpsc;

use super::callee::{Answers, Callee};
use super::calls::{CallCell, Control, Source, lock};
use super::clock;
use super::document::fetch;
use super::leg::{Leg, Next, failure_of};
use super::network::Network;
use super::phone_number::PhoneNumber;
use super::record::End;
use super::webhooks::Request;
use crate::callers::Caller;

/// How long a call rings without the parameter `Timeout`, in seconds.
const DEFAULT_TIMEOUT_S: u64 = 60;
/// From the creation of an outbound call to the first ring, in milliseconds of the call.
const DIALLING_MS: u64 = 200;
/// How long it takes until a busy or failing number is known, in milliseconds of the call.
const REFUSED_MS: u64 = 500;

/// The status callbacks of a call.
#[derive(Debug, Clone, Default)]
struct Callbacks {
    url: Option<String>,
    method: String,
    events: Vec<String>,
    sent: u64,
}

/// How ringing ended.
enum RingOutcome {
    Answered,
    Over(End, Option<u64>),
}

/// Why a number cannot be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The account has no such number.
    #[error("{0} is not a number of this account")]
    UnknownNumber(String),
    /// The number has no `VoiceUrl`, or a TwiML application or a SIP trunk takes its calls.
    #[error("{0} has no VoiceUrl in use: set one, and clear VoiceApplicationSid and TrunkSid")]
    NoVoiceUrl(String),
    /// The network was stopped.
    #[error("the phone network was stopped")]
    Stopped,
}

/// Starts a call from outside to a number of the account and returns its SID.
pub(crate) fn dial_in(
    net: &Arc<Network>,
    from: &str,
    to: &str,
    caller: Caller,
) -> Result<String, DialError> {
    if net.stop.is_cancelled() {
        return Err(DialError::Stopped);
    }
    let number = net.number(to).ok_or_else(|| DialError::UnknownNumber(to.to_owned()))?;
    let elsewhere = !number.voice_application_sid.is_empty() || !number.trunk_sid.is_empty();
    if number.voice_url.is_empty() || elsewhere {
        return Err(DialError::NoVoiceUrl(to.to_owned()));
    }
    let (cell, control) = net.create(from, to, "inbound");
    let sid = cell.sid.clone();
    net.tracker.spawn(inbound(Arc::clone(net), cell, control, number, caller));
    Ok(sid)
}

/// Runs an inbound call.
async fn inbound(
    net: Arc<Network>,
    cell: Arc<CallCell>,
    control: mpsc::Receiver<Control>,
    number: PhoneNumber,
    caller: Caller,
) {
    cell.set_status(&CallStatus::Ringing);
    let callbacks = Callbacks {
        url: some(&number.status_callback),
        method: number.status_callback_method.clone(),
        // A number's own callback reports only the end.
        events: vec!["completed".to_owned()],
        sent: 0,
    };
    let source = Source::Url { url: number.voice_url.clone(), method: number.voice_method.clone() };
    let fallback = some(&number.voice_fallback_url)
        .map(|url| Source::Url { url, method: number.voice_fallback_method.clone() });
    let mut document = fetch(&net, &cell, "voice", &source, Form::default()).await;
    if document.is_none()
        && let Some(fallback) = &fallback
    {
        document = fetch(&net, &cell, "fallback", fallback, failure_of(&source)).await;
    }
    let end = match document {
        None => End::ApplicationError,
        Some(document) => {
            if let Some(Verb::Reject { reason }) = document.twiml.verbs.first() {
                let busy = reason.as_deref() == Some("busy");
                cell.set_status(if busy { &CallStatus::Busy } else { &CallStatus::NoAnswer });
                End::Rejected
            } else {
                cell.set_status(&CallStatus::InProgress);
                let (net, cell) = (Arc::clone(&net), Arc::clone(&cell));
                let mut leg = Leg::answered(net, cell, &caller, control, None, fallback);
                let end = leg.follow(document).await;
                leg.close();
                end
            }
        }
    };
    finish(&net, &cell, callbacks, end, None).await;
}

/// Runs an outbound call.
pub(crate) async fn outbound(
    net: Arc<Network>,
    cell: Arc<CallCell>,
    mut control: mpsc::Receiver<Control>,
    create: CreateCall,
    callee: Callee,
) {
    let mut callbacks = Callbacks::of(&create);
    cell.set_status(&CallStatus::Initiated);
    callbacks.tell(&net, &cell, "initiated", None);
    let outcome = ring(&net, &cell, &mut control, &create, &callee, &mut callbacks).await;
    let (end, sip_code) = match outcome {
        RingOutcome::Over(end, sip_code) => (end, sip_code),
        RingOutcome::Answered => {
            cell.set_status(&CallStatus::InProgress);
            callbacks.tell(&net, &cell, "answered", Some(200));
            let fallback = create.fallback_url.clone();
            let fallback = fallback.map(|url| Source::Url { url, method: "POST".to_owned() });
            let mut leg = Leg::answered(
                Arc::clone(&net),
                Arc::clone(&cell),
                &callee.caller,
                control,
                create.time_limit_s,
                fallback,
            );
            let end = talk(&mut leg, &create, &callee).await;
            leg.close();
            (end, Some(200))
        }
    };
    finish(&net, &cell, callbacks, end, sip_code).await;
}

/// Rings until the callee answers, the timeout passes, or the API cancels the call.
async fn ring(
    net: &Arc<Network>,
    cell: &Arc<CallCell>,
    control: &mut mpsc::Receiver<Control>,
    create: &CreateCall,
    callee: &Callee,
    callbacks: &mut Callbacks,
) -> RingOutcome {
    if let Some(over) = wait(net, cell, control, DIALLING_MS).await {
        return over;
    }
    let timeout_ms = create.timeout_s.unwrap_or(DEFAULT_TIMEOUT_S) * 1000;
    if !matches!(callee.answers, Answers::Fails { .. }) {
        cell.set_status(&CallStatus::Ringing);
        callbacks.tell(net, cell, "ringing", Some(180));
    }
    let (rings_ms, outcome) = match callee.answers {
        Answers::Person { after_ms } | Answers::Machine { after_ms, .. }
            if after_ms <= timeout_ms =>
        {
            (after_ms, RingOutcome::Answered)
        }
        Answers::Person { .. } | Answers::Machine { .. } | Answers::Nobody => {
            (timeout_ms, RingOutcome::Over(End::NoAnswer, Some(487)))
        }
        Answers::Busy => (REFUSED_MS, RingOutcome::Over(End::Busy, Some(486))),
        Answers::Fails { sip_code } => {
            (REFUSED_MS, RingOutcome::Over(End::CouldNotConnect, Some(sip_code)))
        }
    };
    wait(net, cell, control, rings_ms).await.unwrap_or(outcome)
}

/// Waits before the answer; returns an outcome if the API cancels or the network stops.
async fn wait(
    net: &Network,
    cell: &CallCell,
    control: &mut mpsc::Receiver<Control>,
    for_ms: u64,
) -> Option<RingOutcome> {
    let until_ms = cell.clock.now_ms() + for_ms;
    loop {
        tokio::select! {
            biased;
            () = net.stop.cancelled() => return Some(RingOutcome::Over(End::NetworkStopped, None)),
            Some(command) = control.recv() => {
                if matches!(command, Control::Complete | Control::Cancel) {
                    return Some(RingOutcome::Over(End::Canceled, Some(487)));
                }
            }
            () = cell.clock.sleep_until(Some(until_ms)) => return None,
        }
    }
}

/// Runs the answered call: first digits, then detection, then the TwiML.
async fn talk(leg: &mut Leg, create: &CreateCall, callee: &Callee) -> End {
    if let Some(digits) = create.send_digits.as_ref().filter(|digits| !digits.is_empty())
        && let Err(abort) = leg.press_first(digits.clone()).await
    {
        return match leg.after(abort).await {
            Next::Over(end) => end,
            Next::Document(document) => leg.follow(document).await,
            Next::Verb => End::TwimlEnded,
        };
    }
    let detects = create.machine_detection.is_some() && create.send_digits.is_none();
    let mut extra = Form::default();
    if detects {
        let (kind, detected_ms) = detection(&callee.answers);
        if create.async_amd == Some(true) {
            tell_amd(&leg.net, &leg.cell, create, kind, detected_ms);
        } else {
            // Synchronous detection delays the TwiML.
            leg.net.pause(leg.cell.clock, detected_ms).await;
            leg.cell.update(|record| record.answered_by = Some(kind.as_str().to_owned()));
            let view = VoiceRequest {
                answered_by: kind,
                machine_detection_ms: Some(detected_ms),
                ..VoiceRequest::default()
            };
            extra = view.to_form();
        }
    }
    let source = match (&create.url, &create.twiml) {
        (Some(url), _) => Source::Url {
            url: url.clone(),
            method: create.method.clone().unwrap_or_else(|| "POST".to_owned()),
        },
        (None, Some(twiml)) => Source::Inline(twiml.clone()),
        (None, None) => return End::ApplicationError,
    };
    match leg.go_to("voice", &source, extra).await {
        Next::Document(document) => leg.follow(document).await,
        Next::Over(end) => end,
        Next::Verb => End::TwimlEnded,
    }
}

fn detection(answers: &Answers) -> (AnsweredBy, u64) {
    match answers {
        Answers::Machine { kind, detected_ms, .. } => (AnsweredBy::parse(kind), *detected_ms),
        Answers::Person { .. } | Answers::Busy | Answers::Nobody | Answers::Fails { .. } => {
            (AnsweredBy::Human, 1_500)
        }
    }
}

/// Reports the result of asynchronous detection once it is known, even after the call's end.
fn tell_amd(
    net: &Arc<Network>,
    cell: &Arc<CallCell>,
    create: &CreateCall,
    kind: AnsweredBy,
    detected_ms: u64,
) {
    let Some(url) = create.async_amd_status_callback.clone() else { return };
    let method =
        create.async_amd_status_callback_method.clone().unwrap_or_else(|| "POST".to_owned());
    let (net, cell) = (Arc::clone(net), Arc::clone(cell));
    let tracker = net.tracker.clone();
    tracker.spawn(async move {
        tokio::select! {
            () = net.stop.cancelled() => return,
            () = cell.clock.sleep(detected_ms) => {}
        }
        cell.update(|record| record.answered_by = Some(kind.as_str().to_owned()));
        let result = AmdResult {
            call_sid: cell.sid.clone(),
            account_sid: net.options.account_sid.clone(),
            answered_by: kind,
            machine_detection_ms: Some(detected_ms),
        };
        let request = Request { url, method, form: result.to_form() };
        net.ask(&cell, "amd", request).await;
    });
}

/// Ends the call: sets its status, sends the last callback and closes its record.
async fn finish(
    net: &Arc<Network>,
    cell: &Arc<CallCell>,
    mut callbacks: Callbacks,
    end: End,
    sip_code: Option<u64>,
) {
    if !cell.status().is_final() {
        cell.set_status(&match end {
            End::FarEndHungUp | End::TwimlEnded | End::ApiEnded | End::TimeLimit => {
                CallStatus::Completed
            }
            End::Rejected | End::Busy | End::RelayRefused => CallStatus::Busy,
            End::NoAnswer => CallStatus::NoAnswer,
            End::Canceled => CallStatus::Canceled,
            End::ApplicationError | End::CouldNotConnect | End::NetworkStopped => {
                CallStatus::Failed
            }
        });
    }
    if end != End::NetworkStopped && callbacks.wants("completed") {
        tokio::select! {
            () = net.stop.cancelled() => {}
            () = cell.clock.sleep(net.options.timings.status_ms) => {
                if let Some(request) = callbacks.request(net, cell, sip_code) {
                    net.ask(cell, "status", request).await;
                }
            }
        }
    }
    cell.update(|record| record.end = Some(end));
    lock(&net.calls).retire(&cell.sid, net.options.keep_calls);
    net.changed.notify_waiters();
}

impl Callbacks {
    fn of(create: &CreateCall) -> Self {
        let mut events: Vec<_> = create
            .status_callback_event
            .iter()
            .flat_map(|events| events.split_whitespace())
            .map(str::to_owned)
            .collect();
        if events.is_empty() {
            events.push("completed".to_owned());
        }
        Self {
            url: create.status_callback.clone(),
            method: create.status_callback_method.clone().unwrap_or_else(|| "POST".to_owned()),
            events,
            sent: 0,
        }
    }

    fn wants(&self, event: &str) -> bool {
        self.url.is_some() && self.events.iter().any(|wanted| wanted == event)
    }

    /// Sends a callback in the background, if it was asked for.
    fn tell(&mut self, net: &Arc<Network>, cell: &Arc<CallCell>, event: &str, sip: Option<u64>) {
        if !self.wants(event) {
            return;
        }
        let Some(request) = self.request(net, cell, sip) else { return };
        let (net, cell) = (Arc::clone(net), Arc::clone(cell));
        let tracker = net.tracker.clone();
        tracker.spawn(async move { net.ask(&cell, "status", request).await });
    }

    /// The next callback, with the call's present state.
    fn request(&mut self, net: &Network, cell: &CallCell, sip: Option<u64>) -> Option<Request> {
        let status = cell.status();
        let update = CallStatusUpdate {
            sequence_number: Some(self.sent),
            call_duration_s: status.is_final().then(|| cell.duration_s()),
            timestamp: clock::rfc2822(clock::date()),
            sip_response_code: sip,
            callback_source: "call-progress-events".to_owned(),
            answered_by: cell
                .read(|record| record.answered_by.as_deref().map(AnsweredBy::parse))
                .unwrap_or_default(),
            ..CallStatusUpdate::default()
        };
        self.sent += 1;
        let mut form = net.voice_request(cell).to_form();
        form.append(update.to_form());
        Some(Request { url: self.url.clone()?, method: self.method.clone(), form })
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
