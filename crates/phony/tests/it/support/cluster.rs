//! Several servers as processes of their own, a balancer before them, and the stand-ins around.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use phony_simulator::openai::{self, Brain, OpenAiOptions, OpenAiRunning};
use phony_simulator::twilio::{self, HostOverride, PhoneNumber, TwilioOptions, TwilioRunning};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_util::task::TaskTracker;

use crate::support::http;
use crate::support::program::free_port;
use crate::support::redis::{RedisServer, signal};
use crate::support::server::{AUTH_TOKEN, CALLED, HOST, Socket};
use crate::support::twilio_spec::Checked;
use crate::support::wait::cluster::{eventually, in_time};
use crate::support::wait::poll;

/// The time, for measurements.
#[expect(clippy::disallowed_methods, reason = "a test measures how long things take")]
pub(crate) fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const TOKEN: &str = "everybody-knows-this-one";

/// How long a server may take to stop.
const STOP: Duration = Duration::from_mins(1);

/// A server as a process.
pub(crate) struct Node {
    process: Child,
    pub(crate) port: u16,
    data: tempfile::TempDir,
}

impl Node {
    pub(crate) fn kill(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.process.id(), name);
    }

    /// Waits until the process has exited; its exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let ended = poll(async || self.process.try_wait().unwrap());
        timeout(STOP, ended).await.expect("the server stops").code()
    }

    pub(crate) fn data(&self) -> &std::path::Path {
        self.data.path()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where a server logs to: nowhere, or, to look for a fault, into the folder `NODE_LOGS`.
#[expect(clippy::disallowed_methods, reason = "no setting of the program, but of whoever tests it")]
fn log_of(port: u16) -> Stdio {
    let Some(folder) = std::env::var_os("NODE_LOGS") else { return Stdio::null() };
    let name = format!("{}-{port}.log", std::process::id());
    std::fs::File::create(std::path::Path::new(&folder).join(name)).unwrap().into()
}

/// What a [`TestCluster`] is made of.
pub(crate) struct ClusterOptions {
    /// Number of servers at the start.
    pub(crate) servers: usize,
    /// Whether they share a Redis server; without it each has a store of its own.
    pub(crate) redis: bool,
    /// Speed of the calls, as a multiple of real time.
    pub(crate) speed: f64,
    /// The model.
    pub(crate) model: OpenAiOptions,
    /// Files in each server's folder, such as `phony.toml`.
    pub(crate) files: Vec<(&'static str, String)>,
    /// Further environment variables of each server.
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        let model = OpenAiOptions { brain: Brain::Echo, ..OpenAiOptions::default() };
        Self { servers: 2, redis: true, speed: 8.0, model, files: vec![], variables: vec![] }
    }
}

/// Servers, their balancer, and the stand-ins around them.
pub(crate) struct TestCluster {
    redis: Option<RedisServer>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) balancer: Balancer,
    pub(crate) twilio: TwilioRunning,
    /// A proxy before the network's API that checks requests and answers against Twilio's
    /// description.
    pub(crate) api: Checked,
    pub(crate) http: reqwest::Client,
    openai: OpenAiRunning,
    files: Vec<(&'static str, String)>,
    variables: Vec<(&'static str, String)>,
}

impl TestCluster {
    pub(crate) async fn start(servers: usize, speed: f64, brain: Brain) -> Self {
        let model = OpenAiOptions { brain, ..OpenAiOptions::default() };
        Self::of(ClusterOptions { servers, speed, model, ..ClusterOptions::default() }).await
    }

    pub(crate) async fn of(plan: ClusterOptions) -> Self {
        let ClusterOptions { servers, redis, speed, model, files, variables } = plan;
        let redis = if redis { Some(RedisServer::start().await) } else { None };
        let openai = openai::start(model).await.unwrap();
        let balancer = Balancer::start().await;
        let number = PhoneNumber {
            voice_fallback_url: format!("https://{HOST}/receive_call"),
            status_callback: format!("https://{HOST}/call_status"),
            ..PhoneNumber::new(CALLED, format!("https://{HOST}/receive_call"))
        };
        let options = TwilioOptions {
            auth_token: AUTH_TOKEN.into(),
            numbers: vec![number],
            host_overrides: vec![HostOverride {
                public: HOST.into(),
                to: format!("http://{}", balancer.addr),
            }],
            speed,
            ..TwilioOptions::default()
        };
        let twilio = twilio::start(options).await.unwrap();
        let http = http::client_builder().pool_max_idle_per_host(0).build().unwrap();
        let nodes = Vec::new();
        let api = Checked::before(&twilio.base_url()).await;
        let mut cluster =
            Self { redis, nodes, balancer, twilio, api, http, openai, files, variables };
        let started = (0..servers).map(|_| cluster.new_node(&[]));
        cluster.nodes = futures_util::future::join_all(started).await;
        cluster.open_to_all();
        cluster
    }

    /// Lets the balancer use every node.
    pub(crate) fn open_to_all(&self) {
        self.balancer.set(self.nodes.iter().map(|node| node.port).collect());
    }

    pub(crate) fn redis(&self) -> &RedisServer {
        self.redis.as_ref().unwrap()
    }

    pub(crate) fn redis_mut(&mut self) -> &mut RedisServer {
        self.redis.as_mut().unwrap()
    }

    /// Starts a server with further variables, and waits until it is ready.
    pub(crate) async fn new_node(&self, more: &[(&str, &str)]) -> Node {
        let data = tempfile::tempdir().unwrap();
        for (name, text) in &self.files {
            let path = data.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let node = self.run(free_port(), data, more);
        self.until_ready(&node).await;
        node
    }

    /// Restarts a server that has ended, in its folder; it may not be ready yet.
    pub(crate) fn again(&mut self, at: usize) {
        let mut node = self.nodes.remove(at);
        let data = std::mem::replace(&mut node.data, tempfile::tempdir().unwrap());
        let node = self.run(node.port, data, &[]);
        self.nodes.insert(at, node);
    }

    pub(crate) async fn until_ready(&self, node: &Node) {
        eventually(async || {
            let answer = self.http.get(node.url("/readyz")).send().await.ok()?;
            (answer.status() == 200).then_some(())
        })
        .await;
    }

    fn run(&self, port: u16, data: tempfile::TempDir, more: &[(&str, &str)]) -> Node {
        let redis = self.redis.as_ref().map(|redis| ("REDIS_URL", redis.url()));
        let process = Command::new(env!("CARGO_BIN_EXE_phony"))
            .arg("serve")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("PORT", port.to_string())
            .env("PHONY_BIND", "127.0.0.1")
            .env("HOST", HOST)
            .env("PHONY_DATA_DIR", data.path())
            .env("TWILIO_AUTH_TOKEN", AUTH_TOKEN)
            .env("TWILIO_ACCOUNT_SID", ACCOUNT)
            .env("TWILIO_PHONE_NUMBER", CALLED)
            .env("TWILIO_API_BASE_URL", self.api.base_url())
            .env("PHONY_CALLING_HOURS", "off")
            .env("OPENAI_API_KEY", "sk-test")
            .env("OPENAI_BASE_URL", self.openai.base_url())
            .env("PHONY_ADMIN_TOKEN", TOKEN)
            .env("PHONY_API_RATE", "0")
            .envs(redis)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .envs(more.iter().copied())
            .current_dir(data.path())
            .stdin(Stdio::null())
            .stdout(log_of(port))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Node { process, port, data }
    }

    /// The answer of a node to a GET request.
    pub(crate) async fn get(&self, node: usize, path: &str) -> (u16, Value) {
        let request = self.http.get(self.nodes[node].url(path)).bearer_auth(TOKEN);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// The answer of a node to a POST request.
    pub(crate) async fn post(&self, node: usize, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.post(self.nodes[node].url(path)).bearer_auth(TOKEN).json(body);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// The node on which a call is live.
    pub(crate) async fn owner(&self) -> usize {
        eventually(async || {
            for node in 0..self.nodes.len() {
                let health = self.http.get(self.nodes[node].url("/healthz")).send().await.ok();
                let Some(health) = health else { continue };
                let health: Value = health.json().await.unwrap_or_default();
                if health["activeCalls"].as_u64().unwrap_or(0) > 0 {
                    return Some(node);
                }
            }
            None
        })
        .await
    }

    /// The events of a call up to its end, as one node gives them.
    pub(crate) async fn history(&self, node: usize, call: &str) -> Vec<Value> {
        let mut view = self.view(node, &format!("?callSid={call}")).await;
        let mut events = Vec::new();
        in_time(async {
            while let Some(event) = view.next().await {
                let end = event["type"] == "session_end";
                if event["seq"].is_u64() {
                    events.push(event);
                }
                if end {
                    return;
                }
            }
        })
        .await;
        events
    }

    pub(crate) async fn view(&self, node: usize, query: &str) -> Viewer {
        let url = format!("ws://127.0.0.1:{}/events/ws{query}", self.nodes[node].port);
        eventually(async || {
            let mut request = url.as_str().into_client_request().unwrap();
            let bearer = format!("Bearer {TOKEN}").parse().unwrap();
            request.headers_mut().insert("authorization", bearer);
            Some(Viewer(tokio_tungstenite::connect_async(request).await.ok()?.0))
        })
        .await
    }
}

/// A viewer of events.
pub(crate) struct Viewer(Socket);

impl Viewer {
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await?.ok()? {
                Message::Text(text) => return serde_json::from_str(&text).ok(),
                Message::Close(_) => return None,
                Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => {}
            }
        }
    }
}

/// A load balancer: it polls whether each server is ready, and gives each connection to the next
/// one that is and that can be reached.
pub(crate) struct Balancer {
    pub(crate) addr: SocketAddr,
    behind: Arc<Behind>,
    task: AbortHandle,
    checks: AbortHandle,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Behind {
    /// The port of each server, and whether it is ready.
    servers: Mutex<Vec<(u16, bool)>>,
    turn: AtomicUsize,
    held: AtomicBool,
}

/// Interval and time-out of its health checks.
const CHECK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// The beginning of a request for the carrier's socket.
const SOCKETS: &[u8; 14] = b"GET /relay/ws ";
/// How long it looks for a server for one connection.
const SEEKING: Duration = Duration::from_secs(3);

impl Balancer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let behind: Arc<Behind> = Arc::default();
        let tasks = TaskTracker::new();
        let (each, asked) = (tasks.clone(), Arc::clone(&behind));
        let checks = tasks.spawn(async move {
            loop {
                let ports: Vec<_> =
                    asked.servers.lock().unwrap().iter().map(|(port, _)| *port).collect();
                let answers = ports.into_iter().map(async |port| (port, is_ready(port).await));
                for (port, ready) in futures_util::future::join_all(answers).await {
                    asked.set(port, ready);
                }
                tokio::time::sleep(CHECK.0).await;
            }
        });
        let served = Arc::clone(&behind);
        let serving = tasks.spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let behind = Arc::clone(&served);
                each.spawn(async move {
                    behind.let_in(&from).await;
                    if let Ok(Some(mut to)) = timeout(SEEKING, behind.connect()).await {
                        drop(from.set_nodelay(true));
                        drop(to.set_nodelay(true));
                        drop(copy_bidirectional(&mut from, &mut to).await);
                    }
                });
            }
        });
        let (task, checks) = (serving.abort_handle(), checks.abort_handle());
        Self { addr, behind, task, checks, tasks }
    }

    /// Replaces the servers; all of them count as ready.
    pub(crate) fn set(&self, ports: Vec<u16>) {
        *self.behind.servers.lock().unwrap() = ports.into_iter().map(|port| (port, true)).collect();
    }

    /// Holds new sockets of the carrier back, or lets them through.
    pub(crate) fn hold(&self, held: bool) {
        self.behind.held.store(held, Ordering::Relaxed);
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.tasks.close();
        self.task.abort();
        self.checks.abort();
    }
}

