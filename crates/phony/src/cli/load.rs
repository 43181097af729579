//! `phony load`: puts many calls on a server at once, and measures their cost.
//!
//! The network and the model run in this process, the server in one of its own. The model sends
//! numbered words at a steady rate; latency is the time from the sending of a word by the model to
//! its receipt at the caller's end of the relay. With `--floor` a bare copy between two sockets is
//! measured as well, in alternate rounds, so that the ratios hold on any machine.

mod child;
mod figures;
mod process;
mod report;

use std::io::{IsTerminal as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use phony_simulator::latency_probe::LatencyProbe;
use phony_simulator::openai::{self, Brain, OpenAiOptions, OpenAiRunning, Pace, Watch};
use phony_simulator::twilio::load_generator::{LoadGenerator, LoadOptions, Target};
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use self::child::Server;
use self::figures::{Figures, Latency, Round};
use self::process::Process;
use self::report::Report;
use super::Settings;
use crate::token;

/// How long the last calls may take to be set up.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);
/// From the last call's setup to the measurement; by then every call is in its first reply.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long the server may take to drop calls that were hung up.
const FORGET_LIMIT: Duration = Duration::from_secs(5);
/// The interval of polling.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The model's pause before a reply.
const FIRST_WORD: Duration = Duration::from_millis(150);
/// The caller's pause before the next question.
const PAUSE: Duration = Duration::from_millis(500);
/// The server's number, which is called.
const CALLED: &str = "+15005550101";
/// Open files besides the sockets of calls.
const OTHER_FILES: u64 = 100;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How many calls to hold at once
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    calls: u32,
    /// Seconds to measure, once all calls are up
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Words a second that the model says in each call; one word is one frame
    #[arg(long, alias = "frames-per-second", default_value_t = 4.0, value_parser = positive)]
    rate: f64,
    /// Words in a reply
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    words: u32,
    /// Calls a second to set up
    #[arg(long, default_value_t = 200.0, value_parser = positive)]
    ramp: f64,
    /// Load this server instead of starting one. Its `OPENAI_BASE_URL` must lead to the stand-in
    /// model; see `--model-port`
    #[arg(long, value_name = "URL", requires = "model_port")]
    server: Option<String>,
    /// With --server: the server's process on this machine, to measure its cost
    #[arg(long, requires = "server")]
    pid: Option<u32>,
    /// Port of the stand-in for the model
    #[arg(long, default_value_t = 0)]
    model_port: u16,
    /// Load a bare copy between two sockets too, and compare
    #[arg(long, conflicts_with = "server")]
    floor: bool,
    /// How often to measure; the medians are reported
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().map_err(|_| "not a number".to_owned())?;
    if number > 0.0 && number <= 10_000.0 {
        Ok(number)
    } else {
        Err("must be more than 0 and at most 10,000".to_owned())
    }
}

/// Runs the measurement and prints it; fails if a call or a word was lost.
pub(super) fn run(arguments: &Arguments, settings: Settings) -> anyhow::Result<()> {
    check_files(arguments)?;
    let existing = arguments.server.as_deref().map(|server| existing(server, settings));
    let existing = existing.transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rounds = runtime.block_on(async {
        tokio::select! {
            rounds = measure(arguments, existing) => rounds,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })?;
    let report = Report::new(arguments, rounds);
    let text = if arguments.json { report.json()? } else { report.table() };
    writeln!(std::io::stdout(), "{text}")?;
    let troubles = report.troubles();
    ensure!(troubles == 0, "{troubles} calls or words were lost, doubled or left over");
    Ok(())
}

/// Fails if the open-file limit is too low: each process has two sockets a call.
fn check_files(arguments: &Arguments) -> anyhow::Result<()> {
    let needed = u64::from(arguments.calls) * 2 + OTHER_FILES;
    let Some(limit) = Process::this().open_files() else { return Ok(()) };
    ensure!(
        needed <= limit,
        "{} calls need {needed} open files in each process, and the limit is {limit}: \
         run `ulimit -n {needed}` first, or hold fewer calls with --calls",
        arguments.calls,
    );
    Ok(())
}

/// A server that is running already, and the token that it trusts.
fn existing(server: &str, settings: Settings) -> anyhow::Result<Target> {
    let config = settings.load()?;
    let url = url::Url::parse(server).with_context(|| format!("{server} is not a URL"))?;
    let port = url.port_or_known_default().context("the URL has no port")?;
    let token = config.twilio.auth_token.as_ref();
    let token = token.map(|token| token.expose_secret().to_owned()).unwrap_or_default();
    let origin = url.origin().ascii_serialization();
    Ok(Target::Application { origin, public: config.authority(port), token })
}

async fn measure(arguments: &Arguments, existing: Option<Target>) -> anyhow::Result<Vec<Round>> {
    let mut rounds = Vec::new();
    for number in 1..=arguments.rounds {
        let load = Load { arguments, number };
        let baseline = if arguments.floor { Some(load.baseline().await?) } else { None };
        let phony = match &existing {
            Some(target) => load.existing(target.clone()).await?,
            None => load.phony().await?,
        };
        rounds.push(Round { phony, baseline });
    }
    Ok(rounds)
}

/// One measurement.
struct Load<'a> {
    arguments: &'a Arguments,
    number: u32,
}

