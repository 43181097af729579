//! What is asked at the menu, one line at a time: a value, so that it can be tested line by line.
//!
//! Whoever calls people is told what that means, says that the callee agreed, and sees all of it
//! once more before anything is dialled. Every question has an answer that leaves: `q`.

use phony_call::{Country, PhoneNumber};

/// What can be chosen from.
#[derive(Debug, Clone)]
pub(super) struct Offers {
    /// Personalities: id and name.
    pub(super) agents: Vec<(String, String)>,
    /// Scenarios: id and name.
    pub(super) scenarios: Vec<(String, String)>,
    /// In whose spelling numbers are read that have no country code.
    pub(super) home: Option<Country>,
    /// Who is called where no number is given, as long as nobody is really called.
    pub(super) example: PhoneNumber,
    /// Our number in the real phone network, if it can be used.
    pub(super) real: Option<PhoneNumber>,
    /// Whether the model is a stand-in.
    pub(super) pretends: bool,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// The AI calls a human.
    CallHuman { to: PhoneNumber, scenario: String, real: bool },
    /// A human calls the AI.
    AnswerHuman { agent: String, real: bool },
    /// Two AIs talk with each other.
    Duet { scenario: String, agent: String },
    /// They leave.
    Leave,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    /// Say this, and wait for a line behind the prompt.
    Ask { say: Vec<String>, prompt: &'static str },
    /// Do that. Then the menu comes again.
    Do { plan: Plan },
}

/// Where the dialogue stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Menu,
    Consent,
    Number,
    Scenario { to: PhoneNumber },
    Network { to: PhoneNumber, scenario: usize },
    Confirm { to: PhoneNumber, scenario: usize, real: bool },
    Agent,
    AgentNetwork { agent: usize },
    DuetScenario,
    DuetAgent { scenario: usize },
}

/// The dialogue.
#[derive(Debug)]
pub(super) struct Dialogue {
    offers: Offers,
    at: At,
}

const MENU: [&str; 5] = [
    "What shall happen?",
    "  1  the AI calls a human    a scenario of your choice",
    "  2  a human calls the AI    a personality of your choice answers",
    "  3  two AIs talk            one has a scenario, one a personality; you watch",
    "  q  leave",
];
const NOTICE: [&str; 6] = [
    "Before an AI calls a human:",
    "  - Call only people who have agreed to be called by an automated voice. In many countries",
    "    anything else is against the law.",
    "  - The AI says at the beginning that it is an automated assistant, and never denies it.",
    "  - Who asks not to be called again is not called again. Emergency and premium numbers are",
    "    never dialled. Every call, and every one that is refused, is written in the ledger.",
];
const NOTHING: &str = "Nothing was dialled.";

impl Dialogue {
    pub(super) fn new(offers: Offers) -> Self {
        Self { offers, at: At::Menu }
    }

    /// The menu, from the beginning.
    pub(super) fn open(&mut self) -> Turn {
        self.menu(&[])
    }

    /// Whether a choice has been made and not yet carried to its end.
    pub(super) fn is_underway(&self) -> bool {
        self.at != At::Menu
    }

