//! What persistence costs a call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use phony::events::{Hub, Publisher};
use phony::history::History;
use phony::store::Sqlite;
use phony_call::{Event, EventBody, Speaker};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::conformance::{at, begins, sid};

const CALLS: usize = 1000;
/// Stored events of a call per second: more than a lively conversation has.
const RATE: u64 = 2;
const LENGTH: Duration = Duration::from_secs(10);

#[expect(clippy::disallowed_methods, reason = "a test measures by the clock")]
fn now() -> Instant {
    Instant::now()
}

/// One call's events, and how long it took to publish each.
async fn talk(publisher: Publisher, name: String) -> Vec<Duration> {
    publisher.publish(&begins(&name, 0).event().unwrap());
    let mut times = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / u32::try_from(RATE).unwrap());
    let text = "I lost my debit card, and I do not know what to do about it now".to_owned();
    for seq in 2..2 + RATE * LENGTH.as_secs() {
        ticks.tick().await;
        let (speaker, text) = (Speaker::Caller, text.clone());
        let body = EventBody::Transcript { speaker, text, r#final: true };
        let event = Event { body, call: sid(&name), at: at(0), seq: Some(seq) };
        let began = now();
        publisher.publish(&event);
        times.push(began.elapsed());
    }
    times
}

async fn measured(hub: &Arc<Hub>) -> (Duration, String) {
    let tracker = TaskTracker::new();
    let calls: Vec<_> = (0..CALLS)
        .map(|n| {
            let name = format!("CA{n:04}");
            tracker.spawn(talk(hub.open(&sid(&name)), name))
        })
        .collect();
    let mut times = Vec::new();
    for call in calls {
        times.extend(call.await.unwrap());
    }
    times.sort();
    let part = |share: usize| times[times.len() * share / 1000];
    let last = times.last().unwrap();
    let parts = (part(500), part(990), part(999));
    (part(990), format!("p50, p99, p99.9 {parts:?}, {last:?} at most"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "holds 1,000 calls for 20 s"]
async fn a_call_pays_less_than_a_millisecond_for_being_kept() {
    let (without, figures) = measured(&Arc::new(Hub::default())).await;
    println!("in memory: {figures}");
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(&folder.path().join("phony.db")).unwrap());
    let (history, writer) = History::new(store);
    let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
    let writing = tracker.spawn(writer.run(stop.clone()));
    let (with, figures) = measured(history.hub()).await;
    println!("in SQLite: {figures}");
    stop.cancel();
    writing.await.unwrap();
    let added = with.saturating_sub(without);
    assert!(added < Duration::from_millis(1), "{added:?} more at the 99th percentile");
}
