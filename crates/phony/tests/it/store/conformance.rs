//! The conformance suite of stores.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use phony::config::Retention;
use phony::store::{
    Appended, CallFilter, Chunk, Cursor, Entry, FIRST_TERM, ListQuery, MOST_ORDERS, Outcome, Query,
    Store, UnplacedOrder,
};
use phony_call::{CallSid, Direction, EndReason, Event, EventBody, Source, Speaker};

/// Runs the suite; `open` gives a new, empty store each time.
pub(crate) async fn conforms(open: impl AsyncFn() -> Arc<dyn Store>) {
    keeps_events_word_for_word(&*open().await).await;
    takes_the_same_again_and_refuses_gaps(&*open().await).await;
    writes_what_was_given_up_around(&*open().await).await;
    fences_a_former_owner(&*open().await).await;
    lists_newest_first_page_by_page(&*open().await).await;
    filters(&*open().await).await;
    finds_words_and_names(&*open().await).await;
    tells_which_calls_are_open(&*open().await).await;
    deletes_for_good(&*open().await).await;
    forgets_what_is_too_old(&*open().await).await;
    takes_what_it_does_not_know(&*open().await).await;
    keeps_many_calls_of_one_moment_apart(&*open().await).await;
    keeps_orders_that_became_no_call(&*open().await).await;
    keeps_the_newest_orders(&*open().await).await;
    open().await.check().await.unwrap();
}

/// The id of a call.
pub(crate) fn sid(text: &str) -> CallSid {
    CallSid::parse(text).unwrap()
}

/// So many seconds after a certain time.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// A stored event.
pub(crate) fn entry(call: &str, seq: u64, at: Timestamp, body: EventBody) -> Entry {
    let event = Event { body, call: sid(call), at, seq: Some(seq) };
    Entry { seq, json: serde_json::to_string(&event).unwrap().into() }
}

/// The beginning of an inbound call to `assistant`.
pub(crate) fn begins(call: &str, second: i64) -> Entry {
    begins_as(call, second, Direction::Inbound, ("+15005550001", "+15005550002"), "assistant")
}

/// The beginning of any call.
pub(crate) fn begins_as(
    call: &str,
    second: i64,
    direction: Direction,
    (from, to): (&str, &str),
    agent: &str,
) -> Entry {
    let body = EventBody::SessionStart {
        from: from.into(),
        to: to.into(),
        direction,
        agent: agent.into(),
        carrier: "twilio".into(),
        scenario: None,
        variables: std::collections::BTreeMap::new(),
        companion: None,
        transport: None,
        model: None,
    };
    entry(call, 1, at(second), body)
}

/// Words of the caller.
pub(crate) fn says(call: &str, seq: u64, words: &str) -> Entry {
    let body =
        EventBody::Transcript { speaker: Speaker::Caller, text: words.into(), r#final: true };
    entry(call, seq, at(0), body)
}

/// Words of the agent.
pub(crate) fn answers(call: &str, seq: u64, words: &str) -> Entry {
    let body = EventBody::AssistantResponse {
        text: words.into(),
        interrupted: false,
        source: Source::Model,
        turn: None,
        generated: None,
        verbatim: true,
    };
    entry(call, seq, at(0), body)
}

/// The end of a call.
pub(crate) fn ends(call: &str, seq: u64, second: i64) -> Entry {
    let body = EventBody::SessionEnd { reason: EndReason::CallerHungUp, duration_ms: 1000 };
    entry(call, seq, at(second), body)
}

/// Entries of a call under its first owner, after event number `after`.
pub(crate) fn chunk(call: &str, after: u64, entries: Vec<Entry>) -> Chunk {
    Chunk { call: sid(call), term: FIRST_TERM, after, entries, status: None }
}

/// Appends one chunk.
pub(crate) async fn append(store: &dyn Store, chunk: Chunk) -> Appended {
    let [appended] = store.append(vec![chunk]).await.unwrap()[..] else { panic!("one answer") };
    appended
}

/// Stores a whole call, in which the caller says these words.
pub(crate) async fn keep(store: &dyn Store, call: &str, second: i64, words: &str) {
    let entries = vec![begins(call, second), says(call, 2, words), ends(call, 3, second + 1)];
    assert_eq!(append(store, chunk(call, 0, entries)).await, Appended::Kept(3));
}

/// The ids on the first page.
pub(crate) async fn listed(store: &dyn Store, filter: CallFilter) -> Vec<String> {
    let wanted = ListQuery { filter, after: None, limit: 100 };
    let page = store.list(&wanted).await.unwrap();
    page.calls.iter().map(|(summary, _)| summary.sid.to_string()).collect()
}

fn query(typed: &str) -> CallFilter {
    CallFilter { query: Query::parse(typed), ..CallFilter::default() }
}

async fn kept(store: &dyn Store, call: &str, after: u64) -> Option<Vec<String>> {
    let events = store.events(&sid(call), after).await.unwrap()?;
    Some(events.iter().map(ToString::to_string).collect())
}

fn text(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.json.to_string()).collect()
}

