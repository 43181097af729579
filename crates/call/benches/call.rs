//! What handling a call costs: `cargo bench -p phony-call`.

use std::hint::black_box;
use std::time::Instant;

use divan::Bencher;
use phony_call::{
    Agent, Call, CallSid, Direction, FromCarrier, FromModel, Identity, Input, Policy, Scanner,
    TurnId,
};

fn main() {
    divan::main();
}

#[expect(clippy::disallowed_methods, reason = "a bench needs some instant to start from")]
fn speaking() -> (Call, Instant) {
    let identity = Identity {
        sid: CallSid::parse("CA1").expect("a valid id"),
        from: "+15005550100".into(),
        to: "+15005550101".into(),
        direction: Direction::Inbound,
        carrier: "bench".into(),
    };
    let now = Instant::now();
    let (mut call, _) = Call::new(
        Policy::default(),
        Agent::new("assistant"),
        identity,
        now,
        jiff::Timestamp::UNIX_EPOCH,
    );
    let _ = call.handle(now, Input::Carrier(FromCarrier::Connected { line: None }));
    let said = FromCarrier::Said { text: "what are your opening hours".into(), last: true };
    let _ = call.handle(now, Input::Carrier(said));
    (call, now)
}

/// One token of the model, from its arrival to the order to speak.
#[divan::bench]
fn token(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(speaking).bench_local_values(|(mut call, now)| {
        let text = FromModel::Text { turn: TurnId(2), text: " hello".into() };
        black_box(call.handle(now, Input::Model(text)));
        call
    });
}

/// A whole turn of twenty tokens, spoken and heard.
#[divan::bench]
fn turn(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(speaking).bench_local_values(|(mut call, now)| {
        for _ in 0..20 {
            let text = FromModel::Text { turn: TurnId(2), text: " hello".into() };
            black_box(call.handle(now, Input::Model(text)));
        }
        let outcome = phony_call::Outcome::Complete;
        let done = FromModel::Done { turn: TurnId(2), outcome, usage: None };
        black_box(call.handle(now, Input::Model(done)));
        let played = FromCarrier::Played { text: " hello".repeat(20) };
        black_box(call.handle(now, Input::Carrier(played)));
        call
    });
}

/// Separating commands from text.
#[divan::bench]
fn scanner() {
    let mut scanner = Scanner::default();
    black_box(scanner.push(black_box("One moment, please. [[press:1]] I am through [now].")));
}
