//! What must hold for every call, whatever happens.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod run;
mod speech;
mod steps;

use std::time::Duration;

use phony_call::{
    Approval, Call, Command, Direction, EventBody, FromCarrier, Input, Output, Phase, PhoneNumber,
    Phrases, Piece, Scanner, Source, ToModel, TurnId,
};
use proptest::prelude::*;

use self::run::{End, Run};
use self::steps::{Step, a_call, step};

fn canned() -> Vec<String> {
    let p = Phrases::default();
    vec![
        "greetings.".into(),
        p.filler,
        p.nudge,
        p.silence_goodbye,
        p.hold,
        p.still_holding,
        p.apology_transfer,
        p.apology_goodbye,
        p.time_goodbye,
        p.back_again,
        p.say_again,
        p.shutdown_goodbye,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn every_call_keeps_its_promises((steps, setting, fallback) in a_call()) {
        let mut run = Run::new(setting == 2, fallback);
        if setting > 0 {
            run.step(&Step::Connected);
        }
        for step in &steps {
            run.step(step);
        }
        // No command is ever spoken, and nothing unapproved where approval is on.
        let canned = canned();
        for (token, model) in &run.said {
            let ours = token.is_empty() || canned.contains(token) || token.starts_with("SUPERVISOR");
            if *model && !ours {
                prop_assert!(setting != 2, "{token:?} was spoken without approval");
                let plain = |c: char| c.is_ascii_lowercase() || " .?1]\u{2026}".contains(c);
                prop_assert!(token.chars().all(plain), "{token:?} was spoken");
                for name in ["press", "transfer", "functions"] {
                    prop_assert!(!token.contains(name), "{token:?} was spoken");
                }
            }
        }
        // Left alone, the call ends, and leaves no question open.
        run.wait(Duration::from_secs(100_000));
        prop_assert!(run.end.is_some());
        if run.end == Some(End::HandedOver) {
            prop_assert!(run.resumed().is_some(), "handed over, and nobody can go on with it");
            return Ok(());
        }
        let ended = serde_json::to_value(run.call.snapshot(run.now)).unwrap();
        prop_assert!(ended["question"].is_null() && ended["heldReply"].is_null(), "{ended}");
        let ends = run.events.iter().filter(|e| matches!(e.body, EventBody::SessionEnd { .. }));
        prop_assert_eq!(ends.count(), 1);
        let last = &run.events.last().unwrap().body;
        let ended = matches!(last, EventBody::SessionEnd { .. });
        prop_assert!(ended, "the last event is {last:?}");
        for step in &steps {
            run.step(step);
        }
    }

    #[test]
    fn a_caller_who_waits_is_not_forgotten(
        (steps, setting, fallback) in (prop::collection::vec(step(), 1..60), 0u8..6, any::<bool>()),
    ) {
        let mut run = Run::of(|policy, agent| {
            policy.max_call = Duration::from_hours(100);
            if fallback {
                agent.transfers.fallback = Some(PhoneNumber::parse("+15005550199").unwrap());
            }
            match setting {
                1 => agent.approval = Approval::Always,
                2 => agent.greeting = None,
                3 => agent.opens_after = Some(Duration::from_secs(3)),
                4 => agent.voicemail = Some("message.".into()),
                _ => {}
            }
            if setting < 3 { Direction::Inbound } else { Direction::Outbound }
        });
        if setting > 0 {
            run.step(&Step::Connected);
        }
        for step in &steps {
            run.step(step);
            run.caller_is_not_forgotten();
        }
    }

    #[test]
    fn a_call_rebuilt_from_its_events_is_the_same((steps, setting, fallback) in a_call()) {
        let mut run = Run::new(setting == 2, fallback);
        run.step(&Step::Connected);
        for step in &steps {
            run.step(step);
        }
        run.step(&Step::Closed(false));
        let resumed = Call::resume(
            run.policy.clone(), run.agent.clone(), &run.events, run.now, run.wall_now(),
        );
        prop_assert_eq!(resumed.is_none(), run.end == Some(End::Finished));
        let Some((mut resumed, news)) = resumed else { return Ok(()) };
        prop_assert_eq!(news, []);
        // A transferred call is resumed as transferred, and has nothing to compare.
        if run.end.is_some() || run.call.phase() != Phase::Lost { return Ok(()) }
        let same = |call: &Call| {
            let mut snapshot = serde_json::to_value(call.snapshot(run.now)).unwrap();
            snapshot.as_object_mut().unwrap().remove("counters");
            snapshot
        };
        prop_assert_eq!(same(&run.call), same(&resumed));
        let kept = run.call.handle(run.now, Input::Carrier(FromCarrier::Connected { line: None }));
        let rebuilt = resumed.handle(run.now, Input::Carrier(FromCarrier::Connected { line: None }));
        let contexts = |outputs: &[Output]| outputs.iter().find_map(|output| match output {
            Output::Model(ToModel::Respond { context, .. }) => Some(context.clone()),
            Output::Model(_)
            | Output::Carrier(_)
            | Output::Event(_)
            | Output::HangUp
            | Output::Finished
            | Output::HandedOver => None,
        });
        if let (Some(kept), Some(rebuilt)) = (contexts(&kept), contexts(&rebuilt)) {
            prop_assert_eq!(kept, rebuilt);
        }
    }

    #[test]
    fn a_call_whose_node_dies_goes_on_where_it_was((steps, setting, fallback) in a_call()) {
        let mut run = Run::new(setting == 2, fallback);
        run.step(&Step::Connected);
        for step in &steps {
            run.step(step);
        }
        let Some((call, news)) = run.resumed() else {
            prop_assert!(run.end.is_some());
            return Ok(());
        };
        let before = serde_json::to_value(run.call.snapshot(run.now)).unwrap();
        // Words that were heard remain heard.
        let heard = run.events.iter().rev().find_map(|event| {
            let EventBody::AssistantHeard { text, source, .. } = &event.body else { return None };
            (*source != Source::Supervisor).then(|| text.clone())
        });
        (run.call, run.active, run.end) = (call, None, None);
        // The holder has just connected to this node.
        run.attended = run.now;
        // A turn that is in no event may be asked for again under the same number, from another
        // connection.
        run.turn = TurnId(0);
        run.take(news);
        let after = serde_json::to_value(run.call.snapshot(run.now)).unwrap();
        for same in ["question", "heldReply", "human", "costUsd", "startedAt"] {
            prop_assert_eq!(&before[same], &after[same]);
        }
        if let Some(heard) = heard {
            let turns = after["turns"].as_array().unwrap().clone();
            let kept = |turn: &serde_json::Value| turn["text"].as_str().unwrap().contains(&heard);
            prop_assert!(turns.iter().any(kept), "{heard:?} was heard and is forgotten");
        }
        run.sent.clear();
        run.model_sent.push((TurnId(0), String::new()));
        run.step(&Step::Connected);
        for step in &steps {
            run.step(step);
        }
        run.wait(Duration::from_secs(100_000));
        prop_assert!(run.end.is_some());
    }

    #[test]
    fn nothing_of_a_command_is_spoken_and_everything_else_is(
        parts in prop::collection::vec(prop_oneof![
            "[a-z \\[]{0,8}[a-z ]".prop_map(|t| (t, false)),
            prop::sample::select(vec![
                "[[press:12#w*]]", "[[transfer:+15005550123]]", "[[transfer]]", "[[end_call]]",
                "[[request_user:WHAT [NOW], PLEASE?]]", "[[NO:THING]]", "[[]]", "[[PRESS:1]]",
            ]).prop_map(|t| (t.to_owned(), true)),
        ], 0..12),
        cuts in prop::collection::vec(1usize..7, 0..60),
    ) {
        // Text parts never end in a bracket, so that adjacent parts stay separate, and never
        // contain two brackets in a row, which would begin a command.
        let parts: Vec<(String, bool)> = parts.into_iter()
            .map(|(t, command)| if command { (t, true) } else { (t.replace("[[", "["), false) })
            .map(|(t, command)| if command { (t, true) } else { (t.replace("[[", "["), false) })
            .map(|(t, command)| if command { (t, true) } else { (t.replace("[[", "["), false) })
            .collect();
        let whole: String = parts.iter().map(|(t, _)| t.as_str()).collect();
        let plain: String = parts.iter().filter(|(_, c)| !c).map(|(t, _)| t.as_str()).collect();
        let mut scanner = Scanner::default();
        let (mut spoken, mut done, mut rest) = (String::new(), 0, whole.as_str());
        let mut take = |piece: Piece| match piece {
            Piece::Text(text) => spoken.push_str(&text),
            Piece::Command(command) => { let _: Command = command; done += 1; }
            Piece::Malformed(_) => done += 1,
        };
        for cut in cuts {
            let at = cut.min(rest.len());
            let (head, tail) = rest.split_at(at);
            scanner.push(head).into_iter().for_each(&mut take);
            rest = tail;
        }
        scanner.push(rest).into_iter().for_each(&mut take);
        scanner.finish().into_iter().for_each(&mut take);
        prop_assert_eq!(spoken, plain);
        prop_assert_eq!(done, parts.iter().filter(|(_, c)| *c).count());
    }
}
