//! Random input: no parser panics.

use proptest::prelude::*;
use serde_json::Value;

use phony_wire::openai::realtime::{Item, ServerEvent};
use phony_wire::twilio::relay::ToTwilio;
use phony_wire::twilio::signature::{sign, verify_form, verify_upgrade};
use phony_wire::twilio::twiml::{Relay, Twiml, Verb, WssUrl};
use phony_wire::twilio::webhook::Form;
use phony_wire::{fuzzing, openai};

/// The kinds and names of the real formats, so that random input gets past the first key.
const WORDS: &[&str] = &[
    "type",
    "event",
    "setup",
    "prompt",
    "interrupt",
    "info",
    "name",
    "value",
    "agentSpeaking",
    "customParameters",
    "text",
    "token",
    "last",
    "sendDigits",
    "digits",
    "media",
    "start",
    "payload",
    "response.done",
    "response",
    "usage",
    "output",
    "content",
    "session.created",
    "session",
    "audio",
    "error",
    "item",
    "response.output_text.delta",
    "delta",
    "rate_limits.updated",
    "rate_limits",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(WORDS).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(word(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzzing::all(&bytes);
    }

    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        fuzzing::all(text.as_bytes());
    }

    #[test]
    fn any_json_is_survived(value in json()) {
        fuzzing::all(value.to_string().as_bytes());
    }

    #[test]
    fn any_token_arrives_as_it_was(token in any::<String>(), last: bool) {
        let frame = ToTwilio::text(token, last);
        prop_assert_eq!(ToTwilio::parse(&frame.to_json()), Ok(frame));
    }

    #[test]
    fn any_delta_arrives_as_it_was(delta in any::<String>()) {
        let event = serde_json::json!({ "type": "response.output_text.delta", "delta": delta });
        let event = event.to_string();
        let Ok(ServerEvent::TextDelta(read)) = ServerEvent::parse(&event) else {
            return Err(TestCaseError::fail("not a delta"));
        };
        prop_assert_eq!(read.text, delta);
    }

    #[test]
    fn any_words_of_an_item_are_json(text in any::<String>()) {
        let item = Item::User { id: None, text: text.as_str().into() };
        let body = openai::realtime::ClientBody::ItemCreate { previous_item_id: None, item };
        let json = openai::realtime::ClientEvent::from(body).to_json();
        let value: Value = serde_json::from_str(&json).expect("we write JSON");
        prop_assert_eq!(value.pointer("/item/content/0/text"), Some(&Value::from(text)));
    }

    #[test]
    fn any_text_is_safe_in_twiml(text in any::<String>()) {
        let url = WssUrl::new("wss://h/ws").expect("it begins with wss");
        let relay = Relay::new(url).parameter(text.clone(), text.clone());
        let document = Twiml::new().then(Verb::relay(relay, text.clone())).then(Verb::say(text));
        let parsed = Twiml::parse(&document.to_xml()).expect("we write XML");
        prop_assert_eq!(parsed.unknown, Vec::<String>::new());
        prop_assert_eq!(parsed.twiml.verbs.len(), 2);
    }

    #[test]
    fn a_form_is_signed_in_any_order(
        pairs in proptest::collection::vec((any::<String>(), any::<String>()), 0..6),
        token in any::<String>(),
    ) {
        let url = "https://phone.example/receive_call?x=1";
        let signature = sign(&token, url, &pairs);
        let mut form = Form::default();
        for (name, value) in pairs.iter().rev() {
            form.push(name, value);
        }
        let received = Form::parse(form.encode().as_bytes());
        prop_assert!(verify_form(&token, &signature, url, received.pairs()));
        let other = format!("{token}x");
        prop_assert!(!verify_form(&other, &signature, url, received.pairs()));
    }

    #[test]
    fn an_upgrade_signed_as_configured_is_accepted(path in "/[a-z/]{0,20}(\\?[a-z]=[0-9])?") {
        let signature = sign::<&str, &str>("secret", &format!("wss://phone.example{path}"), &[]);
        prop_assert!(verify_upgrade("secret", &signature, &["phone.example"], &path).is_some());
        prop_assert!(verify_upgrade("secret", &signature, &["phony.example"], &path).is_none());
    }
}
