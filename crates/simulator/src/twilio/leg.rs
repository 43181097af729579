//! The leg of an answered call: follows TwiML verb by verb while the caller speaks, listens or
//! hangs up.

mod dial;
mod media;
mod relay;

use std::sync::Arc;

use phony_wire::twilio::twiml::{Connect, ConnectTo, Play, Verb};
use phony_wire::twilio::webhook::{CallStatus, Form, VoiceRequest};
use tokio::sync::mpsc;

use super::calls::{CallCell, Control, Source, settle};
use super::document::{Document, fetch};
use super::line::{Line, LineEvent, Rules};
use super::network::Network;
use super::record::{End, Fate, HeardPiece, Interrupt, Said};
use super::speech::{Flags, Heard, Input, SpeechEvent};
use crate::callers::{Caller, LiveAction, LiveChannels, LiveEvent, spoken_words};

/// The most documents that one call follows, so that a loop of redirects ends.
const MOST_DOCUMENTS: usize = 200;
/// Repetitions of a `<Say>` or `<Play>` with `loop="0"`, which Twilio repeats for ever.
const ENDLESS: u32 = 50;

/// What ends a verb early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Abort {
    HungUp,
    ApiEnded,
    Redirected(Source),
    TimeLimit,
    Stopped,
    /// The socket of the session or stream was lost.
    SocketLost,
}

/// What follows a verb.
pub(crate) enum Next {
    Verb,
    Document(Document),
    Over(End),
}

/// What woke the call's task.
#[derive(Debug)]
pub(crate) enum Tick {
    Time,
    Action(LiveAction),
    LiveGone,
    Control(Control),
    Stopped,
}

pub(crate) struct Leg {
    pub(crate) net: Arc<Network>,
    pub(crate) cell: Arc<CallCell>,
    pub(crate) line: Line,
    live: Option<LiveChannels>,
    control: mpsc::Receiver<Control>,
    limit_ms: Option<u64>,
    /// Requested when a document cannot be fetched or used.
    fallback: Option<Source>,
    pub(crate) events: Vec<(u64, LineEvent)>,
    /// Whether a verb has been carried out: the first relay session's `setup` says `RINGING` only
    /// if none has.
    pub(crate) settled: bool,
}

impl Leg {
    /// The leg of a call that `caller` is on, from the moment of the answer.
    pub(crate) fn answered(
        net: Arc<Network>,
        cell: Arc<CallCell>,
        caller: &Caller,
        control: mpsc::Receiver<Control>,
        longest_s: Option<u64>,
        fallback: Option<Source>,
    ) -> Self {
        let now_ms = cell.clock.now_ms();
        let outside = match caller {
            Caller::Live(live) => live.take(),
            Caller::Script(_) | Caller::Recorded(_) => None,
        };
        let speech = Line::new(caller, net.options.pace(), net.options.recognition(), now_ms);
        let limit_ms = longest_s.map(|seconds| now_ms + seconds * 1000);
        let leg = Self {
            net,
            cell,
            line: speech,
            live: outside,
            control,
            limit_ms,
            fallback,
            events: Vec::new(),
            settled: false,
        };
        leg.tell(LiveEvent::Answered);
        leg
    }

    /// Presses keys as soon as the call is answered (`SendDigits`).
    pub(crate) async fn press_first(&mut self, digits: String) -> Result<(), Abort> {
        let now_ms = self.now_ms();
        self.line.digits(now_ms, digits, &mut self.events);
        self.until_quiet().await
    }

    /// Follows a document, and those that it leads to, until the call ends.
    pub(crate) async fn follow(&mut self, document: Document) -> End {
        let mut document = document;
        for _ in 0..MOST_DOCUMENTS {
            match self.follow_one(&document).await {
                Next::Document(next) => document = next,
                Next::Over(end) => return end,
                Next::Verb => return End::TwimlEnded,
            }
        }
        End::ApplicationError
    }

