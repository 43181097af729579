//! The server: built from a [`Config`], started and stopped as one. Owns the shutdown, in its
//! stages, and the background tasks; `cli` and `sandbox` call it.

mod persistence;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::{Router, middleware};
use jiff::Timestamp;
use phony_call::{CallSid, Traits};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::OpenApi;

use self::persistence::{Persistence, RunningPersistence};
use crate::agents::{Agent, AgentError, Agents};
use crate::app::{App, AppParts};
use crate::calls::Models;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::data_dir::{DataDirLock, LockError, explained, private};
use crate::events::Hub;
use crate::history::History;
use crate::http::{self, AppState, Auth};
use crate::listener::{self, Bounds, Connections};
use crate::models::realtime::{
    self, BadSettings, RealtimeSettings, SessionSettings, SpeechSettings,
};
use crate::models::{Tool, call_tools};
use crate::outbound::budget;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::workers::Workers;
use crate::safety::Safety;
use crate::store::{Store, StoreError};
use crate::telemetry;
use crate::token::{self, hex};

pub use crate::data_dir::make_folder;

/// How long the rest may take to end once it was told to.
const END_LIMIT: Duration = Duration::from_secs(5);

/// The server's clock.
const CLOCK: Clock = Clock { now, wall };

/// How long a stopping node keeps answering at least after it reports not to be ready: a balancer
/// may send requests to it for that long, and a refused one is a lost call.
const NOTICED: Duration = Duration::from_secs(2);
/// How long it keeps answering after its last call has left: the carrier may still ask about that
/// call, over a connection that it has kept open.
const ASKED: Duration = Duration::from_secs(1);

