//! XML elements as values, between the typed verbs and the text.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesDecl, BytesEnd, BytesRef, BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer, XmlVersion};

use super::TwimlError;
use super::attribute::Attribute;

/// Limit of nesting; TwiML is at most five elements deep.
const MAX_DEPTH: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Self>,
    pub(super) text: String,
}

impl Element {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Sets an attribute, if there is a value.
    pub(super) fn set<T: Attribute>(&mut self, name: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.attributes.push((name.to_owned(), value.to_text()));
        }
    }

    /// Takes an attribute out. One that is invalid stays, to be reported.
    pub(super) fn take<T: Attribute>(&mut self, name: &str) -> Option<T> {
        let at = self.attributes.iter().position(|(key, _)| key == name)?;
        let value = T::from_text(&self.attributes[at].1)?;
        self.attributes.remove(at);
        Some(value)
    }

    /// Takes the children of this name out.
    pub(super) fn take_children(&mut self, name: &str) -> Vec<Self> {
        self.children.extract_if(.., |child| child.name == name).collect()
    }

    /// Lists what is left because it was not taken out.
    pub(super) fn report(&self, unknown: &mut Vec<String>) {
        let name = &self.name;
        unknown.extend(self.attributes.iter().map(|(attribute, _)| format!("{name}@{attribute}")));
        unknown.extend(self.children.iter().map(|child| format!("{name}/{}", child.name)));
    }

    pub(super) fn to_document(&self) -> String {
        let mut writer = Writer::new(Vec::new());
        self.write_document(&mut writer).expect("writing to memory cannot fail");
        String::from_utf8(writer.into_inner()).expect("the writer was given UTF-8 alone")
    }

    fn write_document(&self, writer: &mut Writer<Vec<u8>>) -> std::io::Result<()> {
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        self.write(writer)
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> std::io::Result<()> {
        let mut start = BytesStart::new(self.name.as_str());
        for (name, value) in &self.attributes {
            start.push_attribute((name.as_str(), legal(value).as_str()));
        }
        if self.children.is_empty() && self.text.is_empty() {
            return writer.write_event(Event::Empty(start));
        }
        writer.write_event(Event::Start(start))?;
        if !self.text.is_empty() {
            writer.write_event(Event::Text(BytesText::new(&legal(&self.text))))?;
        }
        for child in &self.children {
            child.write(writer)?;
        }
        writer.write_event(Event::End(BytesEnd::new(self.name.as_str())))
    }

    pub(super) fn parse(xml: &str) -> Result<Self, TwimlError> {
        let mut reader = Reader::from_str(xml);
        // The outermost element becomes the child of an unnamed one.
        let mut open = vec![Self::default()];
        loop {
            let event = reader
                .read_event()
                .map_err(|_| TwimlError::NotXml { at: reader.error_position() })?;
            let bad = || TwimlError::NotXml { at: reader.buffer_position() };
            match event {
                Event::Start(start) => {
                    if open.len() > MAX_DEPTH {
                        return Err(TwimlError::TooDeep);
                    }
                    open.push(Self::read(&start).ok_or_else(bad)?);
                }
                Event::Empty(start) => {
                    let element = Self::read(&start).ok_or_else(bad)?;
                    open.last_mut().ok_or_else(bad)?.children.push(element);
                }
                Event::End(_) => {
                    let element = open.pop().ok_or_else(bad)?;
                    open.last_mut().ok_or_else(bad)?.children.push(element);
                }
                Event::Text(text) => {
                    open.last_mut().ok_or_else(bad)?.text.push_str(&legal(&text.xml10_content()));
                }
                Event::CData(text) => {
                    open.last_mut().ok_or_else(bad)?.text.push_str(&legal(&text.xml10_content()));
                }
                Event::GeneralRef(reference) => {
                    let text = &mut open.last_mut().ok_or_else(bad)?.text;
                    resolve(&reference, text).ok_or_else(bad)?;
                }
                Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_) => {}
                Event::Eof => break,
            }
        }
        let at = reader.buffer_position();
        match <[Self; 1]>::try_from(open) {
            Ok([mut document]) if document.children.len() == 1 && is_blank(&document.text) => {
                document.children.pop().ok_or(TwimlError::NoResponse)
            }
            Ok([document]) if document.children.is_empty() && is_blank(&document.text) => {
                Err(TwimlError::NoResponse)
            }
            _ => Err(TwimlError::NotXml { at }),
        }
    }

    fn read(start: &BytesStart<'_>) -> Option<Self> {
        let mut element = Self::new(start.name().as_ref());
        for attribute in start.attributes() {
            let attribute = attribute.ok()?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
            element.attributes.push((attribute.key.as_ref().to_owned(), legal(&value)));
        }
        Some(element)
    }
}

fn resolve(reference: &BytesRef<'_>, text: &mut String) -> Option<()> {
    if let Some(character) = reference.resolve_char_ref().ok()? {
        if is_legal(character) {
            text.push(character);
        }
    } else {
        text.push_str(resolve_predefined_entity(&reference.xml10_content())?);
    }
    Some(())
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// The text without characters that XML cannot hold.
fn legal(text: &str) -> String {
    text.chars().filter(|c| is_legal(*c)).collect()
}

/// Whether XML 1.0 can hold a character, escaped or not (XML 1.0, 2.2).
fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}