async fn keeps_events_word_for_word(store: &dyn Store) {
    assert_eq!(kept(store, "CA1", 0).await, None);
    assert_eq!(store.summary(&sid("CA1")).await.unwrap(), None);
    let entries = vec![begins("CA1", 0), says("CA1", 2, "Où? «Ja»\n\u{1f600}"), ends("CA1", 3, 9)];
    let (first, rest) = entries.split_at(1);
    assert_eq!(append(store, chunk("CA1", 0, first.to_vec())).await, Appended::Kept(1));
    let summary = store.summary(&sid("CA1")).await.unwrap().unwrap();
    assert_eq!((summary.end, summary.last_seq, summary.started), (None, 1, at(0)));
    assert_eq!(
        (&*summary.from, &*summary.to, &*summary.agent),
        ("+15005550001", "+15005550002", "assistant")
    );
    assert_eq!(append(store, chunk("CA1", 1, rest.to_vec())).await, Appended::Kept(3));
    assert_eq!(kept(store, "CA1", 0).await, Some(text(&entries)));
    assert_eq!(kept(store, "CA1", 2).await, Some(text(&entries[2..])));
    assert_eq!(kept(store, "CA1", 9).await, Some(Vec::new()));
    let summary = store.summary(&sid("CA1")).await.unwrap().unwrap();
    let end = summary.end.unwrap();
    assert_eq!((end.reason, end.at, end.duration_ms), (EndReason::CallerHungUp, at(9), 1000));
    assert_eq!((summary.last_seq, summary.turns), (3, 1));
}

async fn takes_the_same_again_and_refuses_gaps(store: &dyn Store) {
    let two = vec![begins("CA1", 0), says("CA1", 2, "one")];
    assert_eq!(append(store, chunk("CA1", 0, two.clone())).await, Appended::Kept(2));
    assert_eq!(append(store, chunk("CA1", 0, two)).await, Appended::Kept(2), "it is there");
    let more = vec![says("CA1", 2, "one"), says("CA1", 3, "two")];
    assert_eq!(append(store, chunk("CA1", 1, more)).await, Appended::Kept(3), "it overlaps");
    let late = vec![says("CA1", 6, "five")];
    assert_eq!(append(store, chunk("CA1", 5, late)).await, Appended::Behind(3));
    let unknown = vec![says("CA2", 6, "five")];
    assert_eq!(append(store, chunk("CA2", 5, unknown)).await, Appended::Behind(0));
    assert_eq!(kept(store, "CA1", 0).await.unwrap().len(), 3);
    assert_eq!(store.summary(&sid("CA1")).await.unwrap().unwrap().turns, 2, "nothing counts twice");
    assert_eq!(store.summary(&sid("CA2")).await.unwrap(), None);
    // A refused chunk does not hold up the others.
    let chunks = vec![
        chunk("CA2", 5, vec![says("CA2", 6, "five")]),
        chunk("CA3", 0, vec![begins("CA3", 1)]),
    ];
    let done = store.append(chunks).await.unwrap();
    assert_eq!(done, [Appended::Behind(0), Appended::Kept(1)]);
}

async fn writes_what_was_given_up_around(store: &dyn Store) {
    let entries = vec![begins("CA1", 0), says("CA1", 5, "five"), ends("CA1", 9, 1)];
    assert_eq!(append(store, chunk("CA1", 0, entries.clone())).await, Appended::Kept(9));
    assert_eq!(kept(store, "CA1", 1).await, Some(text(&entries[1..])));
}

async fn fences_a_former_owner(store: &dyn Store) {
    assert_eq!(store.claim(&sid("CA1")).await.unwrap(), None, "there is nothing to own");
    append(store, chunk("CA1", 0, vec![begins("CA1", 0)])).await;
    let term = store.claim(&sid("CA1")).await.unwrap().unwrap();
    assert!(term > FIRST_TERM);
    let late = chunk("CA1", 1, vec![says("CA1", 2, "from the dead")]);
    assert_eq!(append(store, late).await, Appended::Stale(term));
    let owners = Chunk { term, ..chunk("CA1", 1, vec![says("CA1", 2, "from the owner")]) };
    assert_eq!(append(store, owners).await, Appended::Kept(2));
    let again = store.claim(&sid("CA1")).await.unwrap().unwrap();
    assert!(again > term);
    let end = Chunk { term: again, ..chunk("CA1", 2, vec![ends("CA1", 3, 1)]) };
    assert_eq!(append(store, end).await, Appended::Kept(3));
    assert_eq!(store.claim(&sid("CA1")).await.unwrap(), None, "it is over");
    assert!(kept(store, "CA1", 0).await.unwrap()[1].contains("from the owner"));
}

