//! What the stored events tell about a call whose node has died, or that another node has.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::{Duration, Instant};

use jiff::Timestamp;
use phony_call::{
    Action, Agent, Call, CallSid, Country, Direction, Event, Failover, FromCarrier, Identity,
    Input, NotHungUp, Output, Owner, Phase, PhoneNumber, Policy, Progress, Snapshot,
};

/// A call, and its stored events.
struct Recorded {
    call: Call,
    start: Instant,
    events: Vec<Event>,
}

impl Recorded {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn new(direction: Direction) -> Self {
        let mut agent = Agent::new("assistant");
        agent.greeting = Some("Hello.".into());
        agent.transfers.countries = [Country::parse("US").unwrap()].into_iter().collect();
        let (from, to) = ("+15005550100".to_owned(), "+15005550101".to_owned());
        let sid = CallSid::parse("CA1").unwrap();
        let identity = Identity { sid, from, to, direction, carrier: "test".into() };
        let start = Instant::now();
        let (call, outputs) = Call::new(Policy::default(), agent, identity, start, at(0));
        let mut recorded = Self { call, start, events: Vec::new() };
        recorded.keep(outputs);
        recorded
    }

    fn keep(&mut self, outputs: Vec<Output>) {
        let stored = outputs.into_iter().filter_map(|output| {
            let Output::Event(event) = output else { return None };
            event.seq.is_some().then_some(event)
        });
        self.events.extend(stored);
    }

    fn hears(&mut self, seconds: u64, said: FromCarrier) {
        let now = self.start + Duration::from_secs(seconds);
        let outputs = self.call.handle(now, Input::Carrier(said));
        self.keep(outputs);
    }

    fn does(&mut self, seconds: u64, action: Action) {
        let now = self.start + Duration::from_secs(seconds);
        let outputs = self.call.act(now, action).unwrap();
        self.keep(outputs);
    }

    fn failover(&self, seconds: u64) -> Failover {
        Call::failover(&Policy::default(), &self.events, at(seconds))
    }

    fn phase(&self, owner: Owner) -> Phase {
        Snapshot::recall(&self.events, owner).unwrap().phase
    }
}

fn at(seconds: u64) -> Timestamp {
    let start: Timestamp = "2026-01-15T12:00:00Z".parse().unwrap();
    start + Duration::from_secs(seconds)
}

fn transferred() -> Recorded {
    let mut recorded = Recorded::new(Direction::Inbound);
    recorded.hears(0, FromCarrier::Connected { line: None });
    recorded.does(10, Action::Transfer(PhoneNumber::parse("+15005550123").unwrap()));
    recorded
}

#[test]
fn a_transferred_call_is_taken_over_as_long_as_it_may_last() {
    let recorded = transferred();
    let longest = Policy::default().longest_transfer().as_secs();
    assert_eq!(recorded.failover(11), Failover::Immediate);
    assert_eq!(recorded.failover(10 + longest - 1), Failover::Immediate);
    assert_eq!(recorded.failover(10 + longest), Failover::OnRequest);
    // The time that has passed counts.
    let (policy, agent) = (Policy::default(), Agent::new("assistant"));
    let (mut call, _) =
        Call::resume(policy, agent, &recorded.events, recorded.start, at(110)).unwrap();
    let later = |seconds| recorded.start + Duration::from_secs(seconds);
    drop(call.handle(later(longest - 101), Input::Deadline));
    assert_eq!(call.phase(), Phase::Transferring);
    assert!(call.handle(later(longest - 100), Input::Deadline).contains(&Output::HangUp));
}

#[test]
fn a_call_that_the_carrier_is_to_end_is_taken_over_however_old_it_is() {
    let mut recorded = transferred();
    recorded.does(20, Action::End);
    let why = NotHungUp { code: None, message: "no".into(), unknown: false };
    recorded.hears(21, FromCarrier::NotHungUp(why));
    assert_eq!(recorded.failover(100_000), Failover::Immediate);
    let (policy, agent) = (Policy::default(), Agent::new("assistant"));
    let now = recorded.start;
    let (mut call, _) = Call::resume(policy, agent, &recorded.events, now, at(100_000)).unwrap();
    assert!(call.handle(now, Input::Deadline).contains(&Output::HangUp), "it is asked at once");
}

#[test]
fn an_outbound_call_is_taken_over_as_long_as_it_may_ring() {
    let mut recorded = Recorded::new(Direction::Outbound);
    recorded.hears(2, FromCarrier::Progress(Progress::Ringing));
    let ring = Policy::default().connect.as_secs();
    assert_eq!(
        (recorded.failover(3), recorded.failover(2 + ring)),
        (Failover::Immediate, Failover::OnRequest)
    );
    assert_eq!(
        Recorded::new(Direction::Inbound).failover(1),
        Failover::OnRequest,
        "its caller asks again"
    );
}

#[test]
fn a_call_of_another_node_is_shown_as_its_events_tell_it() {
    let mut recorded = Recorded::new(Direction::Inbound);
    assert_eq!(recorded.phase(Owner::OtherNode), Phase::Ringing);
    recorded.hears(0, FromCarrier::Connected { line: None });
    assert_eq!(recorded.phase(Owner::OtherNode), Phase::Greeting);
    assert_eq!(recorded.phase(Owner::Nobody), Phase::Lost);
    recorded.does(5, Action::TakeOver);
    assert_eq!(recorded.phase(Owner::OtherNode), Phase::HumanSpeaks);
    recorded = transferred();
    assert_eq!(recorded.phase(Owner::OtherNode), Phase::Transferring);
    assert_eq!(recorded.phase(Owner::Nobody), Phase::Transferring);
    recorded.does(20, Action::End);
    assert_eq!(recorded.phase(Owner::OtherNode), Phase::Ending);
    recorded.hears(21, FromCarrier::HungUp);
    assert_eq!(recorded.phase(Owner::OtherNode), Phase::Ended);
}
