//! The sockets of the phone network, both directions.

use std::collections::BTreeMap;

use phony_wire::twilio::media;
use phony_wire::twilio::relay::{FromTwilio, Info, ToTwilio};
use phony_wire::{BadFrame, Problem};

use crate::fixtures;

#[test]
fn relay_frames_of_twilio_are_written_as_twilio_writes_them() {
    for (name, text) in fixtures::all("relay/from_twilio") {
        let frame = FromTwilio::parse(&text).expect("a real frame");
        assert!(!matches!(frame, FromTwilio::Other { .. }), "{name} is known");
        assert_eq!(frame.to_json(), text, "{name}");
    }
}

#[test]
fn relay_frames_to_twilio_are_written_as_documented_and_understood() {
    for (name, text) in fixtures::all("relay/to_twilio") {
        let frame = ToTwilio::parse(&text).unwrap_or_else(|bad| panic!("{name}: {bad}"));
        let mut out = "kept ".to_owned();
        frame.write(&mut out);
        assert_eq!(out, format!("kept {text}"), "{name}");
    }
}

#[test]
fn a_setup_carries_the_call_and_its_parameters() {
    let text = fixtures::one("relay/from_twilio", "setup");
    let Ok(FromTwilio::Setup(setup)) = FromTwilio::parse(&text) else { panic!("a setup") };
    assert_eq!(setup.from, "+18005550100");
    assert_eq!(setup.call_status, "RINGING");
    assert!(!setup.is_outbound());
    let parameters = [("callReference", "bar"), ("token", "t0p")];
    let parameters = parameters.map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(setup.custom_parameters, BTreeMap::from(parameters));
}

