//! `phony calls delete`.

use anyhow::bail;
use clap::Args;
use phony_call::CallSid;

use crate::cli::Usage;
use crate::cli::api::{Api, named};
use crate::cli::ui::{Ui, clean, has_terminal};
use crate::history::{CallFilter, Deletion, History, ListQuery, Query};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The calls
    #[arg(value_name = "SID", required = true)]
    calls: Vec<String>,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

/// On a running server.
pub(super) async fn delete(api: &Api, arguments: &Arguments) -> anyhow::Result<()> {
    let mut calls = Vec::new();
    for call in &arguments.calls {
        calls.push(api.find(call).await?);
    }
    arguments.ask(&calls)?;
    for call in &calls {
        api.delete(&["calls", call.as_str()]).await?;
        Ui::new().print_line(&format!("{call} is deleted."));
    }
    Ok(())
}

/// In the data folder.
pub(super) async fn offline(history: &History, arguments: &Arguments) -> anyhow::Result<()> {
    let mut calls = Vec::new();
    for name in &arguments.calls {
        let mut found = Vec::new();
        for status in [None, Some("refused"), Some("failed"), Some("unknown")] {
            let status = status.map(str::to_owned);
            let filter = CallFilter { query: Query::parse(name), status, ..CallFilter::default() };
            let listing = history.list(&ListQuery { filter, after: None, limit: 200 }).await;
            found.extend(listing.calls.into_iter().map(|(summary, _)| summary.sid));
            found.extend(listing.orders.into_iter().map(|order| order.id));
        }
        found.sort_unstable();
        found.dedup();
        match named(name, &found).as_slice() {
            [call] => calls.push((*call).clone()),
            [] => bail!("there is no call `{}` in the data folder", clean(name)),
            _ => bail!("several calls end in `{}`; write more of the id", clean(name)),
        }
    }
    arguments.ask(&calls)?;
    for call in &calls {
        match history.delete(call).await.map_err(|error| anyhow::anyhow!(error.chain()))? {
            Deletion::Done => Ui::new().print_line(&format!("{call} is deleted.")),
            Deletion::Unknown => bail!("{call} is not there any more"),
            Deletion::Live => bail!(
                "{call} has not ended; start `phony serve`, which closes it if nobody takes it up"
            ),
        }
    }
    Ok(())
}

impl Arguments {
    fn ask(&self, calls: &[CallSid]) -> anyhow::Result<()> {
        if self.yes {
            return Ok(());
        }
        if !has_terminal() {
            return Err(Usage("deleting cannot be undone: confirm with --yes".to_owned()).into());
        }
        let names: Vec<_> = calls.iter().map(ToString::to_string).collect();
        Ui::new().print(&format!("Delete {} for good? [y/N] ", names.join(", ")));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            Ok(())
        } else {
            bail!("nothing was deleted")
        }
    }
}
