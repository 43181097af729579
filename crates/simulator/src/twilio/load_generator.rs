//! Generates the load of thousands of callers, each of which is one relay socket and one timer.
//!
//! A caller listens to a reply of numbered words (see [`LatencyProbe`]), reports what was played as
//! Twilio does, pauses, and speaks again. It calls an application by the relay protocol. To measure
//! the baseline it talks to a model through [`crate::baseline`] instead, with frames of about the
//! same size.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use phony_wire::openai::realtime::{ClientBody, ClientEvent, Item, Modality, ServerEvent, Session};
use phony_wire::twilio::relay::{FromTwilio, Info, Setup, ToTwilio};
use phony_wire::twilio::twiml::{ConnectTo, Relay, Twiml, Verb};
use phony_wire::twilio::webhook::Form;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use super::calls::new_sid;
use super::socket::{self, Socket};
use super::webhooks::{self, HostOverride, Request};
use crate::latency_probe::{LatencyProbe, Sequence};

/// What every caller says.
const QUESTION: &str = "What are your opening hours on Saturday, please?";
/// Idle HTTP connections that are kept. Few, so that they do not count as memory of the calls.
const SPARE_CONNECTIONS: usize = 4;
/// Words in a clause; Twilio reports what was played clause by clause.
const CLAUSE: usize = 8;
/// Base64 of silence, about as long as a report, for a model that is spoken to directly.
const SILENCE: &str = "fn5+fn5+fn5+fn5+fn5+fn5+fn5+fn5+fn5+fn5+";

/// What the callers call.
#[derive(Debug, Clone)]
pub enum Target {
    /// An application: its webhook is requested, and the relay socket that it names is opened.
    Application {
        /// Origin to connect to: `http://127.0.0.1:24187`.
        origin: String,
        /// Its public host, which its signatures and its TwiML use.
        public: String,
        /// The account's auth token.
        token: String,
    },
    /// A model, through [`crate::baseline`].
    Model {
        /// Origin of the baseline: `http://127.0.0.1:24187`.
        origin: String,
    },
}

/// How the callers behave.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// What they call.
    pub target: Target,
    /// The least pause from the last word of a reply to the next question. Callers pause up to half
    /// as long again, so that they do not speak in step.
    pub pause: Duration,
    /// Knows when the words that they hear were sent.
    pub probe: Arc<LatencyProbe>,
}

/// The callers of a load test.
#[derive(Debug)]
pub struct LoadGenerator {
    shared: Arc<Shared>,
    calls: JoinSet<Result<Tally, String>>,
    over: CancellationToken,
}

/// What the callers experienced.
#[derive(Debug, Default)]
pub struct Tally {
    /// Latencies of the words heard while measuring, in nanoseconds.
    pub latencies: Vec<u64>,
    /// Words that did not arrive.
    pub lost: u64,
    /// Words that arrived twice or out of order.
    pub doubled: u64,
    /// Calls that could not be set up or were lost, by reason.
    pub failures: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Shared {
    options: LoadOptions,
    client: reqwest::Client,
    measuring: AtomicBool,
    up: AtomicUsize,
    failed: AtomicUsize,
}

impl LoadGenerator {
    /// A load generator without callers. The error says why there is no HTTP client.
    pub fn new(options: LoadOptions) -> Result<Self, String> {
        let client = webhooks::client(SPARE_CONNECTIONS).map_err(|error| error.to_string())?;
        let (up, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let measuring = AtomicBool::new(false);
        let shared = Arc::new(Shared { options, client, measuring, up, failed });
        Ok(Self { shared, calls: JoinSet::new(), over: CancellationToken::new() })
    }

    /// Starts the call of caller number `number`.
    pub fn ring(&mut self, number: usize) {
        let (shared, over) = (Arc::clone(&self.shared), self.over.clone());
        self.calls.spawn(async move {
            let caller = Caller::ring(&shared, number).await;
            let count = if caller.is_ok() { &shared.up } else { &shared.failed };
            count.fetch_add(1, Ordering::Relaxed);
            caller?.talk(over).await
        });
    }

    /// How many calls have been set up.
    #[must_use]
    pub fn up(&self) -> usize {
        self.shared.up.load(Ordering::Relaxed)
    }

    /// How many calls could not be set up.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// Starts or stops measuring.
    pub fn measure(&self, on: bool) {
        self.shared.measuring.store(on, Ordering::Relaxed);
    }

    /// Ends all calls and returns what the callers experienced.
    pub async fn hang_up(mut self) -> Tally {
        self.over.cancel();
        let mut tally = Tally::default();
        while let Some(call) = self.calls.join_next().await {
            match call {
                Ok(Ok(one)) => tally.add(one),
                Ok(Err(why)) => *tally.failures.entry(why).or_default() += 1,
                Err(error) => *tally.failures.entry(error.to_string()).or_default() += 1,
            }
        }
        tally
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.lost += other.lost;
        self.doubled += other.doubled;
    }
}

/// One caller.
struct Caller {
    shared: Arc<Shared>,
    socket: Socket,
    pause: Duration,
    sequence: Sequence,
    latencies: Vec<u64>,
    /// Words that have not yet been reported as played.
    clause: String,
    agent_speaks: bool,
    /// Reused for every frame.
    frame: String,
}

impl Caller {
    async fn ring(shared: &Arc<Shared>, number: usize) -> Result<Self, String> {
        let (socket, first) = match &shared.options.target {
            Target::Application { origin, public, token } => {
                let overrides = [HostOverride { public: public.clone(), to: origin.clone() }];
                let (call, relay) = answered(&shared.client, token, public, &overrides).await?;
                let upgrade = socket::upgrade(relay.url.as_str(), token, &overrides)?;
                let setup = FromTwilio::Setup(Box::new(setup(call, &relay)));
                (socket::connect(upgrade).await?, setup.to_json())
            }
            Target::Model { origin } => {
                let upgrade = socket::upgrade(&format!("{origin}/relay/ws"), "", &[])?;
                let text = Some([Modality::Text]);
                let session = Session { output_modalities: text, ..Session::default() };
                let update = ClientEvent::new("s1", ClientBody::session(session));
                (socket::connect(upgrade).await?, update.to_json())
            }
        };
        let mut caller = Self {
            shared: Arc::clone(shared),
            socket,
            pause: spread(shared.options.pause, number),
            sequence: shared.options.probe.sequence(),
            latencies: Vec::new(),
            clause: String::new(),
            agent_speaks: false,
            frame: String::new(),
        };
        caller.send(first).await?;
        Ok(caller)
    }

