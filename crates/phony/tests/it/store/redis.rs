//! The store of several nodes, on a real Redis server.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use phony::config::Retention;
use phony::store::redis::Redis;
use phony::store::{
    Appended, CallFilter, CallSummary, Chunk, ListQuery, Match, Page, Query, Sqlite, Store,
    StoreFuture, UnplacedOrder,
};
use phony_call::{CallSid, Direction};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::conformance::{append, at, begins, chunk, conforms, ends, keep, listed, says, sid};
use super::hundred_thousand::{Chance, call, word};
use crate::support::redis::{Name, RedisServer};

#[tokio::test]
async fn the_suite_holds_for_redis() {
    let server = RedisServer::start().await;
    conforms(async || {
        server.empty().await;
        Arc::new(Redis::new(server.connection(), "n1", None)) as Arc<dyn Store>
    })
    .await;
}

/// A store that indexes calls at once, a few in each part.
#[derive(Debug)]
struct Indexed(Redis);

impl Store for Indexed {
    fn append(&self, chunks: Vec<Chunk>) -> StoreFuture<'_, Vec<Appended>> {
        Box::pin(async move {
            let done = self.0.append(chunks).await;
            self.0.compact().await?;
            done
        })
    }

    fn claim<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, Option<u64>> {
        self.0.claim(call)
    }

    fn events<'a>(
        &'a self,
        call: &'a CallSid,
        after: u64,
    ) -> StoreFuture<'a, Option<Vec<Utf8Bytes>>> {
        self.0.events(call, after)
    }

    fn summary<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, Option<CallSummary>> {
        self.0.summary(call)
    }

    fn list<'a>(&'a self, wanted: &'a ListQuery) -> StoreFuture<'a, Page> {
        self.0.list(wanted)
    }

    fn open_calls(&self) -> StoreFuture<'_, Vec<CallSummary>> {
        self.0.open_calls()
    }

    fn set_status<'a>(&'a self, call: &'a CallSid, status: &'a str) -> StoreFuture<'a, bool> {
        self.0.set_status(call, status)
    }

    fn delete<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, bool> {
        self.0.delete(call)
    }

    fn put_orders(&self, orders: Vec<UnplacedOrder>) -> StoreFuture<'_, ()> {
        self.0.put_orders(orders)
    }

    fn orders<'a>(&'a self, wanted: &'a ListQuery) -> StoreFuture<'a, Vec<UnplacedOrder>> {
        self.0.orders(wanted)
    }

    fn order<'a>(&'a self, id: &'a CallSid) -> StoreFuture<'a, Option<UnplacedOrder>> {
        self.0.order(id)
    }

    fn delete_order<'a>(&'a self, id: &'a CallSid) -> StoreFuture<'a, bool> {
        self.0.delete_order(id)
    }

    fn retain<'a>(&'a self, retention: &'a Retention, now: Timestamp) -> StoreFuture<'a, u64> {
        self.0.retain(retention, now)
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        self.0.check()
    }
}

#[tokio::test]
async fn the_suite_holds_for_redis_with_calls_in_the_index() {
    let server = RedisServer::start().await;
    for part in [1, 3] {
        conforms(async || {
            server.empty().await;
            let redis = Redis::new(server.connection(), "n1", None).indexing_at_once(part);
            Arc::new(Indexed(redis)) as Arc<dyn Store>
        })
        .await;
    }
}

