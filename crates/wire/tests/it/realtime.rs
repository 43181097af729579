//! The Realtime API: server events, the meaning of failures, models and voices.

use std::borrow::Cow;

use phony_wire::openai::models;
use phony_wire::openai::realtime::{
    ApiError, ResponseStatus, ServerEvent, Severity, StatusReason, Usage, of_close, of_error,
    of_http, of_response,
};

use crate::fixtures;

fn server(name: &str) -> String {
    fixtures::one("realtime/server", name)
}

#[test]
fn every_real_event_is_known() {
    for (name, text) in fixtures::all("realtime/server") {
        let event = ServerEvent::parse(&text).expect("a real event");
        assert!(!matches!(event, ServerEvent::Unknown { .. }), "{name}");
    }
}

#[test]
fn an_unknown_event_is_named() {
    let event = ServerEvent::parse(r#"{"event_id":"e","type":"response.dreamt","delta":[]}"#);
    assert_eq!(event, Ok(ServerEvent::Unknown { kind: "response.dreamt".to_owned() }));
    assert!(ServerEvent::parse("[]").is_err());
    assert!(ServerEvent::parse(r#"{"event_id":"e"}"#).is_err());
}

#[test]
fn a_session_says_when_it_ends_and_who_answers() {
    let text = server("session_created");
    let Ok(ServerEvent::SessionCreated(session)) = ServerEvent::parse(&text) else {
        panic!("a session")
    };
    assert_eq!(session.id, "sess_1");
    assert_eq!(session.expires_at, Some(1_795_400_000));
    assert_eq!((session.model.as_str(), session.voice.as_str()), ("gpt-realtime-2.1", "marin"));
    assert_eq!(session.output_modalities, ["audio"]);
}

#[test]
fn a_delta_is_borrowed_unless_it_needs_unescaping() {
    let plain = server("text_delta");
    let Ok(ServerEvent::TextDelta(delta)) = ServerEvent::parse(&plain) else { panic!("a delta") };
    assert!(matches!(delta.text, Cow::Borrowed("Sure, I can h")));
    assert_eq!((&*delta.place.response_id, &*delta.place.item_id), ("resp_1", "item_B"));
    let escaped = server("text_delta_escaped");
    let Ok(ServerEvent::TextDelta(delta)) = ServerEvent::parse(&escaped) else { panic!("a delta") };
    assert_eq!(delta.text, "\n\"Café\" 😀");
    let audio = server("audio_delta");
    let Ok(ServerEvent::AudioDelta(delta)) = ServerEvent::parse(&audio) else { panic!("a delta") };
    assert!(matches!(delta.text, Cow::Borrowed("/v7+/g==")));
}

#[test]
fn a_response_says_how_it_ended_and_what_it_cost() {
    let text = server("done_completed");
    let Ok(ServerEvent::ResponseDone(response)) = ServerEvent::parse(&text) else {
        panic!("a response")
    };
    assert_eq!(response.status, ResponseStatus::Completed);
    assert_eq!(response.output[0].text(), "Loud and clear.");
    let usage = response.usage.expect("it says what it cost");
    let expected = Usage {
        total: 253,
        input: 132,
        output: 121,
        input_text: 119,
        input_audio: 13,
        cached: 64,
        cached_text: 64,
        cached_audio: 0,
        output_text: 30,
        output_audio: 91,
    };
    assert_eq!(usage, expected);
    let mut sum = usage;
    sum += usage;
    assert_eq!((sum.total, sum.output_audio), (506, 182));

    for (name, status, reason) in [
        ("done_cancelled", ResponseStatus::Cancelled, StatusReason::TurnDetected),
        ("done_incomplete", ResponseStatus::Incomplete, StatusReason::MaxOutputTokens),
    ] {
        let text = server(name);
        let Ok(ServerEvent::ResponseDone(response)) = ServerEvent::parse(&text) else {
            panic!("a response")
        };
        assert_eq!((response.status, response.reason), (status, Some(reason)), "{name}");
    }
}

#[test]
fn a_failed_response_says_why() {
    let text = server("done_failed");
    let Ok(ServerEvent::ResponseDone(response)) = ServerEvent::parse(&text) else {
        panic!("a response")
    };
    assert_eq!(response.status, ResponseStatus::Failed);
    let error = response.error.expect("it says why");
    assert_eq!(error.code, "rate_limit_exceeded");
    assert_eq!(of_response(Some(&error)), Severity::RateLimited);
}

#[test]
fn what_we_gave_a_response_comes_back_with_it() {
    let text = server("response_created");
    let Ok(ServerEvent::ResponseCreated(response)) = ServerEvent::parse(&text) else {
        panic!("a response")
    };
    assert_eq!(response.metadata["turn"], "7");
    assert_eq!(response.usage, None);
}

#[test]
fn a_call_of_a_function_is_an_item() {
    let text = server("output_item_done");
    let Ok(ServerEvent::OutputItemDone { item, output_index, .. }) = ServerEvent::parse(&text)
    else {
        panic!("an item")
    };
    assert!(item.is_function_call());
    assert_eq!((item.name.as_str(), item.call_id.as_str()), ("end_call", "call_1"));
    assert_eq!(item.arguments, r#"{"reason":"done"}"#);
    assert_eq!(output_index, 1);
}

#[test]
fn both_names_of_a_new_item_mean_the_same() {
    for name in ["item_added", "item_created"] {
        let text = server(name);
        assert!(matches!(ServerEvent::parse(&text), Ok(ServerEvent::ItemAdded { .. })), "{name}");
    }
}

fn error(kind: &str, code: &str, message: &str) -> ApiError {
    ApiError {
        kind: kind.to_owned(),
        code: code.to_owned(),
        message: message.to_owned(),
        ..ApiError::default()
    }
}

#[test]
fn an_error_is_judged_by_its_code() {
    for (code, severity) in [
        ("invalid_api_key", Severity::Fatal),
        ("beta_api_shape_disabled", Severity::Fatal),
        ("model_not_found", Severity::Fatal),
        ("insufficient_quota", Severity::Fatal),
        ("billing_hard_limit_reached", Severity::Fatal),
        ("account_deactivated", Severity::Fatal),
        ("rate_limit_exceeded", Severity::RateLimited),
        ("inference_rate_limit_exceeded", Severity::RateLimited),
        ("session_expired", Severity::SessionOver),
        ("invalid_value", Severity::Bug),
        ("missing_required_parameter", Severity::Bug),
        ("unknown_parameter", Severity::Bug),
        ("invalid_event", Severity::Bug),
        ("unsupported_content_type", Severity::Bug),
        ("response_cancel_not_active", Severity::Benign),
        ("conversation_already_has_active_response", Severity::Benign),
        ("input_audio_buffer_commit_empty", Severity::Benign),
        ("item_retrieve_invalid_item_id", Severity::Benign),
        ("code_of_tomorrow", Severity::Bug),
    ] {
        assert_eq!(of_error(&error("invalid_request_error", code, "")), severity, "{code}");
    }
}

#[test]
fn an_error_without_a_code_is_judged_by_its_words() {
    let kind = "invalid_request_error";
    let cancel = error(kind, "", "Cancellation failed: no active response found");
    assert_eq!(of_error(&cancel), Severity::Benign);
    let hour = error(kind, "", "Your session hit the maximum duration of 60 minutes.");
    assert_eq!(of_error(&hour), Severity::SessionOver);
    let short = error(kind, "", "Audio content of 100ms is already shorter than 200ms");
    assert_eq!(of_error(&short), Severity::Bug);
    assert_eq!(of_error(&error("server_error", "", "")), Severity::Transient);
    assert_eq!(of_error(&error("", "", "")), Severity::Transient);
}

#[test]
fn a_failed_response_is_never_taken_for_harmless() {
    assert_eq!(of_response(None), Severity::Transient);
    let odd = error("invalid_request_error", "invalid_value", "");
    assert_eq!(of_response(Some(&odd)), Severity::Transient);
    let quota = error("insufficient_quota", "insufficient_quota", "");
    assert_eq!(of_response(Some(&quota)), Severity::Fatal);
}

#[test]
fn a_lost_socket_is_judged_by_its_code_and_reason() {
    assert_eq!(of_close(1000, ""), Severity::SessionOver);
    let hour = "Your session hit the maximum duration of 60 minutes.";
    assert_eq!(of_close(1001, hour), Severity::SessionOver);
    for code in [1001, 1005, 1006, 1011, 1012, 1013, 1015] {
        assert_eq!(of_close(code, ""), Severity::Transient, "{code}");
    }
    assert_eq!(of_close(3000, "invalid_request_error.invalid_api_key"), Severity::Fatal);
    assert_eq!(of_close(1006, "invalid_api_key"), Severity::Fatal);
    assert_eq!(of_close(1009, ""), Severity::Bug);
}

#[test]
fn a_refused_upgrade_is_judged_by_its_status() {
    for status in [400, 401, 403, 404] {
        assert_eq!(of_http(status), Severity::Fatal, "{status}");
    }
    assert_eq!(of_http(429), Severity::RateLimited);
    for status in [408, 500, 502, 503] {
        assert_eq!(of_http(status), Severity::Transient, "{status}");
    }
}

#[test]
fn models_that_are_gone_have_a_successor_that_is_there() {
    for gone in [
        "gpt-4o-realtime-preview",
        "gpt-4o-realtime-preview-2024-12-17",
        "gpt-4o-mini-realtime-preview",
        "gpt-realtime-mini-2025-10-06",
    ] {
        let new = models::replacement_of_retired(gone).unwrap_or_else(|| panic!("{gone}"));
        let new = models::model(new).unwrap_or_else(|| panic!("{new}"));
        assert_eq!(new.retires, None);
    }
    for model in models::MODELS {
        assert_eq!(models::replacement_of_retired(model.id), None, "{} is there", model.id);
        assert_eq!(model.retires.is_some(), model.replacement.is_some());
    }
    assert_eq!(models::replacement_of_retired("gpt-of-tomorrow"), None);
    assert!(models::model(models::DEFAULT_MODEL).is_some_and(|model| model.reasoning));
}

#[test]
fn voices_that_are_gone_have_a_successor_that_is_there() {
    for gone in ["fable", "onyx", "nova"] {
        let new = models::replacement_of_voice(gone).unwrap_or_else(|| panic!("{gone}"));
        assert!(models::VOICES.contains(&new));
        assert!(!models::VOICES.contains(&gone));
    }
    assert!(models::VOICES.contains(&models::DEFAULT_VOICE));
}

#[test]
fn a_response_costs_what_its_tokens_cost() {
    let usage = Usage {
        input_text: 1_000_000,
        cached: 500_000,
        cached_text: 500_000,
        input_audio: 1_000_000,
        output_text: 1_000_000,
        output_audio: 1_000_000,
        ..Usage::default()
    };
    let prices = models::model("gpt-realtime-2.1").expect("the default").prices;
    let expected = 2.0 + 0.2 + 32.0 + 24.0 + 64.0;
    assert!((prices.cost_usd(&usage) - expected).abs() < 1e-9);
    // More cached than there was: never a negative bill.
    let odd = Usage { cached: 10, cached_audio: 99, ..Usage::default() };
    assert!(prices.cost_usd(&odd).abs() < 1e-9);
}