impl Load<'_> {
    async fn phony(&self) -> anyhow::Result<Figures> {
        let (model, probe) = self.model().await?;
        let (token, key, base_url) = (token::random(), token::random(), model.base_url());
        let settings = [
            ("TWILIO_AUTH_TOKEN", token.as_str()),
            ("TWILIO_PHONE_NUMBER", CALLED),
            ("OPENAI_API_KEY", key.as_str()),
            ("OPENAI_BASE_URL", base_url.as_str()),
            ("PORT", "0"),
            ("PHONY_BIND", "127.0.0.1"),
        ];
        let began = now();
        let server = Server::start(&["serve"], &settings).await?;
        let origin = format!("http://{}", server.addr);
        ready(&origin).await?;
        let ready_ms = began.elapsed().as_secs_f64() * 1000.0;
        let public = format!("localhost:{}", server.addr.port());
        let target = Target::Application { origin: origin.clone(), public, token };
        let process = Process::of(server.pid);
        let mut figures = self.load("phony", target, &probe, Some(&process)).await?;
        figures.ready_ms = Some(ready_ms);
        figures.left_over = forgotten(&origin).await;
        server.stop().await;
        model.stop().await;
        Ok(figures)
    }

    async fn existing(&self, target: Target) -> anyhow::Result<Figures> {
        let (model, probe) = self.model().await?;
        let process = self.arguments.pid.map(Process::of);
        let figures = self.load("phony", target, &probe, process.as_ref()).await?;
        let connections = model.stats().connections;
        let base_url = model.base_url();
        model.stop().await;
        ensure!(
            connections > 0,
            "the server never asked this model: start it with OPENAI_BASE_URL={base_url}"
        );
        Ok(figures)
    }

    async fn baseline(&self) -> anyhow::Result<Figures> {
        let (model, probe) = self.model().await?;
        let socket = format!("ws://{}/v1/realtime?model=gpt-realtime-2.1", model.addr());
        let server = Server::start(&["floor", &socket], &[]).await?;
        let target = Target::Model { origin: format!("http://{}", server.addr) };
        let process = Process::of(server.pid);
        let figures = self.load("floor", target, &probe, Some(&process)).await?;
        server.stop().await;
        model.stop().await;
        Ok(figures)
    }

    async fn model(&self) -> anyhow::Result<(OpenAiRunning, Arc<LatencyProbe>)> {
        let probe = Arc::new(LatencyProbe::new(self.arguments.words));
        let seen = Arc::clone(&probe);
        let between_deltas = Duration::from_secs_f64(1.0 / self.arguments.rate);
        let options = OpenAiOptions {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, self.arguments.model_port)),
            brain: Brain::Numbers(Arc::clone(&probe)),
            pace: Pace { first_token: FIRST_WORD, between_deltas, ..Pace::INSTANT },
            keep_events: 0,
            watch: Some(Watch::new(move |event| seen.sent(event))),
            ..OpenAiOptions::default()
        };
        let model = openai::start(options).await.context("the stand-in cannot listen")?;
        Ok((model, probe))
    }

    async fn load(
        &self,
        name: &'static str,
        target: Target,
        probe: &Arc<LatencyProbe>,
        process: Option<&Process>,
    ) -> anyhow::Result<Figures> {
        let progress = Progress::new(name, self);
        let cost = || process.and_then(Process::cost);
        let idle = cost();
        let options = LoadOptions { target, pause: PAUSE, probe: Arc::clone(probe) };
        let mut callers = LoadGenerator::new(options).map_err(anyhow::Error::msg)?;
        self.ring_all(&mut callers, &progress).await?;
        if callers.up() == 0 {
            let failures = callers.hang_up().await.failures;
            bail!("no call came about: {}", failures.keys().next().map_or("", String::as_str));
        }
        sleep(WARM_UP).await;

        let (began, before, own_before) = (now(), cost(), Process::this().cost());
        callers.measure(true);
        let mut ticks = interval(Duration::from_secs(1));
        for second in 0..=self.arguments.seconds {
            ticks.tick().await;
            progress.show(&format!("{second} of {} s measured", self.arguments.seconds));
        }
        callers.measure(false);
        let (lasted, after, own_after) = (began.elapsed(), cost(), Process::this().cost());

        let up = callers.up();
        progress.show("hanging up");
        let mut tally = callers.hang_up().await;
        progress.clear();
        let words = tally.latencies.len();
        Ok(Figures {
            calls: up,
            words,
            words_a_second: figures::ratio(words, lasted.as_secs_f64()),
            latency: Latency::of(&mut tally.latencies),
            cpu_us_a_word: figures::cpu_us_a_word(before, after, words),
            cores: figures::cores(before, after, lasted),
            load_cores: figures::cores(own_before, own_after, lasted),
            idle_kb: idle.map(|cost| cost.resident_kb),
            busy_kb: after.map(|cost| cost.resident_kb),
            kb_a_call: figures::kb_a_call(idle, after, up),
            ready_ms: None,
            lost: tally.lost,
            doubled: tally.doubled,
            left_over: None,
            failures: tally.failures,
        })
    }

    /// Sets up all calls, at a steady rate, and waits until each of them is up or has failed.
    async fn ring_all(
        &self,
        callers: &mut LoadGenerator,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let calls = usize::try_from(self.arguments.calls)?;
        let mut ticks = interval(Duration::from_secs_f64(1.0 / self.arguments.ramp));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for number in 0..calls {
            ticks.tick().await;
            callers.ring(number);
            if number % 50 == 0 {
                progress.show(&format!("{} of {calls} calls up", callers.up()));
            }
        }
        let deadline = now() + SETTLE_LIMIT;
        while callers.up() + callers.failed() < calls && now() < deadline {
            sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }
}

