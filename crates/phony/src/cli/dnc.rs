//! `phony dnc`: the do-not-call list of the data folder, or the list that several servers share. A
//! running server sees a change at once.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use phony_call::{Country, PhoneNumber, check_exists};
use redis::RedisError;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::runtime::Runtime;
use url::Url;

use super::ui::{Ui, clean};
use super::{Settings, Usage};
use crate::cluster::SharedList;
use crate::config::Config;
use crate::safety::do_not_call::{DoNotCall, DoNotCallEntry, FILE};
use crate::server::make_folder;

/// Change or print the do-not-call list.
///
/// With `REDIS_URL` it is the list that all servers share, otherwise the one in the data folder.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put numbers on the list
    Add {
        /// The numbers, in any usual notation
        #[arg(required = true, value_name = "NUMBER")]
        numbers: Vec<String>,
    },
    /// Take numbers off the list
    Remove {
        /// The numbers, in any usual notation
        #[arg(required = true, value_name = "NUMBER")]
        numbers: Vec<String>,
    },
    /// Print the list
    List {
        /// Print JSON, with the time and the author of each entry
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(settings: Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let config = settings.load()?;
    let list = List::of(&config)?;
    let failed = || list.name.clone();
    match &arguments.command {
        Command::Add { numbers } => say(&config, &list, numbers, true).with_context(failed),
        Command::Remove { numbers } => say(&config, &list, numbers, false).with_context(failed),
        Command::List { json } => {
            let words = list.all().with_context(failed)?;
            let ui = Ui::new();
            note(&list.name);
            for line in list.torn().with_context(failed)? {
                note(&format!("line {line} of {FILE} is torn, and says nothing or not all of it"));
            }
            for word in words {
                let DoNotCallEntry { number, at, by, .. } = &word;
                ui.print_line(&if *json {
                    serde_json::to_string(&word)?
                } else {
                    format!("{number:<17} {} {}", at.strftime("%Y-%m-%d %H:%M"), clean(by))
                });
            }
            Ok(())
        }
    }
}

/// The list to change or print.
struct List {
    /// Its name, for people.
    name: String,
    kind: Kind,
}

enum Kind {
    File(DoNotCall),
    /// The shared list, and the runtime for its requests.
    Shared(SharedList, Runtime),
}

impl List {
    /// The shared list, into which the file of this data folder is merged first; without Redis,
    /// that file.
    fn of(config: &Config) -> anyhow::Result<Self> {
        let file = DoNotCall::of(&config.data_dir);
        let Some(url) = &config.redis_url else {
            let name = format!("the do-not-call list in {}", config.data_dir.display());
            return Ok(Self { name, kind: Kind::File(file) });
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let name = format!("the do-not-call list of all servers, in Redis at {}", place(url));
        let known = file.entries().with_context(|| config.data_dir.display().to_string())?;
        let shared = runtime.block_on(async {
            let shared = SharedList::at(url)?;
            shared.reach().await?;
            shared.publish(&known).await?;
            Ok::<_, RedisError>(shared)
        });
        let shared =
            shared.with_context(|| format!("{name}: it cannot be reached, so nothing was done"))?;
        Ok(Self { name, kind: Kind::Shared(shared, runtime) })
    }

    fn all(&self) -> anyhow::Result<Vec<DoNotCallEntry>> {
        Ok(match &self.kind {
            Kind::File(file) => file.list()?,
            Kind::Shared(shared, runtime) => runtime.block_on(shared.list())?,
        })
    }

    /// The numbers of the file's lines that cannot be parsed.
    fn torn(&self) -> anyhow::Result<Vec<usize>> {
        match &self.kind {
            Kind::File(file) => Ok(file.torn()?),
            Kind::Shared(..) => Ok(Vec::new()),
        }
    }

    fn contains(&self, number: &PhoneNumber) -> anyhow::Result<bool> {
        Ok(match &self.kind {
            Kind::File(file) => file.contains(number)?,
            Kind::Shared(shared, runtime) => {
                runtime.block_on(shared.entry(number))?.is_some_and(|word| word.listed)
            }
        })
    }

    fn write(&self, word: &DoNotCallEntry) -> anyhow::Result<()> {
        match &self.kind {
            Kind::File(file) => file.write(word)?,
            Kind::Shared(shared, runtime) => {
                runtime.block_on(shared.publish(std::slice::from_ref(word)))?;
            }
        }
        Ok(())
    }
}

/// Notes go to standard error, since standard output is for the numbers.
#[expect(clippy::print_stderr, reason = "the command line speaks to people")]
fn note(text: &str) {
    eprintln!("({text})");
}

/// Host and port of a Redis URL, without the password.
fn place(url: &SecretString) -> String {
    let url = Url::parse(url.expose_secret()).ok();
    let place = url.and_then(|url| {
        let port = url.port().unwrap_or(6379);
        Some(format!("{}:{port}", url.host_str()?))
    });
    place.unwrap_or_else(|| "REDIS_URL".into())
}

fn say(config: &Config, list: &List, typed: &[String], listed: bool) -> anyhow::Result<()> {
    let home = config.twilio.phone_number.as_ref().and_then(Country::of);
    let home = home.or_else(|| config.dialing.countries().iter().next());
    let read = |text: &String| {
        let number = PhoneNumber::typed(text, home).map_err(|why| why.to_string())?;
        // A number that cannot exist is a typing error, and the intended number would still be
        // called. Such a number can be removed, though.
        if listed {
            check_exists(&number).map_err(|why| format!("is read as {number}: {why}"))?;
        }
        Ok(number)
    };
    let read =
        |text: &String| read(text).map_err(|why: String| Usage(format!("`{}` {why}", clean(text))));
    // All or none, so that a typing error does not leave half of them done.
    let numbers = typed.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    make_folder(&config.data_dir)?;
    let ui = Ui::new();
    note(&list.name);
    for number in numbers {
        if list.contains(&number)? == listed {
            let state = if listed { "on the list already" } else { "not on the list" };
            ui.print_line(&format!("{number} is {state}"));
            continue;
        }
        let word = DoNotCallEntry { number, listed, at: now(), by: "command line".into() };
        list.write(&word)?;
        if list.contains(&word.number)? != listed {
            bail!("{} could not be written", word.number);
        }
        let done = if listed { "is never called from now on" } else { "may be called again" };
        ui.print_line(&format!("{} {done}", word.number));
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a command is its own clock")]
fn now() -> Timestamp {
    Timestamp::now()
}
