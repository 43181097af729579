//! The menu of the demonstration, at a terminal or by lines of a pipe.

use std::time::Duration;

use anyhow::{Context as _, bail};
use phony_call::{Country, Event, EventBody, PhoneNumber};
use phony_simulator::callers::{Action, Caller, Step, When};
use phony_simulator::openai::Brain;
use phony_simulator::twilio::Callee;
use secrecy::SecretString;
use tokio::sync::mpsc;

use super::dialogue::{Choices, Dialogue, Next, Plan, Slot, Variables};
use super::viewer::{Moments, ViewedCall, Viewer, watch_lines};
use super::{DemoContext, auto};
use crate::cli::converse::{InputLines, converse, explain};
use crate::cli::printer::{Printer, summary};
use crate::cli::serve::Signals;
use crate::cli::supervisor::{Supervisor, SupervisorConsole};
use crate::cli::ui::{Style, Ui, clean};
use crate::events::View;
use crate::sandbox::{CALLER, Sandbox, SandboxOptions, audit, read_event};
use crate::server::{self, Running};
use crate::token;

/// The longest call that is shown.
const LONGEST: Duration = Duration::from_hours(1);
/// How long the network may take to close its record of a call that is over.
const CLOSING_LIMIT: Duration = Duration::from_secs(10);
/// The built-in agents, in the order of the menu.
const AGENTS: [&str; 5] = ["assistant", "support", "scheduler", "hotline", "surveyor"];
/// The built-in scenarios, in the order of the menu.
const SCENARIOS: [&str; 4] = ["inquiry", "survey", "appointment", "check-in"];
/// The number that is called by default.
const DEFAULT_CALLEE: &str = "+14155550123";

/// Shows the menu until the user leaves or the input ends.
pub(super) async fn offer(context: &DemoContext, typed: InputLines) -> anyhow::Result<()> {
    let handle = SandboxHandle::start(context).await?;
    let dialogue = Dialogue::new(choices(context, &handle.sandbox)?);
    let signals = Signals::new()?;
    let mut menu = Menu { context, typed, dialogue, signals, sandbox: Some(handle) };
    let done = menu.run().await;
    if let Some(handle) = menu.sandbox.take() {
        handle.sandbox.stop().await;
    }
    done
}

/// The running sandbox, with access to its moments and its supervisor's API.
struct SandboxHandle {
    sandbox: Sandbox,
    moments: Moments,
    supervisor: Supervisor,
}

impl SandboxHandle {
    async fn start(context: &DemoContext) -> anyhow::Result<Self> {
        let (watch, moments) = watch_lines();
        let mut options = SandboxOptions {
            watch: Some(watch),
            noise_interrupts: true,
            ..context.options(Brain::Receptionist)
        };
        // Nobody is really called, so any hour will do.
        options.config.dialing.hours.0 = None;
        let ours = PhoneNumber::parse(crate::sandbox::OURS).ok();
        if let Some(country) = ours.as_ref().and_then(Country::of) {
            options.config.dialing.allow(country);
        }
        options.config.twilio.phone_number = ours;
        let sandbox = Sandbox::start(options).await?;
        context.introduce(&sandbox).await;
        let supervisor = Supervisor::new(&sandbox.server, &sandbox.admin_token)?;
        Ok(Self { sandbox, moments, supervisor })
    }
}

fn choices(context: &DemoContext, sandbox: &Sandbox) -> anyhow::Result<Choices> {
    let known = &sandbox.server.app.agents;
    let name = |id: &str| {
        let found = known.iter().find(|(known, _)| *known == id);
        found.map_or_else(String::new, |(_, agent)| clean(&agent.name))
    };
    let mut scenarios: Vec<_> = known.scenarios().collect();
    scenarios.sort_by_key(|scenario| {
        SCENARIOS.iter().position(|id| *id == scenario.id).unwrap_or(SCENARIOS.len())
    });
    let slots = scenarios.iter().map(|scenario| {
        let slot = |(name, default): (&String, &Option<String>)| Slot {
            name: name.clone(),
            default: default.clone(),
            example: scenario.examples.get(name).cloned(),
        };
        scenario.slots.iter().map(slot).collect()
    });
    let slots = slots.collect();
    let names = scenarios.iter().map(|known| (known.id.clone(), clean(&known.name)));
    let scenarios = names.collect();
    let real = context.real_number().cloned();
    let home = real.clone().or_else(|| PhoneNumber::parse(crate::sandbox::OURS).ok());
    let mut agents: Vec<_> = sandbox.numbers().map(|(_, id)| (id.to_owned(), name(id))).collect();
    // The operator's own agents come after the built-in ones.
    agents.sort_by_key(|(id, _)| {
        AGENTS.iter().position(|built_in| built_in == id).unwrap_or(AGENTS.len())
    });
    Ok(Choices {
        agents,
        scenarios,
        slots,
        home: home.as_ref().and_then(Country::of),
        example: PhoneNumber::parse(DEFAULT_CALLEE).context("the example of a number")?,
        real,
        has_stand_in_model: context.has_stand_in_model,
    })
}