#[test]
fn parameters_that_are_not_strings_keep_their_text() {
    let text = r#"{"type":"setup","direction":"OUTBOUND-API","customParameters":{"n":1,"b":true,"z":null,"o":{"a":[1]}}}"#;
    let Ok(FromTwilio::Setup(setup)) = FromTwilio::parse(text) else { panic!("a setup") };
    let values: Vec<_> = setup.custom_parameters.values().map(String::as_str).collect();
    assert_eq!(values, ["true", "1", r#"{"a":[1]}"#, ""]);
    assert!(setup.is_outbound());
}

#[test]
fn numbers_may_be_strings_and_strings_numbers() {
    for spelling in ["460", "\"460\"", "460.9", "\"460.9\"", " 4.6e2"] {
        let text = format!(r#"{{"type":"interrupt","durationUntilInterruptMs":{spelling}}}"#);
        let Ok(FromTwilio::Interrupt { duration_until_interrupt_ms, .. }) =
            FromTwilio::parse(&text)
        else {
            panic!("an interrupt: {text}")
        };
        assert_eq!(duration_until_interrupt_ms, Some(460), "{text}");
    }
    let digit = FromTwilio::parse(r#"{"digit":5,"type":"dtmf"}"#);
    assert_eq!(digit, Ok(FromTwilio::Dtmf { digit: "5".to_owned() }));
    let last = FromTwilio::parse(r#"{"type":"prompt","voicePrompt":"x","last":"false"}"#);
    assert!(matches!(last, Ok(FromTwilio::Prompt { last: false, .. })));
    let absent = FromTwilio::parse(r#"{"type":"prompt","voicePrompt":"x"}"#);
    assert!(matches!(absent, Ok(FromTwilio::Prompt { last: true, .. })));
}

#[test]
fn a_frame_of_an_unknown_kind_is_named_and_kept_out_of_the_way() {
    let frame = FromTwilio::parse(r#"{"type":"eagerEndOfTurn","x":[1,2]}"#);
    assert_eq!(frame, Ok(FromTwilio::Other { kind: "eagerEndOfTurn".to_owned() }));
    let info = FromTwilio::parse(r#"{"type":"info","name":"configUpdated","value":{"a":1}}"#);
    let other = Info::Other { name: "configUpdated".to_owned(), value: r#"{"a":1}"#.to_owned() };
    assert_eq!(info, Ok(FromTwilio::Info(other)));
    let unclear = FromTwilio::parse(r#"{"type":"info","name":"agentSpeaking","value":"perhaps"}"#);
    assert!(matches!(unclear, Ok(FromTwilio::Info(Info::Other { .. }))));
}

#[test]
fn half_a_surrogate_pair_costs_a_character_and_not_the_sentence() {
    let frame = FromTwilio::parse(r#"{"type":"prompt","voicePrompt":"I \ud83d am","lang":"en"}"#);
    let Ok(FromTwilio::Prompt { voice_prompt, .. }) = frame else { panic!("a prompt") };
    assert_eq!(voice_prompt, "I \u{fffd} am");
}

#[test]
fn the_last_of_two_members_of_one_name_counts() {
    let frame = FromTwilio::parse(r#"{"type":"dtmf","digit":"1","digit":"2"}"#);
    assert_eq!(frame, Ok(FromTwilio::Dtmf { digit: "2".to_owned() }));
}

#[test]
fn what_is_not_an_object_with_a_type_is_a_bad_frame() {
    for text in ["", "null", "[]", "\"setup\"", "{", "{}x", "Connection: keep-alive", "{\"type\""] {
        assert_eq!(FromTwilio::parse(text), Err(BadFrame::NotAnObject), "{text}");
    }
    for text in ["{}", r#"{"type":null}"#, r#"{"type":1}"#, r#"{"Type":"setup"}"#] {
        assert_eq!(FromTwilio::parse(text), Err(BadFrame::NoKind { key: "type" }), "{text}");
    }
}

#[test]
fn the_stand_in_is_as_strict_as_twilio() {
    let bad = |text: &str| ToTwilio::parse(text).expect_err(text);
    let field = |kind, field, problem| BadFrame::Field { kind, field, problem };
    assert_eq!(bad(r#"{"foo":"bar"}"#), BadFrame::NoKind { key: "type" });
    let unknown = BadFrame::UnknownKind { kind: "interrupt".to_owned() };
    assert_eq!(bad(r#"{"type":"interrupt"}"#), unknown);
    assert_eq!(bad(r#"{"type":"text"}"#), field("text", "token", Problem::Missing));
    let wrong = field("text", "token", Problem::WrongType);
    assert_eq!(bad(r#"{"type":"text","token":5}"#), wrong);
    let wrong = field("text", "last", Problem::WrongType);
    assert_eq!(bad(r#"{"type":"text","token":"a","last":"true"}"#), wrong);
    assert_eq!(bad(r#"{"type":"play"}"#), field("play", "source", Problem::Missing));
    let wrong = field("play", "loop", Problem::WrongType);
    assert_eq!(bad(r#"{"type":"play","source":"https://h/x.mp3","loop":-1}"#), wrong);
    let wrong = field("sendDigits", "digits", Problem::WrongValue);
    assert_eq!(bad(r#"{"type":"sendDigits","digits":"12a"}"#), wrong);
    let missing = field("language", "ttsLanguage", Problem::Missing);
    assert_eq!(bad(r#"{"type":"language"}"#), missing);
    let wrong = field("end", "handoffData", Problem::WrongType);
    assert_eq!(bad(r#"{"type":"end","handoffData":{"reason":"x"}}"#), wrong);
    let unmarked = ToTwilio::parse(r#"{"type":"text","token":"a"}"#);
    assert_eq!(unmarked, Ok(ToTwilio::text("a", false)));
}

#[test]
fn an_error_repeats_nothing_but_a_short_name() {
    let secret = format!(r#"{{"type":"{}","token":"my card is 4111"}}"#, "x".repeat(500));
    let message = ToTwilio::parse(&secret).expect_err("an unknown kind").to_string();
    assert!(message.len() < 80 && !message.contains("4111"), "{message}");
}

#[test]
fn media_frames_of_twilio_are_written_as_twilio_writes_them() {
    let text = fixtures::one("media/from_twilio", "start");
    let Ok(media::FromTwilio::Start(start)) = media::FromTwilio::parse(&text) else {
        panic!("a start")
    };
    assert_eq!(start.tracks, ["inbound"]);
    assert_eq!((start.sample_rate, start.channels), (Some(8000), Some(1)));
    assert_eq!(start.custom_parameters["token"], "t0p");
    for (name, text) in fixtures::all("media/from_twilio") {
        let frame = media::FromTwilio::parse(&text).expect("a real frame");
        let numbers = [("start", 1), ("media", 3), ("mark", 4), ("dtmf", 5), ("stop", 9)];
        let number = numbers.iter().find(|(kind, _)| *kind == name).map_or(0, |(_, n)| *n);
        let mut out = String::new();
        frame.write(&start, number, &mut out);
        assert_eq!(out, text, "{name}");
    }
}

#[test]
fn media_frames_to_twilio_are_written_as_documented_and_understood() {
    for (name, text) in fixtures::all("media/to_twilio") {
        let (stream, frame) = media::ToTwilio::parse(&text).expect("a real frame");
        let mut out = String::new();
        frame.write(&stream, &mut out);
        assert_eq!(out, text, "{name}");
    }
}

#[test]
fn audio_is_encoded_in_its_frame() {
    for (length, stream) in [(0, "MZ1"), (160, "MZ1"), (161, "a \"stream\""), (8000, "MZ1")] {
        let audio: Vec<u8> = (0..length).map(|n: usize| n.to_le_bytes()[0]).collect();
        let (mut whole, mut in_place) = (String::new(), String::new());
        let payload = media::encode_audio(&audio).into();
        media::ToTwilio::Media { payload }.write(stream, &mut whole);
        media::write_audio(stream, &audio, &mut in_place);
        assert_eq!(in_place, whole, "{length}");
    }
}

#[test]
fn the_stand_in_for_media_is_as_strict_as_twilio() {
    for text in [
        r#"{"event":"media","media":{"payload":"AAAA"}}"#,
        r#"{"event":"media","streamSid":"MZ1","media":{}}"#,
        r#"{"event":"media","streamSid":"MZ1","media":{"payload":"no base64!"}}"#,
        r#"{"event":"mark","streamSid":"MZ1"}"#,
        r#"{"event":"mark","streamSid":"MZ1","mark":{"name":7}}"#,
        r#"{"event":"clear"}"#,
        r#"{"event":"dtmf","streamSid":"MZ1"}"#,
        r#"{"type":"clear","streamSid":"MZ1"}"#,
    ] {
        assert!(media::ToTwilio::parse(text).is_err(), "{text}");
    }
}

#[test]
fn audio_is_borrowed_from_the_frame_and_decoded_on_demand() {
    let text = fixtures::one("media/from_twilio", "media");
    let Ok(media::FromTwilio::Media { payload, timestamp_ms, .. }) =
        media::FromTwilio::parse(&text)
    else {
        panic!("media")
    };
    assert!(matches!(payload, std::borrow::Cow::Borrowed(_)));
    assert_eq!(timestamp_ms, Some(5));
    let audio = media::decode_audio(&payload).expect("it is base64");
    assert_eq!(audio.len(), 160);
    assert_eq!(audio.len() / media::BYTES_PER_MS, 20);
    assert_eq!(media::encode_audio(&audio), payload);
    assert_eq!(media::decode_audio("=?"), Err(BadFrame::NotBase64));
}
