//! The command line; each command has a file of its own.

mod agents;
mod api;
mod baseline;
mod call;
mod calls;
#[cfg(unix)]
mod console;
#[cfg(not(unix))]
#[path = "no_console.rs"]
mod console;
mod converse;
mod demo;
mod dnc;
mod doctor;
#[cfg(unix)]
mod editor;
mod example;
#[cfg(unix)]
mod footer;
mod health;
mod ledger;
mod load;
mod openapi;
mod printer;
mod questions;
mod script;
mod serve;
mod setup;
mod sim;
mod supervisor;
mod talk;
mod ui;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Flags, VARIABLES, Variable};

/// An AI holds the telephone call, a human stays in charge.
#[derive(Debug, Parser)]
#[command(
    name = "phony",
    version,
    arg_required_else_help = true,
    after_long_help = environment()
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server: webhooks, sockets, the supervisors' API and the dashboard
    #[command(after_long_help = environment())]
    Serve,
    Demo(demo::Demo),
    Talk(talk::Talk),
    Call(call::Call),
    Calls(calls::Calls),
    Agents(agents::Arguments),
    Dnc(dnc::Arguments),
    Ledger(ledger::Arguments),
    Setup(setup::Arguments),
    Doctor(doctor::Arguments),
    Sim(sim::Sim),
    /// Put many calls on a server at once, and print what they cost
    Load(load::Arguments),
    /// Copy between two sockets: the baseline that `load` compares with
    #[command(name = "floor", hide = true)]
    Baseline(baseline::Arguments),
    /// Print the description of the HTTP API
    #[command(hide = true)]
    Openapi,
    /// Print every environment variable with its meaning, as a template file
    #[command(hide = true)]
    Example {
        /// The file's format
        form: example::Form,
    },
    /// Check that the server on this machine answers; exits with 1 if it does not
    Health,
}

/// Settings that every command takes.
#[derive(Debug, Default, Args)]
struct Settings {
    /// Configuration file [default: `phony.toml` in the working folder, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Public host name, in every URL given to the carrier
    #[arg(long, global = true, value_name = "NAME")]
    host: Option<String>,
    /// Port to listen on
    #[arg(long, global = true, value_name = "PORT")]
    port: Option<String>,
    /// Address to listen on
    #[arg(long, global = true, value_name = "ADDRESS")]
    bind: Option<String>,
    /// Folder of the store, the log and the supervisors' token
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Write the log for people, not as JSON
    #[arg(long, global = true)]
    pretty: bool,
}

/// The environment variables, for `--help`.
fn environment() -> String {
    use std::fmt::Write as _;
    let mut text =
        String::from("Environment (later wins: defaults, phony.toml, .env, environment, flags):\n");
    for Variable { name, meaning, .. } in VARIABLES {
        writeln!(text, "  {name:<29} {meaning}").expect("writing to a string cannot fail");
    }
    text
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { command, settings } = Cli::parse();
    // For the clients that commands open; fails only if there is a provider already.
    drop(rustls::crypto::ring::default_provider().install_default());
    let done = match command {
        Command::Serve => serve::run(settings),
        Command::Demo(demo) => demo::run(settings, &demo),
        Command::Talk(talk) => talk::run(settings, &talk),
        Command::Call(call) => call::run(settings, call),
        Command::Calls(calls) => calls::run(settings, calls),
        Command::Agents(arguments) => agents::run(settings, &arguments),
        Command::Dnc(arguments) => dnc::run(settings, &arguments),
        Command::Ledger(arguments) => ledger::run(settings, &arguments),
        Command::Setup(arguments) => setup::run(settings, arguments),
        Command::Doctor(arguments) => doctor::run(settings, arguments),
        Command::Sim(sim) => sim::run(settings, sim),
        Command::Load(arguments) => load::run(&arguments, settings),
        Command::Baseline(arguments) => baseline::run(arguments),
        Command::Openapi => openapi::run(),
        Command::Example { form } => example::run(form),
        Command::Health => health::run(settings),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the command line speaks to people")]
            {
                eprintln!("phony: {error:#}");
            }
            if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// A command was used wrongly: the process exits with 2 instead of 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Runs an asynchronous command. Tasks that it leaves behind, such as a blocked read of the
/// terminal, do not keep the process alive.
fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(command);
    runtime.shutdown_background();
    done
}

/// Waits for Ctrl-C or SIGTERM.
async fn until_stopped() {
    match serve::Signals::new() {
        Ok(mut signals) => signals.next().await,
        // Without signal handlers the default action ends the process.
        Err(_) => std::future::pending().await,
    }
}

impl Settings {
    /// The configuration of this process; these settings override all others.
    fn load(self) -> anyhow::Result<Config> {
        let pretty = self.pretty.then(|| "pretty".to_owned());
        let values = [
            ("host", self.host),
            ("port", self.port),
            ("bind", self.bind),
            ("data_dir", self.data_dir),
            ("log", pretty),
        ];
        let values = values.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        Ok(Config::load(Flags { config: self.config, values })?)
    }
}
