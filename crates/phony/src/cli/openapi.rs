//! `phony openapi`: prints the contents of `openapi.json`.

use std::io::Write as _;

/// Prints the description of the HTTP API.
pub(super) fn run() -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(&crate::server::openapi())?;
    writeln!(std::io::stdout(), "{json}")?;
    Ok(())
}
