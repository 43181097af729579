//! Random things that happen to a call.

use phony_call::{Answerer, Budget};
use proptest::prelude::*;

/// One thing that may happen.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Wait(u64),
    Connected,
    Said(String),
    Partial(String),
    Pressed(char),
    /// This percentage of what is being spoken was heard.
    Interrupted(usize),
    Played(usize),
    AgentOn(bool),
    CallerOn(bool),
    Closed(bool),
    Leg(u8),
    /// Words of the model, in two pieces, for the current turn or an old one.
    Text(String, usize, bool),
    Tool(u8),
    Done(u8),
    Failed(u8),
    /// An action of a supervisor: an unknown one, or one of two.
    Act(u8, String, u8),
    /// The first supervisor opens or closes the dashboard.
    Page(bool),
    Answered(Answerer),
    Stop,
    HandOver,
    Budget(Budget),
    /// The carrier has ended the call, or has failed to.
    HungUp(bool),
}

pub(crate) fn words() -> impl Strategy<Value = String> {
    // Some of them accept an announced goodbye or transfer.
    prop_oneof![
        4 => "[a-z]{1,6}( [a-z]{1,6}){0,4}[.?]? ",
        1 => prop::sample::select(vec!["okay. ", "thanks "]).prop_map(str::to_owned),
    ]
}

/// Text of a model: words, and commands made of characters that do not occur in words.
fn model_text() -> impl Strategy<Value = String> {
    let command = prop_oneof![
        Just("[[press:12#]]".to_owned()),
        Just("[[end_call]]".to_owned()),
        Just("[[transfer]]".to_owned()),
        Just("[[transfer:+19005550100]]".to_owned()),
        Just("[[request_user:MAY I?]]".to_owned()),
        Just("[[NONSENSE:1]]".to_owned()),
        Just("[[press:".to_owned()),
        Just("1]]".to_owned()),
    ];
    // Markup and tool calls, with characters that do not occur in words.
    let silent = prop::sample::select(vec![
        "**",
        " *abc* ",
        "<b>",
        "</b> ",
        "`",
        "\n# ",
        "\u{0}",
        "\u{1b}[1m",
        "\u{fffd}",
        "\u{200b}",
        " transfer({\"number\": \"+15005550100\"})",
        " press(\"1\") ",
        " end_call() ",
        " functions.request_user({\"prompt\": \"MAY I?\"}) ",
        " {\"digits\": \"1\"}",
        " [end_call] ",
        "<think>HIDDEN</think>",
        "\n- ",
        "\u{2026}",
        " \n",
    ]);
    prop_oneof![6 => words(), 2 => command, 2 => silent.prop_map(str::to_owned)]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop_oneof![4 => 0u64..6000, 2 => 0u64..300, 1 => 0u64..70_000].prop_map(Step::Wait),
        1 => Just(Step::Connected),
        6 => words().prop_map(Step::Said),
        4 => words().prop_map(Step::Partial),
        3 => prop::sample::select(vec!['1', '2', '#', '*', 'x']).prop_map(Step::Pressed),
        3 => (0usize..=100).prop_map(Step::Interrupted),
        5 => (0usize..=100).prop_map(Step::Played),
        4 => any::<bool>().prop_map(Step::AgentOn),
        3 => any::<bool>().prop_map(Step::CallerOn),
        1 => any::<bool>().prop_map(Step::Closed),
        1 => (0u8..5).prop_map(Step::Leg),
        14 => (model_text(), 0usize..12, prop::bool::weighted(0.9))
            .prop_map(|(text, cut, current)| Step::Text(text, cut, current)),
        2 => (0u8..6).prop_map(Step::Tool),
        5 => (0u8..4).prop_map(Step::Done),
        2 => (0u8..5).prop_map(Step::Failed),
        3 => (0u8..10, words(), 0u8..3).prop_map(|(which, text, who)| Step::Act(which, text, who)),
        1 => any::<bool>().prop_map(Step::Page),
        1 => prop::sample::select(vec![Answerer::Human, Answerer::Machine, Answerer::MachineReady])
            .prop_map(Step::Answered),
        1 => Just(Step::Stop),
        1 => Just(Step::HandOver),
        1 => prop::sample::select(vec![Budget::Low, Budget::Spent]).prop_map(Step::Budget),
        1 => any::<bool>().prop_map(Step::HungUp),
    ]
}

pub(crate) fn a_call() -> impl Strategy<Value = (Vec<Step>, u8, bool)> {
    (prop::collection::vec(step(), 1..60), 0u8..3, any::<bool>())
}