/// Queries of all kinds: words, prefixes, phrases, names, filters.
fn questions(calls: &[String]) -> Vec<CallFilter> {
    let query = |typed: &str| CallFilter { query: Query::parse(typed), ..CallFilter::default() };
    let (one, two) = (word(1), word(7));
    let typed = [
        one.clone(),
        word(0),
        two.clone(),
        format!("{one} {two}"),
        format!("{two} {one}"),
        format!("{one}-{two}"),
        format!("{}-{}", word(0), word(1)),
        word(4321),
        "k".into(),
        "to".into(),
        "tok".into(),
        "toka".into(),
        "xylophone".into(),
        "?!".into(),
        "+1500".into(),
        "500".into(),
        "5550002".into(),
        calls[17][20..].to_owned(),
        calls[80].clone(),
        "hotl".into(),
        "hotline".into(),
        "a".into(),
        "zz".into(),
    ];
    let mut filters: Vec<_> = typed.iter().map(|typed| query(typed)).collect();
    let number = |number: &str| CallFilter { number: Some(number.into()), ..CallFilter::default() };
    filters.extend([number("+15001"), number("50"), number("5550002"), number("999999999")]);
    let agent = |agent: &str| CallFilter { agent: Some(agent.into()), ..CallFilter::default() };
    filters.extend([agent("support"), agent("nobody")]);
    let status = |status: &str| CallFilter { status: Some(status.into()), ..CallFilter::default() };
    filters.extend([status("busy"), status("completed"), status("live"), status("ended")]);
    filters.push(CallFilter { direction: Some(Direction::Outbound), ..CallFilter::default() });
    filters.push(CallFilter { live: Some(true), ..query(&one) });
    filters.push(CallFilter { live: Some(false), ..query(&one) });
    filters.push(CallFilter { status: Some("busy".into()), ..query(&one) });
    filters.push(CallFilter { agent: Some("support".into()), ..query(&two) });
    filters.push(CallFilter { number: Some("+15003".into()), ..query(&word(0)) });
    filters.push(CallFilter { direction: Some(Direction::Outbound), ..query(&one) });
    let (from, until) = (Some(at(60 * 60)), Some(at(60 * 200)));
    filters.push(CallFilter { from, until, ..query(&word(0)) });
    filters.push(CallFilter { from, until, ..CallFilter::default() });
    filters.push(CallFilter { until, status: Some("busy".into()), ..CallFilter::default() });
    filters
}

/// All pages of a query: the calls, and where the words are.
async fn all_pages(store: &dyn Store, filter: &CallFilter) -> Vec<(CallSummary, Option<Match>)> {
    let mut wanted = ListQuery { filter: filter.clone(), after: None, limit: 7 };
    let mut all = Vec::new();
    loop {
        let page = store.list(&wanted).await.unwrap();
        wanted.after = page.calls.last().map(|(summary, _)| summary.cursor());
        all.extend(page.calls);
        if !page.more {
            return all;
        }
    }
}

#[tokio::test]
async fn both_stores_give_the_same_answers() {
    let server = RedisServer::start().await;
    let redis = Redis::new(server.connection(), "n1", None).indexing_at_once(20);
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(&folder.path().join("phony.db")).unwrap();
    let stores: [&dyn Store; 2] = [&redis, &sqlite];
    let (mut chance, mut sids) = (Chance(3), Vec::new());
    for n in 0..300 {
        let (sid, mut entries) = call(n, &mut chance);
        // Some are still live, and some of the newest are in no part.
        if n % 40 == 13 {
            entries.pop();
        }
        let status = ["busy", "completed", "failed"][usize::try_from(n % 3).unwrap()];
        let chunk = Chunk { status: Some(status.into()), ..chunk(&sid, 0, entries) };
        for store in stores {
            store.append(vec![chunk.clone()]).await.unwrap();
        }
        if n == 285 {
            redis.compact().await.unwrap();
        }
        sids.push(sid);
    }
    // Some change after they were indexed, and some are deleted.
    for n in [5, 30, 31, 200, 290] {
        for store in stores {
            assert!(store.set_status(&sid(&sids[n]), "busy").await.unwrap());
        }
    }
    for n in [0, 33, 34, 35, 210, 295] {
        for store in stores {
            assert!(store.delete(&sid(&sids[n])).await.unwrap());
        }
    }
    let (mut found, mut shown) = (0, 0);
    for filter in questions(&sids) {
        let (ours, theirs) = (all_pages(&redis, &filter).await, all_pages(&sqlite, &filter).await);
        let ids = |calls: &[(CallSummary, Option<Match>)]| -> Vec<_> {
            calls.iter().map(|(summary, _)| summary.sid.to_string()).collect()
        };
        assert_eq!(ids(&ours), ids(&theirs), "{filter:?}");
        for ((our, our_match), (their, their_match)) in ours.iter().zip(&theirs) {
            assert_eq!(our_match, their_match, "{filter:?}");
            assert_eq!((&our.status, &our.end), (&their.status, &their.end));
            shown += usize::from(our_match.is_some());
        }
        found += ours.len();
    }
    assert!(found > 3000 && shown > 1000, "{found} {shown}");
}

