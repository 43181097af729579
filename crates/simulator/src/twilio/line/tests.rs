use proptest::prelude::*;

use super::*;
use crate::callers::{Step, When};
use crate::twilio::speech::Heard;

const PACE: Pace = Pace {
    chars_per_second: 15.0,
    first_sound_ms: 330,
    digits_ms: 2000,
    hold_ms: 700,
    play_ms: 3000,
};
const RECOGNITION: SpeechRecognition =
    SpeechRecognition { prompt_after_ms: 350, barge_in_ms: 150, noise_interrupts: false };
const RULES: Rules = Rules {
    carries_sound: false,
    listens: true,
    interruptible: Input::Any,
    preemptible: false,
    report: Input::None,
    dtmf: true,
    partial_prompts: false,
    partial_on_hangup: false,
    prompt_after_ms: None,
};

type Events = Vec<(u64, LineEvent)>;

fn line(caller: &Caller, rules: Rules) -> Line {
    let mut line = Line::new(caller, PACE, RECOGNITION, 0);
    line.set_rules(rules);
    line
}

fn prompts(events: &Events) -> Vec<(u64, &str)> {
    let prompts = events.iter().filter_map(|(at_ms, event)| match event {
        LineEvent::Prompt { text, .. } => Some((*at_ms, text.as_str())),
        _ => None,
    });
    prompts.collect()
}

fn heard(events: &Events) -> String {
    let pieces = events.iter().filter_map(|(_, event)| match event {
        LineEvent::Speech(SpeechEvent::Played(piece)) if piece.kind == Heard::Speech => {
            Some(piece.text.as_str())
        }
        _ => None,
    });
    pieces.collect::<Vec<_>>().join(" ")
}

#[test]
fn words_before_the_prompt_belong_to_it_and_later_ones_do_not() {
    let say = |ms, text: &str| {
        let action = Action::Say { text: text.to_owned(), for_ms: Some(500) };
        Step::new(When::After { ms }, action)
    };
    let caller = Caller::Script(vec![say(0, "one"), say(300, "two"), say(400, "three")]);
    let mut line = line(&caller, RULES);
    let mut events = Vec::new();
    line.advance(60_000, &mut events);
    assert_eq!(prompts(&events), [(1_650, "one two"), (2_550, "three")]);
}

#[test]
fn an_agent_that_begins_while_the_caller_speaks_is_interrupted_too() {
    let action = Action::Say { text: "let me finish".to_owned(), for_ms: Some(3_000) };
    let caller = Caller::Script(vec![Step::new(When::After { ms: 0 }, action)]);
    let mut line = line(&caller, RULES);
    let mut events = Vec::new();
    line.text(1_000, "Of course, please.", true, Flags::default(), &mut events);
    line.advance(60_000, &mut events);
    let cut = events.iter().find(|(_, event)| matches!(event, LineEvent::Interrupted(_)));
    assert_eq!(cut.map(|(at_ms, _)| *at_ms), Some(1_000 + 330 + 150));
    // Two characters are spoken in 150 ms.
    assert_eq!(heard(&events), "Of");
}

#[test]
fn a_late_timer_changes_nothing() {
    let caller = Caller::Script(vec![Step::interrupt(30, "wait"), Step::reply("go on")]);
    let run = |steps: &[u64]| {
        let mut line = line(&caller, RULES);
        let mut events = Vec::new();
        let text = "This is a long sentence, which is spoken by the agent, and then cut off.";
        line.text(0, text, true, Flags::default(), &mut events);
        for now_ms in steps {
            line.advance(*now_ms, &mut events);
        }
        events
    };
    let fine: Vec<u64> = (0..60_000).step_by(7).chain([60_000]).collect();
    assert_eq!(run(&fine), run(&[60_000]));
}

