//! Calls whose model hears and speaks, with anything that lines and models may report, in any order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use phony_call::{
    Action, Agent, Call, CallSid, Clip, Digits, Direction, Fault, FromCarrier, FromModel, Identity,
    Input, Outcome, Output, Policy, ToCarrier, ToModel, Traits, TurnId, UtteranceId,
};
use proptest::prelude::*;

/// Something that happens.
#[derive(Debug, Clone)]
enum Happening {
    Wait(u64),
    Line(FromCarrier),
    Model(FromModel),
    Act(Action),
}

fn clip() -> impl Strategy<Value = Clip> {
    prop_oneof![
        (1_u32..6, 0_u32..3).prop_map(|(turn, part)| Clip::Reply { turn: TurnId(turn), part }),
        (1_u32..6).prop_map(Clip::Words),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        " ",
        "Hello.",
        " I can block it",
        "é 5550123",
        "[[press:1]]",
        "\u{7}",
    ])
    .prop_map(str::to_owned)
}

fn model() -> impl Strategy<Value = FromModel> {
    let turn = || (1_u32..6).prop_map(TurnId);
    let audio = (0_usize..5000).prop_map(|length| Bytes::from(vec![0xff; length]));
    prop_oneof![
        6 => (clip(), audio).prop_map(|(clip, audio)| FromModel::Audio { clip, audio }),
        3 => (turn(), text()).prop_map(|(turn, text)| FromModel::Text { turn, text }),
        2 => (clip(), prop::option::of(text()))
            .prop_map(|(clip, said)| FromModel::AudioDone { clip, said }),
        3 => any::<bool>().prop_map(FromModel::CallerSpeaking),
        3 => (1_u32..9)
            .prop_map(|utterance| FromModel::CallerSaid { utterance: UtteranceId(utterance) }),
        3 => (1_u32..9, prop::option::of(text()), any::<bool>()).prop_map(|(of, text, last)| {
            FromModel::Understood { utterance: UtteranceId(of), text, last }
        }),
        2 => turn().prop_map(|turn| {
            FromModel::Done { turn, outcome: Outcome::Complete, usage: None }
        }),
        1 => (
            prop::option::of(turn()),
            prop::sample::select(vec![Fault::Lost, Fault::Passing, Fault::Busy, Fault::Fatal]),
        )
            .prop_map(|(turn, fault)| FromModel::Failed {
                turn,
                fault,
                code: "code".into(),
                message: "message".into(),
                usage: None,
            }),
        1 => (turn(), "end_call|press|transfer").prop_map(|(turn, name)| FromModel::Tool {
            turn,
            call_id: "call_1".into(),
            name,
            arguments: r#"{"digits":"1","number":"+12125550100"}"#.into(),
        }),
    ]
}

fn line() -> impl Strategy<Value = FromCarrier> {
    prop_oneof![
        4 => (0_usize..200).prop_map(|length| FromCarrier::Audio(vec![0; length].into())),
        6 => (0_u64..40).prop_map(FromCarrier::Marked),
        1 => Just(FromCarrier::Connected { line: None }),
        1 => Just(FromCarrier::Pressed { digit: '5' }),
        1 => any::<bool>().prop_map(|clean| FromCarrier::Closed { clean }),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        text().prop_map(|text| Action::Say { text, reply: None }),
        Just(Action::TakeOver),
        Just(Action::Release),
        Just(Action::Press(Digits::parse("1w#").unwrap())),
        text().prop_map(Action::Whisper),
    ]
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        6 => (0_u64..3000).prop_map(Happening::Wait),
        8 => model().prop_map(Happening::Model),
        5 => line().prop_map(Happening::Line),
        1 => action().prop_map(Happening::Act),
    ];
    prop::collection::vec(one, 0..60)
}

/// What is known of the line and the model from what they were told.
#[derive(Default)]
struct Ends {
    unplayed: usize,
    mark: u64,
    words: u32,
    /// The samples that came of each part of a reply.
    came: BTreeMap<(TurnId, u32), usize>,
    over: bool,
}

impl Ends {
    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            assert!(!self.over, "after the end: {output:?}");
            match output {
                Output::Carrier(ToCarrier::Play(audio)) => self.unplayed += audio.len(),
                Output::Carrier(ToCarrier::Mark(mark)) => {
                    assert!(mark > self.mark, "marks ascend");
                    self.mark = mark;
                }
                Output::Carrier(ToCarrier::Clear) => {
                    assert!(self.unplayed > 0, "there is nothing to drop");
                    self.unplayed = 0;
                }
                Output::Carrier(ToCarrier::Say { .. } | ToCarrier::Press(_)) => {
                    panic!("words for a line that carries sound: {output:?}")
                }
                Output::Model(ToModel::Speak { words, .. }) => {
                    assert_eq!(words, self.words + 1, "words are numbered");
                    self.words = words;
                }
                Output::Model(ToModel::Hush { words }) => assert!(words <= self.words),
                Output::Model(ToModel::Truncate { turn, part, heard }) => {
                    let came = self.came.get(&(turn, part)).copied().unwrap_or(0) / 8;
                    let heard = usize::try_from(heard.as_millis()).unwrap();
                    assert!(heard > 0 && heard <= came, "{heard} ms of {came} ms");
                }
                Output::Finished | Output::HandedOver => self.over = true,
                Output::Carrier(ToCarrier::Leave(_))
                | Output::Model(
                    ToModel::Respond { .. }
                    | ToModel::Cancel { .. }
                    | ToModel::Hear(_)
                    | ToModel::Forget { .. },
                )
                | Output::Event(_)
                | Output::HangUp => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_call_with_sound_holds_whatever_happens(
        happenings in happenings(),
        interrupt_after in prop::sample::select(vec![0_u64, 300]),
    ) {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
        let start = Instant::now();
        let mut now = start;
        let mut agent = Agent::new("assistant");
        agent.greeting = Some("Hello.".into());
        agent.traits = Traits::Speech;
        agent.interrupt_after = Duration::from_millis(interrupt_after);
        let identity = Identity {
            sid: CallSid::parse("CA1").unwrap(),
            from: "+15005550100".into(),
            to: "+15005550101".into(),
            direction: Direction::Inbound,
            carrier: "test".into(),
        };
        let wall = "2026-11-23T09:00:00Z".parse().unwrap();
        let mut ends = Ends::default();
        let (mut call, outputs) = Call::new(Policy::default(), agent, identity, now, wall);
        ends.take(outputs);
        ends.take(call.handle(now, Input::Carrier(FromCarrier::Connected { line: None })));
        for happening in happenings {
            match happening {
                Happening::Wait(ms) => {
                    now += Duration::from_millis(ms);
                    while let Some(due) = call.deadline().filter(|due| *due <= now) {
                        ends.take(call.handle(due, Input::Deadline));
                    }
                }
                Happening::Line(said) => ends.take(call.handle(now, Input::Carrier(said))),
                Happening::Model(said) => {
                    if let FromModel::Audio { clip: Clip::Reply { turn, part }, audio } = &said {
                        *ends.came.entry((*turn, *part)).or_default() += audio.len();
                    }
                    ends.take(call.handle(now, Input::Model(said)));
                }
                Happening::Act(action) => {
                    if let Ok(outputs) = call.act(now, action) {
                        ends.take(outputs);
                    }
                }
            }
            prop_assert_eq!(ends.over, call.deadline().is_none(), "a deadline until the end");
        }
    }
}