struct Menu<'a> {
    context: &'a DemoContext,
    typed: InputLines,
    dialogue: Dialogue,
    /// Ctrl-C; listened for from the start, so that none is lost between two steps.
    signals: Signals,
    /// None while the real phone network is used: both servers listen on the same port.
    sandbox: Option<SandboxHandle>,
}

impl Menu<'_> {
    async fn run(&mut self) -> anyhow::Result<()> {
        loop {
            let Some(plan) = self.decide().await? else { return Ok(()) };
            let done = match plan {
                Plan::Leave => return Ok(()),
                Plan::CallHuman { to, scenario, variables, real: false } => {
                    self.call(&to, &scenario, &variables).await
                }
                Plan::AnswerHuman { agent, real: false } => self.be_called(&agent).await,
                Plan::TwoAgents { scenario, variables, agent } => {
                    self.two_agents(&scenario, &variables, &agent).await
                }
                Plan::CallHuman { to, scenario, variables, real: true } => {
                    self.really(None, Some((&to, &scenario, &variables))).await
                }
                Plan::AnswerHuman { agent, real: true } => self.really(Some(&agent), None).await,
            };
            match done {
                // A person can choose again; a script must fail.
                Err(problem) if self.typed.is_by_hand() => {
                    let ui = self.context.ui;
                    ui.print_line(&ui.paint(Style::Bad, &format!("{problem:#}")));
                }
                done => done?,
            }
            self.context.ui.print_line("");
        }
    }

    /// Asks until there is a plan; nothing if the input ends at the menu.
    async fn decide(&mut self) -> anyhow::Result<Option<Plan>> {
        let ui = self.context.ui;
        let mut next = self.dialogue.open();
        loop {
            let (say, prompt) = match next {
                Next::Do { plan } => return Ok(Some(plan)),
                Next::Ask { say, prompt } => (say, prompt),
            };
            for line in say {
                ui.print_line(&line);
            }
            ui.prompt(&prompt);
            let line = tokio::select! {
                line = self.typed.next() => line,
                () = self.signals.next() => {
                    ui.print_line("");
                    return Ok(None);
                }
            };
            let Some(line) = line else {
                ui.print_line("");
                if self.dialogue.is_underway() {
                    bail!("the input ended before everything was answered: nothing was dialled");
                }
                return Ok(None);
            };
            if !self.typed.is_by_hand() {
                // Echoed, as a terminal would.
                ui.print_line(&clean(&line));
            }
            next = self.dialogue.take(&line);
        }
    }

    /// The AI calls a human: the one who types, or a scripted callee.
    async fn call(
        &mut self,
        to: &PhoneNumber,
        scenario: &str,
        variables: &Variables,
    ) -> anyhow::Result<()> {
        if !self.somebody_speaks().await {
            let handle = self.sandbox.as_mut().context("the stand-ins")?;
            handle.sandbox.network.set_callee(to.as_str(), Callee::person(callee()));
            let view = handle.sandbox.view();
            let sid = handle.supervisor.place(to.as_str(), scenario, variables).await?;
            let names = ("callee".to_owned(), "agent".to_owned());
            return self.show(view, ViewedCall { names, ..ViewedCall::new(&sid, LONGEST) }).await;
        }
        let handle = self.sandbox.as_mut().context("the stand-ins")?;
        let ui = self.context.ui;
        let (caller, line) = Caller::live();
        handle.sandbox.network.set_callee(to.as_str(), Callee::person(caller));
        let mut console =
            SupervisorConsole::new(ui, handle.supervisor.clone(), handle.sandbox.view());
        ui.print_line(&format!("You are the one who is called, at {to}."));
        explain(ui, "Ctrl-C");
        let sid = handle.supervisor.place(to.as_str(), scenario, variables).await?;
        let speed = self.context.speed;
        let stop = self.signals.next();
        converse(ui, line, &mut self.typed, speed, Some(&mut console), stop).await;
        self.over(&sid).await;
        Ok(())
    }

    /// A human calls the AI, from the terminal or from the dashboard.
    async fn be_called(&mut self, agent: &str) -> anyhow::Result<()> {
        let by_hand = self.somebody_speaks().await;
        let handle = self.sandbox.as_mut().context("the stand-ins")?;
        let ui = self.context.ui;
        let number = number_of(&handle.sandbox, agent)?;
        ui.print_line(&format!("The stand-in network dials {number} for you: {agent} answers."));
        ui.print_line(
            "The dashboard calls it too, with your voice or by text: open «Softphone» there.",
        );
        if !by_hand {
            let view = handle.sandbox.view();
            let caller = if self.context.has_stand_in_model {
                auto::discount_caller()
            } else {
                auto::appointment_caller()
            };
            let sid = handle.sandbox.network.dial_in(CALLER, &number, caller)?;
            return self.show(view, ViewedCall::new(&sid, LONGEST)).await;
        }
        explain(ui, "Ctrl-C");
        let (caller, line) = Caller::live();
        let mut console =
            SupervisorConsole::new(ui, handle.supervisor.clone(), handle.sandbox.view());
        let sid = handle.sandbox.network.dial_in(CALLER, &number, caller)?;
        let speed = self.context.speed;
        let stop = self.signals.next();
        converse(ui, line, &mut self.typed, speed, Some(&mut console), stop).await;
        self.over(&sid).await;
        Ok(())
    }

    /// Two AIs: one calls with a scenario, the other answers.
    async fn two_agents(
        &mut self,
        scenario: &str,
        variables: &Variables,
        agent: &str,
    ) -> anyhow::Result<()> {
        let handle = self.sandbox.as_mut().context("the stand-ins")?;
        let number = number_of(&handle.sandbox, agent)?;
        let view = handle.sandbox.view();
        let sid = handle.supervisor.place(&number, scenario, variables).await?;
        let names = (agent.to_owned(), scenario.to_owned());
        self.show(view, ViewedCall { names, ..ViewedCall::new(&sid, LONGEST) }).await
    }

    /// Whether somebody speaks: at a terminal, or by the next lines of a pipe.
    async fn somebody_speaks(&mut self) -> bool {
        self.typed.is_by_hand() || self.typed.peek().await.is_some()
    }

    /// Shows a call between stand-ins to its end.
    async fn show(&mut self, view: View, shown: ViewedCall) -> anyhow::Result<()> {
        let handle = self.sandbox.as_mut().context("the stand-ins")?;
        let DemoContext { ui, speed, .. } = *self.context;
        let (supervisor, sid) = (handle.supervisor.clone(), shown.sid.clone());
        let (moments, signals) = (&mut handle.moments, &mut self.signals);
        let mut viewer = Viewer { ui, supervisor, moments, signals, speed, answer: auto::ANSWER };
        let (events, printer) = viewer.view(view, shown, Some(&mut self.typed)).await?;
        let record = handle.sandbox.network.wait_for_end(&sid, CLOSING_LIMIT).await;
        let record = record.unwrap_or_else(|record| *record);
        let audit = audit(&events, &record);
        print_summary(ui, &printer, audit.said, audit.heard);
        for fault in &audit.faults {
            ui.print_line(&ui.paint(Style::Bad, fault));
        }
        Ok(())
    }

    async fn over(&self, sid: &str) {
        let ui = self.context.ui;
        if let Some(handle) = &self.sandbox {
            // The network's record is not needed any more.
            drop(handle.sandbox.network.wait_for_end(sid, Duration::from_secs(5)).await);
        }
        ui.print_line(&ui.paint(Style::Faint, "· the call is over"));
    }

    /// A call over the real phone network, with a server behind the public name.
    async fn really(
        &mut self,
        agent: Option<&str>,
        call: Option<(&PhoneNumber, &str, &Variables)>,
    ) -> anyhow::Result<()> {
        if let Some(handle) = self.sandbox.take() {
            handle.sandbox.stop().await;
        }
        let mut config = self.context.real.clone();
        if let Some(agent) = agent {
            agent.clone_into(&mut config.agent);
        }
        let token = config.admin_token.get_or_insert_with(|| SecretString::from(token::random()));
        let token = token.clone();
        let running = server::start(config).await?;
        let done = self.on_real_line(&running, &token, call).await;
        running.kill();
        running.join().await;
        self.sandbox = Some(SandboxHandle::start(self.context).await?);
        done
    }

    async fn on_real_line(
        &mut self,
        running: &Running,
        token: &SecretString,
        call: Option<(&PhoneNumber, &str, &Variables)>,
    ) -> anyhow::Result<()> {
        let DemoContext { ui, speed, .. } = *self.context;
        let supervisor = Supervisor::new(running, token)?;
        ui.print_line(&format!("  dashboard      {}", running.login_link().await));
        let mut view = running.app.history.hub().view_all();
        let sid = if let Some((to, scenario, variables)) = call {
            supervisor.place(to.as_str(), scenario, variables).await?
        } else {
            let number = self.context.real_number().map(ToString::to_string);
            ui.print_line(&format!("Dial {} now. Ctrl-C leaves.", number.unwrap_or_default()));
            ui.print_line("If it does not ring here, `phony doctor` says why.");
            let Some(sid) = first_call(&mut view, &mut self.signals).await else { return Ok(()) };
            sid
        };
        let (_, mut nothing) = mpsc::channel(1);
        let (moments, signals) = (&mut nothing, &mut self.signals);
        let mut viewer = Viewer { ui, supervisor, moments, signals, speed, answer: auto::ANSWER };
        let shown = ViewedCall::new(&sid, LONGEST);
        let (events, printer) = viewer.view(view, shown, Some(&mut self.typed)).await?;
        let words = words_in(&events);
        print_summary(ui, &printer, words.0, words.1);
        Ok(())
    }
}

