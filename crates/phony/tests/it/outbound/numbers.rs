//! Telephone numbers: a valid one is dialled and listed as typed, an invalid one never.

use phony_simulator::callers::Caller;
use phony_simulator::twilio::Callee;
use serde_json::json;

use crate::support::outbound::{OutboundApp, THEM, order_with};
use crate::support::program::Run;
use crate::support::server::{CALLED, FILE};

#[tokio::test]
async fn a_number_of_another_country_is_dialled_digit_by_digit() {
    let app = OutboundApp::with(&[
        ("PHONY_CALLING_HOURS", "off"),
        (FILE, "[dialing]\ncountries = 'US, DE'\n"),
    ])
    .await;
    for typed in ["+4915123456789", "+49 (0)151 23456789", "011 49 151 23456789"] {
        app.twilio.set_callee("+4915123456789", Callee::person(Caller::silent()));
        let sid = app.placed(&order_with(&json!({ "to": typed }))).await;
        let dialled = app.twilio.call(&sid).unwrap().to;
        assert_eq!(dialled, "+4915123456789", "{typed}");
        assert_eq!(app.server.get(&format!("/calls/{sid}")).await.1["to"], "+4915123456789");
    }
}

#[tokio::test]
async fn the_list_holds_numbers_as_they_are_and_none_that_nobody_has() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().display().to_string();
    let run = async |arguments: &[&str]| {
        let run = Run::new(&[&["dnc"], arguments].concat()).with("PHONY_DATA_DIR", &folder);
        let run = run.with("TWILIO_PHONE_NUMBER", "+15005550006");
        tokio::task::spawn_blocking(move || run.done()).await.unwrap()
    };
    let done = run(&["add", "+49 151 23456789", "011 39 06 6981 2345"]).await;
    assert_eq!(done.code, Some(0), "{}", done.err);
    for (typed, why) in [
        ("+49", "not a telephone number"),
        ("+1 555 123 4567", "not a telephone number"),
        ("+999123456789", "not a telephone number"),
        ("+44 020 7946 0958", "not a telephone number"),
        ("+266696687", "withheld"),
        ("+86282452253", "withheld"),
        ("Restricted", "characters"),
        ("client:alice", "characters"),
        ("sip:+14155552671@example.com", "characters"),
        ("+14155552671;ext=5", "extension"),
    ] {
        let done = run(&["add", typed]).await;
        assert_eq!(done.code, Some(2), "{typed}: {}", done.out);
        assert!(done.err.contains(why), "{typed}: {}", done.err);
    }
    let list = run(&["list"]).await.out;
    let numbers: Vec<_> = list.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(numbers, ["+390669812345", "+4915123456789"]);
}

#[tokio::test]
async fn a_withheld_number_is_recorded_as_that_and_never_dialled() {
    let app = OutboundApp::start().await;
    for (call, from, recorded) in [
        ("CA1", "+266696687", "withheld"),
        ("CA2", "+86282452253", "unknown"),
        ("CA3", "Restricted", "withheld"),
        ("CA4", "Anonymous", "withheld"),
        ("CA5", "client:alice", "client:alice"),
        ("CA6", "sip:anonymous@anonymous.invalid", "withheld"),
        ("CA7", "", "unknown"),
        ("CA8", THEM, THEM),
    ] {
        let form = [("CallSid", call), ("From", from), ("To", CALLED), ("CallStatus", "ringing")];
        let (status, body) = app.server.webhook("/receive_call", &form).await;
        assert_eq!(status, 200, "{from}: {body}");
        let record = app.server.get(&format!("/calls/{call}")).await.1;
        assert_eq!(record["from"], recorded, "{from}");
    }
    for (to, refused) in [
        ("+266696687", (422, "withheld_number")),
        ("+86282452253", (422, "withheld_number")),
        ("withheld", (400, "")),
        ("unknown", (400, "")),
        ("client:alice", (400, "")),
    ] {
        let (status, answer) = app.order(&order_with(&json!({ "to": to }))).await;
        let rule = answer["error"]["details"]["rule"].as_str().unwrap_or_default();
        assert_eq!((status, rule), refused, "{to}: {answer}");
    }
    let order = json!({ "callSid": "CA8", "target": "+266696687" });
    let (status, answer) = app.server.post("/override/transfer", &order).await;
    assert_eq!((status, &answer["error"]["code"]), (422, &json!("REFUSED")), "{answer}");
    assert_eq!(answer["error"]["details"]["rule"], "withheld_number", "{answer}");
    for nonsense in ["withheld", "+12", "client:alice"] {
        let order = json!({ "callSid": "CA8", "target": nonsense });
        let (status, answer) = app.server.post("/override/transfer", &order).await;
        assert_eq!(status, 400, "{nonsense}: {answer}");
    }
    assert!(app.twilio.calls().is_empty(), "nobody was called");
}
