//! The bodies of the fuzz targets: what must hold for any input.
//!
//! They are part of this crate so that they compile with every build and run over their corpora as
//! ordinary tests; `fuzz/` only calls them.

use std::borrow::Cow;

use crate::openai::realtime::{ServerEvent, of_error};
use crate::twilio::twiml::Twiml;
use crate::twilio::webhook::{
    AmdResult, CallStatusUpdate, DialResult, Form, SessionEnd, VoiceRequest,
};
use crate::twilio::{media, relay, rest, signature};

/// The body of a target.
pub type Target = fn(&[u8]);

/// Every target, by the name of its folder in `fuzz/corpus`.
pub const TARGETS: &[(&str, Target)] = &[
    ("realtime_server", realtime_server),
    ("relay_from_twilio", relay_from_twilio),
    ("relay_to_twilio", relay_to_twilio),
    ("signature_url", signature_url),
    ("twiml_parse", twiml_parse),
    ("webhook_form", webhook_form),
];

/// Runs every target over the same bytes.
pub fn all(data: &[u8]) {
    for (_, body) in TARGETS {
        body(data);
    }
}

/// What is parsed from Twilio survives being written and parsed again.
pub fn relay_from_twilio(data: &[u8]) {
    let text = text(data);
    if let Ok(frame) = relay::FromTwilio::parse(&text) {
        assert_eq!(relay::FromTwilio::parse(&frame.to_json()).as_ref(), Ok(&frame));
    }
    if let Ok(frame) = media::FromTwilio::parse(&text) {
        let mut out = String::new();
        frame.write(&media::Start::default(), 1, &mut out);
        assert!(media::FromTwilio::parse(&out).is_ok());
    }
}

/// What a stand-in accepts survives being written and parsed again.
pub fn relay_to_twilio(data: &[u8]) {
    let text = text(data);
    if let Ok(frame) = relay::ToTwilio::parse(&text) {
        assert_eq!(relay::ToTwilio::parse(&frame.to_json()).as_ref(), Ok(&frame));
    }
    if let Ok((stream, frame)) = media::ToTwilio::parse(&text) {
        let mut out = String::new();
        frame.write(&stream, &mut out);
        assert_eq!(media::ToTwilio::parse(&out), Ok((stream.clone(), frame.clone())));
    }
}

/// Any input is an event or an error.
pub fn realtime_server(data: &[u8]) {
    if let Ok(ServerEvent::Error(error)) = ServerEvent::parse(&text(data)) {
        let _severity = of_error(&error);
    }
}

/// Any body is a form, its views survive being written and parsed again, and any response of the
/// REST API is parsed or refused.
pub fn webhook_form(data: &[u8]) {
    let form = Form::parse(data);
    assert_eq!(Form::parse(form.encode().as_bytes()), form);
    let call = VoiceRequest::from_form(&form);
    assert_eq!(VoiceRequest::from_form(&call.to_form()), call);
    let update = CallStatusUpdate::from_form(&form);
    assert_eq!(CallStatusUpdate::from_form(&update.to_form()), update);
    let end = SessionEnd::from_form(&form);
    assert_eq!(SessionEnd::from_form(&end.to_form()), end);
    let _attestation = (call.attestation(), AmdResult::from_form(&form));
    let _dial = DialResult::from_form(&form);
    let text = text(data);
    let _refusal = rest::RestError::parse(500, &text).to_string();
    let _calls = (rest::Call::parse(&text), rest::Page::<rest::Call>::parse(&text));
}

/// What is understood of a document survives being written and parsed again.
pub fn twiml_parse(data: &[u8]) {
    if let Ok(parsed) = Twiml::parse(&text(data)) {
        let xml = parsed.twiml.to_xml();
        let again = Twiml::parse(&xml).expect("our own text can be read");
        assert_eq!(again.twiml, parsed.twiml);
        assert!(again.unknown.is_empty(), "{:?}", again.unknown);
    }
}

/// Input lines are a token, a URL and the pairs of a form. A signature is accepted with its own
/// token and no other.
pub fn signature_url(data: &[u8]) {
    let text = text(data);
    let mut lines = text.lines();
    let (token, url) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let pairs: Vec<_> = lines.filter_map(|line| line.split_once('=')).collect();
    let signed = signature::sign(token, url, &pairs);
    assert!(signature::verify_form(token, &signed, url, &pairs));
    assert!(!signature::verify_form(&format!("{token}x"), &signed, url, &pairs));
    let _any = signature::verify_form(token, url, url, &pairs);
    let _any = signature::verify_json(token, &signed, url, text.as_bytes());
    let _any = signature::verify_upgrade(token, &signed, &[url, ""], url);
    assert!(signature::upgrade_candidates(&[url], url).len() <= 24);
}

fn text(data: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(data)
}
