//! The store of several nodes, on a real server.

use std::sync::Arc;
use std::time::Duration;

use phony::store::redis::Redis;
use phony::store::{Appended, Chunk, Store};

use super::conformance::{append, begins, chunk, conforms, ends, says, sid};
use crate::redis_server::RedisServer;

#[tokio::test]
async fn the_suite_holds_for_redis() {
    let server = RedisServer::start().await;
    conforms(async || {
        server.empty().await;
        Arc::new(Redis::new(server.connection(), "n1", None)) as Arc<dyn Store>
    })
    .await;
}

/// Appends as soon as the server can be reached again.
async fn once_it_answers(store: &Redis, chunk: Chunk) -> Vec<Appended> {
    for _ in 0..50 {
        if let Ok(appended) = store.append(vec![chunk.clone()]).await {
            return appended;
        }
    }
    panic!("the store does not come back");
}

#[tokio::test]
async fn a_server_that_lost_everything_is_told_again() {
    let mut server = RedisServer::start().await;
    let store = Redis::new(server.connection(), "n1", None);
    let all = vec![begins("CA1", 0), says("CA1", 2, "one"), says("CA1", 3, "two")];
    assert_eq!(append(&store, chunk("CA1", 0, all[..2].to_vec())).await, Appended::Kept(2));
    server.restart_empty().await;
    let behind = once_it_answers(&store, chunk("CA1", 2, all[2..].to_vec())).await;
    assert_eq!(behind, [Appended::Behind(0)]);
    assert_eq!(append(&store, chunk("CA1", 0, all)).await, Appended::Kept(3));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_an_error_in_time_and_then_none() {
    let server = RedisServer::start().await;
    let store = Redis::new(server.connection(), "n1", None);
    append(&store, chunk("CA1", 0, vec![begins("CA1", 0)])).await;
    server.pause();
    let late = store.append(vec![chunk("CA1", 1, vec![says("CA1", 2, "one")])]);
    let late = tokio::time::timeout(Duration::from_secs(3), late).await.unwrap();
    assert!(late.is_err());
    server.go_on();
    let again = once_it_answers(&store, chunk("CA1", 1, vec![says("CA1", 2, "one")])).await;
    assert_eq!(again, [Appended::Kept(2)], "and it stands there once");
    assert_eq!(store.events(&sid("CA1"), 0).await.unwrap().unwrap().len(), 2);
}

#[tokio::test]
async fn ended_calls_expire_and_open_ones_do_not() {
    let server = RedisServer::start().await;
    let store = Redis::new(server.connection(), "n1", Some(Duration::from_hours(1)));
    append(&store, chunk("CA1", 0, vec![begins("CA1", 0)])).await;
    let ttl = async |key: &str| {
        let mut connection = server.connection();
        redis::cmd("TTL").arg(key).query_async::<i64>(&mut connection).await.unwrap()
    };
    assert_eq!(ttl("phony:call:CA1").await, -1);
    append(&store, chunk("CA1", 1, vec![ends("CA1", 2, 1)])).await;
    assert!(ttl("phony:call:CA1").await > 3500 && ttl("phony:call:CA1:events").await > 3500);
}
