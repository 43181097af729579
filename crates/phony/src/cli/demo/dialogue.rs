//! The dialogue of the menu as a value: a line goes in, the next question or a plan comes out.
//!
//! Before a person is called, the user reads a notice, confirms the callee's consent, and confirms
//! a summary. `q` leaves at every question, and nothing is dialled then.

use std::collections::BTreeMap;

use phony_call::{Country, PhoneNumber};

use crate::agents;

/// What the user can choose from.
#[derive(Debug, Clone)]
pub(super) struct Choices {
    /// Agents: id and name.
    pub(super) agents: Vec<(String, String)>,
    /// Scenarios: id and name.
    pub(super) scenarios: Vec<(String, String)>,
    /// The slots of each scenario, in the same order.
    pub(super) slots: Vec<Vec<Slot>>,
    /// The country of numbers without a country code.
    pub(super) home: Option<Country>,
    /// The number that is called by default where nobody is really called.
    pub(super) example: PhoneNumber,
    /// The account's own number, if the real phone network can be used.
    pub(super) real: Option<PhoneNumber>,
    /// Whether the model is a stand-in.
    pub(super) has_stand_in_model: bool,
}

/// A slot of a scenario's texts.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) name: String,
    /// The text of a slot that is not filled; a slot without a default must be filled.
    pub(super) default: Option<String>,
    /// An example, for calls in which nobody is really called.
    pub(super) example: Option<String>,
}

/// What the user has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// The AI calls a human.
    CallHuman { to: PhoneNumber, scenario: String, variables: Variables, real: bool },
    /// A human calls the AI.
    AnswerHuman { agent: String, real: bool },
    /// Two AIs talk to each other.
    TwoAgents { scenario: String, variables: Variables, agent: String },
    /// Leave the menu.
    Leave,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Print these lines, and wait for a line behind the prompt.
    Ask { say: Vec<String>, prompt: String },
    /// Carry out the plan, then show the menu again.
    Do { plan: Plan },
}

/// What a scenario's slots are filled with.
pub(super) type Variables = BTreeMap<String, String>;

/// A scenario, and its slots as far as they are filled.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Draft {
    scenario: usize,
    variables: Variables,
}

/// The question that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Question {
    Menu,
    Consent,
    Number,
    Scenario { to: PhoneNumber },
    Network { to: PhoneNumber, scenario: usize },
    Slot { to: PhoneNumber, draft: Draft, real: bool },
    Confirm { to: PhoneNumber, draft: Draft, real: bool },
    Agent,
    AgentNetwork { agent: usize },
    TwoAgentsScenario,
    TwoAgentsSlot { draft: Draft },
    TwoAgentsAgent { draft: Draft },
}

/// The dialogue.
#[derive(Debug)]
pub(super) struct Dialogue {
    choices: Choices,
    question: Question,
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
    "  - Anyone who asks not to be called again is not called again. Emergency and premium numbers",
    "    are never dialled. Every call, and every one that is refused, is written in the ledger.",
];
const NOTHING: &str = "Nothing was dialled.";

impl Dialogue {
    pub(super) fn new(choices: Choices) -> Self {
        Self { choices, question: Question::Menu }
    }

    /// The menu, from the beginning.
    pub(super) fn open(&mut self) -> Next {
        self.menu(&[])
    }

    /// Whether the user is between the menu and a plan.
    pub(super) fn is_underway(&self) -> bool {
        self.question != Question::Menu
    }

