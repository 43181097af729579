//! The Realtime adapter when things go wrong.

#![expect(clippy::wildcard_enum_match_arm, reason = "whatever else comes is a failure")]

use std::time::Duration;

use phony_call::{Fault as Why, FromModel, TurnId};
use phony_simulator::openai::{Brain, Counted, Fault, FaultKind, OpenAiOptions};

use crate::support::model::{Bench, assistant, once, quick, user};

/// The next failure, with its turn and code.
async fn failure(bench: &mut Bench) -> (Option<TurnId>, Why, String) {
    loop {
        match bench.next().await {
            FromModel::Failed { turn, fault, code, .. } => return (turn, fault, code),
            FromModel::Text { .. } => {}
            other => panic!("instead of a failure: {other:?}"),
        }
    }
}

#[tokio::test]
async fn at_whatever_event_of_a_turn_the_socket_drops_the_turn_can_be_asked_again() {
    for close in [None, Some(1011)] {
        let mut event = 0;
        loop {
            let kind = FaultKind::Drop { event, of: Counted::Response, close };
            let fault = Fault::always(kind).on_response(1);
            let mut bench = Bench::start(quick(Brain::Echo, vec![fault])).await;
            bench.ready().await;
            let first = user("u1", "First of all");
            let reply = bench.ask(1, std::slice::from_ref(&first)).await;
            let context =
                [first, assistant("a1", &reply.text, Some(1)), user("u2", "Are you there")];
            bench.respond(2, &context).await;

            let (mut done, mut ready) = (false, false);
            let mut failed = None;
            while !ready {
                match bench.next().await {
                    FromModel::Text { turn: TurnId(2), .. } => {}
                    FromModel::Done { turn: TurnId(2), .. } => done = true,
                    FromModel::Failed { turn, fault: Why::Lost, .. } => failed = Some(turn),
                    FromModel::Ready => ready = true,
                    other => panic!("at event {event}: {other:?}"),
                }
                if done && failed.is_none() && bench.sim.stats().open == 1 {
                    break;
                }
            }
            if !ready {
                // Nothing of the turn came after its end: the socket has been dropped at every
                // event.
                assert!(event >= 10, "the loop ended at event {event}");
                break;
            }
            // Lost in the turn, or, after its end, without a turn.
            assert_eq!(failed, Some((!done).then_some(TurnId(2))), "at event {event}");
            let again = bench.ask(3, &context).await;
            assert_eq!(again.text, "You said: Are you there", "at event {event}");
            event += 1;
        }
    }
}

#[tokio::test]
async fn at_whatever_event_of_the_setup_the_socket_drops_it_comes_up() {
    for event in 0..2 {
        let kind = FaultKind::Drop { event, of: Counted::Socket, close: None };
        let mut bench = Bench::start(quick(Brain::Echo, once(kind))).await;
        assert_eq!(failure(&mut bench).await.0, None);
        bench.ready().await;
        assert_eq!(bench.ask(1, &[user("u1", "Hello")]).await.text, "You said: Hello");
    }
}

#[tokio::test]
async fn a_lost_idle_connection_is_replaced_with_the_context_intact() {
    // Events 0 and 1 are the session's; the 12th comes after the end of the first turn.
    let mut bench = Bench::start(quick(Brain::Echo, Vec::new())).await;
    bench.ready().await;
    let first = user("u1", "First");
    let reply = bench.ask(1, std::slice::from_ref(&first)).await;
    bench.sim.add_fault(Fault::once(FaultKind::Drop {
        event: 0,
        of: Counted::Response,
        close: Some(1012),
    }));
    let context = [first, assistant("a1", &reply.text, Some(1)), user("u2", "Second")];
    bench.respond(2, &context).await;
    let (turn, fault, code) = failure(&mut bench).await;
    assert_eq!((turn, fault, code.as_str()), (Some(TurnId(2)), Why::Lost, "closed_1012"));
    bench.ready().await;
    let before = bench.sent_so_far();
    assert_eq!(bench.ask(3, &context).await.text, "You said: Second");
    let sent = [
        "create user \"First\"",
        "create assistant \"You said: First\"",
        "create user \"Second\"",
        "response.create",
    ];
    assert_eq!(bench.sent(before), sent);
}

#[tokio::test]
async fn a_refusal_is_told_once_and_never_tried_again() {
    for kind in [
        FaultKind::Refuse { status: 401 },
        FaultKind::Refuse { status: 403 },
        FaultKind::Refuse { status: 404 },
        FaultKind::ErrorAtOpen { code: "invalid_api_key".into(), close: None },
        FaultKind::ErrorAtOpen { code: "model_not_found".into(), close: Some(3000) },
        FaultKind::ErrorAtOpen { code: "insufficient_quota".into(), close: None },
    ] {
        let mut bench = Bench::start(quick(Brain::Echo, vec![Fault::always(kind.clone())])).await;
        let (turn, fault, _) = failure(&mut bench).await;
        assert_eq!((turn, fault), (None, Why::Fatal), "{kind:?}");
        bench.respond(1, &[user("u1", "Hello")]).await;
        let (turn, fault, _) = failure(&mut bench).await;
        assert_eq!((turn, fault), (Some(TurnId(1)), Why::Fatal), "{kind:?}");
        assert_eq!(bench.sim.stats().connections, 1, "{kind:?}");
        bench.stop.cancel();
        bench.ended().await;
    }
}

