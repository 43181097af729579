//! A redis-server on a free port, which can be paused, emptied and killed.

use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use crate::support::program::free_port;

use crate::support::wait::cluster::eventually;

pub(crate) struct RedisServer {
    process: Child,
    pub(crate) port: u16,
    folder: tempfile::TempDir,
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let server = Self { process: run(port, folder.path()), port, folder };
        server.answers().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A connection with short time-outs.
    pub(crate) fn connection(&self) -> ConnectionManager {
        connection(&self.url())
    }

    /// Makes it a read-only replica of another, as after a failover.
    pub(crate) async fn follow(&self, other: &Self) {
        let mut demote = redis::cmd("REPLICAOF");
        demote.arg("127.0.0.1").arg(other.port);
        let () = demote.query_async(&mut self.connection()).await.unwrap();
    }

    /// Stops the process: it takes connections and does not answer.
    pub(crate) fn pause(&self) {
        signal(self.process.id(), "-STOP");
    }

    pub(crate) fn go_on(&self) {
        signal(self.process.id(), "-CONT");
    }

    pub(crate) async fn empty(&self) {
        let () = redis::cmd("FLUSHALL").query_async(&mut self.connection()).await.unwrap();
    }

    /// Kills it, and starts it again with nothing in it.
    pub(crate) async fn restart_empty(&mut self) {
        self.kill();
        self.process = run(self.port, self.folder.path());
        self.answers().await;
    }

    pub(crate) fn kill(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }

    async fn answers(&self) {
        eventually(async || {
            redis::cmd("PING").query_async::<String>(&mut self.connection()).await.ok()
        })
        .await;
    }
}

/// An address that leads to one server, and later to another: open connections stay where they are.
pub(crate) struct Name {
    pub(crate) port: u16,
    leads_to: Arc<AtomicU16>,
}

impl Name {
    #[expect(clippy::disallowed_methods, reason = "a forwarder that ends with its test")]
    pub(crate) async fn of(server: &RedisServer) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let leads_to = Arc::new(AtomicU16::new(server.port));
        let target = Arc::clone(&leads_to);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let port = target.load(Ordering::SeqCst);
                tokio::spawn(async move {
                    let far = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
                    if let Ok(mut far) = far {
                        drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
                    }
                });
            }
        });
        Self { port, leads_to }
    }

    pub(crate) fn leads_to(&self, server: &RedisServer) {
        self.leads_to.store(server.port, Ordering::SeqCst);
    }

    pub(crate) fn connection(&self) -> ConnectionManager {
        connection(&format!("redis://127.0.0.1:{}", self.port))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn connection(url: &str) -> ConnectionManager {
    let client = redis::Client::open(url).unwrap();
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(Duration::from_secs(1)))
        .set_connection_timeout(Some(Duration::from_secs(1)));
    ConnectionManager::new_lazy_with_config(client, config).unwrap()
}

/// Sends a signal to a process.
pub(crate) fn signal(process: u32, signal: &str) {
    let sent = Command::new("kill").args([signal, &process.to_string()]).status().unwrap();
    assert!(sent.success());
}

fn run(port: u16, folder: &std::path::Path) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "no", "--loglevel", "warning", "--dir"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed (apt-get install redis-server)")
}
