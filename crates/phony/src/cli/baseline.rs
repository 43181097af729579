//! `phony floor`: a proxy that only copies; the baseline of `phony load`.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;

use phony_simulator::baseline;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The URL of the model's socket, `ws://…`
    model: String,
}

/// Copies until it is killed.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (addr, serving) = baseline::listen(any, arguments.model).await?;
        writeln!(std::io::stderr(), "The baseline listens on {addr}")?;
        Ok(serving.await?)
    })
}
