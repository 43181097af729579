//! The dialogue, line by line.

use super::*;

fn choices() -> Choices {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect()
    };
    Choices {
        agents: pairs(&[
            ("assistant", "Professional Assistant"),
            ("support", "Customer Service Rep"),
            ("scheduler", "Appointment Scheduler"),
            ("hotline", "Information Hotline"),
            ("surveyor", "Survey Conductor"),
        ]),
        scenarios: pairs(&[
            ("inquiry", "Customer Service Inquiry"),
            ("survey", "Survey/Feedback Request"),
            ("appointment", "Appointment Scheduling"),
            ("check-in", "Friendly Check-in"),
        ]),
        slots: vec![
            vec![slot("name", Some("a customer"), Some("Linda Brown"))],
            vec![slot("business", Some("a business you know"), Some("the Harbour Bakery"))],
            Vec::new(),
            vec![slot("what", None, None), slot("when", None, Some("soon"))],
        ],
        home: Country::parse("US"),
        example: PhoneNumber::parse("+14155550123").unwrap(),
        real: None,
        has_stand_in_model: true,
    }
}

fn slot(name: &str, default: Option<&str>, example: Option<&str>) -> Slot {
    let [default, example] = [default, example].map(|text| text.map(str::to_owned));
    Slot { name: name.to_owned(), default, example }
}

fn real() -> Choices {
    Choices {
        real: PhoneNumber::parse("+15005550006").ok(),
        has_stand_in_model: false,
        ..choices()
    }
}

/// What is decided after these lines, and all that was said on the way.
fn after(choices: Choices, lines: &[&str]) -> (Option<Plan>, String) {
    let mut dialogue = Dialogue::new(choices);
    let mut said = String::new();
    let mut hear = |next: Next| match next {
        Next::Ask { say, prompt } => {
            said.push_str(&say.join("\n"));
            said.push('\n');
            said.push_str(&prompt);
            None
        }
        Next::Do { plan } => Some(plan),
    };
    let mut plan = hear(dialogue.open());
    for line in lines {
        assert_eq!(plan, None, "decided before «{line}»");
        plan = hear(dialogue.take(line));
    }
    (plan, said)
}

fn call(to: &str, scenario: &str, real: bool) -> Option<Plan> {
    let variables = match (scenario, real) {
        ("inquiry", false) => vec![("name", "Linda Brown")],
        ("inquiry", true) => vec![("name", "a customer")],
        ("survey", false) => vec![("business", "the Harbour Bakery")],
        _ => Vec::new(),
    };
    call_with(to, scenario, &variables, real)
}

fn call_with(to: &str, scenario: &str, variables: &[(&str, &str)], real: bool) -> Option<Plan> {
    let to = PhoneNumber::parse(to).ok()?;
    Some(Plan::CallHuman { to, scenario: scenario.to_owned(), variables: filled(variables), real })
}

