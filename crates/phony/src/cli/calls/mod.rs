//! `phony calls`: the calls of a running server, in the terminal.

mod feed;
mod hands;
mod order;
mod screen;
mod show;
mod tail;
mod waiting;

use clap::{Args, Subcommand};
use secrecy::SecretString;
use url::Url;

use super::api::{Api, server_url};
use super::ui::Ui;
use super::{Settings, block_on};

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
}

#[derive(Debug, Args)]
struct List {
    /// Only calls that are live
    #[arg(long)]
    live: bool,
    /// Only calls with this in their id, their numbers or their agent
    #[arg(long, value_name = "TEXT", default_value = "")]
    search: String,
    /// How many at most
    #[arg(long, value_name = "COUNT", default_value = "20",
        value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
}

pub(super) fn run(settings: Settings, calls: Calls) -> anyhow::Result<()> {
    let config = settings.load()?;
    let Calls { what, server, token, json } = calls;
    let api = Api::new(&config, server.as_ref(), token)?;
    let everything = List { live: false, search: String::new(), limit: 20 };
    block_on(async {
        match what.unwrap_or(What::List(everything)) {
            What::List(wanted) => {
                let List { live, search, limit } = wanted;
                show::list(Ui::new(), &api.calls(live, &search, limit).await?, json)
            }
            What::Show { call } => {
                let call = api.find(&call).await?;
                show::show(Ui::new(), &api.call(&call).await?, json)
            }
            What::Tail { call } => Box::pin(tail::tail(&api, call.as_deref(), json)).await,
        }
    })
}

#[expect(clippy::unnecessary_wraps, reason = "the form that clap wants")]
fn secret(text: &str) -> Result<SecretString, String> {
    Ok(SecretString::from(text.trim()))
}
