//! Whole calls in which the model hears and speaks, over Media Streams and Realtime audio, at the
//! speed of life.

use phony_simulator::callers::Step;
use phony_simulator::openai::Brain;
use serde_json::Value;

use crate::support::app::{TestApp, check, cut_once, of};

fn texts<'a>(events: &'a [Value], kind: &str) -> Vec<&'a str> {
    of(events, kind).iter().filter_map(|event| event["text"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spoken_call_is_held_from_the_greeting_to_the_end() {
    let app = TestApp::speaking(Brain::Echo).await;
    let steps = vec![Step::reply("I lost my debit card."), Step::hang_up()];
    let (record, events) = app.call(steps).await;
    check(&record, &events);
    assert_eq!(events[0]["transport"], "media");
    let said = texts(&events, "transcript");
    assert_eq!(said, ["I lost my debit card."], "{events:#?}");
    let replies = of(&events, "assistant_response");
    assert_eq!(replies[0]["source"], "greeting", "{events:#?}");
    assert!(replies[1]["text"].as_str().unwrap().contains("I lost my debit card"), "{events:#?}");
    assert_eq!(events.last().unwrap()["reason"], "caller_hung_up");
    let [stream] = record.streams.as_slice() else { panic!("{:?}", record.streams) };
    assert!(stream.errors.is_empty() && stream.bad_frame_count == 0, "{stream:?}");
    assert!(stream.agent_spoke.len() >= 2, "{:?}", stream.agent_spoke);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_talks_over_the_voice_cuts_it_off() {
    let app = TestApp::speaking(Brain::Echo).await;
    let long = "Tell me everything that you know about cards and about banks and about money.";
    let steps =
        vec![Step::reply(long), Step::interrupt(20, "No, wait, stop please."), Step::hang_up()];
    let (record, events) = app.call(steps).await;
    check(&record, &events);
    assert!(!cut_once(&events).is_empty(), "{events:#?}");
    let sent = app.openai.received();
    let truncated = sent.iter().filter(|sent| sent.event["type"] == "conversation.item.truncate");
    assert_eq!(truncated.count(), 1, "{sent:#?}");
    assert_eq!(record.streams[0].clears_ms.len(), 1);
    app.stop().await;
}