impl Behind {
    fn set(&self, port: u16, ready: bool) {
        let mut servers = self.servers.lock().unwrap();
        if let Some(server) = servers.iter_mut().find(|(known, _)| *known == port) {
            server.1 = ready;
        }
    }

    /// Waits until a connection may pass.
    async fn let_in(&self, from: &TcpStream) {
        if !self.held.load(Ordering::Relaxed) {
            return;
        }
        let mut first = [0; SOCKETS.len()];
        while matches!(from.peek(&mut first).await, Ok(1..)) && first == *SOCKETS {
            if !self.held.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn connect(&self) -> Option<TcpStream> {
        loop {
            let servers = self.servers.lock().unwrap().clone();
            let mut ready: Vec<_> = servers.iter().filter(|(_, ready)| *ready).collect();
            if ready.is_empty() {
                // A server that answers that it is not ready is better than none.
                ready = servers.iter().collect();
            }
            let first = self.turn.fetch_add(1, Ordering::Relaxed);
            for at in 0..ready.len() {
                let (port, _) = ready[(first + at) % ready.len()];
                match TcpStream::connect(("127.0.0.1", *port)).await {
                    Ok(to) => return Some(to),
                    Err(_) => self.set(*port, false),
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn is_ready(port: u16) -> bool {
    let ask = async {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let request = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        socket.write_all(request).await.ok()?;
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).await.ok()?;
        answer.ends_with(b"200").then_some(())
    };
    matches!(timeout(CHECK.1, ask).await, Ok(Some(())))
}

/// The body of an action on one call.
pub(crate) fn action(call: &str, more: &Value) -> Value {
    let mut action = json!({ "callSid": call });
    for (name, value) in more.as_object().into_iter().flatten() {
        action[name] = value.clone();
    }
    action
}