    /// What follows from a line.
    pub(super) fn take(&mut self, line: &str) -> Turn {
        let line = line.trim();
        if self.is_underway() && matches!(line, "q" | "quit" | "exit") {
            return self.menu(&[NOTHING]);
        }
        match self.at.clone() {
            At::Menu => self.chosen(line),
            At::Consent => match yes_or_no(line) {
                Some(true) => self.ask(At::Number, Vec::new()),
                Some(false) => self.menu(&["Without consent nobody is called.", NOTHING]),
                None => self.again("Type y or n."),
            },
            At::Number => match self.number(line) {
                Ok(to) => self
                    .ask(At::Scenario { to }, listed("On which errand?", &self.offers.scenarios)),
                Err(problem) => self.again(&problem),
            },
            At::Scenario { to } => match pick(line, &self.offers.scenarios) {
                Some(scenario) if self.offers.real.is_some() => {
                    self.ask(At::Network { to, scenario }, Vec::new())
                }
                Some(scenario) => self.summary(to, scenario, false),
                None => self.again(&range(&self.offers.scenarios)),
            },
            At::Network { to, scenario } => match yes_or_no(line) {
                Some(real) => self.summary(to, scenario, real),
                None => self.again("Type y or n."),
            },
            At::Confirm { to, scenario, real } => match yes_or_no(line) {
                Some(true) => {
                    let scenario = self.offers.scenarios[scenario].0.clone();
                    self.decide(Plan::CallHuman { to, scenario, real })
                }
                Some(false) => self.menu(&[NOTHING]),
                None => self.again("Type y or n."),
            },
            At::Agent => match pick(line, &self.offers.agents) {
                Some(agent) if self.offers.real.is_some() => {
                    self.ask(At::AgentNetwork { agent }, Vec::new())
                }
                Some(agent) => self.answers(agent, false),
                None => self.again(&range(&self.offers.agents)),
            },
            At::AgentNetwork { agent } => match yes_or_no(line) {
                Some(real) => self.answers(agent, real),
                None => self.again("Type y or n."),
            },
            At::DuetScenario => match pick(line, &self.offers.scenarios) {
                Some(scenario) => self
                    .ask(At::DuetAgent { scenario }, listed("Who answers?", &self.offers.agents)),
                None => self.again(&range(&self.offers.scenarios)),
            },
            At::DuetAgent { scenario } => match pick(line, &self.offers.agents) {
                Some(agent) => {
                    let scenario = self.offers.scenarios[scenario].0.clone();
                    let agent = self.offers.agents[agent].0.clone();
                    self.decide(Plan::Duet { scenario, agent })
                }
                None => self.again(&range(&self.offers.agents)),
            },
        }
    }

    fn chosen(&mut self, line: &str) -> Turn {
        match line {
            "1" => self.ask(At::Consent, NOTICE.map(str::to_owned).to_vec()),
            "2" => self.ask(At::Agent, listed("Who shall answer?", &self.offers.agents)),
            "3" => self.ask(At::DuetScenario, listed("On which errand?", &self.offers.scenarios)),
            "q" | "quit" | "exit" => self.decide(Plan::Leave),
            _ => self.again("Type 1, 2, 3 or q, then Enter."),
        }
    }

    fn number(&self, line: &str) -> Result<PhoneNumber, String> {
        if line.is_empty() && self.offers.real.is_none() {
            return Ok(self.offers.example.clone());
        }
        PhoneNumber::typed(line, self.offers.home).map_err(|problem| format!("«{line}» {problem}."))
    }

    /// All of it once more.
    fn summary(&mut self, to: PhoneNumber, scenario: usize, real: bool) -> Turn {
        let network = match (&self.offers.real, real) {
            (Some(own), true) => {
                format!("the real one, from {own}; a telephone rings, and it costs money")
            }
            _ => "a stand-in on this machine; nobody is really called".to_owned(),
        };
        let model = if self.offers.pretends { "a stand-in" } else { "the real one" };
        let say = vec![
            String::new(),
            format!("  calls      {to}"),
            format!("  errand     {}", self.offers.scenarios[scenario].1),
            format!("  network    {network}"),
            format!("  model      {model}"),
            "  consent    given by you, on the callee's behalf".to_owned(),
        ];
        self.ask(At::Confirm { to, scenario, real }, say)
    }

    fn answers(&mut self, agent: usize, real: bool) -> Turn {
        let agent = self.offers.agents[agent].0.clone();
        self.decide(Plan::AnswerHuman { agent, real })
    }

    fn ask(&mut self, at: At, say: Vec<String>) -> Turn {
        self.at = at;
        Turn::Ask { say, prompt: self.prompt() }
    }

    fn again(&self, problem: &str) -> Turn {
        Turn::Ask { say: vec![problem.to_owned()], prompt: self.prompt() }
    }