async fn lists_newest_first_page_by_page(store: &dyn Store) {
    for (call, second) in [("CA1", 10), ("CA2", 30), ("CA3", 20), ("CA5", 40), ("CA4", 40)] {
        keep(store, call, second, "hello").await;
    }
    assert_eq!(listed(store, CallFilter::default()).await, ["CA5", "CA4", "CA2", "CA3", "CA1"]);
    for filter in [CallFilter::default(), query("hello"), query("CA")] {
        let mut wanted = ListQuery { filter, after: None, limit: 2 };
        let mut pages = Vec::new();
        loop {
            let page = store.list(&wanted).await.unwrap();
            let ids: Vec<_> =
                page.calls.iter().map(|(summary, _)| summary.sid.to_string()).collect();
            pages.push(ids.join(" "));
            if !page.more {
                break;
            }
            let last = page.calls.last().unwrap().0.cursor();
            wanted.after = Some(last.to_string().parse::<Cursor>().unwrap());
        }
        assert_eq!(pages, ["CA5 CA4", "CA2 CA3", "CA1"]);
    }
}

async fn filters(store: &dyn Store) {
    let out = Direction::Outbound;
    let begin = begins_as("CA1", 10, out, ("+15005550002", "+442079460000"), "survey");
    append(store, chunk("CA1", 0, vec![begin])).await;
    keep(store, "CA2", 20, "hello").await;
    let with = |change: fn(&mut CallFilter)| {
        let mut filter = CallFilter::default();
        change(&mut filter);
        listed(store, filter)
    };
    assert_eq!(with(|f| f.live = Some(true)).await, ["CA1"]);
    assert_eq!(with(|f| f.live = Some(false)).await, ["CA2"]);
    assert_eq!(with(|f| f.status = Some("live".into())).await, ["CA1"]);
    assert_eq!(with(|f| f.direction = Some(Direction::Outbound)).await, ["CA1"]);
    assert_eq!(with(|f| f.direction = Some(Direction::Inbound)).await, ["CA2"]);
    assert_eq!(with(|f| f.number = Some("+442079460000".into())).await, ["CA1"]);
    assert_eq!(with(|f| f.number = Some("5550002".into())).await, ["CA2", "CA1"]);
    assert_eq!(with(|f| f.number = Some("46".into())).await, ["CA1"]);
    assert_eq!(with(|f| f.agent = Some("survey".into())).await, ["CA1"]);
    assert!(with(|f| f.agent = Some("surve".into())).await.is_empty());
    assert_eq!(with(|f| f.from = Some(at(20))).await, ["CA2"]);
    assert_eq!(with(|f| f.until = Some(at(20))).await, ["CA1"]);
    assert!(with(|f| f.status = Some("busy".into())).await.is_empty());
    assert!(store.set_status(&sid("CA1"), "ringing").await.unwrap());
    assert!(!store.set_status(&sid("CA9"), "ringing").await.unwrap());
    assert_eq!(with(|f| f.status = Some("ringing".into())).await, ["CA1"]);
    let busy = Chunk { status: Some("busy".into()), ..chunk("CA1", 1, vec![ends("CA1", 2, 12)]) };
    assert_eq!(append(store, busy).await, Appended::Kept(2));
    let line = store.summary(&sid("CA1")).await.unwrap().unwrap();
    assert_eq!(line.status.as_deref(), Some("busy"));
    // A call that begins at that very time is not before it, and does not end the list.
    let wanted = ListQuery {
        filter: CallFilter { until: Some(at(20)), ..CallFilter::default() },
        after: None,
        limit: 1,
    };
    keep(store, "CA0", 5, "hello").await;
    assert!(store.list(&wanted).await.unwrap().more);
    let with_words = |f: &mut CallFilter| {
        f.query = Query::parse("hello");
        f.agent = Some("survey".into());
    };
    assert!(with(with_words).await.is_empty());
}