#[tokio::test]
async fn a_busy_server_is_tried_again() {
    for status in [429, 500, 503] {
        let fault = Fault::always(FaultKind::Refuse { status });
        let faults = vec![fault.clone().on_connection(0), fault.on_connection(1)];
        let mut bench = Bench::start(quick(Brain::Echo, faults)).await;
        let expected = if status == 429 { Why::Busy } else { Why::Lost };
        assert_eq!(failure(&mut bench).await.1, expected);
        bench.ready().await;
        assert_eq!(bench.sim.stats().connections, 3);
        assert_eq!(bench.ask(1, &[user("u1", "Hello")]).await.text, "You said: Hello");
    }
}

#[tokio::test]
async fn trouble_after_the_upgrade_is_tried_again() {
    let kind = FaultKind::ErrorAtOpen { code: "server_error".into(), close: Some(1011) };
    let mut bench = Bench::start(quick(Brain::Echo, once(kind))).await;
    assert_eq!(failure(&mut bench).await.1, Why::Lost);
    bench.ready().await;
}

#[tokio::test]
async fn a_server_that_stops_answering_counts_as_lost() {
    for created in [false, true] {
        let stall = once(FaultKind::Stall { created });
        let mut bench = Bench::start(quick(Brain::Echo, stall)).await;
        bench.ready().await;
        bench.respond(1, &[user("u1", "Hello")]).await;
        let (turn, fault, code) = failure(&mut bench).await;
        assert_eq!((turn, fault), (Some(TurnId(1)), Why::Lost));
        assert_eq!(code, if created { "response_stalled" } else { "no_response" });
        bench.ready().await;
        assert_eq!(bench.ask(2, &[user("u1", "Hello")]).await.text, "You said: Hello");
    }
}

#[tokio::test]
async fn a_cancel_that_is_not_answered_does_not_hold_up_the_next_turn_for_long() {
    let stall = once(FaultKind::Stall { created: false });
    let mut bench = Bench::with(quick(Brain::Echo, stall), |settings| {
        settings.timing.created = Duration::from_mins(1);
        settings.timing.drain = Duration::from_millis(100);
    })
    .await;
    bench.ready().await;
    bench.respond(1, &[user("u1", "Hello")]).await;
    bench.cancel(1).await;
    bench.respond(2, &[user("u2", "Well")]).await;
    // The turn must be answered; the cancel need not be.
    loop {
        match bench.next().await {
            FromModel::Done { turn: TurnId(2), .. } => break,
            FromModel::Text { .. }
            | FromModel::Done { turn: TurnId(1), .. }
            | FromModel::Failed { turn: None, fault: Why::Lost, .. }
            | FromModel::Ready => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_failed_response_says_what_can_be_done() {
    for (code, expected) in [
        ("rate_limit_exceeded", Why::Busy),
        ("server_error", Why::Passing),
        ("insufficient_quota", Why::Fatal),
    ] {
        let faults = once(FaultKind::Fail { code: code.into() });
        let mut bench = Bench::start(quick(Brain::Echo, faults)).await;
        bench.ready().await;
        bench.respond(1, &[user("u1", "Hello")]).await;
        let (turn, fault, _) = failure(&mut bench).await;
        assert_eq!((turn, fault), (Some(TurnId(1)), expected), "{code}");
        if expected == Why::Fatal {
            bench.respond(2, &[user("u1", "Hello")]).await;
            assert_eq!(failure(&mut bench).await.1, Why::Fatal);
        } else {
            let before = bench.sent_so_far();
            assert_eq!(bench.ask(2, &[user("u1", "Hello")]).await.text, "You said: Hello");
            assert_eq!(bench.sent(before), ["response.create"], "the same socket, the same items");
        }
        assert_eq!(bench.sim.stats().connections, 1);
    }
}

#[tokio::test]
async fn a_session_is_replaced_before_it_expires_and_nobody_notices() {
    let options =
        OpenAiOptions { session_max: Duration::from_secs(3), ..quick(Brain::Echo, Vec::new()) };
    let mut bench = Bench::with(options, |settings| {
        settings.timing.roll_over_before = Duration::from_secs(1);
    })
    .await;
    bench.ready().await;
    let first = user("u1", "First");
    let reply = bench.ask(1, std::slice::from_ref(&first)).await;
    bench.eventually("a second session", |sim| sim.stats().connections == 2).await;
    bench.eventually("the first one closed", |sim| sim.stats().open == 1).await;
    let before = bench.sent_so_far();
    let context = [first, assistant("a1", &reply.text, Some(1)), user("u2", "Second")];
    assert_eq!(bench.ask(2, &context).await.text, "You said: Second");
    assert_eq!(bench.sent(before).len(), 4, "the whole context and the request");
}

#[tokio::test]
async fn an_expired_session_counts_as_lost() {
    let expire = once(FaultKind::Expire { after: Duration::from_millis(50) });
    let mut bench = Bench::start(quick(Brain::Echo, expire)).await;
    bench.ready().await;
    let (turn, fault, code) = failure(&mut bench).await;
    assert_eq!((turn, fault, code.as_str()), (None, Why::Lost, "session_expired"));
    bench.ready().await;
}
