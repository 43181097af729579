//! Webhooks of Twilio, and their answers.

use phony_wire::twilio::signature;
use phony_wire::twilio::twiml::{ConnectTo, Inputs, Twiml, Verb};
use serde_json::Value;

use crate::support::http;
use crate::support::server::{AUTH_TOKEN, CALLED, CALLER, HOST, TestServer, relay_url};

const FORM: [(&str, &str); 3] = [("CallSid", "CA1"), ("From", CALLER), ("To", CALLED)];
const ROUTES: [&str; 4] = ["/receive_call", "/start_call", "/call_ended", "/call_status"];

fn code(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap();
    body["error"]["code"].as_str().unwrap().to_owned()
}

fn verbs(body: &str) -> Vec<Verb> {
    let parsed = Twiml::parse(body).unwrap();
    assert_eq!(parsed.unknown, Vec::<String>::new());
    parsed.twiml.verbs
}

#[tokio::test]
async fn what_is_not_signed_is_refused() {
    let server = TestServer::start().await;
    for path in ROUTES {
        for signature in [None, Some("WRONG_SIGNATURE"), Some("")] {
            let (status, body) = server.post_form(path, &FORM, signature).await;
            assert_eq!((status, code(&body).as_str()), (403, "FORBIDDEN"), "{path}");
        }
        let of_other_form =
            signature::sign(AUTH_TOKEN, &format!("https://{HOST}{path}"), &FORM[..2]);
        let (status, _) = server.post_form(path, &FORM, Some(&of_other_form)).await;
        assert_eq!(status, 403, "{path}");
    }
    assert_eq!(server.running.app.calls.count(), 0);
}

