//! A sandbox with a configuration of its own.

use phony::config::{Config, Sources};
use phony::sandbox::{Sandbox, SandboxOptions, TempFolder};

/// A configuration that reads nothing from this machine.
pub(crate) fn config(folder: &TempFolder) -> Config {
    let flags = vec![
        ("data_dir", folder.path().display().to_string()),
        ("port", "0".to_owned()),
        ("admin_token", "a-token-of-the-tests".to_owned()),
    ];
    Config::from_sources(Sources { flags, ..Sources::default() }).expect("a configuration")
}

pub(crate) async fn sandbox(options: SandboxOptions) -> Sandbox {
    Sandbox::start(options).await.expect("a sandbox")
}
