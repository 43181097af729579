//! Whole calls: the server between the stand-ins for the telephone network and the model, over real
//! sockets.

use phony_simulator::callers::Step;
use phony_simulator::openai::{Brain, ScriptedReply};

use crate::support::app::{TestApp, check, cut_once, of};
use crate::support::server::CALLED;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_call_is_held_from_the_greeting_to_the_goodbye() {
    let app = TestApp::start(Brain::Echo).await;
    let steps = vec![
        Step::reply("I lost my debit card"),
        Step::reply("Just send me a new one"),
        Step::hang_up(),
    ];
    let (record, events) = app.call(steps).await;
    check(&record, &events);
    let heard = record.heard_text();
    for words in ["Hello", "You said: I lost my debit card", "You said: Just send me a new one"] {
        assert!(heard.contains(words), "{words:?} in {heard:?}");
    }
    let said: Vec<_> = of(&events, "transcript").iter().map(|event| &event["text"]).collect();
    assert_eq!(said, ["I lost my debit card", "Just send me a new one"]);
    assert_eq!(events.last().unwrap()["reason"], "caller_hung_up");
    assert!(!of(&events, "usage").is_empty() && !of(&events, "latency").is_empty());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_talks_over_the_agent_is_heard() {
    let app = TestApp::start(Brain::Echo).await;
    let long = "tell me everything that you know about cards and about banks and about money";
    let steps =
        vec![Step::reply(long), Step::interrupt(20, "no wait, stop please"), Step::hang_up()];
    let (record, events) = app.call(steps).await;
    check(&record, &events);
    cut_once(&events);
    assert!(record.heard_text().contains("You said: no wait, stop please"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_words_that_cut_a_reply_off_are_heard_to_their_end() {
    // The reply is cut off when the last words come; that silence must not count as their end.
    let file = "[policy]\nmax_call = \"4s\"\nplayback_slack = \"600ms\"\n";
    let long = "This is a long reply, that goes on and on, until the time is up. ".repeat(20);
    let replies = vec![ScriptedReply::next(long.as_str())];
    let app = TestApp::configured(Brain::Script(replies), &[], file).await;
    let (record, events) = app.call(vec![Step::reply("tell me everything")]).await;
    check(&record, &events);
    assert_eq!(events.last().unwrap()["reason"], "max_duration");
    let heard = record.heard_text();
    assert!(heard.contains("until the time is up"), "a reply sounded: {heard:?}");
    let goodbye = "I am sorry, our time is up. Thank you for the call. Goodbye.";
    assert!(heard.ends_with(goodbye), "{heard:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_wants_a_person_is_put_through() {
    let app = TestApp::start(Brain::Receptionist).await;
    let steps = vec![Step::reply("I want to speak to a human please")];
    let (record, events) = app.call(steps).await;
    check(&record, &events);
    assert_eq!(of(&events, "session_transfer")[0]["target"], "+15005550009");
    assert_eq!(record.dialled[0].to, "+15005550009");
    assert_eq!(record.dialled[0].caller_id.as_deref(), Some(CALLED));
    assert_eq!(events.last().unwrap()["reason"], "transferred");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once_do_not_mix() {
    let app = TestApp::start(Brain::Echo).await;
    let one = |n: usize| {
        let app = &app;
        async move {
            let words = format!("my number is {n} hundred");
            let (record, events) = app.call(vec![Step::reply(&words), Step::hang_up()]).await;
            check(&record, &events);
            assert!(record.heard_text().contains(&format!("You said: {words}")), "{n}");
        }
    };
    futures_util::future::join_all((1..=20).map(one)).await;
    app.stop().await;
}