#[tokio::test]
async fn without_an_auth_token_nothing_is_accepted() {
    let server = TestServer::with(&[("HOST", HOST)]).await;
    let (status, _) = server.webhook("/receive_call", &FORM).await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn while_no_host_is_set_local_urls_are_accepted_too() {
    let server = TestServer::with(&[("TWILIO_AUTH_TOKEN", AUTH_TOKEN)]).await;
    let port = server.running.addr.port();
    for base in [
        format!("http://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        format!("https://localhost:{port}"),
    ] {
        let signature = signature::sign(AUTH_TOKEN, &format!("{base}/receive_call"), &FORM);
        let (status, body) = server.post_form("/receive_call", &FORM, Some(&signature)).await;
        assert_eq!(status, 200, "{base}: {body}");
        assert!(body.contains(&format!("wss://localhost:{port}/relay/ws")), "{body}");
    }
}

#[tokio::test]
async fn unsigned_requests_can_be_allowed_for_local_use() {
    let server = TestServer::with(&[("PHONY_INSECURE_NO_SIGNATURES", "1")]).await;
    let (status, _) = server.post_form("/receive_call", &FORM, None).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn what_is_asked_for_once_more_after_a_failure_goes_on_or_begins() {
    let mut server = TestServer::start().await;
    let failed = |call: &'static str| {
        let error =
            [("ErrorCode", "11200"), ("ErrorUrl", "https://phony.example.com/receive_call")];
        [&[("CallSid", call)], &FORM[1..], &error].concat()
    };
    // It is not connected yet: it begins now.
    let (status, body) = server.webhook("/receive_call", &failed("CA1")).await;
    assert_eq!(status, 200, "{body}");
    let mut line = server.connect("CA1", &Twiml::parse(&body).unwrap().twiml).await;
    server.model().await.ready().await;
    let greeting = line.utterance().await;
    drop(line);
    let (_, body) = server.webhook("/receive_call", &failed("CA1")).await;
    let mut line = server.connect("CA1", &Twiml::parse(&body).unwrap().twiml).await;
    let back = line.utterance().await;
    assert_ne!(back, greeting, "not greeted again");
    assert_eq!(back, "Sorry, I lost you for a second.");
    assert_eq!(server.running.app.calls.count(), 1);
}

#[tokio::test]
async fn a_request_without_a_call_is_bad() {
    let server = TestServer::start().await;
    for path in ROUTES {
        let (status, body) = server.webhook(path, &[("From", CALLER)]).await;
        assert_eq!((status, code(&body).as_str()), (400, "INVALID_REQUEST"), "{path}");
    }
    let (status, _) = server.webhook("/receive_call", &[("CallSid", "../etc")]).await;
    assert_eq!(status, 400);
    let huge = "x".repeat(70_000);
    let (status, body) = server.webhook("/receive_call", &[("CallSid", &huge)]).await;
    assert_eq!((status, code(&body).as_str()), (413, "TOO_LARGE"));
}

#[tokio::test]
async fn a_ringing_call_is_connected_to_the_relay() {
    let server = TestServer::start().await;
    let request = server.webhook("/receive_call", &FORM).await;
    let verbs = verbs(&request.1);
    let [Verb::Connect(connect)] = verbs.as_slice() else { panic!("{verbs:?}") };
    assert_eq!(connect.action.as_deref(), Some("https://phony.example.com/call_ended"));
    let ConnectTo::Relay(relay) = &connect.to else { panic!("{connect:?}") };
    assert_eq!(relay.url.as_str(), relay_url());
    let options = &relay.options;
    assert_eq!(options.dtmf_detection, Some(true));
    assert_eq!(options.interruptible, Some(Inputs::Any));
    assert_eq!(options.report_input_during_agent_speech, Some(Inputs::Any));
    assert_eq!(options.events.as_deref(), Some("speaker-events tokens-played"));
    assert!(options.tts_provider.is_some() && options.transcription_provider.is_some());
    assert_eq!(options.welcome_greeting, None, "the call itself says the greeting");
    assert_eq!(relay.parameters.len(), 1);
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_answer_until_somebody_is_connected() {
    for path in ["/receive_call", "/start_call"] {
        let mut server = TestServer::start().await;
        let (_, first) = server.webhook(path, &FORM).await;
        let (_, second) = server.webhook(path, &FORM).await;
        assert_eq!(first, second, "{path}");
        assert_eq!(server.running.app.calls.count(), 1);
        let mut model = server.model().await;
        model.ready().await;
        let (_, calls) = server.get("/calls").await;
        assert_eq!(calls["calls"].as_array().unwrap().len(), 1);
        let twiml = Twiml::parse(&first).unwrap().twiml;
        let mut line = server.connect("CA1", &twiml).await;
        line.utterance().await;
        let (status, later) = server.webhook(path, &FORM).await;
        assert_eq!((status, verbs(&later)), (200, vec![]), "{path}");
        // The used token does not take over the line.
        let mut other = server.connect("CA1", &twiml).await;
        assert_eq!(other.closed().await, Some(1008), "{path}");
        line.prompt("Are you still there?").await;
        assert_eq!(model.asked().await.1, "Are you still there?", "{path}");
        server.webhook("/call_status", &[FORM[0], ("CallStatus", "completed")]).await;
        server.until_live(0).await;
        server.until_kept("CA1").await;
        let (_, ended) = server.get("/calls/CA1").await;
        assert_eq!(ended["endReason"], "caller_hung_up");
        let server = is_past(server, path, &ended).await;
        is_past(server.restart().await, path, &ended).await;
    }
}

/// A webhook for a call that has ended changes nothing.
async fn is_past(server: TestServer, path: &str, ended: &Value) -> TestServer {
    let (status, body) = server.webhook(path, &FORM).await;
    assert_eq!((status, verbs(&body)), (200, vec![]), "{path}");
    assert_eq!(server.running.app.calls.count(), 0);
    let (_, call) = server.get("/calls/CA1").await;
    assert_eq!((&call["lastSeq"], &call["turns"]), (&ended["lastSeq"], &ended["turns"]));
    server
}

#[tokio::test]
async fn an_answered_outbound_call_is_connected_too() {
    let server = TestServer::start().await;
    let form = [FORM[0], ("From", CALLED), ("To", CALLER), ("Direction", "outbound-api")];
    let (status, body) = server.webhook("/start_call", &form).await;
    assert_eq!(status, 200);
    assert!(matches!(verbs(&body).as_slice(), [Verb::Connect(_)]));
    let (_, call) = server.get("/calls/CA1").await;
    assert_eq!(call["direction"], "outbound");
}

#[tokio::test]
async fn a_final_status_ends_the_call() {
    let server = TestServer::start().await;
    server.ring("CA1").await;
    let (status, body) =
        server.webhook("/call_status", &[FORM[0], ("CallStatus", "in-progress")]).await;
    assert_eq!((status, body.as_str()), (204, ""));
    assert_eq!(server.running.app.calls.count(), 1);
    server.webhook("/call_status", &[FORM[0], ("CallStatus", "completed")]).await;
    server.until_live(0).await;
    let (_, call) = server.get("/calls/CA1").await;
    assert_eq!(call["status"], "ended");
}

#[tokio::test]
async fn a_session_of_an_unknown_call_ends_without_silence() {
    let server = TestServer::start().await;
    let end = |status: &'static str, more: &'static [(&str, &str)]| {
        let mut form = vec![FORM[0], FORM[1], FORM[2], ("SessionStatus", status)];
        form.extend(more);
        form
    };
    let (_, body) = server.webhook("/call_ended", &end("completed", &[])).await;
    assert_eq!(verbs(&body), []);
    let (_, body) = server.webhook("/call_ended", &end("failed", &[("ErrorCode", "64105")])).await;
    assert!(matches!(verbs(&body).as_slice(), [Verb::Say(_), Verb::Hangup]), "{body}");
    for handoff in ["", "{}", "nonsense", "{\"reason\":\"transfer\",\"target\":\"911\"}"] {
        let mut form = end("ended", &[]);
        form.push(("HandoffData", handoff));
        let (_, body) = server.webhook("/call_ended", &form).await;
        assert_eq!(verbs(&body), [Verb::Hangup], "{handoff}");
    }
    let mut form = end("ended", &[]);
    form.push(("HandoffData", "{\"reason\":\"transfer\",\"target\":\"+15005550009\"}"));
    let (_, body) = server.webhook("/call_ended", &form).await;
    let verbs = verbs(&body);
    let [Verb::Dial(dial)] = verbs.as_slice() else { panic!("{body}") };
    assert_eq!(dial.numbers[0].number, "+15005550009");
    assert_eq!(dial.options.caller_id.as_deref(), Some(CALLED), "shown as coming from us");
    assert_eq!(dial.options.action.as_deref(), Some("https://phony.example.com/call_ended"));
}

#[tokio::test]
async fn every_attribute_of_the_relay_can_be_set() {
    // Attributes of the configuration file, passed on to Twilio.
    let file = "[relay]\nlanguage = 'de-DE'\ntts_provider = 'Google'\nvoice = 'de-DE-A'\n\
                transcription_provider = 'Google'\nspeech_model = 'telephony'\n\
                interruptible = 'speech'\nreport_input_during_agent_speech = 'none'\n\
                dtmf_detection = false\nevents = 'tokens-played'\nhints = 'Phony'\n";
    let folder = tempfile::tempdir().unwrap();
    let sources = phony::config::Sources {
        file: Some(("phony.toml".into(), file.into())),
        environment: [
            ("PORT", "0"),
            ("PHONY_INSECURE_NO_SIGNATURES", "1"),
            ("PHONY_DATA_DIR", folder.path().to_str().unwrap()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
        ..phony::config::Sources::default()
    };
    let config = phony::config::Config::from_sources(sources).unwrap();
    let running = phony::server::start(config).await.unwrap();
    let url = format!("http://{}/receive_call", running.addr);
    let body = http::client().post(url).form(&FORM).send().await.unwrap().text().await;
    let body = body.unwrap();
    for attribute in [
        "language=\"de-DE\"",
        "ttsProvider=\"Google\"",
        "voice=\"de-DE-A\"",
        "transcriptionProvider=\"Google\"",
        "speechModel=\"telephony\"",
        "interruptible=\"speech\"",
        "reportInputDuringAgentSpeech=\"none\"",
        "dtmfDetection=\"false\"",
        "events=\"tokens-played\"",
        "hints=\"Phony\"",
    ] {
        assert!(body.contains(attribute), "{attribute} in {body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_about_a_call_that_is_over_begins_none() {
    let server = TestServer::start().await;
    let form = |call, status| {
        [("CallSid", call), ("From", CALLER), ("To", CALLED), ("CallStatus", status)]
    };
    for path in ["/receive_call", "/start_call"] {
        for status in ["completed", "busy", "failed", "no-answer", "canceled"] {
            let (code, body) = server.webhook(path, &form("CA1", status)).await;
            assert_eq!(code, 200, "{body}");
            assert!(Twiml::parse(&body).unwrap().twiml.verbs.is_empty(), "{path} {status}: {body}");
        }
    }
    // The status report came before the webhook that asks for TwiML.
    let (code, body) = server.webhook("/call_status", &form("CA2", "completed")).await;
    assert_eq!(code, 204, "{body}");
    let (code, body) = server.webhook("/receive_call", &form("CA2", "ringing")).await;
    assert_eq!(code, 200, "{body}");
    assert!(Twiml::parse(&body).unwrap().twiml.verbs.is_empty(), "{body}");
    assert_eq!(server.running.app.calls.count(), 0);
    let (code, _) = server.get("/calls/CA1").await;
    assert_eq!(code, 404);
}
