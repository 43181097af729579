//! `phony dnc`: the do-not-call list of the data folder. A running server sees a change at once.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use phony_call::{Country, PhoneNumber};

use super::ui::{Ui, clean};
use super::{Settings, Usage};
use crate::config::Config;
use crate::safety::do_not_call::{DoNotCall, Word};
use crate::server::make_folder;

/// The do-not-call list: numbers that this server never calls.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Put numbers on the list
    Add {
        /// The numbers, in any usual spelling
        #[arg(required = true, value_name = "NUMBER")]
        numbers: Vec<String>,
    },
    /// Take numbers off the list
    Remove {
        /// The numbers, in any usual spelling
        #[arg(required = true, value_name = "NUMBER")]
        numbers: Vec<String>,
    },
    /// Print the list
    List {
        /// As JSON, with when and by whom
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(settings: Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let config = settings.load()?;
    let folder = &config.data_dir;
    let list = DoNotCall::of(folder);
    let failed = || format!("the do-not-call list in {}", folder.display());
    match &arguments.what {
        What::Add { numbers } => say(&config, &list, numbers, true).with_context(failed),
        What::Remove { numbers } => say(&config, &list, numbers, false).with_context(failed),
        What::List { json } => {
            let words = list.list().with_context(failed)?;
            let ui = Ui::new();
            for word in words {
                let Word { number, at, by, .. } = &word;
                ui.line(&if *json {
                    serde_json::to_string(&word)?
                } else {
                    format!("{number:<17} {} {}", at.strftime("%Y-%m-%d %H:%M"), clean(by))
                });
            }
            Ok(())
        }
    }
}

fn say(config: &Config, list: &DoNotCall, typed: &[String], listed: bool) -> anyhow::Result<()> {
    let home = config.twilio.phone_number.as_ref().and_then(Country::of);
    let read = |text: &String| {
        PhoneNumber::typed(text, home).map_err(|why| Usage(format!("`{}` {why}", clean(text))))
    };
    // All or none: a slip of the hand must not leave half of them done.
    let numbers = typed.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    make_folder(&config.data_dir)?;
    let ui = Ui::new();
    for number in numbers {
        if list.contains(&number)? == listed {
            let state = if listed { "on the list already" } else { "not on the list" };
            ui.line(&format!("{number} is {state}"));
            continue;
        }
        let word = Word { number, listed, at: now(), by: "command line".into() };
        list.write(&word)?;
        if list.contains(&word.number)? != listed {
            bail!("{} could not be written", word.number);
        }
        let done = if listed { "is never called from now on" } else { "may be called again" };
        ui.line(&format!("{} {done}", word.number));
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a command is its own clock")]
fn now() -> Timestamp {
    Timestamp::now()
}
