//! The connection to Redis.

use ::redis::aio::{ConnectionLike, ConnectionManager};
use ::redis::{Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};
use futures_util::FutureExt as _;

/// A connection to Redis that is made again when the server closes it, as it does when it restarts,
/// fails over or drops idle clients.
///
/// A closed connection is noticed by the command that is sent next, or by the one that waits for its
/// answer just then. That command is sent once more over the new connection, so whatever goes
/// through here must be one that may be carried out twice with the effect and the answer of once.
/// What may not goes through [`Self::once`].
#[derive(Clone)]
pub struct Connection(ConnectionManager);

impl Connection {
    /// The same connection for commands that must not be carried out twice. They fail when the
    /// connection was closed.
    pub(crate) fn once(&self) -> ConnectionManager {
        self.0.clone()
    }
}

impl From<ConnectionManager> for Connection {
    fn from(manager: ConnectionManager) -> Self {
        Self(manager)
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        async move {
            let answer = self.0.send_packed_command(cmd).await;
            if was_closed(&answer) { self.0.send_packed_command(cmd).await } else { answer }
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
            let answer = self.0.send_packed_commands(cmd, offset, count).await;
            if was_closed(&answer) {
                self.0.send_packed_commands(cmd, offset, count).await
            } else {
                answer
            }
        }
        .boxed()
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}

/// Whether a connection that had been made was closed. One that cannot be made, or does not answer
/// in time, is not worth another attempt.
fn was_closed<T>(answer: &RedisResult<T>) -> bool {
    let closed = |error: &RedisError| {
        error.is_connection_dropped() && !error.is_connection_refusal() && !error.is_timeout()
    };
    answer.as_ref().err().is_some_and(closed)
}
