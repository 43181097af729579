//! `phony doctor`.

use anyhow::bail;
use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use url::Url;

use super::ui::{Style, Ui, clean};
use super::{Settings, api, block_on};
use crate::config::ConfigError;
use crate::doctor::{self, Finding, Level};

/// Look for what keeps calls from working, and print how to fix it.
///
/// Fetches the account at Twilio, opens a session with the model (nothing is generated), sends a
/// signed request to the public name, and looks at the data folder. Changes nothing. Exits with 1
/// if calls would not work.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    /// The address of the public name from this machine [default: `https://HOST`]
    #[arg(long, value_name = "URL", value_parser = api::server_url)]
    public_at: Option<Url>,
}

pub(super) fn run(settings: Settings, arguments: Arguments) -> anyhow::Result<()> {
    let ui = Ui::new();
    let findings = match settings.load() {
        Ok(config) => block_on(async {
            let doctor = doctor::Doctor::new(&config, wall).public_at(arguments.public_at);
            Ok(Box::pin(doctor.examine()).await)
        })?,
        Err(error) => doctor::of_configuration(&error.downcast::<ConfigError>()?),
    };
    if arguments.json {
        ui.print_line(&serde_json::to_string_pretty(&json!({ "findings": findings }))?);
    } else {
        for line in lines(ui, &findings) {
            ui.print_line(&line);
        }
    }
    match findings.iter().filter(|finding| finding.level == Level::Fail).count() {
        0 => Ok(()),
        1 => bail!("calls do not work: one thing must be mended first"),
        count => bail!("calls do not work: {count} things must be mended first"),
    }
}

fn lines(ui: Ui, findings: &[Finding]) -> Vec<String> {
    let mut lines = Vec::new();
    for finding in findings {
        let (mark, style) = match finding.level {
            Level::Ok => ("ok  ", Style::Agent),
            Level::Warn => ("look", Style::Event),
            Level::Fail => ("FAIL", Style::Bad),
        };
        let detail = clean(&finding.detail);
        lines.push(format!("{} {:<16} {detail}", ui.paint(style, mark), finding.title));
        let mend = finding.mend.as_deref().filter(|mend| !mend.is_empty());
        lines.extend(mend.map(|mend| {
            format!("{:21} {}", "", ui.paint(Style::Faint, &format!("→ {}", clean(mend))))
        }));
    }
    lines
}

#[expect(clippy::disallowed_methods, reason = "the doctor examines the clock of this machine")]
fn wall() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_followed_by_what_to_do() {
        let findings = [
            Finding::ok("disk", "Data folder", "fine"),
            Finding::fail("model", "Model", "gone\u{1b}[2J", "Take another."),
        ];
        let lines = lines(Ui::plain(), &findings);
        assert_eq!(lines[0], "ok   Data folder      fine");
        assert_eq!(lines[1], "FAIL Model            gone[2J");
        assert_eq!(lines[2].trim(), "→ Take another.");
    }
}
