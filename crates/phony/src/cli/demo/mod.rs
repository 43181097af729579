//! `phony demo`: a whole call with nothing prepared. The server, a stand-in for the phone network
//! and, without a key, a stand-in for the model, in one process, over real sockets.

mod auto;
mod menu;
mod show;

use clap::Args;

use super::ui::{Style, Ui, has_terminal};
use super::{Settings, block_on, sim};
use crate::config::{Config, Sources};
use crate::simulator::openai::Brain;
use crate::stage::{Stage, StageOptions, TempFolder};
use crate::telemetry;

/// A whole call with no credentials, and the dashboard to watch it in.
///
/// With a terminal it offers a choice; without one it plays one call to its end. The real model is
/// used where `OPENAI_API_KEY` is set.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Play one call to its end, and fail if it does not go as it must
    #[arg(long)]
    auto: bool,
    /// How much faster than life
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = sim::speed)]
    speed: f64,
    /// Play conversations recorded between people: one by its ID, or `all`
    #[arg(long, value_name = "ID")]
    recorded: Option<String>,
}

/// What every kind of demonstration has.
struct Scenery {
    ui: Ui,
    config: Config,
    speed: f64,
    /// Whether a stand-in is the model.
    pretends: bool,
}

pub(super) fn run(settings: Settings, demo: &Demo) -> anyhow::Result<()> {
    let mut config = settings.load()?;
    let folder = own_folder(&mut config)?;
    let log = config.data_dir.join("call.log");
    let log = telemetry::start(config.log, Some(&log), false)?;
    let pretends = config.openai.api_key.is_none() && config.openai.is_official();
    let scenery = Scenery { ui: Ui::new(), config, speed: demo.speed, pretends };
    let done = block_on(async {
        if let Some(id) = &demo.recorded {
            auto::recorded(&scenery, id).await
        } else if demo.auto || !has_terminal() {
            auto::scripted(&scenery).await
        } else {
            menu::offer(&scenery).await
        }
    });
    drop(log);
    drop(folder);
    done
}

/// A folder for this demonstration alone, unless one was configured.
fn own_folder(config: &mut Config) -> anyhow::Result<Option<TempFolder>> {
    let standard = Config::from_sources(Sources::default())?.data_dir;
    if config.data_dir != standard {
        crate::server::make_folder(&config.data_dir)?;
        return Ok(None);
    }
    let folder = TempFolder::new()?;
    folder.path().clone_into(&mut config.data_dir);
    Ok(Some(folder))
}

impl Scenery {
    fn options(&self, brain: Brain) -> StageOptions {
        StageOptions {
            brain: self.pretends.then_some(brain),
            speed: self.speed,
            ..StageOptions::new(self.config.clone())
        }
    }

    /// Says what is there.
    fn introduce(&self, stage: &Stage) {
        let ui = self.ui;
        ui.line(&format!("{} on http://{}", ui.paint(Style::Strong, "Phony"), stage.server.addr));
        ui.line("  phone network  a stand-in on loopback; nobody is really called");
        if stage.model.is_some() {
            ui.line("  model          a stand-in; with OPENAI_API_KEY set it is the real one");
        } else {
            let openai = &self.config.openai;
            let host = openai.base_url.host_str().unwrap_or_default();
            ui.line(&format!("  model          {} at {host}, which may cost money", openai.model));
        }
        ui.line(&format!("  dashboard      {}", stage.server.login_link()));
        ui.line("                 (the link works once)");
        ui.line("");
    }
}
