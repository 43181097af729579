//! What must never reach a log line.

use std::sync::{Arc, Mutex, OnceLock};

use phony::config::{LogFormat, LogSettings};
use phony::telemetry;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::support::server::{AUTH_TOKEN, CALLED, CALLER, TestServer};

/// Collects every log line of this process from now on.
fn lines() -> Arc<Mutex<Vec<String>>> {
    static LINES: OnceLock<Arc<Mutex<Vec<String>>>> = OnceLock::new();
    let lines = LINES.get_or_init(|| {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let settings = LogSettings { format: LogFormat::Json, debug: true, numbers: false };
        let sink = Arc::new(move |line| kept.lock().unwrap().push(line));
        let subscriber = tracing_subscriber::registry().with(telemetry::layer(settings, sink));
        drop(tracing::subscriber::set_global_default(subscriber));
        lines
    });
    Arc::clone(lines)
}

#[tokio::test]
async fn no_secret_no_number_and_no_words_reach_a_log_line() {
    let lines = lines();
    let mut server = TestServer::start().await;
    let twiml = server.ring("CAlogged").await;
    let token = crate::support::server::token_of(&twiml);
    let mut line = server.connect("CAlogged", &twiml).await;
    line.utterance().await;
    let mut model = server.model().await;
    model.ready().await;
    let words = "my card number is four four two";
    line.send(&serde_json::json!({ "type": "prompt", "voicePrompt": words, "last": true })).await;
    let (turn, _) = model.asked().await;
    model.reply(turn, "Thank you, noted down.").await;
    line.utterance().await;
    server.post_form("/receive_call", &[("CallSid", "CAother"), ("From", CALLER)], None).await;
    let end =
        [("CallSid", "CAlogged"), ("From", CALLER), ("To", CALLED), ("SessionStatus", "failed")];
    server.webhook("/call_ended", &end).await;
    server.running.stop();
    tracing::info!(number = CALLER, "a number that somebody logs by mistake");
    let lines = lines.lock().unwrap();
    assert!(lines.iter().any(|line| line.contains("CAlogged")), "{lines:?}");
    for line in lines.iter() {
        let parsed: serde_json::Value = serde_json::from_str(line).unwrap();
        for name in ["timestamp", "level", "event"] {
            assert!(parsed[name].is_string(), "{name} in {line}");
        }
        for secret in [token.as_str(), AUTH_TOKEN, &TestServer::token(), "sk-test", CALLER, CALLED]
        {
            assert!(!line.contains(secret), "{line}");
        }
        if parsed["level"] != "DEBUG" {
            for spoken in [words, "noted down"] {
                assert!(!line.contains(spoken), "{line}");
            }
        }
    }
}
