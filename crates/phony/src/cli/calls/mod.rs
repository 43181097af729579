//! `phony calls`: the calls of a server, in the terminal.

mod actions;
mod delete;
mod event_stream;
mod export;
mod offline;
mod screen;
mod show;
mod tail;
mod waiting;

use clap::{Args, Subcommand};
use secrecy::SecretString;
use url::Url;

pub(super) use self::tail::{Followed, follow};
use super::api::{Api, server_url};
use super::ui::Ui;
use super::{Settings, block_on};
use crate::history::{self, CallFilter, InvalidFilter};

/// List the calls of a running server, show one, or watch one live and act in it.
///
/// A call is named by its id or by the last four or more characters of it.
#[derive(Debug, Args)]
pub(super) struct Calls {
    #[command(subcommand)]
    command: Option<Command>,
    /// The server [default: the one on this machine]
    #[arg(long, global = true, value_name = "URL", value_parser = server_url)]
    server: Option<Url>,
    /// The supervisors' token [default: `PHONY_ADMIN_TOKEN`, else the one in the data folder]
    #[arg(long, global = true, value_name = "TOKEN", value_parser = secret)]
    token: Option<SecretString>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List calls, newest first; the default
    List(List),
    /// Show everything about one call: who, when, how it went, what was said
    Show {
        /// The call
        #[arg(value_name = "SID")]
        call: String,
    },
    /// Watch a call live and act in it
    ///
    /// Without SID, the only live call is shown, or all live calls, with the end of the call's id
    /// in front of each line. Lines of standard input are commands; when the input ends, the call
    /// is still shown.
    #[command(after_help = actions::HELP)]
    Tail {
        /// The call
        #[arg(value_name = "SID")]
        call: Option<String>,
    },
    /// Export calls as JSON Lines, as CSV, or as transcripts
    ///
    /// If no server runs on this machine, the calls are read from its data folder.
    Export(export::Arguments),
    /// Delete calls that have ended, for good
    ///
    /// If no server runs on this machine, the calls are deleted from its data folder.
    Delete(delete::Arguments),
}

/// Which calls to list.
#[derive(Debug, Default, Args)]
struct Filters {
    /// Only calls that are live
    #[arg(long)]
    live: bool,
    /// Only calls in which this was said, or with this in their id, numbers or agent
    #[arg(long, value_name = "TEXT", default_value = "")]
    search: String,
    /// Only `inbound` or `outbound` calls
    #[arg(long, value_name = "WAY", default_value = "")]
    direction: String,
    /// Only calls from or to a number with these digits
    #[arg(long, value_name = "DIGITS", default_value = "")]
    number: String,
    /// Only calls of this agent
    #[arg(long, value_name = "ID", default_value = "")]
    agent: String,
    /// Only calls of this status: live, ended, completed, busy, no-answer, failed, canceled …;
    /// refused, failed and unknown also list orders that led to no call, with the reason
    #[arg(long, value_name = "STATUS", default_value = "")]
    status: String,
    /// Only calls that began at this time or later, such as 2026-08-01 or 2026-08-01T09:00:00Z
    #[arg(long, value_name = "TIME", default_value = "")]
    since: String,
    /// Only calls that began before this time
    #[arg(long, value_name = "TIME", default_value = "")]
    until: String,
}

impl Filters {
    /// The filter of a store.
    fn filter(&self) -> Result<CallFilter, InvalidFilter> {
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let params = history::FilterParams {
            live: self.live.then(|| "true".to_owned()),
            q: given(&self.search),
            direction: given(&self.direction),
            number: given(&self.number),
            agent: given(&self.agent),
            status: given(&self.status),
            since: given(&self.since),
            until: given(&self.until),
        };
        params.read()
    }

    /// The query of the server's API.
    fn query(&self) -> Vec<(&str, &str)> {
        let all = [
            ("live", if self.live { "true" } else { "" }),
            ("q", &self.search),
            ("direction", &self.direction),
            ("number", &self.number),
            ("agent", &self.agent),
            ("status", &self.status),
            ("since", &self.since),
            ("until", &self.until),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    filters: Filters,
    /// How many at most
    #[arg(long, value_name = "COUNT", default_value = "20",
        value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
}

pub(super) fn run(settings: Settings, calls: Calls) -> anyhow::Result<()> {
    let config = settings.load()?;
    let Calls { command, server, token, json } = calls;
    let is_here = server.is_none();
    let api = Api::new(&config, server.as_ref(), token);
    let everything = List { filters: Filters::default(), limit: 20 };
    block_on(async {
        // A stopped server's calls are in its data folder.
        let offline = match (&command, is_here) {
            (Some(Command::Export(_) | Command::Delete(_)), true) => {
                offline::find(&config, &api).await?
            }
            _ => None,
        };
        if let Some(history) = offline {
            return match command {
                Some(Command::Export(arguments)) => export::offline(history, &arguments).await,
                Some(Command::Delete(arguments)) => delete::offline(&history, &arguments).await,
                Some(Command::List(_) | Command::Show { .. } | Command::Tail { .. }) | None => {
                    Ok(())
                }
            };
        }
        let api = api?;
        match command.unwrap_or(Command::List(everything)) {
            Command::List(wanted) => {
                let List { filters, limit } = wanted;
                show::list(Ui::new(), &api.calls(&filters.query(), limit).await?, json)
            }
            Command::Show { call } => {
                let call = api.find(&call).await?;
                show::show(Ui::new(), &api.call(&call).await?, json)
            }
            Command::Export(arguments) => export::export(&api, &arguments).await,
            Command::Delete(arguments) => delete::delete(&api, &arguments).await,
            Command::Tail { call } => Box::pin(tail::tail(&api, call.as_deref(), json)).await,
        }
    })
}

#[expect(clippy::unnecessary_wraps, reason = "the signature that clap expects")]
fn secret(text: &str) -> Result<SecretString, String> {
    Ok(SecretString::from(text.trim()))
}
