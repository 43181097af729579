//! What is asked at the menu, one line at a time: a value, so that it can be tested line by line.
//!
//! Whoever calls people is told what that means, says that the callee agreed, and sees all of it
//! once more before anything is dialled. Every question has an answer that leaves: `q`.

use std::collections::BTreeMap;

use phony_call::{Country, PhoneNumber};

use crate::agents;

/// What can be chosen from.
#[derive(Debug, Clone)]
pub(super) struct Offers {
    /// Personalities: id and name.
    pub(super) agents: Vec<(String, String)>,
    /// Scenarios: id and name.
    pub(super) scenarios: Vec<(String, String)>,
    /// What each scenario must know, in the same order.
    pub(super) details: Vec<Vec<Detail>>,
    /// In whose spelling numbers are read that have no country code.
    pub(super) home: Option<Country>,
    /// Who is called where no number is given, as long as nobody is really called.
    pub(super) example: PhoneNumber,
    /// Our number in the real phone network, if it can be used.
    pub(super) real: Option<PhoneNumber>,
    /// Whether the model is a stand-in.
    pub(super) pretends: bool,
}

/// A slot of a scenario's texts.
#[derive(Debug, Clone)]
pub(super) struct Detail {
    pub(super) name: String,
    /// What stands there if nobody says anything; without it, it must be filled.
    pub(super) default: Option<String>,
    /// What it may be where nobody is really called.
    pub(super) example: Option<String>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// The AI calls a human.
    CallHuman { to: PhoneNumber, scenario: String, variables: Variables, real: bool },
    /// A human calls the AI.
    AnswerHuman { agent: String, real: bool },
    /// Two AIs talk with each other.
    Duet { scenario: String, variables: Variables, agent: String },
    /// They leave.
    Leave,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    /// Say this, and wait for a line behind the prompt.
    Ask { say: Vec<String>, prompt: String },
    /// Do that. Then the menu comes again.
    Do { plan: Plan },
}

/// What a scenario's slots are filled with.
pub(super) type Variables = BTreeMap<String, String>;

/// A scenario with its slots, as far as they are filled.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Errand {
    scenario: usize,
    variables: Variables,
}

