//! `phony agents check`: checks the files of agents and scenarios.

use anyhow::bail;
use clap::{Args, Subcommand};

use super::Settings;
use super::ui::{Style, Ui};
use crate::agents::Agents;

/// Check the agents, which answer calls, and the scenarios of outbound calls.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read every file, and report what is wrong with it
    Check,
}

pub(super) fn run(
    settings: Settings,
    Arguments { command: Command::Check }: &Arguments,
) -> anyhow::Result<()> {
    let config = settings.load()?;
    let ui = Ui::new();
    match Agents::read(&config) {
        Ok(agents) => {
            let default = agents.default();
            for (id, agent) in agents.iter() {
                let mark = if id == default.call.id { " (answers)" } else { "" };
                ui.print_line(&format!("agent     {id:<14} {}{mark}", agent.name));
            }
            for scenario in agents.scenarios() {
                let slots: Vec<_> =
                    scenario.slots.keys().map(|slot| format!("{{{slot}}}")).collect();
                let slots = ui.paint(Style::Faint, &slots.join(" "));
                ui.print_line(&format!("scenario  {:<14} {} {slots}", scenario.id, scenario.name));
            }
            Ok(())
        }
        Err(errors) => {
            let wrong = errors.len();
            for error in errors {
                // With its sources, which name the file.
                let text = format!("{:#}", anyhow::Error::from(error));
                ui.print_line(&ui.paint(Style::Bad, &text));
            }
            bail!("{wrong} of the files cannot be used")
        }
    }
}