    /// Takes an answer.
    pub(super) fn take(&mut self, line: &str) -> Next {
        let line = line.trim();
        if self.is_underway() && matches!(line, "q" | "quit" | "exit") {
            return self.menu(&[NOTHING]);
        }
        match self.question.clone() {
            Question::Menu => self.chosen(line),
            Question::Consent => match yes_or_no(line) {
                Some(true) => self.ask(Question::Number, Vec::new()),
                Some(false) => self.menu(&["Without consent nobody is called.", NOTHING]),
                None => self.again("Type y or n."),
            },
            Question::Number => match self.number(line) {
                Ok(to) => self.ask(
                    Question::Scenario { to },
                    listed("Which scenario?", &self.choices.scenarios),
                ),
                Err(problem) => self.again(&problem),
            },
            Question::Scenario { to } => match pick(line, &self.choices.scenarios) {
                Some(scenario) if self.choices.real.is_some() => {
                    self.ask(Question::Network { to, scenario }, Vec::new())
                }
                Some(scenario) => self.filled(to, self.draft(scenario, false), false),
                None => self.again(&range(&self.choices.scenarios)),
            },
            Question::Network { to, scenario } => match yes_or_no(line) {
                Some(real) => self.filled(to, self.draft(scenario, real), real),
                None => self.again("Type y or n."),
            },
            Question::Slot { to, draft, real } => match self.fill(draft, line) {
                Ok(draft) => self.filled(to, draft, real),
                Err(problem) => self.again(&problem),
            },
            Question::Confirm { to, draft, real } => match yes_or_no(line) {
                Some(true) => {
                    let (scenario, variables) = self.named(draft);
                    self.decide(Plan::CallHuman { to, scenario, variables, real })
                }
                Some(false) => self.menu(&[NOTHING]),
                None => match change(draft, line) {
                    Ok(draft) => self.summary(to, draft, real),
                    Err(problem) => self.again(&problem),
                },
            },
            Question::Agent => match pick(line, &self.choices.agents) {
                Some(agent) if self.choices.real.is_some() => {
                    self.ask(Question::AgentNetwork { agent }, Vec::new())
                }
                Some(agent) => self.answers(agent, false),
                None => self.again(&range(&self.choices.agents)),
            },
            Question::AgentNetwork { agent } => match yes_or_no(line) {
                Some(real) => self.answers(agent, real),
                None => self.again("Type y or n."),
            },
            Question::TwoAgentsScenario => match pick(line, &self.choices.scenarios) {
                Some(scenario) => self.two_agents(self.draft(scenario, false)),
                None => self.again(&range(&self.choices.scenarios)),
            },
            Question::TwoAgentsSlot { draft } => match self.fill(draft, line) {
                Ok(draft) => self.two_agents(draft),
                Err(problem) => self.again(&problem),
            },
            Question::TwoAgentsAgent { draft } => match pick(line, &self.choices.agents) {
                Some(agent) => {
                    let (scenario, variables) = self.named(draft);
                    let agent = self.choices.agents[agent].0.clone();
                    self.decide(Plan::TwoAgents { scenario, variables, agent })
                }
                None => self.again(&range(&self.choices.agents)),
            },
        }
    }

    fn chosen(&mut self, line: &str) -> Next {
        match line {
            "1" => self.ask(Question::Consent, NOTICE.map(str::to_owned).to_vec()),
            "2" => self.ask(Question::Agent, listed("Who shall answer?", &self.choices.agents)),
            "3" => self.ask(
                Question::TwoAgentsScenario,
                listed("Which scenario?", &self.choices.scenarios),
            ),
            "q" | "quit" | "exit" => self.decide(Plan::Leave),
            _ => self.again("Type 1, 2, 3 or q, then Enter."),
        }
    }

    fn number(&self, line: &str) -> Result<PhoneNumber, String> {
        if line.is_empty() && self.choices.real.is_none() {
            return Ok(self.choices.example.clone());
        }
        PhoneNumber::typed(line, self.choices.home)
            .map_err(|problem| format!("«{line}» {problem}."))
    }

    /// A scenario with its defaults; with its examples, where nobody is really called.
    fn draft(&self, scenario: usize, real: bool) -> Draft {
        let usual = |slot: &Slot| {
            let example = slot.example.clone().filter(|_| !real);
            Some((slot.name.clone(), example.or_else(|| slot.default.clone())?))
        };
        let variables = self.choices.slots[scenario].iter().filter_map(usual).collect();
        Draft { scenario, variables }
    }

    /// The name of the first slot that is not filled.
    fn unfilled(&self, draft: &Draft) -> Option<&str> {
        let mut names = self.choices.slots[draft.scenario].iter().map(|slot| &slot.name);
        names.find(|name| !draft.variables.contains_key(*name)).map(String::as_str)
    }

    /// Fills the first slot that is not filled.
    fn fill(&self, draft: Draft, line: &str) -> Result<Draft, String> {
        let slot = self.unfilled(&draft).unwrap_or_default().to_owned();
        put(draft, &slot, line)
    }

    /// The scenario's id, and what its slots are filled with.
    fn named(&self, draft: Draft) -> (String, Variables) {
        (self.choices.scenarios[draft.scenario].0.clone(), draft.variables)
    }

    /// Asks for the next slot, or for confirmation when all are filled.
    fn filled(&mut self, to: PhoneNumber, draft: Draft, real: bool) -> Next {
        if self.unfilled(&draft).is_some() {
            return self.ask(Question::Slot { to, draft, real }, Vec::new());
        }
        self.summary(to, draft, real)
    }

    fn two_agents(&mut self, draft: Draft) -> Next {
        if self.unfilled(&draft).is_some() {
            return self.ask(Question::TwoAgentsSlot { draft }, Vec::new());
        }
        self.ask(Question::TwoAgentsAgent { draft }, listed("Who answers?", &self.choices.agents))
    }

