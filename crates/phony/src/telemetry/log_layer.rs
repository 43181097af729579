//! The layer that formats log events as lines.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::Context;

use super::call_scope::current_call;
use super::masking::mask_numbers;
use crate::config::{LogFormat, LogSettings};

/// A layer that writes one line per event. The call that the current task belongs to is a field of
/// the line; spans are ignored.
pub struct LogLayer {
    settings: LogSettings,
    sink: Arc<dyn Fn(String) + Send + Sync>,
}

impl fmt::Debug for LogLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLayer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl LogLayer {
    /// A layer that passes each line to `sink`, which must not block.
    pub fn new(settings: LogSettings, sink: Arc<dyn Fn(String) + Send + Sync>) -> Self {
        Self { settings, sink }
    }

    fn line(&self, level: &str, mut fields: Fields) -> String {
        let mut time = String::with_capacity(32);
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        let message = fields.0.remove("message").or_else(|| fields.0.remove("event"));
        let event = message.as_ref().and_then(Value::as_str).unwrap_or_default();
        match self.settings.format {
            LogFormat::Json => {
                let time = Value::from(time);
                let mut line = format!("{{\"timestamp\":{time},\"level\":\"{level}\"");
                let call = fields.0.remove("callSid").map(|call| ("callSid".to_owned(), call));
                let first = [("event".to_owned(), Value::from(event))];
                for (name, value) in first.into_iter().chain(call).chain(fields.0) {
                    let _ = write!(line, ",{}:{value}", Value::from(name));
                }
                line.push('}');
                line
            }
            LogFormat::Pretty => {
                let clock = time.get(11..23).unwrap_or(&time);
                let mut line = format!("{clock} {level:<5} {event}");
                for (name, value) in &fields.0 {
                    let plain = value.as_str().filter(|text| !text.contains(char::is_whitespace));
                    let value = plain.map_or_else(|| value.to_string(), str::to_owned);
                    let _ = write!(line, "  {name}={value}");
                }
                line
            }
        }
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        let mut collector = Collector { fields: &mut fields, whole: self.settings.numbers };
        if let Some(call) = current_call() {
            collector.text("callSid", call.as_str());
        }
        event.record(&mut collector);
        (self.sink)(self.line(event.metadata().level().as_str(), fields));
    }
}

/// The names and values of one event.
#[derive(Debug, Default)]
struct Fields(Map<String, Value>);

struct Collector<'a> {
    fields: &'a mut Fields,
    whole: bool,
}

impl Collector<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.fields.0.insert(field.name().to_owned(), value.into());
    }

    fn text(&mut self, name: &str, text: &str) {
        let text = if self.whole { text.into() } else { mask_numbers(text) };
        self.fields.0.insert(name.to_owned(), text.into_owned().into());
    }
}

impl Visit for Collector<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_str(field, &super::report(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
}
