//! `phony ledger verify`: whether the ledger is as it was written.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use super::Settings;
use super::ui::{Style, Ui};
use crate::safety::ledger::{FILE, verify};

/// The ledger of calls that were placed and refused.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check every line, and say which was changed
    Verify,
}

pub(super) fn run(
    settings: Settings,
    Arguments { what: What::Verify }: &Arguments,
) -> anyhow::Result<()> {
    let path = settings.load()?.data_dir.join(FILE);
    let ui = Ui::new();
    if !path.exists() {
        ui.line(&format!("{} is not there: no call was ever placed or refused", path.display()));
        return Ok(());
    }
    let report = verify(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    for line in &report.torn {
        ui.line(&format!("line {line}: torn by a crash, as a later line says"));
    }
    if report.broken.is_empty() {
        ui.line(&format!("{} lines, every one as it was written", report.lines));
        return Ok(());
    }
    for (line, why) in &report.broken {
        ui.line(&ui.paint(Style::Bad, &format!("line {line}: {why}")));
    }
    bail!("{} was changed, first in line {}", path.display(), report.broken[0].0)
}
