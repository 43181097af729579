//! Requests that Twilio posts.

use phony_wire::twilio::webhook::{
    AmdResult, AnsweredBy, CallStatus, CallStatusUpdate, DialResult, DialStatus, Form, SessionEnd,
    SessionStatus, VoiceRequest,
};

#[test]
fn an_inbound_call_is_read_and_every_pair_is_kept_for_the_signature() {
    let form = Form::parse(
        b"CallSid=CA1&AccountSid=AC1&From=%2B14155550100&To=%2B14155550101&CallStatus=ringing\
          &Direction=inbound&CallerName=&StirVerstat=TN-Validation-Passed-B-Diverted&New=a+b&New=c",
    );
    let call = VoiceRequest::from_form(&form);
    assert_eq!(call.from, "+14155550100");
    assert_eq!(call.call_status, CallStatus::Ringing);
    assert_eq!(call.attestation(), Some('B'));
    assert_eq!(call.answered_by, AnsweredBy::default());
    assert_eq!(form.pairs().len(), 10);
    assert_eq!(form.all("New").collect::<Vec<_>>(), ["a b", "c"]);
}

#[test]
fn the_end_of_a_session_says_how_and_why() {
    let form = Form::parse(
        b"CallSid=CA1&CallStatus=in-progress&SessionId=VX1&SessionStatus=failed\
          &SessionDuration=12&ErrorCode=64105&ErrorMessage=Websocket+ended",
    );
    let end = SessionEnd::from_form(&form);
    assert_eq!(end.session_status, SessionStatus::Failed);
    assert_eq!(end.session_duration_s, Some(12));
    assert_eq!((end.error_code.as_str(), end.error_message.as_str()), ("64105", "Websocket ended"));
    assert!(end.handoff_data.is_empty());
}

#[test]
fn a_status_of_tomorrow_is_kept_as_a_word() {
    let update = CallStatusUpdate::from_form(&Form::parse(b"CallStatus=teleported"));
    assert_eq!(update.call_status, CallStatus::Other("teleported".to_owned()));
    assert!(!update.call_status.is_final());
    assert!(CallStatus::NoAnswer.is_final() && !CallStatus::InProgress.is_final());
    assert!(AnsweredBy::parse("machine_of_tomorrow").is_machine());
    assert!(!AnsweredBy::Unknown.is_machine());
}

#[test]
fn a_stand_in_posts_what_a_server_reads() {
    let update = CallStatusUpdate {
        call_sid: "CA1".to_owned(),
        account_sid: "AC1".to_owned(),
        from: "+14155550100".to_owned(),
        to: "+14155550101".to_owned(),
        direction: "outbound-api".to_owned(),
        call_status: CallStatus::Busy,
        sequence_number: Some(2),
        call_duration_s: Some(0),
        timestamp: "Mon, 23 Nov 2026 02:00:00 +0000".to_owned(),
        sip_response_code: Some(486),
        callback_source: "call-progress-events".to_owned(),
        answered_by: AnsweredBy::MachineStart,
    };
    let body = update.to_form().encode();
    assert!(body.contains("From=%2B14155550100"), "{body}");
    assert_eq!(CallStatusUpdate::from_form(&Form::parse(body.as_bytes())), update);

    let amd = AmdResult {
        call_sid: "CA1".to_owned(),
        answered_by: AnsweredBy::Fax,
        machine_detection_ms: Some(2400),
        ..AmdResult::default()
    };
    assert_eq!(AmdResult::from_form(&amd.to_form()), amd);
    let dial = DialResult {
        call_sid: "CA1".to_owned(),
        dial_call_status: DialStatus::NoAnswer,
        dial_bridged: Some(false),
        ..DialResult::default()
    };
    assert_eq!(DialResult::from_form(&dial.to_form()), dial);
}

#[test]
fn numbers_that_are_none_are_absent() {
    let update = CallStatusUpdate::from_form(&Form::parse(
        b"SequenceNumber=&CallDuration=soon&SipResponseCode=486.0",
    ));
    assert_eq!(update.sequence_number, None);
    assert_eq!(update.call_duration_s, None);
    assert_eq!(update.sip_response_code, Some(486));
}

#[test]
fn any_bytes_are_a_form() {
    for body in [&b""[..], b"&&==&", b"a", b"%", b"%ZZ=%", b"\xFF\xFE=\x00", b"a=b=c"] {
        let form = Form::parse(body);
        assert_eq!(Form::parse(form.encode().as_bytes()), form);
    }
    assert_eq!(Form::parse(b"a=b=c").get("a"), Some("b=c"));
}

#[test]
fn debug_output_shows_no_values() {
    let shown = format!("{:?}", Form::parse(b"From=%2B14155550100&SpeechResult=secret"));
    assert_eq!(shown, r#"["From", "SpeechResult"]"#);
}