    async fn talk(mut self, over: CancellationToken) -> Result<Tally, String> {
        // An application greets first; a model waits for the caller.
        let mut waits = matches!(self.shared.options.target, Target::Model { .. });
        let timer = tokio::time::sleep(self.pause);
        tokio::pin!(timer);
        let over = over.cancelled();
        tokio::pin!(over);
        loop {
            tokio::select! {
                biased;
                message = self.socket.next() => match message {
                    Some(Ok(Message::Text(text))) => if self.hear(&text).await? {
                        waits = true;
                        self.wait(timer.as_mut());
                    },
                    Some(Ok(Message::Close(frame))) => {
                        let code = frame.map_or(1005, |frame| frame.code.into());
                        return Err(format!("the server closed the call ({code})"));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(format!("the connection was lost: {error}")),
                    None => return Err("the connection was lost".to_owned()),
                },
                () = timer.as_mut(), if waits => {
                    waits = false;
                    self.ask().await?;
                }
                () = &mut over => break,
            }
        }
        socket::close(&mut self.socket, 1000).await;
        let Sequence { lost, doubled, .. } = self.sequence;
        let failures = BTreeMap::new();
        Ok(Tally { latencies: self.latencies, lost, doubled, failures })
    }

    fn wait(&self, timer: std::pin::Pin<&mut Sleep>) {
        let at = now() + self.pause;
        timer.reset(at);
    }

    /// Handles a frame; true if it ends a reply.
    async fn hear(&mut self, frame: &str) -> Result<bool, String> {
        match &self.shared.options.target {
            Target::Application { .. } => match ToTwilio::parse(frame) {
                Ok(ToTwilio::Text { token, last, .. }) => self.words(&token, last).await,
                Ok(ToTwilio::End { .. }) => Err("the application ended the call".to_owned()),
                Ok(
                    ToTwilio::Play { .. } | ToTwilio::SendDigits { .. } | ToTwilio::Language { .. },
                ) => Ok(false),
                Err(error) => Err(format!("a frame that Twilio would refuse: {error}")),
            },
            Target::Model { .. } => match ServerEvent::parse(frame) {
                Ok(ServerEvent::TextDelta(delta)) => self.words(&delta.text, false).await,
                Ok(ServerEvent::ResponseDone(_)) => self.words("", true).await,
                Ok(ServerEvent::Error(error)) => {
                    Err(format!("the model reported an error: {}", error.message))
                }
                Ok(_) => Ok(false),
                Err(error) => Err(format!("an unreadable event: {error}")),
            },
        }
    }

    async fn words(&mut self, text: &str, last: bool) -> Result<bool, String> {
        let measuring = self.shared.measuring.load(Ordering::Relaxed);
        for word in self.shared.options.probe.heard(text) {
            self.sequence.heard(word.number);
            if measuring {
                self.latencies.push(word.nanos);
            }
        }
        if !self.agent_speaks {
            self.agent_speaks = true;
            self.report(Info::AgentSpeaking { on: true, ts: None }).await?;
        }
        self.clause.push_str(text);
        let clause_ends = last || self.clause.split(' ').count() > CLAUSE;
        if clause_ends && !self.clause.is_empty() {
            let text = std::mem::take(&mut self.clause);
            self.report(Info::TokensPlayed { text }).await?;
        }
        if last {
            self.agent_speaks = false;
            self.sequence.reply_over();
            self.report(Info::AgentSpeaking { on: false, ts: None }).await?;
        }
        Ok(last)
    }

    /// Asks the caller's question.
    async fn ask(&mut self) -> Result<(), String> {
        self.report(Info::ClientSpeaking { on: true, ts: None }).await?;
        self.report(Info::ClientSpeaking { on: false, ts: None }).await?;
        match &self.shared.options.target {
            Target::Application { .. } => {
                let (voice_prompt, lang) = (QUESTION.to_owned(), "en-US".to_owned());
                let prompt = FromTwilio::Prompt { voice_prompt, lang, last: true };
                self.send(prompt.to_json()).await
            }
            Target::Model { .. } => {
                let item = Item::User { id: None, text: QUESTION.into() };
                let create = ClientBody::ItemCreate { previous_item_id: None, item };
                self.send(ClientEvent::new("c1", create).to_json()).await?;
                self.send(ClientEvent::new("r1", ClientBody::respond()).to_json()).await
            }
        }
    }

    async fn report(&mut self, info: Info) -> Result<(), String> {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        match &self.shared.options.target {
            Target::Application { .. } => FromTwilio::Info(info).write(&mut frame),
            Target::Model { .. } => {
                // A model does not answer appended audio.
                frame.push_str(r#"{"type":"input_audio_buffer.append","audio":""#);
                frame.push_str(SILENCE);
                frame.push_str("\"}");
            }
        }
        let sent = self.send(frame.as_str()).await;
        self.frame = frame;
        sent
    }

    async fn send(&mut self, frame: impl Into<String>) -> Result<(), String> {
        let sending = self.socket.send(Message::text(frame.into()));
        let sent = tokio::time::timeout(socket::TIMEOUT, sending).await;
        let sent = sent.map_err(|_| "the server reads no frames".to_owned())?;
        sent.map_err(|error| format!("the connection was lost: {error}"))
    }
}

/// Requests the application's webhook for a new call; the call's SID and the relay that it names.
async fn answered(
    client: &reqwest::Client,
    token: &str,
    public: &str,
    overrides: &[HostOverride],
) -> Result<(String, Relay), String> {
    let call = new_sid("CA");
    let mut form = Form::default();
    for (name, value) in [
        ("CallSid", call.as_str()),
        ("AccountSid", "AC00000000000000000000000000000000"),
        ("From", "+15005550100"),
        ("To", "+15005550101"),
        ("CallStatus", "ringing"),
        ("ApiVersion", "2010-04-01"),
        ("Direction", "inbound"),
    ] {
        form.push(name, value);
    }
    let url = format!("https://{public}/receive_call");
    let request = Request { url, method: "POST".to_owned(), form };
    let answer = webhooks::send(client, token, overrides, &request).await?;
    if answer.status != 200 {
        return Err(format!("/receive_call answered {}", answer.status));
    }
    let verbs = Twiml::parse(&answer.body).map_err(|error| error.to_string())?.twiml.verbs;
    let relay = verbs.into_iter().find_map(|verb| match verb {
        Verb::Connect(connect) => match connect.to {
            ConnectTo::Relay(relay) => Some(*relay),
            ConnectTo::Stream(_) => None,
        },
        Verb::Dial(_)
        | Verb::Say(_)
        | Verb::Play(_)
        | Verb::Pause(_)
        | Verb::Hangup
        | Verb::Reject { .. }
        | Verb::Redirect(_)
        | Verb::StartRecording(_) => None,
    });
    let relay =
        relay.ok_or_else(|| "/receive_call did not connect the call to a relay".to_owned())?;
    Ok((call, relay))
}

fn setup(call_sid: String, relay: &Relay) -> Setup {
    Setup {
        session_id: new_sid("VX"),
        account_sid: "AC00000000000000000000000000000000".to_owned(),
        call_sid,
        from: "+15005550100".to_owned(),
        to: "+15005550101".to_owned(),
        call_type: "PSTN".to_owned(),
        direction: "inbound".to_owned(),
        call_status: "RINGING".to_owned(),
        custom_parameters: relay.parameters.iter().cloned().collect(),
        ..Setup::default()
    }
}

/// The pause of a caller, up to half as long again. Steps of the golden ratio fill the range
/// evenly.
fn spread(pause: Duration, number: usize) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "numbers of callers are small")]
    let part = (number as f64 * 0.618_033_988_749_895).fract();
    pause + pause.mul_f64(part / 2.0)
}

#[expect(clippy::disallowed_methods, reason = "the stand-in is the caller network's clock")]
fn now() -> Instant {
    Instant::now()
}