    fn decide(&mut self, plan: Plan) -> Turn {
        self.at = At::Menu;
        Turn::Do { plan }
    }

    fn menu(&mut self, first: &[&str]) -> Turn {
        let say = first.iter().chain(&MENU).map(|&line| line.to_owned()).collect();
        self.ask(At::Menu, say)
    }

    fn prompt(&self) -> &'static str {
        let real = self.offers.real.is_some();
        match self.at {
            At::Menu => "> ",
            At::Consent => "Has the person agreed to be called by an AI? [y/N] ",
            At::Number if real => "Number to call: ",
            At::Number => "Number to call [a stand-in's]: ",
            At::Scenario { .. } | At::Agent | At::DuetScenario | At::DuetAgent { .. } => "[1] ",
            At::Network { .. } => {
                "Call over the real phone network? A telephone rings, and it costs money. [y/N] "
            }
            At::Confirm { .. } => "Call now? [y/N] ",
            At::AgentNetwork { .. } => "Wait for a call from the real phone network? [y/N] ",
        }
    }
}

fn listed(question: &str, offers: &[(String, String)]) -> Vec<String> {
    let rows = (1..).zip(offers).map(|(place, (id, name))| format!("  {place}  {name:<26} {id}"));
    std::iter::once(question.to_owned()).chain(rows).collect()
}

/// The place of what was chosen, by its number or its id; the first where nothing was typed.
fn pick(line: &str, offers: &[(String, String)]) -> Option<usize> {
    if line.is_empty() {
        return (!offers.is_empty()).then_some(0);
    }
    let by_place = line.parse::<usize>().ok().and_then(|place| place.checked_sub(1));
    let by_place = by_place.filter(|place| *place < offers.len());
    by_place.or_else(|| offers.iter().position(|(id, _)| id == line))
}

fn range(offers: &[(String, String)]) -> String {
    format!("Type a number from 1 to {}, or q.", offers.len())
}

