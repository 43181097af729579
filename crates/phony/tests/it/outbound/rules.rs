//! More than fifty attempts to dial what must not be dialled: none reaches the network, each is
//! refused with its rule and is in the ledger.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::outbound::{OutboundApp, THEM, order, order_with};
use crate::support::program::Run;
use crate::support::server::{CALLED, CALLER};

/// The number as typed, and the rule that forbids it.
const NEVER: [(&str, &str); 44] = [
    // Emergency numbers, plain and disguised.
    ("911", "emergency_number"),
    ("9-1-1", "emergency_number"),
    ("(911)", "emergency_number"),
    ("+1911", "emergency_number"),
    ("+1 911", "emergency_number"),
    ("1 911", "emergency_number"),
    ("011911", "emergency_number"),
    ("988", "emergency_number"),
    ("112", "emergency_number"),
    ("999", "emergency_number"),
    ("000", "emergency_number"),
    ("+44 999", "emergency_number"),
    ("+44 (0)112", "emergency_number"),
    ("+49110", "emergency_number"),
    ("0044999", "emergency_number"),
    ("tel:911", "emergency_number"),
    ("911", "emergency_number"),
    ("٩١١", "emergency_number"),
    ("\u{202e}911\u{202c}", "emergency_number"),
    ("9\u{200b}1\u{200b}1", "emergency_number"),
    // Numbers that bill the caller.
    ("+1 900 555 0100", "premium_number"),
    ("900-555-0100", "premium_number"),
    ("+1 212 976 1234", "premium_number"),
    ("+44 9098 790000", "premium_number"),
    ("+44 845 000 0000", "premium_number"),
    ("+44 70 0000 0000", "premium_number"),
    ("+979 123 456 789", "premium_number"),
    ("+808 1234 5678", "premium_number"),
    // Satellites and other networks without a country.
    ("+8816 1234 56789", "satellite_number"),
    ("+870 773 111 632", "satellite_number"),
    ("+882 13 123 456", "satellite_number"),
    ("+883 510 012 345 678", "satellite_number"),
    // Not a number.
    ("411", "invalid_number"),
    ("12345", "invalid_number"),
    ("+1 212 555 012", "invalid_number"),
    ("+1 555 123 4567", "invalid_number"),
    ("+1 911 555 0123", "invalid_number"),
    ("+999 1234 567 890", "invalid_number"),
    ("123456789012345678", "invalid_number"),
    // Other countries, neighbours as well.
    ("+44 20 7946 0958", "country_not_allowed"),
    ("011 44 20 7946 0958", "country_not_allowed"),
    ("+1 876 555 0100", "country_not_allowed"),
    ("+1 416 555 0123", "country_not_allowed"),
    ("+7 495 123 45 67", "country_not_allowed"),
];

#[tokio::test]
async fn fifty_ways_to_dial_what_must_not_be_dialled_and_none_goes_through() {
    let app = OutboundApp::start().await;
    let mut tried = 0;
    for (to, rule) in NEVER {
        let (status, answer) = app.order(&order_with(&json!({ "to": to }))).await;
        assert_eq!((status, &answer["error"]["code"]), (422, &json!("REFUSED")), "{to}: {answer}");
        assert_eq!(answer["error"]["details"]["rule"], rule, "{to}");
        tried += 1;
    }
    // Another agent, flag or spelling of the order changes nothing.
    for changes in [
        json!({ "to": "911", "scenario": null, "agent": "assistant" }),
        json!({ "to": "911", "ignoreCallingHours": true }),
        json!({ "to": "+19005550100", "from": "+15005550006" }),
        json!({ "consent": false }),
        json!({ "consent": null }),
        json!({ "consent": false, "ignoreCallingHours": true }),
    ] {
        let (status, answer) = app.order(&order_with(&changes)).await;
        assert_eq!(status, 422, "{changes}: {answer}");
        tried += 1;
    }
    assert!(tried >= 50);
    assert!(app.twilio.calls().is_empty(), "nothing was dialled");
    let lines = app.ledger();
    assert_eq!(lines.len(), tried, "each is in the ledger");
    assert!(lines.iter().all(|line| line["what"] == "refused" && line["rule"].is_string()));
}

#[tokio::test]
async fn the_same_numbers_are_not_transferred_to_by_a_supervisor() {
    let app = OutboundApp::start().await;
    let form = [("CallSid", "CA1"), ("From", CALLER), ("To", CALLED), ("CallStatus", "ringing")];
    let (_, twiml) = app.server.webhook("/receive_call", &form).await;
    let twiml = phony_wire::twilio::twiml::Twiml::parse(&twiml).unwrap().twiml;
    let mut line = app.server.connect("CA1", &twiml).await;
    line.utterance().await;
    for (target, rule) in NEVER {
        // The number as E.164, as far as it has that form, and emergency numbers; the rest is no
        // target at all.
        let order = json!({ "callSid": "CA1", "target": target });
        let (status, answer) = app.server.post("/override/transfer", &order).await;
        assert!(matches!(status, 400 | 422), "{target}: {answer}");
        let whole = phony_call::PhoneNumber::parse(target).is_ok();
        let emergency = phony_call::Unreadable::Never(phony_call::NotDialled::Emergency);
        let emergency = phony_call::PhoneNumber::typed(target, None) == Err(emergency);
        assert_eq!(status == 422, whole || emergency, "{target}: {answer}");
        if emergency {
            assert_eq!(answer["error"]["details"]["rule"], *rule, "{target}: {answer}");
        }
    }
    let order = json!({ "callSid": "CA1", "target": THEM });
    assert_eq!(app.server.post("/override/transfer", &order).await.0, 200);
}

