//! The connection to Redis.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::aio::{ConnectionLike, ConnectionManager};
use ::redis::{Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value, cmd};
use futures_util::FutureExt as _;
use tokio::time::Instant;

/// How long to stay on a connection to a read-only server before another one is made.
const READ_ONLY: Duration = Duration::from_secs(1);

/// A connection to Redis that reconnects when the server closes it, as it does when it restarts,
/// fails over or drops idle clients.
///
/// The next command notices that the connection is closed, or the one that is waiting for its
/// reply. It is sent once more over the new connection, so every command must be idempotent. Others
/// are sent through `once`.
///
/// After a failover the old server may live on as a replica and keep its connections. It refuses
/// writes with `READONLY` for ever, although its name already resolves to the new server. Such a
/// connection is abandoned, so that the next one reaches the new server.
#[derive(Clone)]
pub struct Connection {
    manager: ConnectionManager,
    /// When a connection to a read-only server was last abandoned.
    given_up: Arc<Mutex<Option<Instant>>>,
}

impl Connection {
    /// The same connection for commands that must not run twice. They fail if the connection was
    /// closed.
    pub(crate) fn once(&self) -> ConnectionManager {
        self.manager.clone()
    }

    /// Has the server close the connection, but not more often than `READ_ONLY`, since the new one
    /// may be read-only too.
    async fn give_up(&mut self) {
        let now = now();
        {
            let mut given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
            if given_up.is_some_and(|last| now.duration_since(last) < READ_ONLY) {
                return;
            }
            *given_up = Some(now);
        }
        tracing::warn!("Redis takes no writes over this connection, which is made anew");
        // The manager reconnects when it finds its connection closed, at the second command at the
        // latest.
        drop(self.manager.send_packed_command(&cmd("QUIT")).await);
        drop(self.manager.send_packed_command(&cmd("PING")).await);
    }
}

impl From<ConnectionManager> for Connection {
    fn from(manager: ConnectionManager) -> Self {
        Self { manager, given_up: Arc::default() }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        async move {
            let answer = self.manager.send_packed_command(cmd).await;
            if was_closed(&answer) {
                return self.manager.send_packed_command(cmd).await;
            }
            if answer.as_ref().map_or_else(is_read_only, is_refusal_to_write) {
                self.give_up().await;
            }
            answer
        }
        .boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        async move {
            let answer = self.manager.send_packed_commands(cmd, offset, count).await;
            if was_closed(&answer) {
                return self.manager.send_packed_commands(cmd, offset, count).await;
            }
            let read_only = match &answer {
                Ok(values) => values.iter().any(is_refusal_to_write),
                Err(error) => is_read_only(error),
            };
            if read_only {
                self.give_up().await;
            }
            answer
        }
        .boxed()
    }

    fn get_db(&self) -> i64 {
        self.manager.get_db()
    }
}

/// Whether an established connection was closed. One that is refused or times out is not worth
/// another attempt.
fn was_closed<T>(answer: &RedisResult<T>) -> bool {
    let closed = |error: &RedisError| {
        error.is_connection_dropped() && !error.is_connection_refusal() && !error.is_timeout()
    };
    answer.as_ref().err().is_some_and(closed)
}

/// Whether the server is a read-only replica.
fn is_read_only(error: &RedisError) -> bool {
    error.code() == Some("READONLY")
}

/// The same for one reply of a pipeline.
fn is_refusal_to_write(value: &Value) -> bool {
    if let Value::Array(values) = value {
        return values.iter().any(is_refusal_to_write);
    }
    matches!(value, Value::ServerError(error) if error.code() == "READONLY")
}

#[expect(clippy::disallowed_methods, reason = "how long a connection is kept concerns no call")]
fn now() -> Instant {
    Instant::now()
}