    /// Fetches the document that a source names.
    pub(crate) async fn fetch(
        &mut self,
        purpose: &str,
        source: &Source,
        extra: Form,
    ) -> Option<Document> {
        fetch(&self.net, &self.cell, purpose, source, extra).await
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.cell.clock.now_ms()
    }

    /// Waits for the next thing to handle, until `until_ms` at the latest.
    pub(crate) async fn tick(&mut self, until_ms: Option<u64>) -> Tick {
        let now_ms = self.cell.clock.now_ms();
        let due = [self.line.next_ms(now_ms), until_ms, self.limit_ms].into_iter().flatten().min();
        let live = self.live.as_mut();
        let act = async move {
            match live {
                Some(live) => live.actions.recv().await.map_or(Tick::LiveGone, Tick::Action),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.net.stop.cancelled() => Tick::Stopped,
            Some(control) = self.control.recv() => Tick::Control(control),
            tick = act => tick,
            () = self.cell.clock.sleep_until(due) => Tick::Time,
        }
    }

    /// Handles a tick. Events of the line are left in `events`.
    pub(crate) fn handle(&mut self, tick: Tick) -> Result<(), Abort> {
        let now_ms = self.now_ms();
        match tick {
            Tick::Time => self.line.advance(now_ms, &mut self.events),
            Tick::Action(act) => self.line.act(now_ms, act, &mut self.events),
            Tick::LiveGone => {
                self.live = None;
                self.line.act(now_ms, LiveAction::HangUp, &mut self.events);
            }
            Tick::Control(Control::Complete | Control::Cancel) => return Err(Abort::ApiEnded),
            Tick::Control(Control::DropSocket) => return Err(Abort::SocketLost),
            Tick::Control(Control::Redirect(source)) => return Err(Abort::Redirected(source)),
            Tick::Control(Control::TimeLimit { seconds }) => {
                let from_ms = self.cell.read(|record| record.answered_ms).unwrap_or(now_ms);
                self.limit_ms = Some(from_ms + seconds * 1000);
            }
            Tick::Stopped => return Err(Abort::Stopped),
        }
        if self.limit_ms.is_some_and(|limit_ms| limit_ms <= now_ms) {
            return Err(Abort::TimeLimit);
        }
        Ok(())
    }

    /// Records the line's events, passes them to a live caller, and returns them.
    pub(crate) fn settle(&mut self) -> Vec<(u64, LineEvent)> {
        let events = std::mem::take(&mut self.events);
        if events.is_empty() {
            return events;
        }
        self.cell.update(|record| {
            for (at_ms, event) in &events {
                match event {
                    LineEvent::Speech(SpeechEvent::Played(piece)) => {
                        if piece.kind == Heard::Digits {
                            record.digits.push_str(&piece.text);
                        }
                        record.heard.push(HeardPiece {
                            from_ms: piece.from_ms,
                            until_ms: piece.until_ms,
                            kind: piece.kind,
                            text: piece.text.clone(),
                            cut: piece.cut,
                        });
                    }
                    LineEvent::CallerBegan { text, for_ms } => record.said.push(Said {
                        at_ms: *at_ms,
                        for_ms: *for_ms,
                        text: text.clone(),
                        fate: if spoken_words(text).is_empty() { Fate::Noise } else { Fate::Open },
                    }),
                    LineEvent::Prompt { utterances, .. } => {
                        settle(&mut record.said, *utterances, Fate::Reported);
                    }
                    LineEvent::Lost { utterances } => {
                        settle(&mut record.said, *utterances, Fate::Lost);
                    }
                    LineEvent::Interrupted(cut) => record.interrupts.push(Interrupt {
                        at_ms: *at_ms,
                        utterance: cut.utterance.clone(),
                        duration_ms: cut.duration_ms,
                    }),
                    LineEvent::Key { digit, .. } => record.pressed.push(*digit),
                    LineEvent::Speech(
                        SpeechEvent::Started { .. } | SpeechEvent::Stopped { .. },
                    )
                    | LineEvent::CallerStopped
                    | LineEvent::Partial(_)
                    | LineEvent::HungUp => {}
                }
            }
        });
        for (_, event) in &events {
            match event {
                LineEvent::Speech(SpeechEvent::Started { .. }) => {
                    self.tell(LiveEvent::AgentSpeaking(true));
                }
                LineEvent::Speech(SpeechEvent::Stopped { .. }) => {
                    self.tell(LiveEvent::AgentSpeaking(false));
                }
                LineEvent::Speech(SpeechEvent::Played(piece)) => match piece.kind {
                    Heard::Speech => self.tell(LiveEvent::Heard(piece.text.clone())),
                    Heard::Digits => self.tell(LiveEvent::Digits(piece.text.clone())),
                    Heard::Recording => {}
                },
                LineEvent::CallerBegan { .. }
                | LineEvent::CallerStopped
                | LineEvent::Partial(_)
                | LineEvent::Prompt { .. }
                | LineEvent::Lost { .. }
                | LineEvent::Interrupted(_)
                | LineEvent::Key { .. }
                | LineEvent::HungUp => {}
            }
        }
        self.net.changed.notify_waiters();
        events
    }

    /// Ends the leg.
    pub(crate) fn close(mut self) {
        let now_ms = self.now_ms();
        self.line.silence_agent(now_ms, &mut self.events);
        self.settle();
        self.tell(LiveEvent::Ended);
    }

    /// What follows a verb that was aborted.
    pub(crate) async fn after(&mut self, abort: Abort) -> Next {
        match abort {
            Abort::HungUp => Next::Over(End::FarEndHungUp),
            Abort::ApiEnded => Next::Over(End::ApiEnded),
            Abort::TimeLimit => Next::Over(End::TimeLimit),
            Abort::Stopped => Next::Over(End::NetworkStopped),
            // No session, so no socket to lose.
            Abort::SocketLost => Next::Verb,
            Abort::Redirected(source) => self.go_to("redirect", &source, Form::default()).await,
        }
    }

    /// Continues with the document of this source, or of the fallback.
    pub(crate) async fn go_to(&mut self, purpose: &str, source: &Source, extra: Form) -> Next {
        let mut document = self.fetch(purpose, source, extra).await;
        if document.is_none()
            && let Some(fallback) = self.fallback.clone()
        {
            document = self.fetch("fallback", &fallback, failure_of(source)).await;
        }
        document.map_or(Next::Over(End::ApplicationError), Next::Document)
    }

    /// The call's status in the spelling of `setup`.
    fn setup_status(&self) -> String {
        let first = !self.settled && self.cell.read(|record| record.direction == "inbound");
        let status = if first { CallStatus::Ringing } else { CallStatus::InProgress };
        status.as_str().to_uppercase().replace('-', "_")
    }

    async fn follow_one(&mut self, document: &Document) -> Next {
        for verb in &document.twiml.verbs {
            let done = match verb {
                Verb::Connect(connect) => match self.connect(connect, document).await {
                    Next::Verb => Ok(()),
                    next @ (Next::Document(_) | Next::Over(_)) => return next,
                },
                Verb::Dial(dial) => match self.dial(dial, document).await {
                    Ok(Next::Verb) => Ok(()),
                    Ok(next @ (Next::Document(_) | Next::Over(_))) => return next,
                    Err(abort) => Err(abort),
                },
                Verb::Say(say) => self.say(&say.text, say.options.times).await,
                Verb::Play(play) => self.play(play, document).await,
                Verb::Pause(pause) => {
                    let until_ms = self.now_ms() + u64::from(pause.length_s.unwrap_or(1)) * 1000;
                    self.until(until_ms).await
                }
                Verb::Hangup | Verb::Reject { .. } => return Next::Over(End::TwimlEnded),
                Verb::Redirect(redirect) => {
                    let source = document.source(&redirect.url, redirect.method.as_deref());
                    return self.go_to("redirect", &source, Form::default()).await;
                }
                Verb::StartRecording(_) => Ok(()),
            };
            self.settled = true;
            if let Err(abort) = done {
                return self.after(abort).await;
            }
        }
        Next::Verb
    }

    async fn connect(&mut self, connect: &Connect, document: &Document) -> Next {
        let action = connect
            .action
            .as_ref()
            .map(|action| document.source(action, connect.method.as_deref()));
        match &connect.to {
            ConnectTo::Relay(relay) => self.relay(relay, action).await,
            ConnectTo::Stream(stream) => self.stream(stream, action).await,
        }
    }

    /// Continues once what `<Connect>` connected to has ended: with the document of its action, or
    /// with the next verb if it has none.
    async fn after_connect(
        &mut self,
        abort: Option<Abort>,
        action: Option<Source>,
        extra: Form,
    ) -> Next {
        if matches!(abort, Some(Abort::Redirected(_) | Abort::Stopped)) {
            return self.after(abort.unwrap_or(Abort::Stopped)).await;
        }
        let Some(action) = action else {
            return match abort {
                Some(abort) => self.after(abort).await,
                None => Next::Verb,
            };
        };
        self.net.pause(self.cell.clock, self.net.options.timings.action_ms).await;
        if let Some(abort) = abort {
            // The call is over: the answer is read, and not followed.
            drop(self.fetch("action", &action, extra).await);
            return self.after(abort).await;
        }
        self.go_to("action", &action, extra).await
    }

    async fn say(&mut self, text: &str, times: Option<u32>) -> Result<(), Abort> {
        for _ in 0..repetitions(times) {
            let now_ms = self.now_ms();
            self.line.set_rules(Rules { interruptible: Input::None, ..Rules::default() });
            self.line.text(now_ms, text, true, Flags::default(), &mut self.events);
            self.until_quiet().await?;
        }
        Ok(())
    }

    async fn play(&mut self, play: &Play, document: &Document) -> Result<(), Abort> {
        let now_ms = self.now_ms();
        self.line.set_rules(Rules { interruptible: Input::None, ..Rules::default() });
        if let Some(digits) = &play.digits {
            self.line.digits(now_ms, digits.clone(), &mut self.events);
        } else {
            let url = document.absolute(&play.url);
            let times = repetitions(play.times);
            self.line.recording(now_ms, url, times, Flags::default(), &mut self.events);
        }
        self.until_quiet().await
    }

    async fn until_quiet(&mut self) -> Result<(), Abort> {
        loop {
            self.check()?;
            if !self.line.speaker.pending() {
                return Ok(());
            }
            let tick = self.tick(None).await;
            self.handle(tick)?;
        }
    }

    pub(crate) async fn until(&mut self, until_ms: u64) -> Result<(), Abort> {
        while self.now_ms() < until_ms {
            let tick = self.tick(Some(until_ms)).await;
            self.handle(tick)?;
            self.check()?;
        }
        Ok(())
    }

    /// Settles the line's events; fails if the caller has hung up.
    fn check(&mut self) -> Result<(), Abort> {
        let events = self.settle();
        if events.iter().any(|(_, event)| *event == LineEvent::HungUp) {
            return Err(Abort::HungUp);
        }
        Ok(())
    }

    /// Passes an event to a live caller; one that does not read misses it.
    fn tell(&self, event: LiveEvent) {
        if let Some(live) = &self.live {
            drop(live.events.try_send(event));
        }
    }
}

/// The parameters that tell a fallback URL which source failed (error 11200).
pub(crate) fn failure_of(source: &Source) -> Form {
    let error_url = match source {
        Source::Url { url, .. } => url.clone(),
        Source::Inline(_) => String::new(),
    };
    VoiceRequest { error_url, error_code: "11200".to_owned(), ..VoiceRequest::default() }.to_form()
}

fn repetitions(times: Option<u32>) -> u32 {
    match times {
        None => 1,
        Some(0) => ENDLESS,
        Some(times) => times.min(ENDLESS),
    }
}