/// Why the server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An agent cannot be used.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The model cannot be reached with these settings.
    #[error("OPENAI_BASE_URL or OPENAI_API_KEY cannot be used")]
    Model(#[from] BadSettings),
    /// Another server uses the data folder, or it cannot be locked.
    #[error(transparent)]
    Held(LockError),
    /// The data folder cannot be used.
    #[error("the data folder {folder} cannot be used (PHONY_DATA_DIR names another)")]
    DataDir {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The address of Redis is invalid.
    #[error("REDIS_URL is not the address of a Redis server, such as redis://127.0.0.1:6379")]
    Redis(#[source] redis::RedisError),
    /// The threads that calls run on cannot be started.
    #[error("the threads that calls run on cannot be started")]
    Threads(#[source] io::Error),
    /// The store cannot be used.
    #[error("{}", .0.chain())]
    Store(StoreError),
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on (PORT and PHONY_BIND name another)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A running server.
#[derive(Debug)]
pub struct Running {
    /// The address it listens on.
    pub addr: SocketAddr,
    /// Its parts, for programs that embed the server.
    pub app: Arc<App>,
    auth: Arc<Auth>,
    shutdown: Shutdown,
    served: JoinHandle<bool>,
}

/// Starts a server with the configured model.
pub async fn start(config: Config) -> Result<Running, StartError> {
    let tasks = TaskTracker::new();
    let shutdown = Shutdown::default();
    let models = realtime_models(&config, tasks.clone(), shutdown.kill.clone())?;
    Box::pin(start_parts(config, models, tasks, shutdown, None)).await
}

/// Starts a server with these models and this store.
pub async fn start_on(
    config: Config,
    models: Models,
    store: Arc<dyn Store>,
) -> Result<Running, StartError> {
    Box::pin(start_parts(config, models, TaskTracker::new(), Shutdown::default(), Some(store)))
        .await
}

/// Starts a server with these models.
pub async fn start_with(config: Config, models: Models) -> Result<Running, StartError> {
    Box::pin(start_parts(config, models, TaskTracker::new(), Shutdown::default(), None)).await
}

/// The OpenAPI description of every route.
///
/// # Panics
///
/// If the built-in defaults are wrong, which a test rules out.
#[must_use]
pub fn openapi() -> OpenApi {
    // The handlers' state is needed to build the routes, not to describe them.
    let config = Config::from_sources(crate::config::Sources::default())
        .expect("the defaults are right by themselves");
    let agents = Agents::load(&config).expect("the built-in agents are right by themselves");
    let models = Models::new(|_, _| crate::ports::model().0);
    let history = History::in_memory(Arc::new(Hub::default()));
    let app = App::new(AppParts {
        port: 0,
        clock: CLOCK,
        shutdown: Shutdown::default(),
        safety: Safety::closed(&config, CLOCK),
        config,
        agents,
        history,
        cluster: None,
        models,
        workers: Workers::none(),
        load_idempotency_keys: false,
    });
    let state = AppState::new(app, Arc::new(Auth::new(SecretString::from(""), wall)));
    http::document(http::routes(state).into_openapi())
}

impl Running {
    /// A single-use login link for a supervisor.
    #[must_use]
    pub async fn login_link(&self) -> String {
        let scheme = if self.app.config.host.is_some() { "https" } else { "http" };
        let code = self.auth.one_time_code().await;
        format!("{scheme}://{}/login?code={code}", self.app.authority())
    }

    /// Starts draining: no new calls. Live calls move to another node, if there is one; otherwise
    /// they may finish, up to a limit, and then say goodbye.
    pub fn stop(&self) {
        self.shutdown.drain.cancel();
    }

    /// Stops now: every call says goodbye.
    pub fn hurry(&self) {
        self.shutdown.drain.cancel();
        self.shutdown.stop.cancel();
    }

    /// Ends everything at once, without goodbyes.
    pub fn kill(&self) {
        self.hurry();
        self.shutdown.kill.cancel();
    }

    /// Waits until the server has stopped; it does not stop by itself. True if every call ended or
    /// continues on another node, false if some were cut off.
    pub async fn join(self) -> bool {
        match self.served.await {
            Ok(whole) => whole,
            Err(error) => {
                tracing::error!(%error, "the server failed");
                false
            }
        }
    }
}

async fn start_parts(
    config: Config,
    models: Models,
    tasks: TaskTracker,
    shutdown: Shutdown,
    store: Option<Arc<dyn Store>>,
) -> Result<Running, StartError> {
    telemetry::metrics_handle();
    let agents = Agents::load(&config)?;
    let data_dir = |source| StartError::DataDir { folder: config.data_dir.clone(), source };
    let mut lock = DataDirLock::acquire(&config.data_dir).map_err(|error| match error {
        LockError::Unusable(source) => data_dir(source),
        in_use @ LockError::InUse { .. } => StartError::Held(in_use),
    })?;
    let token = match &config.admin_token {
        Some(token) => token.clone(),
        None => kept_token(&config.data_dir).map_err(data_dir)?,
    };
    let cluster = match &config.redis_url {
        Some(url) => Some(Cluster::new(url, config.retention.age).map_err(StartError::Redis)?),
        None => None,
    };
    let shared = || cluster.as_ref().map(|cluster| cluster.store() as Arc<dyn Store>);
    let (history, persistence) = Persistence::open(&config, store.or_else(shared))?;
    let address = SocketAddr::new(config.bind, config.port);
    let listen = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let addr = listener.local_addr().map_err(listen)?;
    lock.set_address(addr);
    for warning in &config.warnings {
        tracing::warn!(warning, "configuration");
    }
    let auth = Auth::new(token, wall).remember(&config.data_dir).map_err(data_dir)?;
    let auth = Arc::new(auth.shared(cluster.clone()));
    tasks.spawn(Arc::clone(&auth).synchronize(shutdown.kill.clone()));
    let app = App::new(AppParts {
        port: addr.port(),
        clock: CLOCK,
        shutdown: shutdown.clone(),
        safety: Safety::open(&config, CLOCK, tasks.clone()).map_err(data_dir)?,
        config,
        agents,
        history,
        cluster,
        models,
        workers: Workers::start().map_err(StartError::Threads)?,
        load_idempotency_keys: true,
    });
    let persistence = persistence.start(&app, &tasks);
    // Before anybody can order anything: what stands open now was open when the last server ended.
    app.outbound.report_interrupted().await;
    if let Some(cluster) = &app.cluster {
        cluster.joined().await;
    }
    let service = service(&app, &auth);
    let bounds = Bounds::of_descriptors(listener::descriptors());
    let connections = Connections::new(bounds, app.config.trusted_proxies.clone());
    let serving = listener::serve(listener, service, connections, shutdown.kill.clone());
    if let Some(reason) = app.not_ready() {
        tracing::warn!(%reason, "not ready for calls");
    }
    tracing::info!(%addr, "server started");
    let run = run(serving, Arc::clone(&app), persistence, tasks.clone());
    let served = tasks.spawn(async move {
        let whole = run.await;
        // Everything is written: another server may have the folder.
        drop(lock);
        whole
    });
    Ok(Running { addr, app, auth, shutdown, served })
}

/// Serves until the end, which goes in stages: the calls are left to others or let finish, within
/// a limit; they say goodbye, within another; then everything is told to end; then what remains is
/// waited for, within a limit. False if calls were cut off.
async fn run(
    serving: impl Future<Output = ()> + Send + 'static,
    app: Arc<App>,
    persistence: RunningPersistence,
    tasks: TaskTracker,
) -> bool {
    let shutdown = app.shutdown.clone();
    let upkeep = tasks.spawn(upkeep(shutdown.kill.clone()));
    let (calls, safety) = (Arc::clone(&app.calls), Arc::clone(&app.safety));
    let budget = budget::watch(calls, safety, app.clock, shutdown.kill.clone());
    let budget = tasks.spawn(budget);
    let serving = tasks.spawn(serving);
    shutdown.drain.cancelled().await;
    app.calls.close();
    let elsewhere = match &app.cluster {
        Some(cluster) => cluster.drain().await,
        None => false,
    };
    tracing::info!(live = app.calls.count(), elsewhere, "stopping");
    if elsewhere {
        shutdown.hand_over.cancel();
    }
    let noticed = elsewhere.then(|| tokio::time::sleep(NOTICED));
    let finish = tokio::time::timeout(app.config.drain, app.calls.wait());
    if let Some(Err(_)) = shutdown.stop.run_until_cancelled(finish).await {
        tracing::info!(live = app.calls.count(), "calls are told to say goodbye");
    }
    shutdown.stop.cancel();
    let farewell = app.config.policy.farewell + END_LIMIT;
    let polite = tokio::time::timeout(farewell, app.calls.wait());
    let ended = shutdown.kill.run_until_cancelled(polite).await;
    if let Some(noticed) = noticed {
        let quiet = async { tokio::join!(noticed, tokio::time::sleep(ASKED)) };
        shutdown.kill.run_until_cancelled(quiet).await;
    }
    shutdown.kill.cancel();
    drop(tokio::time::timeout(END_LIMIT, app.calls.wait()).await);
    let left = app.calls.count() + app.calls.cut_off();
    if left > 0 {
        let in_time = matches!(ended, Some(Ok(())));
        tracing::warn!(live = left, in_time, "calls did not end in time and were cut off");
    }
    persistence.finish().await;
    app.calls.stop_workers();
    drop(upkeep.await);
    drop(tokio::time::timeout(END_LIMIT, budget).await);
    if tokio::time::timeout(END_LIMIT, serving).await.is_err() {
        tracing::debug!("connections were left open");
    }
    tracing::info!("server stopped");
    left == 0
}

/// Compacts the histograms of the metrics.
async fn upkeep(kill: CancellationToken) {
    let mut interval = tokio::time::interval(Duration::from_secs(5));
    while kill.run_until_cancelled(interval.tick()).await.is_some() {
        telemetry::metrics_handle().run_upkeep();
    }
}

fn service(app: &Arc<App>, auth: &Arc<Auth>) -> Router {
    let state = AppState::new(Arc::clone(app), Arc::clone(auth));
    let (router, collected) = http::routes(state.clone()).split_for_parts();
    state.describe(&http::document(collected));
    // A kept-alive connection would bring the next request here, past any balancer.
    let drain = app.shutdown.drain.clone();
    let close_when_draining = move |response: &Response| {
        let stays = response.status() == StatusCode::SWITCHING_PROTOCOLS || !drain.is_cancelled();
        (!stays).then(|| HeaderValue::from_static("close"))
    };
    router
        .fallback(http::not_found)
        .method_not_allowed_fallback(http::method_not_allowed)
        .layer(middleware::from_fn(http::answer_in_time))
        .layer(CatchPanicLayer::custom(http::panicked))
        .layer(SetResponseHeaderLayer::overriding(header::CONNECTION, close_when_draining))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        // Responses about calls must not be cached; the dashboard's files set their own header.
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
}

/// Opens the configured model. Works without an API key, because a stand-in may need none and the
/// provider's refusal reaches the call.
fn realtime_models(
    config: &Config,
    tasks: TaskTracker,
    kill: CancellationToken,
) -> Result<Models, BadSettings> {
    let openai = &config.openai;
    let key = openai.api_key.clone().unwrap_or_else(|| SecretString::from("none"));
    let settings = RealtimeSettings::new(openai.base_url.as_str(), key, &openai.model)?;
    let (settings, voice) = (Arc::new(settings), openai.voice.clone());
    let tools = call_tools();
    Ok(Models::new(move |agent, call| {
        let session = SessionSettings {
            instructions: Arc::clone(&agent.instructions),
            voice: Some(agent.model_voice().unwrap_or(&voice).clone()),
            tools: tools_of(agent, &tools),
            safety_identifier: Some(safety_identifier(call)),
            speech: (agent.call.traits == Traits::Speech).then(|| speech_of(agent)),
        };
        realtime::open(Arc::clone(&settings), session, &tasks, kill.child_token())
    }))
}

/// How a model that speaks for the agent hears.
fn speech_of(agent: &Agent) -> SpeechSettings {
    // The transcription takes a language without its region (ISO 639-1).
    let language = agent.language.as_deref().and_then(|tag| tag.split('-').next());
    let language = language.filter(|language| language.len() == 2).map(str::to_owned);
    SpeechSettings { turns: agent.turns.clone(), language }
}

/// The commands that the agent may use, as tools.
fn tools_of(agent: &Agent, all: &[Arc<Tool>]) -> Vec<Arc<Tool>> {
    let allowed =
        |tool: &&Arc<Tool>| agent.call.commands.iter().any(|name| name.as_str() == tool.name);
    all.iter().filter(allowed).cloned().collect()
}

/// An identifier of the call that names nobody, for the provider.
fn safety_identifier(call: &CallSid) -> String {
    let hash = Sha256::digest(call.as_str().as_bytes());
    hex(&hash[..16])
}

/// The supervisors' token: made at the first start, then read; only the file's owner can read it.
fn kept_token(folder: &std::path::Path) -> io::Result<SecretString> {
    make_folder(folder)?;
    let path = folder.join("admin-token");
    let failed = |error| explained(&path, &error);
    match std::fs::read_to_string(&path) {
        Ok(token) if token.trim().len() >= 8 => Ok(SecretString::from(token.trim())),
        Ok(_) => {
            let problem = "holds no token: write one of at least 8 characters into it, or remove \
                           it to have one made";
            Err(failed(io::Error::new(io::ErrorKind::InvalidData, problem)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let token = SecretString::from(token::random());
            let mut options = std::fs::OpenOptions::new();
            let file = private(options.write(true).create_new(true)).open(&path);
            let mut file = file.map_err(failed)?;
            if let Err(error) = io::Write::write_all(&mut file, token.expose_secret().as_bytes()) {
                // Half a token would be read as one at the next start.
                drop(std::fs::remove_file(&path));
                return Err(failed(error));
            }
            Ok(token)
        }
        Err(error) => Err(failed(error)),
    }
}

#[expect(clippy::disallowed_methods, reason = "the server is the clock of all but the sessions")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[expect(clippy::disallowed_methods, reason = "wall time enters here")]
fn wall() -> Timestamp {
    Timestamp::now()
}