async fn finds_words_and_names(store: &dyn Store) {
    keep(store, "CA0000aa", 10, "I lost my debit card yesterday").await;
    let entries = vec![
        begins_as("CA0000bb", 20, Direction::Inbound, ("client:Zoë", "+15005550009"), "hotline"),
        says("CA0000bb", 2, "Do you sell coffee?"),
        answers("CA0000bb", 3, "Yes. Which card do you want to pay with?"),
    ];
    append(store, chunk("CA0000bb", 0, entries)).await;
    keep(store, "CA0000cc", 30, "我的信用卡丢了").await;
    let found = |typed: &'static str| listed(store, query(typed));
    assert_eq!(found("card").await, ["CA0000bb", "CA0000aa"]);
    assert_eq!(found("debit CARD").await, ["CA0000aa"]);
    assert_eq!(found("yesterday deb").await, ["CA0000aa"]);
    assert_eq!(found("信用卡").await, ["CA0000cc"]);
    assert!(found("coffee card").await.is_empty(), "not in one utterance");
    assert_eq!(found("0000aa").await, ["CA0000aa"]);
    assert_eq!(found("ca0000BB").await, ["CA0000bb"]);
    assert_eq!(found("hotl").await, ["CA0000bb"]);
    assert_eq!(found("b").await, ["CA0000bb"], "a short one is looked for as well");
    assert_eq!(found("zoë").await, ["CA0000bb"]);
    assert_eq!(found("5550009").await, ["CA0000bb"]);
    for strange in ["\"", "'; drop table calls; --", "*", "NEAR(", "%", "_", "a:b", "-"] {
        assert!(found(strange).await.is_empty(), "{strange}");
    }
    let wanted = ListQuery { filter: query("card"), after: None, limit: 1 };
    let page = store.list(&wanted).await.unwrap();
    assert!(page.more);
    let place = page.calls[0].1.as_ref().unwrap();
    assert_eq!((place.seq, &*place.text), (3, "Yes. Which card do you want to pay with?"));
}

async fn tells_which_calls_are_open(store: &dyn Store) {
    keep(store, "CA1", 0, "hello").await;
    append(store, chunk("CA2", 0, vec![begins("CA2", 10)])).await;
    append(store, chunk("CA3", 0, vec![begins("CA3", 20)])).await;
    let open = store.open_calls().await.unwrap();
    assert_eq!(open.iter().map(|summary| summary.sid.as_str()).collect::<Vec<_>>(), ["CA3", "CA2"]);
}

async fn deletes_for_good(store: &dyn Store) {
    keep(store, "CA1", 0, "a secret").await;
    keep(store, "CA2", 1, "another secret").await;
    assert!(store.delete(&sid("CA1")).await.unwrap());
    assert!(!store.delete(&sid("CA1")).await.unwrap());
    assert_eq!(kept(store, "CA1", 0).await, None);
    assert_eq!(listed(store, query("secret")).await, ["CA2"]);
    assert_eq!(listed(store, query("CA1")).await, [""; 0]);
    keep(store, "CA1", 2, "nothing").await;
    assert_eq!(listed(store, query("secret")).await, ["CA2"]);
}

async fn forgets_what_is_too_old(store: &dyn Store) {
    for n in 0..5 {
        keep(store, &format!("CA{n}"), n * 100, "hello").await;
    }
    append(store, chunk("open", 0, vec![begins("open", 0)])).await;
    let retention = Retention { age: Some(Duration::from_secs(250)), bytes: None };
    assert_eq!(store.retain(&retention, at(500)).await.unwrap(), 3);
    assert_eq!(listed(store, CallFilter::default()).await, ["CA4", "CA3", "open"]);
    assert_eq!(listed(store, query("hello")).await, ["CA4", "CA3"]);
    assert_eq!(store.retain(&Retention::default(), at(1_000_000)).await.unwrap(), 0);
}

async fn takes_what_it_does_not_know(store: &dyn Store) {
    let strange = format!(
        r#"{{"type":"from_the_future","callSid":"CA1","timestamp":"{}","seq":2,"x":[1]}}"#,
        at(1)
    );
    let strange = Entry { seq: 2, json: strange.into() };
    let entries = vec![begins("CA1", 0), strange, says("CA1", 3, "hello")];
    assert_eq!(append(store, chunk("CA1", 0, entries.clone())).await, Appended::Kept(3));
    assert_eq!(kept(store, "CA1", 0).await, Some(text(&entries)));
}

