//! TwiML documents, and how they are fetched.

use phony_wire::twilio::twiml::{Parsed, Twiml};
use phony_wire::twilio::webhook::Form;
use url::Url;

use super::calls::{CallCell, Source};
use super::network::Network;
use super::webhooks::Request;

/// A document, and the URL that it came from.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) twiml: Twiml,
    pub(crate) base: Option<Url>,
}

impl Document {
    /// The source that a URL in this document names.
    pub(crate) fn source(&self, url: &str, method: Option<&str>) -> Source {
        Source::Url { url: self.absolute(url), method: method.unwrap_or("POST").to_owned() }
    }

    /// Resolves a URL of this document. An absolute one stays as it is written, because the
    /// signature covers its text.
    pub(crate) fn absolute(&self, url: &str) -> String {
        if url.contains("://") {
            return url.to_owned();
        }
        let joined = self.base.as_ref().and_then(|base| base.join(url).ok());
        joined.map_or_else(|| url.to_owned(), Into::into)
    }
}

/// Fetches a document, or parses an inline one. `None` if it cannot be used; the record says why.
pub(crate) async fn fetch(
    net: &Network,
    cell: &CallCell,
    purpose: &str,
    source: &Source,
    extra: Form,
) -> Option<Document> {
    let (url, method) = match source {
        Source::Inline(twiml) => {
            let parsed = Twiml::parse(twiml).ok()?;
            return Some(Document { twiml: parsed.twiml, base: None });
        }
        Source::Url { url, method } => (url.clone(), method.clone()),
    };
    let mut form = net.voice_request(cell).to_form();
    form.append(extra);
    let answer = net.ask(cell, purpose, Request { url, method, form }).await?;
    let parsed = if answer.body.trim().is_empty() {
        Ok(Parsed::default())
    } else {
        Twiml::parse(&answer.body)
    };
    let unknown = parsed.as_ref().map(|parsed| parsed.unknown.clone());
    cell.update(|record| {
        let Some(webhook) = record.webhooks.iter_mut().rev().find(|w| w.purpose == purpose) else {
            return;
        };
        match unknown {
            Ok(unknown) => webhook.unknown = unknown,
            Err(error) => webhook.error = Some(error.to_string()),
        }
    });
    Some(Document { twiml: parsed.ok()?.twiml, base: Url::parse(&answer.url).ok() })
}
