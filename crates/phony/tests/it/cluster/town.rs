//! Several servers as processes of their own, a balancer before them, and the stand-ins around.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use phony::simulator::openai::{self, Brain, OpenAiOptions, OpenAiRunning};
use phony::simulator::twilio::{self, PhoneNumber, Reach, TwilioOptions, TwilioRunning};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_util::task::TaskTracker;

use crate::house::{AUTH_TOKEN, CALLED, HOST, Socket};
use crate::redis_server::{RedisServer, free_port, signal};

/// What time it is, for what is measured.
#[expect(clippy::disallowed_methods, reason = "a test measures how long things take")]
pub(crate) fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

pub(crate) const TOKEN: &str = "everybody-knows-this-one";

/// Waits for something, but not for ever.
pub(crate) async fn bounded<T>(seconds: u64, work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(seconds), work).await.expect("it takes too long")
}

/// Asks again and again until the answer is there.
pub(crate) async fn until<T>(seconds: u64, mut answer: impl AsyncFnMut() -> Option<T>) -> T {
    bounded(seconds, async {
        loop {
            if let Some(answer) = answer().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// One server.
pub(crate) struct Node {
    process: Child,
    pub(crate) port: u16,
    _data: tempfile::TempDir,
}

impl Node {
    pub(crate) fn kill(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.process.id(), name);
    }

    /// Waits for its end and gives its exit code.
    pub(crate) async fn ended(&mut self, seconds: u64) -> Option<i32> {
        until(seconds, async || self.process.try_wait().unwrap()).await.code()
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

/// Everything.
pub(crate) struct Town {
    pub(crate) redis: RedisServer,
    pub(crate) nodes: Vec<Node>,
    pub(crate) balancer: Balancer,
    pub(crate) twilio: TwilioRunning,
    pub(crate) http: reqwest::Client,
    openai: OpenAiRunning,
}

impl Town {
    pub(crate) async fn start(count: usize, speed: f64, brain: Brain) -> Self {
        let redis = RedisServer::start().await;
        let openai = OpenAiOptions { brain, ..OpenAiOptions::default() };
        let openai = openai::start(openai).await.unwrap();
        let balancer = Balancer::start().await;
        let number = PhoneNumber {
            status_callback: format!("https://{HOST}/call_status"),
            ..PhoneNumber::new(CALLED, format!("https://{HOST}/receive_call"))
        };
        let options = TwilioOptions {
            auth_token: AUTH_TOKEN.into(),
            numbers: vec![number],
            reach: vec![Reach { public: HOST.into(), to: format!("http://{}", balancer.addr) }],
            speed,
            ..TwilioOptions::default()
        };
        let twilio = twilio::start(options).await.unwrap();
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
        let mut town = Self { redis, nodes: Vec::new(), balancer, twilio, http, openai };
        for _ in 0..count {
            let node = town.new_node(&[]).await;
            town.nodes.push(node);
        }
        town.open_to_all();
        town
    }

    /// The balancer sends to every node there is.
    pub(crate) fn open_to_all(&self) {
        self.balancer.set(self.nodes.iter().map(|node| node.port).collect());
    }

    /// A server that is ready.
    pub(crate) async fn new_node(&self, more: &[(&str, &str)]) -> Node {
        let (port, data) = (free_port(), tempfile::tempdir().unwrap());
        let process = Command::new(env!("CARGO_BIN_EXE_phony"))
            .arg("serve")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("PORT", port.to_string())
            .env("PHONY_BIND", "127.0.0.1")
            .env("HOST", HOST)
            .env("PHONY_DATA_DIR", data.path())
            .env("TWILIO_AUTH_TOKEN", AUTH_TOKEN)
            .env("OPENAI_API_KEY", "sk-test")
            .env("OPENAI_BASE_URL", self.openai.base_url())
            .env("PHONY_ADMIN_TOKEN", TOKEN)
            .env("PHONY_API_RATE", "0")
            .env("REDIS_URL", self.redis.url())
            .envs(more.iter().copied())
            .current_dir(data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let node = Node { process, port, _data: data };
        until(20, async || {
            let answer = self.http.get(node.url("/readyz")).send().await.ok()?;
            (answer.status() == 200).then_some(())
        })
        .await;
        node
    }

    /// What a node answers.
    pub(crate) async fn get(&self, node: usize, path: &str) -> (u16, Value) {
        let request = self.http.get(self.nodes[node].url(path)).bearer_auth(TOKEN);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// What a node answers to an order.
    pub(crate) async fn post(&self, node: usize, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.post(self.nodes[node].url(path)).bearer_auth(TOKEN).json(body);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// The node on which a call is live.
    pub(crate) async fn owner(&self) -> usize {
        until(10, async || {
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

    /// The events of a call, as a node tells them once it has ended.
    pub(crate) async fn history(&self, node: usize, call: &str) -> Vec<Value> {
        let mut view = self.view(node, &format!("?callSid={call}")).await;
        let mut events = Vec::new();
        bounded(30, async {
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

    pub(crate) async fn view(&self, node: usize, query: &str) -> View {
        let url = format!("ws://127.0.0.1:{}/events/ws{query}", self.nodes[node].port);
        until(10, async || {
            let mut request = url.as_str().into_client_request().unwrap();
            let bearer = format!("Bearer {TOKEN}").parse().unwrap();
            request.headers_mut().insert("authorization", bearer);
            Some(View(tokio_tungstenite::connect_async(request).await.ok()?.0))
        })
        .await
    }
}

/// A viewer.
pub(crate) struct View(Socket);

impl View {
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

/// A balancer as they are: it asks whether a server is ready, and sends each connection to the
/// next one that is.
pub(crate) struct Balancer {
    pub(crate) addr: SocketAddr,
    ports: Arc<Mutex<Vec<u16>>>,
    task: AbortHandle,
    tasks: TaskTracker,
}

impl Balancer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let ports: Arc<Mutex<Vec<u16>>> = Arc::default();
        let (behind, turn) = (Arc::clone(&ports), Arc::new(AtomicUsize::new(0)));
        let tasks = TaskTracker::new();
        let each = tasks.clone();
        let serving = tasks.spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let (behind, turn) = (Arc::clone(&behind), Arc::clone(&turn));
                each.spawn(async move {
                    let ports = behind.lock().unwrap().clone();
                    let first = turn.fetch_add(1, Ordering::Relaxed);
                    let order = (0..ports.len()).map(|at| ports[(first + at) % ports.len()]);
                    for port in order {
                        if is_ready(port).await
                            && let Ok(mut to) = TcpStream::connect(("127.0.0.1", port)).await
                        {
                            drop(from.set_nodelay(true));
                            drop(to.set_nodelay(true));
                            drop(copy_bidirectional(&mut from, &mut to).await);
                            return;
                        }
                    }
                });
            }
        });
        Self { addr, ports, task: serving.abort_handle(), tasks }
    }

    pub(crate) fn set(&self, ports: Vec<u16>) {
        *self.ports.lock().unwrap() = ports;
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.tasks.close();
        self.task.abort();
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
    matches!(timeout(Duration::from_millis(500), ask).await, Ok(Some(())))
}

/// An order for one call.
pub(crate) fn order(call: &str, more: &Value) -> Value {
    let mut order = json!({ "callSid": call });
    for (name, value) in more.as_object().into_iter().flatten() {
        order[name] = value.clone();
    }
    order
}
