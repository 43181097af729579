//! `phony ledger verify`: checks that the ledger has not been changed.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use super::Settings;
use super::ui::{Style, Ui};
use crate::data_dir::is_there;
use crate::safety::ledger::{FILE, HEAD, verify};

/// Verify the ledger of calls that were placed or refused.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check every line, and report changed lines and lines missing at the end
    Verify {
        /// The hash of a line, noted elsewhere earlier: the line must still be there
        #[arg(long, value_name = "HASH")]
        noted: Option<String>,
    },
}

pub(super) fn run(
    settings: Settings,
    Arguments { command: Command::Verify { noted } }: &Arguments,
) -> anyhow::Result<()> {
    let path = settings.load()?.data_dir.join(FILE);
    let ui = Ui::new();
    if !is_there(&path)? {
        ui.print_line(&format!(
            "{} is not there: no call was ever placed or refused",
            path.display()
        ));
        return Ok(());
    }
    let report = verify(&path, noted.as_deref())
        .with_context(|| format!("{} cannot be read", path.display()))?;
    for line in &report.torn {
        ui.print_line(&format!("line {line}: torn by a crash, as a later line says"));
    }
    if report.broken.is_empty() {
        ui.print_line(&format!("{} lines, every one as it was written", report.lines));
        if !report.has_head {
            ui.print_line(&format!(
                "There is no {HEAD} beside it: lines cut off its end are not missed."
            ));
        }
        ui.print_line(&format!("The last one's hash, to note elsewhere: {}", report.last));
        return Ok(());
    }
    for (line, why) in &report.broken {
        ui.print_line(&ui.paint(Style::Bad, &format!("line {line}: {why}")));
    }
    bail!("{} was changed, first in line {}", path.display(), report.broken[0].0)
}