/// The id of the first call that comes in; none if the user leaves first.
async fn first_call(view: &mut View, signals: &mut Signals) -> Option<String> {
    loop {
        let line = tokio::select! {
            line = view.live.recv() => line?,
            () = signals.next() => return None,
        };
        let event = read_event(&line);
        // Kept, so that the call is shown from its beginning.
        view.past.push(line);
        if let Some(event) = event
            && matches!(event.body, EventBody::SessionStart { .. })
        {
            return Some(event.call.to_string());
        }
    }
}

/// How many words the far side said and heard, by the stored events.
fn words_in(events: &[Event]) -> (usize, usize) {
    let words = |text: &str| text.split_whitespace().count();
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other event holds words")]
    events.iter().fold((0, 0), |(said, heard), event| match &event.body {
        EventBody::Transcript { text, .. } => (said + words(text), heard),
        EventBody::AssistantResponse { text, .. } => (said, heard + words(text)),
        _ => (said, heard),
    })
}

fn print_summary(ui: Ui, printer: &Printer, said: usize, heard: usize) {
    for line in summary(ui, printer.totals(), said, heard) {
        ui.print_line(&line);
    }
}

fn number_of(sandbox: &Sandbox, agent: &str) -> anyhow::Result<String> {
    let mut numbers = sandbox.numbers();
    let found = numbers.find(|(_, id)| *id == agent).map(|(number, _)| number.to_owned());
    found.with_context(|| format!("no number leads to {agent}"))
}

/// A scripted callee who has a little time.
fn callee() -> Caller {
    let after = |text: &str| Step::new(When::AgentFinished { quiet_ms: 700 }, Action::say(text));
    Caller::Script(vec![
        after("Yes, this is Ann Miller. What is it about?"),
        after("We are open from nine to five, and I would say nine out of ten."),
        after("Yes, that is fine with me."),
        after("I am well, and everything is as it should be."),
        after("You are welcome."),
        Step::new(When::Silence { ms: 10_000 }, Action::HangUp),
    ])
}
