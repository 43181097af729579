//! TwiML: the XML that tells Twilio what to do with a call.
//!
//! Written with an XML writer, so text of any kind is safe in it, and read by a stand-in that
//! follows it. Sources: Twilio, "TwiML for Programmable Voice" and the page of each verb. Names are
//! case-sensitive, and Twilio ignores those it does not know, so a typo goes unnoticed:
//! [`Twiml::parse`] therefore lists what it did not understand.

mod attribute;
mod element;
mod relay;
mod verbs;

pub use attribute::{BadAttribute, Inputs};
use element::Element;
pub use relay::{Language, Relay, RelayOptions, Stream, WssUrl};
pub use verbs::{
    Connect, ConnectTo, Dial, DialOptions, Number, NumberOptions, Pause, Play, Recording, Redirect,
    Say, SayOptions, Verb,
};

/// A document: verbs that are carried out one after another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Twiml {
    /// The verbs. Without any, the call ends.
    pub verbs: Vec<Verb>,
}

/// A document and what was not understood in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// What was understood.
    pub twiml: Twiml,
    /// Unknown elements and attributes and unreadable values, as `Say@volume` or `Enqueue`.
    pub unknown: Vec<String>,
}

/// Why a document cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TwimlError {
    /// It is not XML (Twilio, "Error 12100: document parse failure").
    #[error("not well-formed XML near byte {at}")]
    NotXml {
        /// Where reading stopped.
        at: u64,
    },
    /// Elements are nested too deeply.
    #[error("nested too deeply")]
    TooDeep,
    /// The outermost element is not `<Response>`.
    #[error("no <Response>")]
    NoResponse,
    /// The address of a relay or stream is missing or not usable.
    #[error("the url of <{element}> does not begin with wss://, or is not a URL")]
    Url {
        /// The element.
        element: &'static str,
    },
}

impl Twiml {
    /// A document without verbs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a verb.
    #[must_use]
    pub fn then(mut self, verb: impl Into<Verb>) -> Self {
        self.verbs.push(verb.into());
        self
    }

    /// The document as text, with its XML declaration. Characters that XML cannot hold are removed.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut response = Element::new("Response");
        response.children = self.verbs.iter().map(Verb::to_element).collect();
        response.to_document()
    }

    /// Parses a document. What is unknown is skipped and listed; what Twilio refuses is an error.
    pub fn parse(xml: &str) -> Result<Parsed, TwimlError> {
        let mut response = Element::parse(xml)?;
        if response.name != "Response" {
            return Err(TwimlError::NoResponse);
        }
        let mut unknown = Vec::new();
        let mut verbs = Vec::new();
        for child in std::mem::take(&mut response.children) {
            verbs.extend(Verb::from_element(child, &mut unknown)?);
        }
        response.report(&mut unknown);
        Ok(Parsed { twiml: Self { verbs }, unknown })
    }
}

#[cfg(test)]
mod tests;