/// Where the dialogue stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Menu,
    Consent,
    Number,
    Scenario { to: PhoneNumber },
    Network { to: PhoneNumber, scenario: usize },
    Detail { to: PhoneNumber, errand: Errand, real: bool },
    Confirm { to: PhoneNumber, errand: Errand, real: bool },
    Agent,
    AgentNetwork { agent: usize },
    DuetScenario,
    DuetDetail { errand: Errand },
    DuetAgent { errand: Errand },
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
                Some(scenario) => self.filled(to, self.errand(scenario, false), false),
                None => self.again(&range(&self.offers.scenarios)),
            },
            At::Network { to, scenario } => match yes_or_no(line) {
                Some(real) => self.filled(to, self.errand(scenario, real), real),
                None => self.again("Type y or n."),
            },
            At::Detail { to, errand, real } => match self.fill(errand, line) {
                Ok(errand) => self.filled(to, errand, real),
                Err(problem) => self.again(&problem),
            },
            At::Confirm { to, errand, real } => match yes_or_no(line) {
                Some(true) => {
                    let (scenario, variables) = self.named(errand);
                    self.decide(Plan::CallHuman { to, scenario, variables, real })
                }
                Some(false) => self.menu(&[NOTHING]),
                None => match change(errand, line) {
                    Ok(errand) => self.summary(to, errand, real),
                    Err(problem) => self.again(&problem),
                },
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
                Some(scenario) => self.duet(self.errand(scenario, false)),
                None => self.again(&range(&self.offers.scenarios)),
            },
            At::DuetDetail { errand } => match self.fill(errand, line) {
                Ok(errand) => self.duet(errand),
                Err(problem) => self.again(&problem),
            },
            At::DuetAgent { errand } => match pick(line, &self.offers.agents) {
                Some(agent) => {
                    let (scenario, variables) = self.named(errand);
                    let agent = self.offers.agents[agent].0.clone();
                    self.decide(Plan::Duet { scenario, variables, agent })
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

    /// A scenario with what its slots usually hold: examples only where nobody is really called.
    fn errand(&self, scenario: usize, real: bool) -> Errand {
        let usual = |detail: &Detail| {
            let example = detail.example.clone().filter(|_| !real);
            Some((detail.name.clone(), example.or_else(|| detail.default.clone())?))
        };
        let variables = self.offers.details[scenario].iter().filter_map(usual).collect();
        Errand { scenario, variables }
    }

    /// The first slot that nobody has filled yet.
    fn unfilled(&self, errand: &Errand) -> Option<&str> {
        let mut names = self.offers.details[errand.scenario].iter().map(|detail| &detail.name);
        names.find(|name| !errand.variables.contains_key(*name)).map(String::as_str)
    }

    /// Fills the first slot that is empty.
    fn fill(&self, errand: Errand, line: &str) -> Result<Errand, String> {
        let slot = self.unfilled(&errand).unwrap_or_default().to_owned();
        put(errand, &slot, line)
    }

    /// What an errand is by its id.
    fn named(&self, errand: Errand) -> (String, Variables) {
        (self.offers.scenarios[errand.scenario].0.clone(), errand.variables)
    }

    /// Asks for what is missing still, then shows all of it.
    fn filled(&mut self, to: PhoneNumber, errand: Errand, real: bool) -> Turn {
        if self.unfilled(&errand).is_some() {
            return self.ask(At::Detail { to, errand, real }, Vec::new());
        }
        self.summary(to, errand, real)
    }

    fn duet(&mut self, errand: Errand) -> Turn {
        if self.unfilled(&errand).is_some() {
            return self.ask(At::DuetDetail { errand }, Vec::new());
        }
        self.ask(At::DuetAgent { errand }, listed("Who answers?", &self.offers.agents))
    }

    /// All of it once more.
    fn summary(&mut self, to: PhoneNumber, errand: Errand, real: bool) -> Turn {
        let network = match (&self.offers.real, real) {
            (Some(own), true) => {
                format!("the real one, from {own}; a telephone rings, and it costs money")
            }
            _ => "a stand-in on this machine; nobody is really called".to_owned(),
        };
        let model = if self.offers.pretends { "a stand-in" } else { "the real one" };
        let mut say = vec![
            String::new(),
            format!("  calls      {to}"),
            format!("  errand     {}", self.offers.scenarios[errand.scenario].1),
        ];
        let details = errand.variables.iter();
        say.extend(details.map(|(name, text)| format!("    {name:<8} {text}")));
        say.extend([
            format!("  network    {network}"),
            format!("  model      {model}"),
            "  consent    given by you, on the callee's behalf".to_owned(),
        ]);
        if let Some(name) = errand.variables.keys().next() {
            say.push(format!("  (a detail is changed by its name, such as {name}=TEXT)"));
        }
        self.ask(At::Confirm { to, errand, real }, say)
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

    fn prompt(&self) -> String {
        let real = self.offers.real.is_some();
        let text = match &self.at {
            At::Menu => "> ",
            At::Consent => "Has the person agreed to be called by an AI? [y/N] ",
            At::Number if real => "Number to call: ",
            At::Number => "Number to call [a stand-in's]: ",
            At::Scenario { .. } | At::Agent | At::DuetScenario | At::DuetAgent { .. } => "[1] ",
            At::Network { .. } => {
                "Call over the real phone network? A telephone rings, and it costs money. [y/N] "
            }
            At::Detail { errand, .. } | At::DuetDetail { errand } => {
                return format!("{}: ", self.unfilled(errand).unwrap_or_default());
            }
            At::Confirm { .. } => "Call now? [y/N] ",
            At::AgentNetwork { .. } => "Wait for a call from the real phone network? [y/N] ",
        };
        text.to_owned()
    }
}

/// Fills a slot that is named with its text.
fn change(errand: Errand, line: &str) -> Result<Errand, String> {
    let names: Vec<_> = errand.variables.keys().cloned().collect();
    if names.is_empty() {
        return Err("Type y or n.".to_owned());
    }
    let known = line.split_once('=').filter(|(name, _)| names.iter().any(|n| n == name.trim()));
    match known {
        Some((name, text)) => put(errand, name.trim(), text.trim()),
        None => Err(format!("Type y or n, or one of {} with = and a text.", names.join(", "))),
    }
}

/// Fills a slot, if the text can be spoken.
fn put(mut errand: Errand, slot: &str, text: &str) -> Result<Errand, String> {
    if text.is_empty() {
        return Err(format!("{slot} must be something, or q to leave."));
    }
    if !agents::fits(text) {
        return Err(format!("{slot} must be one short sentence without brackets or braces."));
    }
    errand.variables.insert(slot.to_owned(), text.to_owned());
    Ok(errand)
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
mod human_demo;
