//! The demonstration for somebody at a terminal: they choose, and are on the line themselves.

use std::time::Duration;

use super::show::{Show, ear};
use super::{Scenery, auto};
use crate::cli::converse::{Typed, converse, explain};
use crate::cli::story::summary;
use crate::cli::ui::{Style, Ui};
use crate::cli::until_stopped;
use crate::simulator::callers::Caller;
use crate::simulator::openai::Brain;
use crate::stage::{CALLER, Stage, StageOptions, audit};

/// The longest call that is shown.
const LONGEST: Duration = Duration::from_hours(1);

const CHOICES: [(&str, &str, &str); 4] = [
    ("1", "the AI calls a human", "not yet: it comes with outbound calls"),
    ("2", "a human calls the AI", "you are the caller, by text"),
    ("3", "two AIs talk", "a scripted caller rings the agent; you are the supervisor"),
    ("q", "leave", ""),
];

/// Offers the choices until somebody leaves.
pub(super) async fn offer(scenery: &Scenery) -> anyhow::Result<()> {
    let (watch, moments) = ear();
    // Somebody at a terminal speaks at the clock's pace.
    let options = StageOptions {
        watch: Some(watch),
        noise_interrupts: true,
        ..scenery.options(Brain::Receptionist)
    };
    let stage = Stage::start(options).await?;
    scenery.introduce(&stage);
    let (ui, speed) = (scenery.ui, scenery.speed);
    let mut show = Show { ui, stage: &stage, moments, speed, answer: None };
    let mut typed = Typed::start(true)?;
    let done = tokio::select! {
        done = choose(scenery, &stage, &mut show, &mut typed) => done,
        () = until_stopped() => Ok(()),
    };
    drop(show);
    stage.stop().await;
    done
}

async fn choose(
    scenery: &Scenery,
    stage: &Stage,
    show: &mut Show<'_>,
    typed: &mut Typed,
) -> anyhow::Result<()> {
    let ui = scenery.ui;
    loop {
        for (key, what, how) in CHOICES {
            let key = ui.paint(Style::Strong, key);
            ui.line(&format!("  {key}  {what:<22}{}", ui.paint(Style::Faint, how)));
        }
        ui.piece("> ");
        let Some(choice) = typed.next().await else { return Ok(()) };
        match choice.trim() {
            "1" => {
                ui.line("The AI does not call out yet: that comes with outbound calls.");
                ui.line("The other two directions are here.");
            }
            "2" => {
                let Some(number) = choose_agent(ui, stage, typed).await else { return Ok(()) };
                be_the_caller(scenery, stage, &number, typed).await?;
            }
            "3" => {
                watch_two(scenery, stage, show, typed).await?;
            }
            "q" | "quit" | "exit" => return Ok(()),
            _ => ui.line("Type 1, 2, 3 or q, then Enter."),
        }
        ui.line("");
    }
}

/// The number of the personality to speak with; none at the end of the input.
async fn choose_agent(ui: Ui, stage: &Stage, typed: &mut Typed) -> Option<String> {
    let agents: Vec<_> = stage.numbers().collect();
    let name = |id: &str| {
        let mut all = stage.server.switchboard.agents.iter();
        all.find(|(known, _)| *known == id)
            .map_or_else(String::new, |(_, agent)| agent.name.clone())
    };
    ui.line("Who shall answer?");
    for (place, (_, id)) in (1..).zip(&agents) {
        let place = ui.paint(Style::Strong, &format!("{place}"));
        ui.line(&format!("  {place}  {:<26}{}", name(id), ui.paint(Style::Faint, id)));
    }
    loop {
        ui.piece("> [1] ");
        let choice = typed.next().await?;
        let choice = choice.trim();
        let by_place = choice.parse::<usize>().ok().and_then(|n| agents.get(n.checked_sub(1)?));
        let chosen = match choice {
            "" => agents.first(),
            _ => by_place.or_else(|| agents.iter().find(|(_, id)| *id == choice)),
        };
        if let Some((number, _)) = chosen {
            return Some((*number).to_owned());
        }
        ui.line(&format!("Type a number from 1 to {}.", agents.len()));
    }
}

async fn be_the_caller(
    scenery: &Scenery,
    stage: &Stage,
    number: &str,
    typed: &mut Typed,
) -> anyhow::Result<()> {
    let ui = scenery.ui;
    explain(ui);
    let (caller, line) = Caller::live();
    let sid = stage.network.dial_in(CALLER, number, caller)?;
    converse(ui, line, typed, scenery.speed).await;
    // What remains is the network's own business.
    drop(stage.network.wait_for_end(&sid, Duration::from_secs(5)).await);
    ui.line(&ui.paint(Style::Faint, "· the call is over"));
    Ok(())
}

/// The scripted caller and the agent, both of them machines; whoever watches is the supervisor.
async fn watch_two(
    scenery: &Scenery,
    stage: &Stage,
    show: &mut Show<'_>,
    typed: &mut Typed,
) -> anyhow::Result<()> {
    let ui = scenery.ui;
    let number = stage.numbers().next().map_or(crate::stage::NUMBER, |(number, _)| number);
    let view = stage.view();
    // Only the stand-in is known to ask its supervisor about this.
    let caller = if scenery.pretends { auto::wish() } else { auto::errand() };
    let sid = stage.network.dial_in(CALLER, number, caller)?;
    let (events, story) = show.call(view, &sid, LONGEST, Some(typed)).await?;
    let record = stage.network.wait_for_end(&sid, Duration::from_secs(10)).await;
    let record = record.unwrap_or_else(|record| *record);
    let audit = audit(&events, &record);
    for line in summary(ui, story.totals(), audit.said, audit.heard) {
        ui.line(&line);
    }
    for fault in &audit.faults {
        ui.line(&ui.paint(Style::Bad, fault));
    }
    Ok(())
}