async fn keeps_many_calls_of_one_moment_apart(store: &dyn Store) {
    let calls: Vec<_> = (0..40).map(|n| format!("CA{n:02}")).collect();
    let chunks = calls.iter().map(|call| {
        chunk(call, 0, vec![begins(call, 7), says(call, 2, &format!("hello from {call}"))])
    });
    store.append(chunks.collect()).await.unwrap();
    let newest: Vec<_> = calls.iter().rev().cloned().collect();
    for filter in [CallFilter::default(), query("hello"), query("CA")] {
        let mut wanted = ListQuery { filter, after: None, limit: 7 };
        let mut found = Vec::new();
        loop {
            let page = store.list(&wanted).await.unwrap();
            found.extend(page.calls.iter().map(|(summary, _)| summary.sid.to_string()));
            wanted.after = page.calls.last().map(|(summary, _)| summary.cursor());
            if !page.more {
                break;
            }
        }
        assert_eq!(found, newest);
    }
    assert_eq!(listed(store, query("CA07")).await, ["CA07"]);
}

fn order(n: i64, outcome: Outcome, to: &str) -> UnplacedOrder {
    UnplacedOrder {
        id: UnplacedOrder::id_of(&format!("{n:016x}")),
        at: at(n),
        outcome,
        to: to.into(),
        from: Some("+15005550006".into()),
        scenario: Some("survey".into()),
        agent: None,
        by: "token:0011aabb".into(),
        who: None,
        rule: Some("do_not_call".into()),
        reason: "the number is on the do-not-call list".into(),
    }
}

async fn orders(store: &dyn Store, wanted: ListQuery) -> Vec<UnplacedOrder> {
    store.orders(&wanted).await.unwrap()
}

fn of(status: &str, limit: usize, after: Option<Cursor>) -> ListQuery {
    ListQuery {
        filter: CallFilter { status: Some(status.into()), ..CallFilter::default() },
        after,
        limit,
    }
}

async fn keeps_orders_that_became_no_call(store: &dyn Store) {
    let refused: Vec<_> = (1..=5).map(|n| order(n, Outcome::Refused, "+12125550123")).collect();
    let failed = order(6, Outcome::Failed, "+12125550199");
    let unknown = order(7, Outcome::Unknown, "+12125550199");
    store.put_orders(refused.clone()).await.unwrap();
    store.put_orders(vec![failed.clone(), unknown.clone()]).await.unwrap();
    keep(store, "CA1", 3, "a call").await;
    // They are no calls.
    assert_eq!(listed(store, CallFilter::default()).await, ["CA1"]);
    let newest: Vec<_> = refused.iter().rev().cloned().collect();
    assert_eq!(orders(store, of("refused", 10, None)).await, newest);
    assert_eq!(orders(store, of("failed", 10, None)).await, std::slice::from_ref(&failed));
    assert_eq!(orders(store, of("unknown", 10, None)).await, std::slice::from_ref(&unknown));
    assert_eq!(orders(store, of("ended", 10, None)).await, []);
    assert_eq!(orders(store, ListQuery { limit: 10, ..ListQuery::default() }).await, []);
    // One more than the page holds, if there are more.
    assert_eq!(orders(store, of("refused", 2, None)).await, newest[..3]);
    let after = Some(newest[1].cursor());
    assert_eq!(orders(store, of("refused", 10, after)).await, newest[2..]);
    // An order with the same id replaces the one before.
    let again = UnplacedOrder { at: at(9), outcome: Outcome::Unknown, ..refused[0].clone() };
    store.put_orders(vec![again.clone()]).await.unwrap();
    assert_eq!(orders(store, of("refused", 10, None)).await, newest[..4]);
    assert_eq!(orders(store, of("unknown", 10, None)).await, [again.clone(), unknown]);
    assert_eq!(store.order(&again.id).await.unwrap(), Some(again.clone()));
    assert!(store.delete_order(&again.id).await.unwrap());
    assert!(!store.delete_order(&again.id).await.unwrap());
    assert_eq!(store.order(&again.id).await.unwrap(), None);
    // They are kept as long as calls are.
    let retention = Retention { age: Some(Duration::from_mins(1)), ..Retention::default() };
    store.retain(&retention, at(65)).await.unwrap();
    assert_eq!(orders(store, of("refused", 10, None)).await, [refused[4].clone()]);
    assert_eq!(orders(store, of("failed", 10, None)).await, [failed]);
}

async fn keeps_the_newest_orders(store: &dyn Store) {
    let most = i64::try_from(MOST_ORDERS).unwrap();
    let many = (0..most + 3).map(|n| order(n, Outcome::Refused, "911")).collect();
    store.put_orders(many).await.unwrap();
    let all = orders(store, of("refused", 2 * MOST_ORDERS, None)).await;
    assert_eq!((all.len(), all.last().unwrap().at), (MOST_ORDERS, at(3)));
    assert_eq!(store.order(&UnplacedOrder::id_of(&format!("{:016x}", 1))).await.unwrap(), None);
}