#[test]
fn hanging_up_loses_what_was_not_reported() {
    let mut line = line(&Caller::silent(), RULES);
    let mut events = Vec::new();
    line.act(0, LiveAction::Say("I only wanted to".to_owned()), &mut events);
    line.act(500, LiveAction::HangUp, &mut events);
    let after: Vec<_> = events.into_iter().map(|(_, event)| event).skip(1).collect();
    let lost = LineEvent::Lost { utterances: 1 };
    assert_eq!(after, [LineEvent::CallerStopped, lost, LineEvent::HungUp]);
}

#[derive(Debug, Clone)]
enum Op {
    Text(String, bool, Flags),
    Digits(String),
    Recording,
    Action(LiveAction),
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let flags = (proptest::option::of(any::<bool>()), proptest::option::of(any::<bool>()))
        .prop_map(|(interruptible, preemptible)| Flags { interruptible, preemptible });
    prop_oneof![
        4 => ("[a-z ,.!]{0,30}", any::<bool>(), flags).prop_map(|(t, l, f)| Op::Text(t, l, f)),
        1 => "[0-9w*#]{0,4}".prop_map(Op::Digits),
        1 => Just(Op::Recording),
        2 => "[a-z ]{0,30}".prop_map(|text| Op::Action(LiveAction::Say(text))),
        1 => "[0-9x]{0,3}".prop_map(|digits| Op::Action(LiveAction::Press(digits))),
        4 => (0_u64..3_000).prop_map(Op::Pass),
    ]
}

proptest! {
    #[test]
    fn the_line_always_finishes_and_events_are_in_order(
        ops in proptest::collection::vec(op(), 0..40),
    ) {
        let rules = Rules { partial_prompts: true, ..RULES };
        let mut line = line(&Caller::silent(), rules);
        let mut events = Vec::new();
        let (mut now_ms, mut said) = (0, 0);
        for op in ops {
            match op {
                Op::Text(token, last, flags) => line.text(now_ms, &token, last, flags, &mut events),
                Op::Digits(digits) => line.digits(now_ms, digits, &mut events),
                Op::Recording => {
                    line.recording(now_ms, "a".to_owned(), 1, Flags::default(), &mut events);
                }
                Op::Action(act) => {
                    said += usize::from(matches!(&act, LiveAction::Say(text) if !spoken_words(text).is_empty()));
                    line.act(now_ms, act, &mut events);
                }
                Op::Pass(ms) => {
                    now_ms += ms;
                    line.advance(now_ms, &mut events);
                    prop_assert!(line.next_ms(now_ms).is_none_or(|next_ms| next_ms > now_ms));
                }
            }
        }
        line.advance(now_ms + 600_000, &mut events);
        prop_assert_eq!(line.next_ms(now_ms + 600_000), None);
        prop_assert!(!line.speaker.pending());
        prop_assert!(events.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{:?}", events);
        let told: usize = events.iter().map(|(_, event)| match event {
            LineEvent::Prompt { utterances, .. } | LineEvent::Lost { utterances } => *utterances,
            _ => 0,
        }).sum();
        prop_assert_eq!(told, said);
    }

    #[test]
    fn every_word_is_heard_once_however_the_text_is_split(
        words in proptest::collection::vec("[a-z]{1,9}[,.!]?", 1..30),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
        gap_ms in 0_u64..900,
    ) {
        let text = words.join(" ");
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        ends.push(text.len());
        ends.sort_unstable();
        let mut line = line(&Caller::silent(), RULES);
        let mut events = Vec::new();
        let (mut from, mut now_ms) = (0, 0);
        for end in ends {
            line.text(now_ms, &text[from..end], false, Flags::default(), &mut events);
            from = end;
            now_ms += gap_ms;
        }
        line.text(now_ms, "", true, Flags::default(), &mut events);
        line.advance(now_ms + 600_000, &mut events);
        let without_blanks = |text: &str| text.replace(' ', "");
        prop_assert_eq!(without_blanks(&heard(&events)), without_blanks(&text));
    }
}
