//! `phony demo`: whole calls without any setup. The server, a stand-in for the phone network and,
//! without an API key, a stand-in for the model run in one process and talk over real sockets.

mod auto;
mod dialogue;
mod menu;
mod viewer;

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use phony_call::PhoneNumber;
use phony_simulator::openai::Brain;

use super::converse::InputLines;
use super::ui::{Style, Ui, has_terminal};
use super::{Settings, block_on, sim};
use crate::config::Config;
use crate::sandbox::{Sandbox, SandboxOptions, TempFolder};
use crate::telemetry;

/// How long to wait for the first line of a pipe.
const FIRST_LINE: Duration = Duration::from_secs(2);

/// Try whole calls without an account, and watch them in the dashboard.
///
/// At a terminal there is a menu; the same answers can be piped in, one a line. With neither, one
/// call is played to its end. The real model is used if `OPENAI_API_KEY` is set; the real phone
/// network if Twilio and `HOST` are configured and you choose it. Calls between stand-ins are
/// stored in a folder that is deleted at the end, unless `--data-dir` names one.
///
/// Ctrl-C hangs up. At the end of the input the demonstration ends: with status 0 at the menu, with
/// status 1 in the middle of a choice, and then nothing was dialled.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Play one call to its end, and fail if it does not go as expected
    #[arg(long)]
    auto: bool,
    /// How much faster than natural
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = sim::speed)]
    speed: f64,
    /// Replay recorded conversations between people: one by its ID, or `all`
    #[arg(long, value_name = "ID")]
    recorded: Option<String>,
}

/// What every kind of demonstration needs.
struct DemoContext {
    ui: Ui,
    /// For calls between stand-ins.
    config: Config,
    /// For calls over the real phone network.
    real: Config,
    speed: f64,
    /// Whether the model is a stand-in.
    has_stand_in_model: bool,
}

pub(super) fn run(settings: Settings, demo: &Demo) -> anyhow::Result<()> {
    let is_chosen = settings.data_dir.is_some();
    let mut config = settings.load()?;
    let real = config.clone();
    // Calls between stand-ins must not reach the store and the bus of real servers.
    config.redis_url = None;
    let folder = own_folder(&mut config, is_chosen)?;
    let log = config.data_dir.join("call.log");
    let log = telemetry::start(config.log, Some(&log), false)?;
    let has_stand_in_model = config.openai.api_key.is_none() && config.openai.is_official();
    let context =
        DemoContext { ui: Ui::new(), config, real, speed: demo.speed, has_stand_in_model };
    let done = block_on(async {
        if let Some(id) = &demo.recorded {
            Box::pin(auto::recorded(&context, id)).await
        } else if demo.auto {
            Box::pin(auto::scripted(&context)).await
        } else if has_terminal() {
            menu::offer(&context, InputLines::start(true)?).await
        } else if let Some(typed) = piped().await? {
            menu::offer(&context, typed).await
        } else {
            Box::pin(auto::scripted(&context)).await
        }
    });
    drop(log);
    drop(folder);
    done
}

/// The lines of a pipe, if they are for the menu: the first one comes soon and is a choice.
async fn piped() -> anyhow::Result<Option<InputLines>> {
    if std::io::stdin().is_terminal() {
        return Ok(None);
    }
    let mut typed = InputLines::start(false)?;
    let first = tokio::time::timeout(FIRST_LINE, typed.peek()).await.ok().flatten();
    let chosen = first.is_some_and(|line| matches!(line.trim(), "1" | "2" | "3" | "q"));
    Ok(chosen.then_some(typed))
}

/// A folder for this demonstration alone, unless a flag names one: the configured folder belongs to
/// the server, which may be running.
fn own_folder(config: &mut Config, is_chosen: bool) -> anyhow::Result<Option<TempFolder>> {
    if is_chosen {
        crate::server::make_folder(&config.data_dir)?;
        return Ok(None);
    }
    let folder = TempFolder::new()?;
    folder.path().clone_into(&mut config.data_dir);
    Ok(Some(folder))
}

impl DemoContext {
    fn options(&self, brain: Brain) -> SandboxOptions {
        SandboxOptions {
            brain: self.has_stand_in_model.then_some(brain),
            speed: self.speed,
            ..SandboxOptions::new(self.config.clone())
        }
    }

    /// The account's number, if the real phone network and the real model can be used.
    fn real_number(&self) -> Option<&PhoneNumber> {
        let Config { twilio, host, .. } = &self.real;
        let account = twilio.account_sid.is_some() && twilio.auth_token.is_some();
        let ready = account && host.is_some() && !self.has_stand_in_model;
        twilio.phone_number.as_ref().filter(|_| ready)
    }

    /// Prints what the demonstration runs on.
    async fn introduce(&self, sandbox: &Sandbox) {
        let ui = self.ui;
        ui.print_line(&format!(
            "{} on http://{}",
            ui.paint(Style::Strong, "Phony"),
            sandbox.server.addr
        ));
        ui.print_line("  phone network  a stand-in on loopback; nobody is really called");
        if sandbox.model.is_some() {
            ui.print_line(
                "  model          a stand-in; with OPENAI_API_KEY set it is the real one",
            );
        } else {
            let openai = &self.config.openai;
            let host = openai.base_url.host_str().unwrap_or_default();
            ui.print_line(&format!(
                "  model          {} at {host}, which may cost money",
                openai.model
            ));
        }
        ui.print_line(&format!("  dashboard      {}", sandbox.server.login_link().await));
        ui.print_line("                 (the link works once)");
        ui.print_line("");
    }
}
