//! Tests of the hub: what viewers see, and what the writer takes.

use phony_call::{Direction, EndReason, Event, EventBody, Speaker};
use serde_json::Value;

use super::*;

fn event(call: &str, seq: Option<u64>, body: EventBody) -> Event {
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    Event { body, call: CallSid::parse(call).unwrap(), at, seq }
}

fn begin(call: &str) -> Event {
    let body = EventBody::SessionStart {
        from: "+15005550001".into(),
        to: "+15005550002".into(),
        direction: Direction::Inbound,
        agent: "assistant".into(),
        carrier: "twilio".into(),
        scenario: None,
        variables: BTreeMap::new(),
        companion: None,
        transport: None,
        model: None,
    };
    event(call, Some(1), body)
}

fn words(call: &str, seq: Option<u64>) -> Event {
    let text = format!("words {seq:?}");
    let body = EventBody::Transcript { speaker: Speaker::Caller, text, r#final: seq.is_some() };
    event(call, seq, body)
}

fn end(call: &str, seq: u64) -> Event {
    let body = EventBody::SessionEnd { reason: EndReason::CallerHungUp, duration_ms: 1 };
    event(call, Some(seq), body)
}

fn seq_of(line: &Utf8Bytes) -> Option<u64> {
    let value: Value = serde_json::from_str(line).unwrap();
    value["seq"].as_u64()
}

#[test]
fn a_late_viewer_gets_the_past_events_and_then_the_live_ones() {
    let hub = Arc::new(Hub::default());
    let call = CallSid::parse("CA1").unwrap();
    let publisher = hub.open(&call);
    publisher.publish(&words("CA1", Some(1)));
    publisher.publish(&words("CA1", None));
    publisher.publish(&words("CA1", Some(2)));
    let mut view = hub.view(&call, 1).unwrap();
    assert_eq!(view.past.iter().map(seq_of).collect::<Vec<_>>(), [Some(2)]);
    publisher.publish(&words("CA1", None));
    publisher.publish(&end("CA1", 3));
    let live: Vec<_> = std::iter::from_fn(|| view.live.try_recv().ok()).collect();
    assert_eq!(live.iter().map(seq_of).collect::<Vec<_>>(), [None, Some(3)]);
    assert!(view.live.is_closed(), "the view ends with the call");
    assert_eq!(hub.view(&call, 0).unwrap().past.len(), 3, "and can be had again");
}

#[test]
fn a_viewer_that_does_not_keep_up_is_cut_off() {
    let hub = Arc::new(Hub::default());
    let call = CallSid::parse("CA1").unwrap();
    let publisher = hub.open(&call);
    publisher.publish(&words("CA1", Some(1)));
    let (one, all) = (hub.view(&call, 0).unwrap(), hub.view_all());
    for seq in 2..BOARD_QUEUE as u64 + 2 {
        assert_eq!(one.cut.is_cancelled(), seq > VIEWER_QUEUE as u64 + 2, "{seq}");
        assert!(!all.cut.is_cancelled(), "{seq}");
        publisher.publish(&words("CA1", Some(seq)));
    }
    publisher.publish(&words("CA1", Some(BOARD_QUEUE as u64 + 2)));
    assert!(all.cut.is_cancelled());
}

#[test]
fn a_viewer_of_all_calls_sees_calls_that_start_later() {
    let hub = Arc::new(Hub::default());
    let first = hub.open(&CallSid::parse("CA1").unwrap());
    first.publish(&words("CA1", Some(1)));
    let mut view = hub.view_all();
    assert_eq!(view.past.len(), 1);
    let second = hub.open(&CallSid::parse("CA2").unwrap());
    second.publish(&words("CA2", Some(1)));
    first.publish(&words("CA1", Some(2)));
    let live: Vec<_> = std::iter::from_fn(|| view.live.try_recv().ok()).collect();
    assert_eq!(live.iter().map(seq_of).collect::<Vec<_>>(), [Some(1), Some(2)]);
}

#[test]
fn only_so_many_ended_calls_are_kept() {
    let hub = Arc::new(Hub::default());
    let live = hub.open(&CallSid::parse("live").unwrap());
    live.publish(&begin("live"));
    for n in 0..KEPT + 5 {
        let name = format!("CA{n}");
        let publisher = hub.open(&CallSid::parse(&name).unwrap());
        publisher.publish(&begin(&name));
        publisher.publish(&end(&name, 2));
    }
    assert_eq!(hub.find(&CallFilter::default()).len(), KEPT + 1);
    assert!(hub.events(&CallSid::parse("live").unwrap(), 0).is_some());
    assert!(hub.events(&CallSid::parse("CA4").unwrap(), 0).is_none());
    assert!(hub.events(&CallSid::parse("CA5").unwrap(), 0).is_some());
}

#[test]
fn unwritten_events_stay_in_memory_and_are_taken_once() {
    let (hub, mut news) = Hub::with_writer();
    let hub = Arc::new(hub);
    for n in 0..KEPT + 5 {
        let name = format!("CA{n}");
        let publisher = hub.open(&CallSid::parse(&name).unwrap());
        publisher.publish(&begin(&name));
        publisher.publish(&end(&name, 2));
    }
    let first = CallSid::parse("CA0").unwrap();
    assert!(hub.events(&first, 0).is_some(), "it is written nowhere yet");
    assert_eq!(news.try_recv(), Ok(first.clone()), "it stands in the queue");
    assert_eq!(news.try_recv(), Ok(CallSid::parse("CA1").unwrap()), "but once");
    let chunk = hub.take_chunk(&first, 1).unwrap();
    assert_eq!((chunk.after, chunk.entries.len()), (0, 1));
    assert!(hub.written(&chunk, 1), "there is more");
    let chunk = hub.take_chunk(&first, 9).unwrap();
    assert_eq!((chunk.after, chunk.entries[0].seq), (1, 2));
    assert!(!hub.written(&chunk, 2));
    assert!(hub.events(&first, 0).is_none(), "there are enough others");
    assert_eq!(hub.take_chunk(&first, 9).map(|chunk| chunk.after), None);
}

#[test]
fn packed_events_are_viewed_and_can_be_written_again() {
    let (hub, _news) = Hub::with_writer();
    let hub = Arc::new(hub);
    let call = CallSid::parse("CA1").unwrap();
    let publisher = hub.open(&call);
    let tell = |seqs: std::ops::RangeInclusive<u64>| {
        seqs.for_each(|seq| publisher.publish(&words("CA1", Some(seq))));
    };
    publisher.publish(&begin("CA1"));
    tell(2..=40);
    let all = hub.events(&call, 0).unwrap();
    let chunk = hub.take_chunk(&call, 35).unwrap();
    tell(41..=50);
    assert!(hub.written(&chunk, 35));
    let seqs =
        |after| -> Vec<_> { hub.events(&call, after).unwrap().iter().filter_map(seq_of).collect() };
    for after in 0..=50 {
        assert_eq!(seqs(after), (after + 1..=50).collect::<Vec<_>>(), "after {after}");
    }
    assert_eq!(hub.events(&call, 0).unwrap()[..40], all);
    assert_eq!(hub.view(&call, 20).unwrap().past.len(), 30);
    assert_eq!(hub.view_all().past.len(), 50);
    assert_eq!(publisher.state(), (50, false));
    // The store has lost most of it, and gets it again.
    hub.rewind(&call, 3);
    let chunk = hub.take_chunk(&call, 99).unwrap();
    assert_eq!((chunk.after, chunk.entries.len()), (3, 47));
    assert_eq!(chunk.entries[0].json, all[3]);
    assert!(!hub.written(&chunk, 50));
    tell(51..=52);
    assert_eq!(seqs(0), (1..=52).collect::<Vec<_>>());
    let chunk = hub.take_chunk(&call, 99).unwrap();
    assert_eq!((chunk.after, chunk.entries.len()), (50, 2));
    // Everything was packed when it was written.
    assert!(!hub.written(&chunk, 52));
    hub.rewind(&call, 0);
    assert_eq!(hub.take_chunk(&call, 99).unwrap().entries.len(), 52);
}

#[test]
fn a_long_call_is_viewed_from_any_event_on() {
    let (hub, _news) = Hub::with_writer();
    let hub = Arc::new(hub);
    let call = CallSid::parse("CA1").unwrap();
    let publisher = hub.open(&call);
    publisher.publish(&begin("CA1"));
    for seq in 2..=2500 {
        publisher.publish(&words("CA1", Some(seq)));
        if seq % 7 == 0 {
            let chunk = hub.take_chunk(&call, 99).unwrap();
            hub.written(&chunk, seq);
        }
    }
    for after in [0, 1, 8, 511, 512, 513, 2048, 2491, 2499, 2500] {
        let seqs = hub.events(&call, after).unwrap();
        let seqs: Vec<_> = seqs.iter().filter_map(seq_of).collect();
        assert_eq!(seqs, (after + 1..=2500).collect::<Vec<_>>(), "after {after}");
    }
}

#[test]
fn unwritten_events_are_dropped_by_weight_and_age() {
    let hub = Arc::new(Hub::default());
    let latency = |call, seq| {
        let (turn, stage) = (phony_call::TurnId(1), phony_call::Stage::FirstToken);
        event(call, Some(seq), EventBody::Latency { turn, stage, ms: 1 })
    };
    for call in ["CA1", "CA2"] {
        let publisher = hub.open(&CallSid::parse(call).unwrap());
        for event in [begin(call), words(call, Some(2)), latency(call, 3), end(call, 4)] {
            publisher.publish(&event);
        }
    }
    let live = hub.open(&CallSid::parse("live").unwrap());
    live.publish(&begin("live"));
    live.publish(&latency("live", 2));
    let left = |call: &str| {
        let events = hub.events(&CallSid::parse(call).unwrap(), 0);
        events.map(|events| events.iter().filter_map(seq_of).collect::<Vec<_>>())
    };
    let chunk = hub.take_chunk(&CallSid::parse("CA1").unwrap(), 9).unwrap();
    let of_one: usize = chunk.entries.iter().map(|entry| entry.json.len()).sum();
    assert_eq!(hub.give_up(of_one * 2), 0, "it fits");
    assert!(hub.give_up(of_one * 2 - 1) > 0);
    assert_eq!((left("CA1"), left("CA2")), (Some(vec![1, 4]), Some(vec![1, 2, 4])));
    hub.give_up(of_one);
    assert_eq!((left("CA1"), left("CA2")), (None, Some(vec![1, 4])), "a whole call, at last");
    assert_eq!(left("live"), Some(vec![1, 2]), "a live call keeps everything");
}