/// Every byte of every value in the server, and of every key.
async fn everything(server: &RedisServer) -> Vec<u8> {
    let mut connection = server.connection();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    let mut all = Vec::new();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut connection).await.unwrap();
        let mut read = match kind.as_str() {
            "string" => redis::cmd("GET"),
            "hash" => redis::cmd("HGETALL"),
            "zset" => redis::cmd("ZRANGE"),
            "stream" => redis::cmd("XRANGE"),
            other => panic!("{key} is a {other}"),
        };
        read.arg(&key);
        match kind.as_str() {
            "zset" => drop(read.arg(0).arg(-1)),
            "stream" => drop(read.arg("-").arg("+")),
            _ => {}
        }
        all.extend_from_slice(key.as_bytes());
        flatten(read.query_async(&mut connection).await.unwrap(), &mut all);
    }
    all
}

fn holds(all: &[u8], text: &str) -> bool {
    all.windows(text.len()).any(|part| part == text.as_bytes())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all others are one value each")]
fn flatten(value: redis::Value, into: &mut Vec<u8>) {
    match value {
        redis::Value::BulkString(bytes) => into.extend(bytes),
        redis::Value::Array(values) => values.into_iter().for_each(|value| flatten(value, into)),
        redis::Value::Map(pairs) => pairs.into_iter().for_each(|(name, value)| {
            flatten(name, into);
            flatten(value, into);
        }),
        other => into.extend(format!("{other:?}").into_bytes()),
    }
}

#[tokio::test]
async fn what_is_deleted_or_too_old_is_nowhere_any_more() {
    let server = RedisServer::start().await;
    let redis = Redis::new(server.connection(), "n1", None).indexing_at_once(4);
    let secret = |n: i64| format!("secret{n}word");
    let has = async |n: i64| {
        let all = everything(&server).await;
        let has = |text: &str| holds(&all, text);
        let marks = [has(&secret(n)), has(&format!("CAnumber{n}end"))];
        assert_eq!(marks[0], marks[1], "{n}");
        marks[0]
    };
    for n in 0..11 {
        keep(&redis, &format!("CAnumber{n}end"), n * 100, &format!("my {}", secret(n))).await;
        redis.compact().await.unwrap();
    }
    let counted = async |key: &str| {
        let mut connection = server.connection();
        redis::cmd("ZCARD").arg(key).query_async::<u64>(&mut connection).await.unwrap()
    };
    assert_eq!((counted("phony:parts").await, counted("phony:fresh").await), (2, 3));
    for n in 0..11 {
        assert!(has(n).await, "it is kept: {n}");
    }
    // From a part, and from none.
    for n in [2, 9] {
        assert!(redis.delete(&sid(&format!("CAnumber{n}end"))).await.unwrap());
        assert!(!has(n).await, "deleted: {n}");
    }
    assert!(has(1).await && has(3).await && has(10).await, "and no other");
    // Too old: all of one part, and some of the next.
    let retention = Retention { age: Some(Duration::from_secs(450)), bytes: None };
    assert_eq!(redis.retain(&retention, at(1000)).await.unwrap(), 5);
    for n in [0, 1, 3, 4, 5] {
        assert!(!has(n).await, "too old: {n}");
    }
    assert_eq!(counted("phony:parts").await, 1, "an empty part is taken away");
    assert_eq!(listed(&redis, questions_of(&secret(6))).await, ["CAnumber6end"]);
    // Too much: the oldest goes.
    let retention = Retention { age: None, bytes: Some(1) };
    redis.retain(&retention, at(1000)).await.unwrap();
    for n in 0..11 {
        assert!(!has(n).await, "too much: {n}");
    }
    assert_eq!((counted("phony:parts").await, counted("phony:fresh").await), (0, 0));
}

fn questions_of(typed: &str) -> CallFilter {
    CallFilter { query: Query::parse(typed), ..CallFilter::default() }
}

/// Two nodes index and delete at the same time; nothing is lost, doubled or left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_do_not_spoil_each_other_s_index() {
    let server = RedisServer::start().await;
    let nodes =
        ["n1", "n2"].map(|node| Redis::new(server.connection(), node, None).indexing_at_once(5));
    let work = nodes.iter().enumerate().map(|(of, redis)| async move {
        for n in 0..60_i64 {
            let name = format!("CA{of}x{n}end");
            keep(redis, &name, n, &format!("common of{of}x{n}z")).await;
            redis.compact().await.unwrap();
            if n % 3 == 0 {
                assert!(redis.delete(&sid(&name)).await.unwrap());
            }
        }
    });
    futures_util::future::join_all(work).await;
    for redis in &nodes {
        redis.compact().await.unwrap();
        let found = all_pages(redis, &questions_of("common")).await;
        assert_eq!(found.len(), 80, "each is found once");
    }
    let all = everything(&server).await;
    let has = |text: &str| holds(&all, text);
    for n in (0..60).step_by(3) {
        assert!(!has(&format!("of0x{n}z")) && !has(&format!("CA1x{n}end")), "{n}");
    }
}

