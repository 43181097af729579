//! `phony calls`: the calls of a running server, in the terminal.

mod delete;
mod export;
mod feed;
mod hands;
mod offline;
mod order;
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

/// Calls of a running server: list them, look at one, or watch it live and act in it.
///
/// A call goes by its id or by the last characters of it, at least four.
#[derive(Debug, Args)]
pub(super) struct Calls {
    #[command(subcommand)]
    what: Option<What>,
    /// The server [default: the one on this machine]
    #[arg(long, global = true, value_name = "URL", value_parser = server_url)]
    server: Option<Url>,
    /// The supervisors' token [default: `PHONY_ADMIN_TOKEN`, else the one in the data folder]
    #[arg(long, global = true, value_name = "TOKEN", value_parser = secret)]
    token: Option<SecretString>,
    /// JSON instead of lines for people
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The calls, newest first; this is what `phony calls` alone does
    List(List),
    /// Everything about one call: who, when, how it went, what was said
    Show {
        /// The call
        #[arg(value_name = "SID")]
        call: String,
    },
    /// Watch a call live and act in it
    ///
    /// Without SID it is the only live call, or all of them, with the end of each call's id in
    /// front. Lines of standard input are commands; the end of the input only ends the commands.
    #[command(after_help = order::HELP)]
    Tail {
        /// The call
        #[arg(value_name = "SID")]
        call: Option<String>,
    },
    /// Take calls away: as JSON Lines, as a table, or what was said
    ///
    /// Where no server runs on this machine, the calls in its data folder are read.
    Export(export::Arguments),
    /// Delete calls that have ended, for good
    ///
    /// Where no server runs on this machine, they are deleted from its data folder.
    Delete(delete::Arguments),
}

/// Which calls.
#[derive(Debug, Default, Args)]
struct FilterParams {
    /// Only calls that are live
    #[arg(long)]
    live: bool,
    /// Only calls in which this was said, or with it in their id, their numbers or their agent
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
    /// Only calls of this status: live, ended, completed, busy, no-answer, failed, canceled …; for
    /// refused, failed and unknown also the orders that became no call, with the reason
    #[arg(long, value_name = "STATUS", default_value = "")]
    status: String,
    /// Only calls begun then or later, such as 2026-08-01 or 2026-08-01T09:00:00Z
    #[arg(long, value_name = "TIME", default_value = "")]
    since: String,
    /// Only calls begun before then
    #[arg(long, value_name = "TIME", default_value = "")]
    until: String,
}

impl FilterParams {
    /// As a store takes it.
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

    /// As the server's API takes it.
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
    filter: FilterParams,
    /// How many at most
    #[arg(long, value_name = "COUNT", default_value = "20",
        value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
}

pub(super) fn run(settings: Settings, calls: Calls) -> anyhow::Result<()> {
    let config = settings.load()?;
    let Calls { what, server, token, json } = calls;
    let is_here = server.is_none();
    let api = Api::new(&config, server.as_ref(), token);
    let everything = List { filter: FilterParams::default(), limit: 20 };
    block_on(async {
        // A server of this machine that does not run has left its calls in its folder.
        let offline = match (&what, is_here) {
            (Some(What::Export(_) | What::Delete(_)), true) => offline::find(&config, &api).await?,
            _ => None,
        };
        if let Some(history) = offline {
            return match what {
                Some(What::Export(arguments)) => export::offline(history, &arguments).await,
                Some(What::Delete(arguments)) => delete::offline(&history, &arguments).await,
                Some(What::List(_) | What::Show { .. } | What::Tail { .. }) | None => Ok(()),
            };
        }
        let api = api?;
        match what.unwrap_or(What::List(everything)) {
            What::List(wanted) => {
                let List { filter, limit } = wanted;
                show::list(Ui::new(), &api.calls(&filter.query(), limit).await?, json)
            }
            What::Show { call } => {
                let call = api.find(&call).await?;
                show::show(Ui::new(), &api.call(&call).await?, json)
            }
            What::Export(arguments) => export::export(&api, &arguments).await,
            What::Delete(arguments) => delete::delete(&api, &arguments).await,
            What::Tail { call } => Box::pin(tail::tail(&api, call.as_deref(), json)).await,
        }
    })
}

#[expect(clippy::unnecessary_wraps, reason = "the form that clap wants")]
fn secret(text: &str) -> Result<SecretString, String> {
    Ok(SecretString::from(text.trim()))
}
