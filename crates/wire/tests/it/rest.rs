//! The REST API.

use phony_wire::twilio::rest::{
    AvailablePhoneNumber, Call, ConfigureNumber, CreateCall, IncomingPhoneNumber, Page, RestError,
    advice,
};
use phony_wire::twilio::webhook::{CallStatus, Form};

#[test]
fn creating_a_call_repeats_the_name_of_its_events() {
    let request = CreateCall {
        to: "+14155550100".to_owned(),
        from: "+14155550101".to_owned(),
        url: Some("https://phone.example/start_call".to_owned()),
        status_callback_event: vec!["ringing".to_owned(), "completed".to_owned()],
        timeout_s: Some(30),
        async_amd: Some(true),
        ..CreateCall::default()
    };
    let body = request.to_form().encode();
    assert_eq!(
        body,
        "To=%2B14155550100&From=%2B14155550101&Url=https%3A%2F%2Fphone.example%2Fstart_call\
         &StatusCallbackEvent=ringing&StatusCallbackEvent=completed&Timeout=30&AsyncAmd=true"
    );
    assert_eq!(CreateCall::from_form(&Form::parse(body.as_bytes())), request);
}

#[test]
fn an_empty_text_clears_a_setting_of_a_number() {
    let change = ConfigureNumber {
        voice_url: Some("https://phone.example/receive_call".to_owned()),
        voice_application_sid: Some(String::new()),
        trunk_sid: Some(String::new()),
        ..ConfigureNumber::default()
    };
    let body = change.to_form().encode();
    assert!(body.ends_with("&VoiceApplicationSid=&TrunkSid="), "{body}");
    assert_eq!(ConfigureNumber::from_form(&Form::parse(body.as_bytes())), change);
}

#[test]
fn a_call_is_read_with_its_numbers_as_text_or_null() {
    let call = Call::parse(
        r#"{"sid":"CA1","status":"completed","duration":"15","price":null,"queue_time":"0",
            "answered_by":null,"from":"+14155550101","to":"+14155550100","direction":"outbound-api",
            "subresource_uris":{}}"#,
    )
    .expect("an object");
    assert_eq!(call.status, CallStatus::Completed);
    assert_eq!(call.duration, Some(15));
    assert_eq!((call.price.as_deref(), call.answered_by.as_deref()), (None, None));
    assert!(Call::parse("<html>bad gateway</html>").is_err());
}

#[test]
fn pages_are_read_as_a_stand_in_writes_them() {
    let number = IncomingPhoneNumber {
        sid: "PN1".to_owned(),
        phone_number: "+14155550101".to_owned(),
        ..IncomingPhoneNumber::default()
    };
    let page = Page { items: vec![number], next_page_uri: Some("/next?Page=1".to_owned()) };
    let json = page.to_json();
    assert!(json.contains(r#""incoming_phone_numbers":[{"#), "{json}");
    assert_eq!(Page::parse(&json), Ok(page));
    let last = Page::<Call>::parse(r#"{"calls":[{"sid":"CA1"},null,7],"next_page_uri":null}"#);
    let last = last.expect("an object");
    assert_eq!((last.items.len(), last.next_page_uri), (3, None));
    let none = Page::<AvailablePhoneNumber>::parse("{}").expect("an object");
    assert_eq!(none, Page::default());
}

#[test]
fn errors_are_read_in_every_form_they_come_in() {
    let own = r#"{"code":21211,"message":"Invalid 'To'","more_info":"https://www.twilio.com/docs/errors/21211","status":400}"#;
    let error = RestError::parse(400, own);
    assert_eq!(error.to_string(), "Twilio answered 400, error 21211: Invalid 'To'");
    assert_eq!(error.to_json(), own);
    assert!(error.advice().is_some_and(|advice| advice.contains("country code")));

    let problem = RestError::parse(
        403,
        r#"{"type":"https://t.example/p","title":"Forbidden","status":403,"code":20003,"detail":"No access"}"#,
    );
    assert_eq!((problem.code, problem.message.as_str()), (Some(20003), "No access"));
    assert_eq!(problem.more_info, "https://t.example/p");

    let page = RestError::parse(502, "<html>secret</html>");
    assert_eq!(page.to_string(), "Twilio answered 502: no reason given");
    assert!(page.advice().is_none());
    assert!(RestError::parse(429, "").is_rate_limit());
    assert!(RestError::parse(404, r#"{"code":null}"#).is_not_found());
}

#[test]
fn advice_is_given_for_the_codes_that_people_meet() {
    for code in [11200, 12100, 20003, 20404, 20429, 21211, 21215, 21219, 32018, 64102, 64105, 64107]
    {
        let text = advice(code).unwrap_or_else(|| panic!("{code}"));
        assert!(text.ends_with('.'), "{code}: {text}");
    }
    assert_eq!(advice(1), None);
}