/// Nothing typed is a no: nobody is called by mistake.
fn yes_or_no(line: &str) -> Option<bool> {
    match line.to_ascii_lowercase().as_str() {
        "y" | "yes" => Some(true),
        "" | "n" | "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod human_demo {
    use super::*;

    fn offers() -> Offers {
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect()
        };
        Offers {
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
            home: Country::parse("US"),
            example: PhoneNumber::parse("+14155550123").unwrap(),
            real: None,
            pretends: true,
        }
    }

    fn real() -> Offers {
        Offers { real: PhoneNumber::parse("+15005550006").ok(), pretends: false, ..offers() }
    }

    /// What is decided after these lines, and all that was said on the way.
    fn after(offers: Offers, lines: &[&str]) -> (Option<Plan>, String) {
        let mut dialogue = Dialogue::new(offers);
        let mut said = String::new();
        let mut hear = |turn: Turn| match turn {
            Turn::Ask { say, prompt } => {
                said.push_str(&say.join("\n"));
                said.push('\n');
                said.push_str(prompt);
                None
            }
            Turn::Do { plan } => Some(plan),
        };
        let mut plan = hear(dialogue.open());
        for line in lines {
            assert_eq!(plan, None, "decided before «{line}»");
            plan = hear(dialogue.take(line));
        }
        (plan, said)
    }

    fn call(to: &str, scenario: &str, real: bool) -> Option<Plan> {
        let to = PhoneNumber::parse(to).ok()?;
        Some(Plan::CallHuman { to, scenario: scenario.to_owned(), real })
    }

    #[test]
    fn somebody_is_called_after_notice_consent_number_scenario_summary_and_yes() {
        let (plan, said) = after(offers(), &["1", "y", "(415) 555-0199", "2", "yes"]);
        assert_eq!(plan, call("+14155550199", "survey", false));
        let place = |text: &str| said.find(text).unwrap_or_else(|| panic!("no «{text}»: {said}"));
        let order = [
            place("automated voice"),
            place("Has the person agreed"),
            place("Number to call"),
            place("4  Friendly Check-in"),
            place("calls      +14155550199"),
            place("errand     Survey/Feedback Request"),
            place("nobody is really called"),
            place("Call now? [y/N]"),
        ];
        assert!(order.is_sorted(), "{said}");
    }

    #[test]
    fn without_consent_nobody_is_asked_for_a_number() {
        for no in ["n", "no", "N", ""] {
            let (plan, said) = after(offers(), &["1", no]);
            assert_eq!(plan, None);
            assert!(said.contains("Without consent nobody is called."), "{said}");
            assert!(!said.contains("Number to call"), "{said}");
        }
    }

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        for unclear in ["maybe", "1", "ja", "yeah", "y y", "✓"] {
            let (plan, said) = after(offers(), &["1", unclear]);
            assert_eq!(plan, None);
            assert!(said.contains("Type y or n."), "{unclear}: {said}");
        }
        let (plan, _) = after(offers(), &["1", " YES ", "", "", ""]);
        assert_eq!(plan, None, "nothing typed is a no, to the last question too");
    }

    #[test]
    fn a_number_is_taken_in_any_usual_spelling_and_asked_for_again_otherwise() {
        for spelled in
            ["415 555 0199", "+1 (415) 555-0199", "tel:+1-415-555-0199", "1.415.555.0199"]
        {
            let (plan, said) = after(offers(), &["1", "y", spelled, "1", "y"]);
            assert_eq!(plan, call("+14155550199", "inquiry", false), "{spelled}: {said}");
        }
        let (plan, said) = after(offers(), &["1", "y", "my mum", "12", "4155550199", "1", "y"]);
        assert_eq!(plan, call("+14155550199", "inquiry", false));
        assert_eq!(said.matches("Number to call").count(), 3, "{said}");
    }

    #[test]
    fn an_emergency_number_is_refused_before_anything_is_dialled() {
        for number in ["911", "112", "999", "+1911", "9-1-1"] {
            let (plan, said) = after(offers(), &["1", "y", number]);
            assert_eq!(plan, None);
            assert!(said.contains("cannot be dialled"), "{number}: {said}");
        }
    }

    #[test]
    fn a_scenario_and_a_personality_go_by_number_or_by_name() {
        for (line, id) in [("4", "check-in"), ("check-in", "check-in"), ("", "inquiry")] {
            let (plan, _) = after(offers(), &["1", "y", "", line, "y"]);
            assert_eq!(plan, call("+14155550123", id, false));
        }
        for wrong in ["0", "5", "-1", "lottery"] {
            let (plan, said) = after(offers(), &["1", "y", "", wrong]);
            assert_eq!(plan, None);
            assert!(said.contains("from 1 to 4"), "{wrong}: {said}");
        }
        let agent = "hotline".to_owned();
        let (plan, _) = after(offers(), &["2", "4"]);
        assert_eq!(plan, Some(Plan::AnswerHuman { agent: agent.clone(), real: false }));
        let (plan, _) = after(offers(), &["3", "survey", "4"]);
        assert_eq!(plan, Some(Plan::Duet { scenario: "survey".into(), agent }));
    }

    #[test]
    fn the_real_network_is_used_only_where_it_can_be_and_somebody_says_so() {
        let (plan, said) = after(offers(), &["1", "y", "4155550199", "1", "y"]);
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
        assert_eq!(after(offers(), &["1", "y", "", "1", "no"]).0, None);
        assert_eq!(after(offers(), &["q"]).0, Some(Plan::Leave));
    }

    #[test]
    fn the_end_of_the_input_is_known_to_fall_into_a_choice_or_not() {
        let mut dialogue = Dialogue::new(offers());
        dialogue.open();
        assert!(!dialogue.is_underway());
        dialogue.take("nonsense");
        assert!(!dialogue.is_underway());
        dialogue.take("1");
        assert!(dialogue.is_underway());
        dialogue.take("n");
        assert!(!dialogue.is_underway());
    }
}