#[tokio::test]
async fn nobody_is_called_at_night_but_by_a_flag_that_is_in_the_ledger() {
    // Hours that are over, or have not begun, where the number rings.
    let local = now().to_zoned(TimeZone::get("America/New_York").unwrap());
    let later = (local.clone() + SignedDuration::from_hours(2)).hour();
    let hours = match later {
        0..22 => format!("{later:02}:00-{:02}:00", later + 1),
        _ => "00:00-00:01".to_owned(),
    };
    let app = OutboundApp::with(&[("PHONY_CALLING_HOURS", &hours)]).await;
    let (status, answer) = app.order(&order()).await;
    assert_eq!(
        (status, answer["error"]["details"]["rule"].as_str()),
        (422, Some("calling_hours")),
        "{answer}"
    );
    assert!(answer["error"]["message"].as_str().unwrap().contains("America/New_York"), "{answer}");
    app.placed(&order_with(&json!({ "ignoreCallingHours": true }))).await;
    let lines = app.ledger();
    assert_eq!(lines.last().unwrap()["overrides"], json!(["calling_hours"]));
}

#[tokio::test]
async fn a_number_on_the_list_is_refused_as_soon_as_a_command_has_put_it_there() {
    let app = OutboundApp::start().await;
    let folder = app.server.data().display().to_string();
    let run = |arguments: &[&str]| {
        let run = Run::new(arguments).with("PHONY_DATA_DIR", &folder);
        let arguments = run.with("TWILIO_PHONE_NUMBER", "+15005550006");
        tokio::task::spawn_blocking(move || arguments.done())
    };
    let done = run(&["dnc", "add", "(212) 555-0123"]).await.unwrap();
    assert_eq!(done.code, Some(0), "{}", done.err);
    let (status, answer) = app.order(&order()).await;
    assert_eq!((status, answer["error"]["details"]["rule"].as_str()), (422, Some("do_not_call")));
    let listed = run(&["dnc", "list"]).await.unwrap();
    assert!(listed.out.starts_with(THEM) && listed.out.contains("command line"), "{}", listed.out);
    assert_eq!(run(&["dnc", "remove", THEM]).await.unwrap().code, Some(0));
    app.placed(&order()).await;
    assert_eq!(run(&["dnc", "add", "nobody"]).await.unwrap().code, Some(2));
}

#[tokio::test]
async fn the_rate_and_the_number_at_once_are_kept() {
    let app = OutboundApp::with(&[("PHONY_CALLING_HOURS", "off"), ("PHONY_DIAL_RATE", "2")]).await;
    app.placed(&order()).await;
    app.placed(&order()).await;
    let request = app.server.http.post(app.server.url("/calls"));
    let answer = request
        .bearer_auth(crate::support::server::TestServer::token())
        .json(&order())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 429);
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let body = answer.json::<Value>().await.unwrap();
    assert_eq!(
        (&body["error"]["code"], &body["error"]["details"]["rule"]),
        (&json!("RATE_LIMITED"), &json!("dial_rate"))
    );
    assert_eq!(app.twilio.calls().len(), 2);
    assert_eq!(app.ledger().last().unwrap()["rule"], "dial_rate");
}

#[tokio::test]
async fn a_spent_budget_refuses_new_calls() {
    let app = OutboundApp::start().await;
    let safety = &app.server.running.app.safety;
    safety.spend.used(99.0, now());
    app.placed(&order()).await;
    safety.spend.used(2.0, now());
    let (status, answer) = app.order(&order()).await;
    assert_eq!(
        (status, answer["error"]["details"]["rule"].as_str()),
        (422, Some("spend")),
        "{answer}"
    );
}

#[tokio::test]
async fn who_is_default_changes_on_a_running_server() {
    let app = OutboundApp::start().await;
    let put = async |agent: &str| {
        let request = app.server.http.put(app.server.url("/agents/default"));
        let request = request.bearer_auth(crate::support::server::TestServer::token());
        request.json(&json!({ "agent": agent })).send().await.unwrap().status().as_u16()
    };
    assert_eq!((put("support").await, put("nobody").await), (200, 400));
    let (_, agents) = app.server.get("/agents").await;
    let default =
        agents["agents"].as_array().unwrap().iter().find(|agent| agent["default"] == true);
    assert_eq!(default.unwrap()["id"], "support");
    let form = [("CallSid", "CA1"), ("From", CALLER), ("To", CALLED), ("CallStatus", "ringing")];
    app.server.webhook("/receive_call", &form).await;
    assert_eq!(app.server.get("/calls/CA1").await.1["agent"], "support");
    let (_, scenarios) = app.server.get("/scenarios").await;
    let ids = scenarios["scenarios"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap());
    assert_eq!(ids.collect::<Vec<_>>(), ["appointment", "check-in", "inquiry", "survey"]);
}

#[expect(clippy::disallowed_methods, reason = "the callee's wall clock")]
fn now() -> Timestamp {
    Timestamp::now()
}