    /// Shows the whole plan, and asks for confirmation.
    fn summary(&mut self, to: PhoneNumber, draft: Draft, real: bool) -> Next {
        let network = match (&self.choices.real, real) {
            (Some(own), true) => {
                format!("the real one, from {own}; a telephone rings, and it costs money")
            }
            _ => "a stand-in on this machine; nobody is really called".to_owned(),
        };
        let model = if self.choices.has_stand_in_model { "a stand-in" } else { "the real one" };
        let mut say = vec![
            String::new(),
            format!("  calls      {to}"),
            format!("  scenario   {}", self.choices.scenarios[draft.scenario].1),
        ];
        let details = draft.variables.iter();
        say.extend(details.map(|(name, text)| format!("    {name:<8} {text}")));
        say.extend([
            format!("  network    {network}"),
            format!("  model      {model}"),
            "  consent    given by you, on the callee's behalf".to_owned(),
        ]);
        if let Some(name) = draft.variables.keys().next() {
            say.push(format!("  (a detail is changed by its name, such as {name}=TEXT)"));
        }
        self.ask(Question::Confirm { to, draft, real }, say)
    }

    fn answers(&mut self, agent: usize, real: bool) -> Next {
        let agent = self.choices.agents[agent].0.clone();
        self.decide(Plan::AnswerHuman { agent, real })
    }

    fn ask(&mut self, question: Question, say: Vec<String>) -> Next {
        self.question = question;
        Next::Ask { say, prompt: self.prompt() }
    }

    fn again(&self, problem: &str) -> Next {
        Next::Ask { say: vec![problem.to_owned()], prompt: self.prompt() }
    }

    fn decide(&mut self, plan: Plan) -> Next {
        self.question = Question::Menu;
        Next::Do { plan }
    }

    fn menu(&mut self, first: &[&str]) -> Next {
        let say = first.iter().chain(&MENU).map(|&line| line.to_owned()).collect();
        self.ask(Question::Menu, say)
    }

    fn prompt(&self) -> String {
        let real = self.choices.real.is_some();
        let text = match &self.question {
            Question::Menu => "> ",
            Question::Consent => "Has the person agreed to be called by an AI? [y/N] ",
            Question::Number if real => "Number to call: ",
            Question::Number => "Number to call [a stand-in's]: ",
            Question::Scenario { .. }
            | Question::Agent
            | Question::TwoAgentsScenario
            | Question::TwoAgentsAgent { .. } => "[1] ",
            Question::Network { .. } => {
                "Call over the real phone network? A telephone rings, and it costs money. [y/N] "
            }
            Question::Slot { draft, .. } | Question::TwoAgentsSlot { draft } => {
                return format!("{}: ", self.unfilled(draft).unwrap_or_default());
            }
            Question::Confirm { .. } => "Call now? [y/N] ",
            Question::AgentNetwork { .. } => "Wait for a call from the real phone network? [y/N] ",
        };
        text.to_owned()
    }
}

/// Changes a slot, given as `name=text`.
fn change(draft: Draft, line: &str) -> Result<Draft, String> {
    let names: Vec<_> = draft.variables.keys().cloned().collect();
    if names.is_empty() {
        return Err("Type y or n.".to_owned());
    }
    let known = line.split_once('=').filter(|(name, _)| names.iter().any(|n| n == name.trim()));
    match known {
        Some((name, text)) => put(draft, name.trim(), text.trim()),
        None => Err(format!("Type y or n, or one of {} with = and a text.", names.join(", "))),
    }
}

/// Fills a slot, if the text can be spoken.
fn put(mut draft: Draft, slot: &str, text: &str) -> Result<Draft, String> {
    if text.is_empty() {
        return Err(format!("{slot} must be something, or q to leave."));
    }
    if !agents::fits_slot(text) {
        return Err(format!("{slot} must be one short sentence without brackets or braces."));
    }
    draft.variables.insert(slot.to_owned(), text.to_owned());
    Ok(draft)
}

fn listed(question: &str, choices: &[(String, String)]) -> Vec<String> {
    let rows = (1..).zip(choices).map(|(place, (id, name))| format!("  {place}  {name:<26} {id}"));
    std::iter::once(question.to_owned()).chain(rows).collect()
}

/// The index of a choice, given by its number or its id; the first for an empty line.
fn pick(line: &str, choices: &[(String, String)]) -> Option<usize> {
    if line.is_empty() {
        return (!choices.is_empty()).then_some(0);
    }
    let by_place = line.parse::<usize>().ok().and_then(|place| place.checked_sub(1));
    let by_place = by_place.filter(|place| *place < choices.len());
    by_place.or_else(|| choices.iter().position(|(id, _)| id == line))
}

fn range(choices: &[(String, String)]) -> String {
    format!("Type a number from 1 to {}, or q.", choices.len())
}

/// An empty line is a no, so that nobody is called by mistake.
fn yes_or_no(line: &str) -> Option<bool> {
    match line.to_ascii_lowercase().as_str() {
        "y" | "yes" => Some(true),
        "" | "n" | "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod human_demo;
