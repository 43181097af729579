//! What happens, as lines.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::masking::mask_numbers;
use crate::config::{LogFormat, LogSettings};

/// A layer that writes one line an event. Fields of the spans around it are fields of the line.
pub struct Lines {
    settings: LogSettings,
    sink: Arc<dyn Fn(String) + Send + Sync>,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Lines {
    /// Lines go to `sink` as they are made; it must not block.
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

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut Collector { fields: &mut fields, whole: self.settings.numbers });
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(OfSpan(fields.0.into_iter().collect()));
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(of_span) = span.extensions_mut().get_mut::<OfSpan>()
        {
            let mut fields = Fields::default();
            record.record(&mut Collector { fields: &mut fields, whole: self.settings.numbers });
            of_span.0.extend(fields.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(of_span) = span.extensions().get::<OfSpan>() {
                fields.0.extend(of_span.0.clone());
            }
        }
        event.record(&mut Collector { fields: &mut fields, whole: self.settings.numbers });
        (self.sink)(self.line(event.metadata().level().as_str(), fields));
    }
}

/// Names and values of one span, the newest last. A call has one for all its time: it is small.
#[derive(Debug)]
struct OfSpan(Vec<(String, Value)>);

/// Names and values of one event.
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
}

impl Visit for Collector<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = if self.whole { value.into() } else { mask_numbers(value) };
        self.put(field, value.into_owned());
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
