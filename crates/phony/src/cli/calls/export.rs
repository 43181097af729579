//! `phony calls export`.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::FilterParams;
use crate::cli::api::Api;
use crate::history::{Export, Form, History};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    filter: FilterParams,
    /// jsonl: a JSON object a line, all there is about a call; csv: a table; txt: what was said
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
    /// Into this file, which must not be there yet [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
    Txt,
}

/// From a running server.
pub(super) async fn export(api: &Api, arguments: &Arguments) -> anyhow::Result<()> {
    let mut query = arguments.filter.query();
    let format = match arguments.format {
        Format::Jsonl => "jsonl",
        Format::Csv => "csv",
        Format::Txt => "txt",
    };
    query.push(("format", format));
    let mut answer = api.stream(&["calls", "export"], &query).await?;
    let mut out = arguments.open()?;
    while let Some(part) = answer.chunk().await.context("the server broke off")? {
        out.write_all(&part)?;
    }
    Ok(out.flush()?)
}

/// From the data folder.
pub(super) async fn offline(history: History, arguments: &Arguments) -> anyhow::Result<()> {
    let filter = arguments.filter.filter()?;
    let form = match arguments.format {
        Format::Jsonl => Form::JsonLines,
        Format::Csv => Form::Csv,
        Format::Txt => Form::Text,
    };
    let mut export = Export::new(history, form, filter);
    let mut out = arguments.open()?;
    while let Some(part) = export.next().await {
        let part = part.map_err(|error| anyhow::anyhow!(error.chain()))?;
        out.write_all(part.as_bytes())?;
    }
    Ok(out.flush()?)
}

impl Arguments {
    fn open(&self) -> anyhow::Result<Box<dyn Write + Send>> {
        let Some(path) = &self.output else { return Ok(Box::new(io::stdout())) };
        let mut options = File::options();
        options.write(true).create_new(true);
        // What people said is for its owner alone.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path);
        let file = file.with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Box::new(io::BufWriter::new(file)))
    }
}