/// Waits until the server is ready.
async fn ready(origin: &str) -> anyhow::Result<()> {
    let deadline = now() + SETTLE_LIMIT;
    loop {
        let answer = reqwest::Client::new().get(format!("{origin}/readyz")).send().await;
        match answer.and_then(reqwest::Response::error_for_status) {
            Ok(_) => return Ok(()),
            Err(error) if now() > deadline => bail!("the server did not become ready: {error}"),
            Err(_) => sleep(POLL_INTERVAL).await,
        }
    }
}

/// How many calls the server still has some time after all were hung up.
async fn forgotten(origin: &str) -> Option<u64> {
    let deadline = now() + FORGET_LIMIT;
    loop {
        let url = format!("{origin}/healthz");
        let health = reqwest::get(url).await.ok()?.json::<serde_json::Value>().await.ok()?;
        let active = health.get("activeCalls")?.as_u64()?;
        if active == 0 || now() > deadline {
            return Some(active);
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// Progress on standard error, if that is a terminal.
struct Progress {
    head: Option<String>,
}

impl Progress {
    fn new(name: &str, load: &Load<'_>) -> Self {
        let round = format!("{name}, round {} of {}", load.number, load.arguments.rounds);
        Self { head: std::io::stderr().is_terminal().then_some(round) }
    }

    fn show(&self, text: &str) {
        if let Some(head) = &self.head {
            drop(write!(std::io::stderr(), "\r\x1b[K{head}: {text}"));
        }
    }

    fn clear(&self) {
        if self.head.is_some() {
            drop(write!(std::io::stderr(), "\r\x1b[K"));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a load test reads the clock of its machine")]
fn now() -> Instant {
    Instant::now()
}