/// One node indexes a call at the moment at which another deletes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_comes_into_the_index_meanwhile_is_deleted_out_of_it() {
    let server = RedisServer::start().await;
    let [one, other] =
        ["n1", "n2"].map(|node| Redis::new(server.connection(), node, None).indexing_at_once(2));
    for n in 0..150_i64 {
        for call in 0..2 {
            keep(&one, &format!("CA{n}x{call}end"), n, &format!("secret{n}x{call}word")).await;
        }
        let gone = sid(&format!("CA{n}x0end"));
        // Each time at another moment of the other node's work.
        let delete = async {
            tokio::time::sleep(Duration::from_micros(u64::try_from(n).unwrap() * 8)).await;
            other.delete(&gone).await.unwrap()
        };
        let (compacted, deleted) = tokio::join!(one.compact(), delete);
        compacted.unwrap();
        assert!(deleted, "{n}");
    }
    let all = everything(&server).await;
    let has = |text: &str| holds(&all, text);
    for n in 0..150 {
        assert!(!has(&format!("secret{n}x0word")) && !has(&format!("CA{n}x0end")), "deleted: {n}");
        assert!(has(&format!("secret{n}x1word")), "and no other: {n}");
    }
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
async fn after_a_failover_the_new_server_is_written_to() {
    let (old, new) = (RedisServer::start().await, RedisServer::start().await);
    let name = Name::of(&old).await;
    let store = Redis::new(name.connection(), "n1", None);
    let begun = append(&store, chunk("CA1", 0, vec![begins("CA1", 0)])).await;
    assert_eq!(begun, Appended::Kept(1));
    // The old server lives on as a replica and keeps its connections.
    old.follow(&new).await;
    name.leads_to(&new);
    let said = chunk("CA1", 1, vec![says("CA1", 2, "one")]);
    let behind = once_it_answers(&store, said).await;
    assert_eq!(behind, [Appended::Behind(0)], "the new one, which knows nothing yet");
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
