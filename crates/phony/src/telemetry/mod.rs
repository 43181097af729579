//! Logs and metrics.
//!
//! The log is one JSON object per line, to stdout and `call.log`: `timestamp`, `level`, `event`,
//! `callSid`, then fields. Writing never delays a call: lines go to a thread through a bounded
//! queue, and are dropped and counted when it is full. Secrets are never logged; phone numbers are
//! masked here once more, whatever the code that logs them does.

mod call_scope;
mod log_layer;
mod masking;

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

pub use call_scope::in_call;
pub use log_layer::LogLayer;
pub use masking::mask_numbers;

use crate::config::LogSettings;
use crate::data_dir::{explained, private};

/// Lines that may be queued for the disk.
const QUEUE: usize = 8192;

/// Keeps the log running; dropping it writes what is left.
#[derive(Debug)]
pub struct LogGuard {
    queue: Option<SyncSender<String>>,
    writer: Option<JoinHandle<()>>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            // An empty line stops the writer, since the global subscriber holds a sender for ever.
            drop(queue.send(String::new()));
        }
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

/// Starts the log of this process: to `file` if one is given, and to stdout if asked.
///
/// If a log was started before, as in tests, that one stays, and this one writes nothing.
pub fn start(settings: LogSettings, file: Option<&Path>, stdout: bool) -> io::Result<LogGuard> {
    let file = file.map(append_to).transpose()?.map(BufWriter::new);
    let (queue, lines) = sync_channel::<String>(QUEUE);
    let writer = std::thread::Builder::new()
        .name("phony-log".into())
        .spawn(move || write_lines(&lines, file, stdout))?;
    let sender = queue.clone();
    let sink = move |line: String| {
        if sender.try_send(line).is_err() {
            metrics::counter!("phony_log_lines_dropped_total").increment(1);
        }
    };
    let subscriber = tracing_subscriber::registry().with(layer(settings, Arc::new(sink)));
    drop(tracing::subscriber::set_global_default(subscriber));
    std::panic::set_hook(Box::new(|panic| {
        // The message may contain a caller's words; the location is enough to find the fault.
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(at, "a task panicked");
    }));
    Ok(LogGuard { queue: Some(queue), writer: Some(writer) })
}

/// The layer that formats events as lines, and passes them to `sink`.
pub fn layer<S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>>(
    settings: LogSettings,
    sink: Arc<dyn Fn(String) + Send + Sync>,
) -> impl tracing_subscriber::Layer<S> {
    let level = if settings.debug { Level::DEBUG } else { Level::INFO };
    let wanted = Targets::new().with_default(Level::WARN).with_target("phony", level);
    LogLayer::new(settings, sink).with_filter(wanted)
}

/// The metrics of this process, for Prometheus.
pub fn metrics_handle() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&[0.0001, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
            .unwrap_or_else(|_| PrometheusBuilder::new())
            .build_recorder();
        let handle = recorder.handle();
        drop(metrics::set_global_recorder(recorder));
        handle
    })
}

/// An error and its causes in one line.
#[must_use]
pub fn report(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = private(options.create(true).append(true)).open(path);
    file.map_err(|error| explained(path, &error))
}

fn write_lines(lines: &Receiver<String>, mut file: Option<BufWriter<File>>, stdout: bool) {
    let mut out = stdout.then(|| BufWriter::new(io::stdout()));
    loop {
        let line = match lines.try_recv() {
            Ok(line) => line,
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                flush(file.as_mut());
                flush(out.as_mut());
                let Ok(line) = lines.recv() else { return };
                line
            }
        };
        if line.is_empty() {
            flush(file.as_mut());
            flush(out.as_mut());
            return;
        }
        // A full disk or a closed pipe must not stop the server; the line is lost.
        if let Some(file) = &mut file {
            drop(writeln!(file, "{line}"));
        }
        if let Some(out) = &mut out {
            drop(writeln!(out, "{line}"));
        }
    }
}

fn flush(out: Option<&mut impl Write>) {
    if let Some(out) = out {
        drop(out.flush());
    }
}