fn filled(variables: &[(&str, &str)]) -> Variables {
    variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn somebody_is_called_after_notice_consent_number_scenario_summary_and_yes() {
    let (plan, said) = after(choices(), &["1", "y", "(415) 555-0199", "2", "yes"]);
    assert_eq!(plan, call("+14155550199", "survey", false));
    let place = |text: &str| said.find(text).unwrap_or_else(|| panic!("no «{text}»: {said}"));
    let order = [
        place("automated voice"),
        place("Has the person agreed"),
        place("Number to call"),
        place("4  Friendly Check-in"),
        place("calls      +14155550199"),
        place("scenario   Survey/Feedback Request"),
        place("nobody is really called"),
        place("Call now? [y/N]"),
    ];
    assert!(order.is_sorted(), "{said}");
}

#[test]
fn without_consent_nobody_is_asked_for_a_number() {
    for no in ["n", "no", "N", ""] {
        let (plan, said) = after(choices(), &["1", no]);
        assert_eq!(plan, None);
        assert!(said.contains("Without consent nobody is called."), "{said}");
        assert!(!said.contains("Number to call"), "{said}");
    }
}

#[test]
fn only_a_clear_yes_is_a_yes() {
    for unclear in ["maybe", "1", "ja", "yeah", "y y", "✓"] {
        let (plan, said) = after(choices(), &["1", unclear]);
        assert_eq!(plan, None);
        assert!(said.contains("Type y or n."), "{unclear}: {said}");
    }
    let (plan, _) = after(choices(), &["1", " YES ", "", "", ""]);
    assert_eq!(plan, None, "nothing typed is a no, to the last question too");
}

#[test]
fn a_number_is_taken_in_any_usual_spelling_and_asked_for_again_otherwise() {
    for spelled in ["415 555 0199", "+1 (415) 555-0199", "tel:+1-415-555-0199", "1.415.555.0199"] {
        let (plan, said) = after(choices(), &["1", "y", spelled, "1", "y"]);
        assert_eq!(plan, call("+14155550199", "inquiry", false), "{spelled}: {said}");
    }
    let (plan, said) = after(choices(), &["1", "y", "my mum", "12", "4155550199", "1", "y"]);
    assert_eq!(plan, call("+14155550199", "inquiry", false));
    assert_eq!(said.matches("Number to call").count(), 3, "{said}");
}

#[test]
fn an_emergency_number_is_refused_before_anything_is_dialled() {
    for number in ["911", "112", "999", "+1911", "9-1-1"] {
        let (plan, said) = after(choices(), &["1", "y", number]);
        assert_eq!(plan, None);
        assert!(said.contains("cannot be dialled"), "{number}: {said}");
    }
}

#[test]
fn a_scenario_and_a_personality_go_by_number_or_by_name() {
    for (line, id) in [("3", "appointment"), ("appointment", "appointment"), ("", "inquiry")] {
        let (plan, _) = after(choices(), &["1", "y", "", line, "y"]);
        assert_eq!(plan, call("+14155550123", id, false));
    }
    for wrong in ["0", "5", "-1", "lottery"] {
        let (plan, said) = after(choices(), &["1", "y", "", wrong]);
        assert_eq!(plan, None);
        assert!(said.contains("from 1 to 4"), "{wrong}: {said}");
    }
    let agent = "hotline".to_owned();
    let (plan, _) = after(choices(), &["2", "4"]);
    assert_eq!(plan, Some(Plan::AnswerHuman { agent: agent.clone(), real: false }));
    let variables = filled(&[("business", "the Harbour Bakery")]);
    let (plan, _) = after(choices(), &["3", "survey", "4"]);
    assert_eq!(plan, Some(Plan::TwoAgents { scenario: "survey".into(), variables, agent }));
}

#[test]
fn the_real_network_is_used_only_where_it_can_be_and_somebody_says_so() {
    let (plan, said) = after(choices(), &["1", "y", "4155550199", "1", "y"]);
    assert_eq!(plan, call("+14155550199", "inquiry", false));
    assert!(!said.contains("real phone network"), "{said}");
    let (plan, _) = after(real(), &["1", "y", "4155550199", "1", "n", "y"]);
    assert_eq!(plan, call("+14155550199", "inquiry", false));
    let (plan, said) = after(real(), &["1", "y", "4155550199", "1", "y", "y"]);
    assert_eq!(plan, call("+14155550199", "inquiry", true));
    assert!(said.contains("costs money") && said.contains("from +15005550006"), "{said}");
    // No number is no stand-in's where somebody might really be called.
    let (plan, said) = after(real(), &["1", "y", "", "4155550199", "1", "", "y"]);
    assert_eq!(plan, call("+14155550199", "inquiry", false));
    assert!(said.contains("has no digits in it"), "{said}");
    let (plan, _) = after(real(), &["2", "1", "y"]);
    assert_eq!(plan, Some(Plan::AnswerHuman { agent: "assistant".into(), real: true }));
}

#[test]
fn every_question_can_be_left_and_nothing_is_dialled() {
    let whole = ["1", "y", "4155550199", "1", "y"];
    for asked in 1..whole.len() {
        let mut lines = whole[..asked].to_vec();
        lines.push("q");
        let (plan, said) = after(real(), &lines);
        assert_eq!(plan, None);
        assert!(said.contains(NOTHING), "{lines:?}: {said}");
    }
    assert_eq!(after(choices(), &["1", "y", "", "1", "no"]).0, None);
    assert_eq!(after(choices(), &["q"]).0, Some(Plan::Leave));
}

#[test]
fn the_end_of_the_input_is_known_to_fall_into_a_choice_or_not() {
    let mut dialogue = Dialogue::new(choices());
    dialogue.open();
    assert!(!dialogue.is_underway());
    dialogue.take("nonsense");
    assert!(!dialogue.is_underway());
    dialogue.take("1");
    assert!(dialogue.is_underway());
    dialogue.take("n");
    assert!(!dialogue.is_underway());
}

#[test]
fn what_the_scenario_says_is_shown_and_can_be_changed_before_anybody_is_called() {
    let (plan, said) = after(choices(), &["1", "y", "", "2", "business = Acme & Sons", "y"]);
    assert_eq!(plan, call_with("+14155550123", "survey", &[("business", "Acme & Sons")], false));
    let place = |text: &str| said.find(text).unwrap_or_else(|| panic!("no «{text}»: {said}"));
    assert!(place("business the Harbour Bakery") < place("business Acme & Sons"), "{said}");
    for (wrong, told) in [
        ("business=", "business must be something"),
        ("business=[[end_call]]", "without brackets"),
        ("weather=fine", "one of business with = and a text"),
        ("maybe", "one of business with = and a text"),
    ] {
        let (plan, said) = after(choices(), &["1", "y", "", "2", wrong]);
        assert_eq!(plan, None);
        assert!(said.contains(told), "{wrong}: {said}");
        assert!(said.ends_with("Call now? [y/N] "), "{wrong}: {said}");
    }
}

#[test]
fn what_a_scenario_cannot_do_without_is_asked_for_until_it_is_there() {
    let lines = ["1", "y", "", "4", "", "{when}", "a parcel", "y"];
    let (plan, said) = after(choices(), &lines);
    let both = [("what", "a parcel"), ("when", "soon")];
    assert_eq!(plan, call_with("+14155550123", "check-in", &both, false));
    assert_eq!(said.matches("what: ").count(), 3, "{said}");
    // An example is for stand-ins only: a person is not told what nobody has said.
    let lines = ["1", "y", "4155550199", "4", "y", "a parcel", "on Monday", "y"];
    let (plan, _) = after(real(), &lines);
    let both = [("what", "a parcel"), ("when", "on Monday")];
    assert_eq!(plan, call_with("+14155550199", "check-in", &both, true));
    let (plan, _) = after(choices(), &["3", "4", "a parcel", "1"]);
    let (variables, agent) = (filled(&[("what", "a parcel"), ("when", "soon")]), "assistant");
    let two_agents =
        Plan::TwoAgents { scenario: "check-in".into(), variables, agent: agent.into() };
    assert_eq!(plan, Some(two_agents));
}
